package questions

import (
	"bytes"
	"context"
	"time"

	"github.com/tokenledger/tokenledger/audit"
	"github.com/tokenledger/tokenledger/audit/index"
	"github.com/tokenledger/tokenledger/events"
	"github.com/tokenledger/tokenledger/projections/tokens"
)

// Log is what questions need of the audit log; *audit.Log has it.
type Log interface {
	// Appended is the last sequence that the log was given.
	Appended() uint64
	// Leaves calls each with the leaves of a range.
	Leaves(first, last uint64, each func(seq uint64, leaf []byte) error) error
}

// Projections is how far the read model is; *projections.Runner has it.
type Projections interface {
	Applied() uint64
	// WaitFor returns nil once the event at seq is applied.
	WaitFor(ctx context.Context, seq uint64) error
}

// Config is what an Asker works with. All but Now is required.
type Config struct {
	Log Log
	// Index is over the same log.
	Index *index.Index
	// Tokens reads the rows that Projections moves.
	Tokens      *tokens.Reader
	Projections Projections
	// Now is the clock that the status in a story is judged by; nil is time.Now.
	Now func() time.Time
}

// Asker answers questions. It is safe for concurrent use.
type Asker struct {
	Config
	bounds bounds
}

// bounds are how much one call does at the most.
type bounds struct {
	reads int // leaves read as candidates
	rows  int // tokens looked at for a page
	folds int // tokens folded from the log for a page
	uses  int // uses read for a story: the oldest, as many of the newest, and after the end
}

// New gives an Asker.
func New(c Config) *Asker {
	if c.Now == nil {
		c.Now = time.Now
	}
	return &Asker{Config: c, bounds: bounds{reads: 20_000, rows: 50_000, folds: 5_000, uses: 200_000}}
}

const (
	defaultLimit = 100
	maxLimit     = 1000
)

func limitOf(n int) (int, error) {
	switch {
	case n == 0:
		return defaultLimit, nil
	case n < 0 || n > maxLimit:
		return 0, &QueryError{"limit", "has to be from 1 to 1000"}
	}
	return n, nil
}

func (s *Scope) check() error {
	switch {
	case s.Tenant == "" && !s.AllTenants:
		return &QueryError{"tenant", "is missing"}
	case s.Tenant != "" && s.AllTenants:
		return &QueryError{"tenant", "is given together with all tenants: choose one"}
	}
	return nil
}

// has reports whether something of a tenant is in the scope.
func (s *Scope) has(tenant string) bool { return s.AllTenants || s.Tenant == tenant }

// near is how many leaves that were not asked for are read along, when that saves to
// read twice.
const near = 16

// read calls each with the events of ascending sequences, read from the log. Each may
// keep them.
func (a *Asker) read(ctx context.Context, d *events.Decoder, seqs []uint64, each func(events.Recorded) error) error {
	for i := 0; i < len(seqs); {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		end := i + 1
		for end < len(seqs) && seqs[end]-seqs[end-1] <= near {
			end++
		}
		run := seqs[i:end]
		err := a.Log.Leaves(run[0], run[len(run)-1], func(seq uint64, leaf []byte) error {
			if seq != run[0] {
				return nil
			}
			run = run[1:]
			if end-i > 1 {
				leaf = bytes.Clone(leaf) // the others are not to be kept with it
			}
			r, err := audit.Decode(d, seq, leaf)
			if err != nil {
				return err
			}
			return each(r)
		})
		if err != nil {
			return err
		}
		if len(run) > 0 {
			return &audit.NotYetError{Seq: run[0], Size: a.Log.Appended()}
		}
		i = end
	}
	return nil
}

// errEnough ends a walk early.
type errEnough struct{}

func (errEnough) Error() string { return "that is enough" }

// chunk is how many candidates are looked up before they are read.
const chunk = 512

// scan calls each with the events that match, those above after, in order, until it
// returns false. It reads up to bounds.reads candidates, wanted of them at first. It
// gives the sequence up to which all were given, and whether that is the end.
func (a *Asker) scan(ctx context.Context, q index.Query, after uint64, wanted int, each func(events.Recorded) (bool, error)) (next uint64, done bool, err error) {
	var d events.Decoder
	var seqs []uint64
	reads := 0
	for {
		seqs = seqs[:0]
		p, err := a.Index.Find(ctx, q, after, func(seq uint64) bool {
			seqs = append(seqs, seq)
			return len(seqs) < min(wanted, chunk)
		})
		if err != nil {
			return after, false, err
		}
		stopped := uint64(0)
		err = a.read(ctx, &d, seqs, func(r events.Recorded) error {
			if !q.Matches(&r) {
				return nil
			}
			more, err := each(r)
			if err == nil && !more {
				stopped, err = r.Seq, errEnough{}
			}
			return err
		})
		if stopped != 0 {
			return stopped, false, nil
		}
		if err != nil {
			return after, false, err
		}
		bare := len(seqs) == 0 // the index looked at as much as it does at once
		reads += len(seqs)
		after, wanted = p.Seq, chunk
		if p.Done {
			return after, true, nil
		}
		if reads >= a.bounds.reads || bare {
			return after, false, nil
		}
	}
}
