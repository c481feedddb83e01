package server

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/tokenledger/tokenledger/commands"
	"github.com/tokenledger/tokenledger/commands/secret"
	"github.com/tokenledger/tokenledger/internal/natsserver"
)

// Config says how to run a node. The zero value of each field is said with it;
// there are no defaults elsewhere.
type Config struct {
	// DataDir is made if it does not exist. It belongs to one process at a time.
	DataDir string
	// HTTP is the address of the HTTP listener; port 0 picks one.
	HTTP string
	// NATSListen is the address of the embedded server's listener for
	// subscribers; "off" or empty leaves it out. Not with NATSURL.
	NATSListen string
	// NATSURL, if set, is used in the place of the embedded server, with the
	// credentials in NATSCreds, if set.
	NATSURL, NATSCreds string
	// Callout lets clients into the server of NATSURL; its zero value lets in nobody.
	Callout CalloutConfig
	// Replicas of the stream; zero is one. More need NATSURL.
	Replicas int
	// BootstrapTokenFile gets the first root token of a new ledger, for its
	// owner's eyes alone. Empty prints it to Stdout.
	BootstrapTokenFile string
	// ReadyFile, if set, is written when the node is ready.
	ReadyFile string
	// TokenPrefix begins new tokens; empty is "tl".
	TokenPrefix string
	// StrictUsage has a validation wait until its use is in the stream, and not
	// only in the usage journal.
	StrictUsage bool
	// UsageWindow is how long uses are gathered into one event.
	UsageWindow time.Duration
	// MaxStaleness bounds how far the read side may be behind the stream.
	MaxStaleness time.Duration
	// FailureLimit is how many tokens that are not good one caller may present from one
	// address in a second; zero is no limit.
	FailureLimit int
	// TLSCert and TLSKey, both or none, are files in PEM.
	TLSCert, TLSKey string
	// PublicURL is where people and programs reach the node, as OAuth names it; empty is the address
	// of the HTTP listener.
	PublicURL string
	// TrustedProxies are the networks, or addresses, of the proxies that are believed
	// where they say that a request came from.
	TrustedProxies []string
	// ForwardAuthOpen has forward auth answer whoever asks, and not only proxies that
	// show a token of their own.
	ForwardAuthOpen bool
	// ExtAuthzListen is the address of the listener for Envoy's ext_authz; empty leaves
	// it out.
	ExtAuthzListen string
	// AllowPlaintext permits a listener off loopback without TLS.
	AllowPlaintext bool
	// SignIn says how people sign in.
	SignIn SignIn
	// Policy holds for new tokens, for those that nobody uses, and for those that leak.
	Policy commands.Policy
	// UnusedFirst is how long after the start, at least, the policy on unused tokens is
	// carried out first; zero is five minutes. UnusedEvery is how often from then on;
	// zero is an hour.
	UnusedFirst, UnusedEvery time.Duration
	// Now is the clock by which tokens are judged, changed and found unused; nil is the
	// system's.
	Now func() time.Time
	// LeaksGitHubKeys is a file, or an https URL, with the keys that messages of
	// GitHub's secret scanning are verified with; empty takes no such messages.
	LeaksGitHubKeys string
	// Stdout gets what a person is to read; Logger the log.
	Stdout io.Writer
	Logger *slog.Logger
	// Version is this build's.
	Version string
}

// UsageError says that the settings cannot be followed.
type UsageError struct{ Problem string }

func (e *UsageError) Error() string { return e.Problem }

func misused(format string, args ...any) error { return &UsageError{fmt.Sprintf(format, args...)} }

