package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/tokenledger/tokenledger/client"
)

// The exit codes that scripts rely on.
const (
	exitDone         = 0
	exitFailed       = 1
	exitUsage        = 2
	exitDenied       = 3 // the token is not valid, or you may not
	exitVerification = 4 // tampering or a gap was found
	exitUnavailable  = 5 // or too stale
)

// codeDamaged is what a node says of an audit log that is not what was written.
const codeDamaged = "audit_log_damaged"

// exitError is an error with an exit code of its own.
type exitError struct {
	code int
	// err is nil where all has been said already.
	err error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit code %d", e.code)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

// withCode gives err an exit code. A nil err is not printed.
func withCode(code int, err error) error { return &exitError{code, err} }

// usage is the error of a command line that cannot be meant.
func usage(format string, args ...any) error {
	return withCode(exitUsage, fmt.Errorf(format, args...))
}

// tokenInArguments refuses the n-th argument, counted from 1, without repeating it.
func tokenInArguments(n int) error {
	return usage("argument %d looks like a token: the process list and the shell's history show it, so it is refused and nothing was sent; if it is a real one, revoke it. Give a token to be checked on standard input, your own in TOKENLEDGER_TOKEN or --token-file", n)
}

// exitCode maps an error to its exit code.
func exitCode(err error) int {
	if err == nil {
		return exitDone
	}
	if e, ok := errors.AsType[*exitError](err); ok {
		return e.code
	}
	if _, ok := errors.AsType[*client.ArgumentError](err); ok || errors.Is(err, client.ErrPlaintext) {
		return exitUsage
	}
	if e, ok := errors.AsType[*client.Error](err); ok {
		if e.Problem.Code == codeDamaged {
			return exitVerification // whoever found it: to ask again does not help
		}
		switch e.Status {
		case http.StatusUnauthorized, http.StatusForbidden:
			return exitDenied
		case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
			return exitUnavailable
		}
		return exitFailed
	}
	if code, ok := auditExitCode(err); ok {
		return code
	}
	if _, ok := errors.AsType[*client.UnreachableError](err); ok && !errors.Is(err, context.Canceled) {
		return exitUnavailable
	}
	return exitFailed
}

// doing says what an error hindered: "cannot revoke 01J…: …".
func doing(what string, err error) error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*client.Error](err); ok && strings.HasPrefix(e.Problem.Detail, "cannot ") {
		return err // the node says what was hindered
	}
	return fmt.Errorf("%s: %w", what, err)
}

// fail reports err, if there is one with something to say, and gives its exit code.
// verb is named in the pointer to the help.
func (m *Main) fail(err error, verb string) int {
	code := exitCode(err)
	if e, ok := errors.AsType[*exitError](err); err == nil || ok && e.err == nil {
		return code
	}
	m.report(err)
	if code == exitUsage {
		if verb == "" {
			verb = "tokenledger"
		}
		m.note("  see: %s --help", verb)
	}
	return code
}

// report writes an error for people: what happened and why, then what to do, then
// what to name when asking for help.
func (m *Main) report(err error) {
	text := err.Error()
	var more []string
	if e, ok := errors.AsType[*client.Error](err); ok {
		what := e.Problem.Detail
		if what == "" {
			what = fmt.Sprintf("the node answered %d %s", e.Status, http.StatusText(e.Status))
		}
		text = strings.Replace(text, e.Error(), what, 1)
		if e.Problem.Hint != "" {
			more = append(more, "hint: "+e.Problem.Hint)
		}
		if e.Problem.Code != "" {
			reference := fmt.Sprintf("%d %s", e.Status, e.Problem.Code)
			if e.Problem.RequestID != "" {
				reference += ", request " + e.Problem.RequestID
			}
			more = append(more, reference)
		}
	} else if e, ok := errors.AsType[*client.UnreachableError](err); ok {
		text = strings.Replace(text, e.Error(), e.What(), 1)
		if hint := e.Hint(); hint != "" {
			more = append(more, "hint: "+hint)
		}
	}
	if hint := auditHint(err); hint != "" {
		more = append(more, "hint: "+hint)
	}
	for i, line := range strings.Split(text, "\n") {
		if i == 0 {
			line = "tokenledger: " + line
		} else {
			line = "  " + line // never at the margin, where the program speaks
		}
		m.note("%s", line)
	}
	for _, line := range more {
		m.note("  %s", line)
	}
}

// note writes one line to standard error. Control characters are spelled out:
// parts of it come from other people.
func (m *Main) note(format string, args ...any) {
	fmt.Fprintln(m.Stderr, clean(fmt.Sprintf(format, args...)))
}
