package main

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/tokenledger/tokenledger/commands"
	"github.com/tokenledger/tokenledger/internal/follower"
	"github.com/tokenledger/tokenledger/internal/server"
)

type serveCmd struct {
	Data       string `env:"TOKENLEDGER_DATA" default:"./tokenledger-data" placeholder:"DIR" help:"The data directory; it is made if it does not exist."`
	HTTP       string `name:"http" env:"TOKENLEDGER_HTTP" default:"127.0.0.1:7480" placeholder:"ADDR" help:"Address of the HTTP listener; port 0 picks one."`
	NATSListen string `name:"nats-listen" env:"TOKENLEDGER_NATS_LISTEN" default:"127.0.0.1:4222" placeholder:"ADDR" help:"Address of the embedded NATS server's listener for subscribers, or off; port 0 picks one."`

	NATSURL   string `name:"nats-url" env:"TOKENLEDGER_NATS_URL" placeholder:"URL" help:"Use this NATS server instead of the embedded one."`
	NATSCreds string `name:"nats-creds" env:"TOKENLEDGER_NATS_CREDS" placeholder:"FILE" help:"Credentials for --nats-url: a .creds file, or the seed of a user nkey."`
	Replicas  int    `env:"TOKENLEDGER_REPLICAS" default:"1" placeholder:"N" help:"Replicas of the stream, with --nats-url."`

	Callout calloutFlags `embed:""`

	BootstrapTokenFile string `env:"TOKENLEDGER_BOOTSTRAP_TOKEN_FILE" placeholder:"FILE" help:"Write a new ledger's root token here, for its owner's eyes alone, instead of printing it."`
	ReadyFile          string `env:"TOKENLEDGER_READY_FILE" placeholder:"FILE" help:"Write the node's addresses here when it is ready."`
	TokenPrefix        string `env:"TOKENLEDGER_TOKEN_PREFIX" default:"tl" placeholder:"P" help:"What new tokens begin with: [a-z][a-z0-9]{1,15}."`

	UsageDurability string        `env:"TOKENLEDGER_USAGE_DURABILITY" enum:"journal,strict" default:"journal" help:"journal answers a validation once its use is in the local journal (kill -9 loses nothing; a power cut, the last window); strict, once it is synced in the stream (slower)."`
	UsageWindow     time.Duration `env:"TOKENLEDGER_USAGE_WINDOW" default:"1s" help:"How long like uses are gathered into one event."`
	MaxStaleness    time.Duration `env:"TOKENLEDGER_MAX_STALENESS" default:"2s" help:"How far the read side may be behind the stream before the node answers 503."`

	FailureLimit int `env:"TOKENLEDGER_FAILURE_LIMIT" default:"500" placeholder:"N" help:"How many tokens that are not good a caller may present from one address in a second, four times as many at once; 0 is no limit."`

	TLSCert         string   `name:"tls-cert" env:"TOKENLEDGER_TLS_CERT" placeholder:"FILE" help:"Certificate chain, PEM."`
	TLSKey          string   `name:"tls-key" env:"TOKENLEDGER_TLS_KEY" placeholder:"FILE" help:"Private key, PEM."`
	PublicURL       string   `name:"public-url" env:"TOKENLEDGER_PUBLIC_URL" placeholder:"URL" help:"Where people and programs reach the node: its OAuth metadata say so, and issuers send people back there; without it the address of --http."`
	TrustedProxies  []string `env:"TOKENLEDGER_TRUSTED_PROXIES" placeholder:"CIDR,…" help:"Proxies that are believed, in forward auth, where they say that a request came from."`
	ForwardAuthOpen bool     `env:"TOKENLEDGER_FORWARD_AUTH_OPEN" help:"Answer forward auth to whoever asks, and not only to proxies that show a token."`
	ExtAuthzListen  string   `name:"ext-authz-listen" env:"TOKENLEDGER_EXT_AUTHZ_LISTEN" placeholder:"ADDR" help:"Address of a listener for Envoy's ext_authz (gRPC); port 0 picks one."`
	AllowPlaintext  bool     `env:"TOKENLEDGER_ALLOW_PLAINTEXT" help:"Listen off loopback without TLS."`

	serveSignIn

	PolicyMaxLife life     `env:"TOKENLEDGER_POLICY_MAX_LIFE" placeholder:"90d" help:"The longest life of a new token; then every token has to expire."`
	PolicyScopes  []string `env:"TOKENLEDGER_POLICY_SCOPES" placeholder:"SCOPE,…" help:"The scopes that new tokens may be given; a trailing * stands for any ending."`
	PolicyNameMin int      `env:"TOKENLEDGER_POLICY_NAME_MIN" default:"1" placeholder:"N" help:"Fewest characters of a name."`
	PolicyNameMax int      `env:"TOKENLEDGER_POLICY_NAME_MAX" default:"200" placeholder:"N" help:"Most characters of a name."`
	PolicySiteMin int      `env:"TOKENLEDGER_POLICY_SITE_MIN" default:"0" placeholder:"N" help:"Fewest characters of a site; 1 makes sites required."`
	PolicySiteMax int      `env:"TOKENLEDGER_POLICY_SITE_MAX" default:"200" placeholder:"N" help:"Most characters of a site."`

	PolicyRevokeUnused life   `env:"TOKENLEDGER_POLICY_REVOKE_UNUSED" placeholder:"90d" help:"Revoke active tokens that nobody has used for that long, a day at least; never those of ledger:root."`
	PolicyLeaked       string `env:"TOKENLEDGER_POLICY_LEAKED" enum:"revoke,suspend,report" default:"revoke" help:"What becomes of a token that is reported as leaked: revoke ends it at once, suspend waits for a person, report only puts it on record."`
	LeaksGitHubKeys    string `name:"leaks-github-keys" env:"TOKENLEDGER_LEAKS_GITHUB_KEYS" placeholder:"FILE|URL" help:"Take messages of GitHub's secret scanning, signed by a key of this set: a file, or https://api.github.com/meta/public_keys/secret_scanning."`

	LogLevel  string `env:"TOKENLEDGER_LOG_LEVEL" enum:"debug,info,warn,error" default:"info" help:"debug, info, warn or error."`
	LogFormat string `env:"TOKENLEDGER_LOG_FORMAT" enum:"text,json" default:"text" help:"text or json, on standard error."`

	Config string `env:"TOKENLEDGER_CONFIG" placeholder:"FILE" help:"Settings in YAML: the flags' names without dashes before them. Flags and environment come first."`
}

