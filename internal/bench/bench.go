package bench

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// Config says how to measure.
type Config struct {
	// Slice is how long each measurement runs before the other has its turn.
	Slice time.Duration
	// Rounds is the number of such turns.
	Rounds int
	// Tokens is the number of tokens of validate-http, forward-auth, validate-nats, as-of and memory, and of events of
	// replay, rebuild, trace and the audit suites.
	Tokens int
	// Dir is where the temporary data goes; it needs about 1.5 kB for each of
	// Tokens. Empty is the system's directory for temporary files. Everything is
	// removed before Run returns.
	Dir string
	// Program is the path of the tokenledger binary, of which memory runs a node in
	// a process of its own. Empty leaves that suite out, and so does a system other
	// than Linux, unless it is named.
	Program string
	// Version is this build's.
	Version string
	// Logger receives what the nodes under measurement log. Nil drops it.
	Logger *slog.Logger
	// Progress, if set, is told what is being done.
	Progress func(what string)
}

// The defaults of the command line.
const (
	DefaultSlice  = 2 * time.Second
	DefaultRounds = 5
	DefaultTokens = 1_000_000
)

// Result is the outcome of a suite.
type Result struct {
	Suite string `json:"suite"`
	// Value and Floor are in Unit, such as "tokens/s".
	Value float64 `json:"value"`
	Unit  string  `json:"unit"`
	Floor float64 `json:"floor"`
	// Ratio is the median of the rounds' ratios, and not quite Value over Floor.
	Ratio      float64    `json:"ratio"`
	Conditions Conditions `json:"conditions"`
}

// suite is one row.
type suite struct {
	name, unit string
	// run measures with dir, an empty directory, to itself.
	run func(ctx context.Context, b *bench, dir string) (outcome, Conditions, error)
}

// suites lists them in the order in which they run if none is named.
func suites() []suite {
	return []suite{
		{"generate", "tokens/s", func(ctx context.Context, b *bench, dir string) (outcome, Conditions, error) {
			return runCommand(ctx, b, dir, manyCallers, newGenerating)
		}},
		{"generate-1", "tokens/s", func(ctx context.Context, b *bench, dir string) (outcome, Conditions, error) {
			return runCommand(ctx, b, dir, 1, newGenerating)
		}},
		{"revoke", "tokens/s", func(ctx context.Context, b *bench, dir string) (outcome, Conditions, error) {
			return runCommand(ctx, b, dir, manyCallers, newRevoking)
		}},
		{"validate-http", "validations/s", runValidateHTTP},
		{"validate-nats", "validations/s", runValidateNATS},
		{"validate-flood", "validations/s", runFlood},
		{"forward-auth", "requests/s", runForwardAuth},
		{"replay", "events/s", runReplay},
		{"rebuild", "events/s", runRebuild},
		{"audit-append", "entries/s", runAuditAppend},
		{"audit-verify", "entries/s", runAuditVerify},
		{"audit-proof", "proofs/s", runAuditProof},
		{"trace", "questions/s", runTrace},
		{"as-of", "questions/s", runAsOf},
		{"import", "tokens/s", runImport},
		{memorySuite, "MB", runMemory},
	}
}

// Suites gives the names of all suites.
func Suites() []string {
	var names []string
	for _, s := range suites() {
		names = append(names, s.name)
	}
	return names
}

// ArgumentError says that a suite or a setting cannot be meant.
type ArgumentError struct{ Problem string }

func (e *ArgumentError) Error() string { return e.Problem }

// check gives the suites that names choose, all for none.
func (cfg *Config) check(names []string) ([]suite, error) {
	switch {
	case cfg.Slice < 10*time.Millisecond:
		return nil, &ArgumentError{fmt.Sprintf("a duration of %s measures nothing; the least is 10ms", cfg.Slice)}
	case cfg.Rounds < 1:
		return nil, &ArgumentError{fmt.Sprintf("%d rounds measure nothing; the least is 1", cfg.Rounds)}
	case cfg.Tokens < 1000:
		return nil, &ArgumentError{fmt.Sprintf("%d tokens are too few to measure with; the least is 1000", cfg.Tokens)}
	}
	all := suites()
	if len(names) == 0 {
		if cfg.Program == "" || runtime.GOOS != "linux" {
			all = slices.DeleteFunc(all, func(s suite) bool { return s.name == memorySuite })
		}
		return all, nil
	}
	var chosen []suite
next:
	for _, name := range names {
		for _, s := range all {
			if s.name == name {
				if name == memorySuite && cfg.Program == "" {
					return nil, &ArgumentError{"the suite memory needs the tokenledger program, and its path is not known"}
				}
				chosen = append(chosen, s)
				continue next
			}
		}
		return nil, &ArgumentError{fmt.Sprintf("there is no suite %q; the suites are %s", name, strings.Join(Suites(), ", "))}
	}
	return chosen, nil
}

// bench is one run.
type bench struct {
	Config
	suite string
	// natsListen is where nodes listen for NATS clients; empty for nowhere.
	natsListen string
}

// step tells what is being done.
func (b *bench) step(format string, args ...any) {
	if b.Progress != nil {
		b.Progress(b.suite + ": " + fmt.Sprintf(format, args...))
	}
}

// Run measures the suites of these names, or all, one after the other. With an
// error it gives the results that were complete by then. An [*ArgumentError] means
// that nothing was begun. When ctx ends it stops within moments, with ctx's error.
// The temporary data is gone when it returns.
func Run(ctx context.Context, cfg Config, names ...string) (results []Result, err error) {
	chosen, err := cfg.check(names)
	if err != nil {
		return nil, err
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	b := &bench{Config: cfg}
	for _, s := range chosen {
		b.suite = s.name
		r, err := b.runSuite(ctx, s)
		if ctx.Err() != nil {
			return results, context.Cause(ctx)
		}
		if err != nil {
			return results, fmt.Errorf("suite %s: %w", s.name, err)
		}
		results = append(results, r)
	}
	return results, nil
}

func (b *bench) runSuite(ctx context.Context, s suite) (r Result, err error) {
	dir, err := os.MkdirTemp(b.Dir, "tokenledger-bench-")
	if err != nil {
		return r, fmt.Errorf("make a directory for the temporary data: %w", err)
	}
	defer func() {
		if rmErr := os.RemoveAll(dir); rmErr != nil && err == nil {
			err = fmt.Errorf("remove the temporary data: %w", rmErr)
		}
	}()
	if dir, err = filepath.Abs(dir); err != nil {
		return r, err
	}
	o, own, err := s.run(ctx, b, dir)
	if err != nil {
		return r, err
	}
	r = Result{Suite: s.name, Unit: s.unit, Value: round(o.value, 1), Floor: round(o.floor, 1), Ratio: round(o.ratio, 3)}
	r.Conditions = append(b.machine(dir), own...)
	r.Conditions = append(r.Conditions, o.conditions()...)
	return r, nil
}
