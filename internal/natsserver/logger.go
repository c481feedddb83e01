package natsserver

import (
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"sync"
)

// logger hands the server's log to slog. It also keeps what the server reports
// only there: the server does not return the error that keeps it from starting.
type logger struct {
	to *slog.Logger

	mu        sync.Mutex
	fatalText string // guarded by mu
	lastError string // guarded by mu
	// unrecovered says why a stream was left out; guarded by mu.
	unrecovered string
}

func newLogger(to *slog.Logger) *logger {
	if to == nil {
		to = slog.New(slog.DiscardHandler)
	}
	return &logger{to: to.With("component", "nats-server")}
}

// The server logs the user name of a client that it refuses. A client may send
// its token there by mistake (nats://TOKEN@host makes some do so).
var (
	userName    = regexp.MustCompile(`(?i)\buser "(?:[^"\\]|\\.)*"`)
	signature   = regexp.MustCompile(`!0x[0-9a-f]*`) // of a name; see names
	tokenShaped = regexp.MustCompile(`\b[a-z][a-z0-9]{1,15}_[0-9A-Za-z]{20,}_[0-9A-Za-z]{20,}`)
)

func redact(s string) string {
	s = userName.ReplaceAllString(s, `User "[hidden]"`)
	s = signature.ReplaceAllString(s, "")
	return tokenShaped.ReplaceAllString(s, "[hidden]")
}

func text(format string, v []any) string { return redact(fmt.Sprintf(format, v...)) }

// Noticef logs what the server calls a notice as debugging: the node has its own
// word on how it starts and stops.
func (l *logger) Noticef(format string, v ...any) { l.to.Debug(text(format, v)) }

func (l *logger) Debugf(format string, v ...any) { l.to.Debug(text(format, v)) }

// Warnf also keeps the first warning that a stream cannot be recovered: the server
// goes on without the stream.
func (l *logger) Warnf(format string, v ...any) {
	s := text(format, v)
	l.to.Warn(s)
	if strings.Contains(format, "Error recreating stream") {
		l.mu.Lock()
		if l.unrecovered == "" {
			l.unrecovered = strings.TrimSpace(s)
		}
		l.mu.Unlock()
	}
}

func (l *logger) Errorf(format string, v ...any) {
	s := text(format, v)
	l.to.Error(s)
	l.mu.Lock()
	l.lastError = s
	l.mu.Unlock()
}

// Fatalf does not end the process, as the server expects: Start reports it.
func (l *logger) Fatalf(format string, v ...any) {
	s := text(format, v)
	l.mu.Lock()
	if l.fatalText == "" {
		l.fatalText = s
	}
	l.mu.Unlock()
}

// Tracef would carry payloads; tracing is never switched on.
func (l *logger) Tracef(string, ...any) {}

func (l *logger) fatalError() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.fatalText
}

func (l *logger) lastErrorText() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lastError
}
