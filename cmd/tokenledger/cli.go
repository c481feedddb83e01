package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/alecthomas/kong"

	"github.com/tokenledger/tokenledger/client"
	"github.com/tokenledger/tokenledger/internal/config"
)

// commandLine is every verb, in the order of the help. A verb is a struct with a
// Run(context.Context, *Main) error and a Help that ends in an example.
type commandLine struct {
	Serve      serveCmd      `cmd:"" help:"Run a node."`
	Token      tokenCmd      `cmd:"" help:"Generate, find, change and end tokens."`
	Login      loginCmd      `cmd:"" help:"Sign in as a person, with a browser."`
	Logout     logoutCmd     `cmd:"" help:"End your session."`
	Whoami     whoamiCmd     `cmd:"" help:"Who you are to the ledger, and what you may."`
	Validate   validateCmd   `cmd:"" help:"Check the token that comes on standard input."`
	Audit      auditCmd      `cmd:"" help:"The audit log: evidence of every event."`
	Projection projectionCmd `cmd:"" help:"The read side of a node."`
	Backup     backupCmd     `cmd:"" help:"Copy a node's audit log and keys, also while it runs."`
	Restore    restoreCmd    `cmd:"" help:"Make a data directory from a backup."`
	Doctor     doctorCmd     `cmd:"" help:"What is wrong with a stopped node, and the mend."`
	Bench      benchCmd      `cmd:"" help:"Measure this machine: each figure beside its floor."`
	Version    versionCmd    `cmd:"" help:"What build this is."`
}

// Help implements kong.HelpProvider.
func (commandLine) Help() string {
	return `A token is never an argument or a flag's value: your own comes from TOKENLEDGER_TOKEN or --token-file, one to be checked comes on standard input.

Exit codes: 0 done; 1 failed; 2 usage; 3 the token is not valid, or you may not; 4 tampering or a gap was found; 5 the service is unavailable or too stale.

Example:

    export TOKENLEDGER_TOKEN=$(cat root-token)
    tokenledger token generate "shop checkout" --site shop.example --ttl 90d
    tokenledger validate --site shop.example < token.txt`
}

// Run parses args, without the program's name, does what they say and gives the
// exit code.
func (m *Main) Run(ctx context.Context, args []string) int {
	for i, arg := range args {
		if client.LooksLikeToken(arg) {
			return m.fail(tokenInArguments(i+1), "")
		}
	}
	switch {
	case len(args) == 0:
		// Nothing was asked for, so nothing belongs on standard output.
		silent := *m
		silent.Stdout = m.Stderr
		silent.parseAndRun(ctx, []string{"--help"})
		return exitUsage
	case args[0] == "help":
		args = append(args[1:len(args):len(args)], "--help")
	case args[0] == "--version":
		args = append([]string{"version"}, args[1:]...)
	}
	return m.parseAndRun(ctx, args)
}

func (m *Main) parseAndRun(ctx context.Context, args []string) int {
	var helped bool
	parser, err := kong.New(&commandLine{},
		kong.Name("tokenledger"),
		kong.Description("A ledger of API tokens: every token generated, used, rejected or revoked is an event."),
		kong.Writers(m.Stdout, m.Stderr),
		// Kong prints help and then exits. Here it goes on, and its result does
		// not count.
		kong.Exit(func(int) { helped = true }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 100}),
		kong.Groups{"connection": "Connection:"},
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(m),
		kong.Resolvers(&config.File{Env: "TOKENLEDGER_CONFIG", LookupEnv: m.LookupEnv}),
		m.environment(),
	)
	if err != nil {
		return m.fail(fmt.Errorf("the command line is broken: %w", err), "")
	}
	kctx, err := parser.Parse(args)
	if helped {
		return exitDone
	}
	if wrong, ok := errors.AsType[*config.Error](err); ok {
		return m.fail(usage("%s", wrong), "tokenledger serve") // not of the flag that kong names
	}
	if pe, ok := errors.AsType[*kong.ParseError](err); ok {
		return m.fail(usage("%s", pe.Unwrap()), verbOf(pe.Context))
	}
	if err != nil {
		return m.fail(usage("%s", err), "")
	}
	return m.fail(kctx.Run(), verbOf(kctx))
}

// verbOf gives the verb's full name, as far as it was understood.
func verbOf(kctx *kong.Context) string {
	if kctx == nil || kctx.Selected() == nil {
		return ""
	}
	return kctx.Selected().FullPath()
}
