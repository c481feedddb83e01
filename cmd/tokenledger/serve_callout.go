package main

import (
	"time"

	"github.com/tokenledger/tokenledger/internal/server"
)

// calloutFlags let clients into the server of --nats-url by the ledger's tokens.
type calloutFlags struct {
	Key         string        `name:"nats-callout-key" env:"TOKENLEDGER_NATS_CALLOUT_KEY" placeholder:"FILE" help:"Answer the auth callout of --nats-url, so that clients sign in there with ledger tokens; the file has the seed of the account key that signs the answers."`
	Creds       string        `name:"nats-callout-creds" env:"TOKENLEDGER_NATS_CALLOUT_CREDS" placeholder:"FILE" help:"Credentials for the account of the auth callout: a .creds file, or the seed of a user nkey."`
	XKey        string        `name:"nats-callout-xkey" env:"TOKENLEDGER_NATS_CALLOUT_XKEY" placeholder:"FILE" help:"Seed of the curve key that the server encrypts its requests to."`
	Account     string        `name:"nats-callout-account" env:"TOKENLEDGER_NATS_CALLOUT_ACCOUNT" default:"TENANT-{tenant}" placeholder:"TEMPLATE" help:"The NATS account of a tenant's clients."`
	RootAccount string        `name:"nats-callout-root-account" env:"TOKENLEDGER_NATS_CALLOUT_ROOT_ACCOUNT" default:"ROOT" placeholder:"NAME" help:"The NATS account of clients that reach all tenants."`
	TTL         time.Duration `name:"nats-callout-ttl" env:"TOKENLEDGER_NATS_CALLOUT_TTL" placeholder:"D" help:"How long a client is let in before it has to sign in again; by default 1m, or 15m with --nats-sys-creds."`
	SysCreds    string        `name:"nats-sys-creds" env:"TOKENLEDGER_NATS_SYS_CREDS" placeholder:"FILE" help:"Credentials for the system account of --nats-url, to disconnect clients whose token has ended."`
}

func (f *calloutFlags) config() server.CalloutConfig {
	return server.CalloutConfig{
		Key: f.Key, Creds: f.Creds, XKey: f.XKey, SysCreds: f.SysCreds,
		Account: f.Account, RootAccount: f.RootAccount, TTL: f.TTL,
	}
}
