package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"reflect"
	"strconv"
	"time"

	"github.com/tokenledger/tokenledger/internal/bench"
)

type benchCmd struct {
	Suites   []string      `arg:"" optional:"" name:"suite" help:"generate, generate-1, revoke, validate-http, forward-auth, validate-nats, validate-flood, import, replay, rebuild, audit-append, audit-verify, audit-proof, trace, as-of or memory; all of them if none is named."`
	Duration time.Duration `default:"2s" help:"How long each measurement runs before the other has its turn."`
	Rounds   int           `default:"5" placeholder:"N" help:"How often product and floor have their turns."`
	Tokens   int           `default:"1000000" placeholder:"N" help:"Tokens of validate-http, forward-auth, validate-nats, as-of and memory, and events of replay, rebuild, trace and the audit suites."`
	Dir      string        `placeholder:"DIR" help:"Where the temporary data goes, about 1.5 GB for a million tokens; it is removed at the end. Name the disk that the ledger is to be on. Without it, the system's directory for temporary files."`

	form
}

// Help implements kong.HelpProvider.
func (benchCmd) Help() string {
	return `Every figure stands beside a floor, measured in turns with it in the same run: what the job costs on this machine with the same parts and without the product. The ratio of the two is what to compare between machines.

generate, generate-1 and revoke stand beside single publications to a JetStream stream with SyncAlways, validate-http beside a bare net/http handler that reads and answers the same JSON, forward-auth beside one that reads and writes the same headers, validate-nats beside a bare micro service that answers with what it was sent, validate-flood beside the same validations without the flood, import beside atomic batches of 1,000 such events, replay (from the stream) and rebuild (from the audit log) beside an ordered consumer that counts, audit-append beside the SHA-256 of the same entries and one sync a batch, audit-verify beside the SHA-256 of as many entries and nodes on one core, audit-proof beside one read of a tile, trace beside reading the token's events, as-of beside a walk over all tokens, memory (where less is better, and which takes minutes) beside a node with an empty ledger. No node has to run, and none is touched.

Example:

    tokenledger bench generate revoke --dir /var/lib/tokenledger`
}

// Run implements the verb.
func (c *benchCmd) Run(ctx context.Context, m *Main) error {
	program, err := os.Executable()
	if err != nil {
		return doing("cannot find this program", err)
	}
	cfg := bench.Config{
		Program: program,
		Slice:   c.Duration, Rounds: c.Rounds, Tokens: c.Tokens, Dir: c.Dir, Version: readBuild().Version,
		Logger: slog.New(slog.NewTextHandler(m.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
	}
	if _, ok := terminal(m.Stderr); ok {
		cfg.Progress = func(what string) { fmt.Fprintf(m.Stderr, "\r\x1b[K%s", clean(what)) }
	}
	results, err := bench.Run(ctx, cfg, c.Suites...)
	if cfg.Progress != nil {
		fmt.Fprint(m.Stderr, "\r\x1b[K")
	}
	if e, ok := errors.AsType[*bench.ArgumentError](err); ok {
		return usage("%s", e)
	}
	if len(results) > 0 || err == nil {
		err = errors.Join(err, c.show(m, results))
	}
	if ctx.Err() != nil {
		return doing("the benchmark is not complete", errInterrupted)
	}
	return doing("the benchmark is not complete", err)
}

func (c *benchCmd) show(m *Main, results []bench.Result) error {
	if c.JSON {
		return m.printJSON(results)
	}
	return m.print(benchTable(results))
}

// benchTable is the figures, one suite a row, and below them the conditions: first
// those that all suites share.
func benchTable(results []bench.Result) string {
	rows := newTable("SUITE", "FIGURE", "FLOOR", "UNIT", "RATIO")
	for _, r := range results {
		rows.row(r.Suite, figure(r.Value), figure(r.Floor), r.Unit, strconv.FormatFloat(r.Ratio, 'f', 2, 64))
	}
	text := rows.String()
	shared := func(c bench.Condition) bool {
		for _, r := range results {
			if !reflect.DeepEqual(r.Conditions.Get(c.Name), c.Value) {
				return false
			}
		}
		return len(results) > 1
	}
	for i, r := range results {
		if i == 0 {
			for _, c := range r.Conditions {
				if shared(c) {
					rows.row(c.Name, figure(c.Value))
				}
			}
			if all := rows.String(); all != "" {
				text += "\nall suites\n" + all
			}
		}
		for _, c := range r.Conditions {
			if !shared(c) {
				rows.row(c.Name, figure(c.Value))
			}
		}
		text += "\n" + r.Suite + "\n" + rows.String()
	}
	return text
}

// figure writes a number with as many digits as mean something.
func figure(v any) string {
	f, ok := v.(float64)
	if !ok {
		return fmt.Sprint(v)
	}
	digits := 2
	if f >= 100 || f == float64(int64(f)) {
		digits = 0
	}
	return strconv.FormatFloat(f, 'f', digits, 64)
}