// life is a time that may be written in days.
type life time.Duration

// UnmarshalText implements encoding.TextUnmarshaler.
func (l *life) UnmarshalText(text []byte) error {
	d, ok := commands.ParseDuration(string(text))
	if !ok || d < time.Second {
		return errors.New(`write "90d" or "12h"; leave it out for no limit`)
	}
	*l = life(d)
	return nil
}

// Help implements kong.HelpProvider.
func (serveCmd) Help() string {
	return `The first start creates the ledger and prints its root token, once.

Example:

    tokenledger serve --data /var/lib/tokenledger --bootstrap-token-file root-token`
}

// Run implements the verb.
func (c *serveCmd) Run(ctx context.Context, m *Main) error {
	logger := c.logger(m)
	go boundMemory(ctx)
	node, err := server.Start(ctx, server.Config{
		DataDir: c.Data, HTTP: c.HTTP, NATSListen: c.NATSListen,
		NATSURL: c.NATSURL, NATSCreds: c.NATSCreds, Replicas: c.Replicas, Callout: c.Callout.config(),
		BootstrapTokenFile: c.BootstrapTokenFile, ReadyFile: c.ReadyFile, TokenPrefix: c.TokenPrefix,
		StrictUsage: c.UsageDurability == "strict", UsageWindow: c.UsageWindow, MaxStaleness: c.MaxStaleness,
		FailureLimit: c.FailureLimit, PublicURL: c.PublicURL, TrustedProxies: c.TrustedProxies,
		ForwardAuthOpen: c.ForwardAuthOpen, ExtAuthzListen: c.ExtAuthzListen, SignIn: c.signIn(),
		TLSCert: c.TLSCert, TLSKey: c.TLSKey, AllowPlaintext: c.AllowPlaintext,
		Policy: commands.Policy{
			MaxLife: time.Duration(c.PolicyMaxLife), AllowedScopes: c.PolicyScopes,
			NameLength:   commands.Length{Min: c.PolicyNameMin, Max: c.PolicyNameMax},
			SiteLength:   commands.Length{Min: c.PolicySiteMin, Max: c.PolicySiteMax},
			RevokeUnused: time.Duration(c.PolicyRevokeUnused),
			Leaked:       commands.LeakPolicy(c.PolicyLeaked),
		},
		LeaksGitHubKeys: c.LeaksGitHubKeys,
		Stdout:          m.Stdout, Logger: logger, Version: readBuild().Version,
	})
	if ctx.Err() != nil && err != nil {
		return nil // stopped while it started, as asked
	}
	if _, ok := errors.AsType[*server.UsageError](err); ok {
		return usage("%s", err)
	}
	if _, ok := errors.AsType[*follower.Refusal](err); ok {
		return withCode(exitVerification, doing("this node refuses to serve", err))
	}
	if err != nil {
		return doing("cannot start the node", err)
	}
	defer node.Shutdown()
	logger.Info("ready", "http", node.URL(), "nats", node.NATSURL(), "data", c.Data)
	select {
	case <-ctx.Done():
		logger.Info("stopping")
		return nil
	case err := <-node.Wait():
		return doing("the node has to stop", err)
	}
}

func (c *serveCmd) logger(m *Main) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(c.LogLevel)) // the enum has been checked
	options := &slog.HandlerOptions{Level: level}
	if c.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(m.Stderr, options))
	}
	return slog.New(slog.NewTextHandler(m.Stderr, options))
}