func (cfg *Config) check() error {
	switch {
	case cfg.DataDir == "":
		return misused("--data is empty; name a directory")
	case cfg.TokenPrefix != "" && !secret.ValidPrefix(cfg.TokenPrefix):
		return misused("--token-prefix %q is not of the form [a-z][a-z0-9]{1,15}", cfg.TokenPrefix)
	case (cfg.TLSCert == "") != (cfg.TLSKey == ""):
		return misused("--tls-cert and --tls-key belong together; one of them is missing")
	case cfg.UsageWindow <= 0 || cfg.UsageWindow > time.Minute:
		return misused("--usage-window %s is out of range; it takes more than 0s, up to 1m", cfg.UsageWindow)
	case cfg.MaxStaleness < 500*time.Millisecond:
		return misused("--max-staleness %s is too short to be shown; the least is 500ms", cfg.MaxStaleness)
	case cfg.FailureLimit < 0:
		return misused("--failure-limit %d is negative; 0 is no limit", cfg.FailureLimit)
	case cfg.Replicas < 0 || cfg.Replicas > 5:
		return misused("--replicas %d is out of range; NATS takes 1 to 5", cfg.Replicas)
	case cfg.Replicas > 1 && cfg.NATSURL == "":
		return misused("--replicas %d needs a NATS cluster: give its --nats-url", cfg.Replicas)
	case cfg.NATSCreds != "" && cfg.NATSURL == "":
		return misused("--nats-creds goes with --nats-url; the embedded server needs none")
	}
	if err := cfg.Callout.check(cfg.NATSURL); err != nil {
		return err
	}
	for flag, file := range map[string]string{"--ready-file": cfg.ReadyFile, "--bootstrap-token-file": cfg.BootstrapTokenFile} {
		// Known before anything is written, and a ledger made.
		if info, err := os.Stat(filepath.Dir(file)); file != "" && (err != nil || !info.IsDir()) {
			return misused("%s %s: there is no such directory", flag, file)
		}
	}
	if err := cfg.Policy.Check(); err != nil {
		return &UsageError{err.Error()}
	}
	if err := cfg.SignIn.check(cfg); err != nil {
		return err
	}
	for _, part := range strings.Split(cfg.NATSURL, ",") {
		if u, err := url.Parse(strings.TrimSpace(part)); err != nil {
			return misused("--nats-url is not a URL, or a list of URLs with commas between") // not repeated: it may hold a password
		} else if u.User != nil {
			return misused("--nats-url holds credentials, which every process list would show; give them with --nats-creds")
		}
	}
	if err := checkPublicURL(cfg.PublicURL); err != nil {
		return err
	}
	if _, err := cfg.proxies(); err != nil {
		return err
	}
	for flag, addr := range map[string]string{"--http": cfg.HTTP, "--nats-listen": cfg.NATSListen, "--ext-authz-listen": cfg.ExtAuthzListen} {
		if addr == "" || addr == "off" || flag == "--nats-listen" && cfg.NATSURL != "" {
			continue
		}
		local, err := onLoopback(addr)
		if err != nil {
			return misused("%s %q is not an address: %v", flag, addr, err)
		}
		if !local && cfg.TLSCert == "" && !cfg.AllowPlaintext {
			return misused("%s %s can be reached from other machines, and tokens would cross the network in the clear; give --tls-cert and --tls-key, or --allow-plaintext if something before the node does TLS", flag, addr)
		}
	}
	return nil
}

// onLoopback reports whether addr can be reached from this machine alone.
func onLoopback(addr string) (bool, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return false, errors.New("write HOST:PORT")
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return false, errors.New("the port is a number up to 65535")
	}
	if host == "localhost" {
		return true, nil
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback(), nil
}

// probeNATSListen takes the NATS listener's address for a moment, so that a busy
// one is noticed before anything is written.
func (cfg *Config) probeNATSListen() error {
	if cfg.NATSURL != "" || cfg.NATSListen == "" || cfg.NATSListen == "off" {
		return nil
	}
	l, err := net.Listen("tcp", cfg.NATSListen)
	if err != nil {
		return &natsserver.ListenError{Addr: cfg.NATSListen, Err: err}
	}
	return l.Close()
}

// The data directory's parts.
func (cfg *Config) streamDir() string      { return filepath.Join(cfg.DataDir, "stream") }
func (cfg *Config) projectionsDir() string { return filepath.Join(cfg.DataDir, "projections") }

// indexDir lies in the folder of the read model, which is disposable as a whole: Pebble
// passes over what is not its own there.
func (cfg *Config) indexDir() string   { return filepath.Join(cfg.projectionsDir(), "audit-index") }
func (cfg *Config) auditDir() string   { return filepath.Join(cfg.DataDir, "audit") }
func (cfg *Config) journalDir() string { return filepath.Join(cfg.DataDir, "journal") }
func (cfg *Config) keysDir() string    { return filepath.Join(cfg.DataDir, "keys") }
