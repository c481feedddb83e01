package bench

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/tokenledger/tokenledger/commands"
	"github.com/tokenledger/tokenledger/events"
	"github.com/tokenledger/tokenledger/projections/tokens"
)

// manyCallers is the number of callers of the suites that show group commit.
const manyCallers = 64

// command is a command that the node carries out over and over.
type command interface {
	// prepare makes ready for about n calls.
	prepare(ctx context.Context, n int) error
	// do carries out one, which gives the sequence of its event.
	do(ctx context.Context) (seq uint64, err error)
}

// firstRate is the rate per second that a slice is prepared for before any was
// measured.
const firstRate = 20_000

// runCommand is the suites generate, generate-1 and revoke.
func runCommand(ctx context.Context, b *bench, dir string, many int, newCommand func(*node) command) (o outcome, cs Conditions, err error) {
	b.step("starting a node")
	n, err := b.startNode(ctx, dir)
	if err != nil {
		return o, nil, err
	}
	defer n.Shutdown()
	cmd := newCommand(n)

	// The first call shows what the product publishes.
	if err := cmd.prepare(ctx, 1); err != nil {
		return o, nil, err
	}
	seq, err := cmd.do(ctx)
	if err != nil {
		return o, nil, err
	}
	payload, err := n.published(ctx, seq)
	if err != nil {
		return o, nil, err
	}
	floor, err := b.startPublisher(ctx, dir, payload)
	if err != nil {
		return o, nil, err
	}
	defer floor.close()

	rate := float64(firstRate)
	product := func(ctx context.Context, d time.Duration) (sample, error) {
		if err := cmd.prepare(ctx, int(1.5*rate*d.Seconds())+many); err != nil {
			return sample{}, err
		}
		s, err := callers(ctx, many, d, func(ctx context.Context, _ int) error {
			_, err := cmd.do(ctx)
			return err
		})
		if err == nil {
			rate = max(s.rate(), 100)
		}
		return s, err
	}
	if o, err = b.alternate(ctx, b.Slice, floor.publish(1), product); err != nil {
		return o, nil, err
	}
	cs.add("callers", many)
	cs.add("floor_callers", 1)
	cs.add("bytes_per_event", len(payload))
	if many > 1 {
		b.step("the floor with %d callers", many)
		s, err := clean(ctx, b.Slice, floor.publish(many))
		if err != nil {
			return o, nil, err
		}
		cs.add(fmt.Sprintf("floor_at_%d_callers", many), s.rate())
	}
	return o, cs, nil
}

// labels are those of an everyday token.
func labels(n uint64) commands.Labels {
	return commands.Labels{
		Name: fmt.Sprintf("shop %d checkout", n), Site: fmt.Sprintf("shop%d.example", n%2000), Owner: fmt.Sprintf("team-%d", n%200),
		Scopes: []string{"orders:read", "orders:write"}, TTL: 90 * 24 * time.Hour,
	}
}

// generating generates tokens.
type generating struct {
	n     *node
	count atomic.Uint64
}

func newGenerating(n *node) command { return &generating{n: n} }

func (*generating) prepare(context.Context, int) error { return nil }

func (g *generating) do(ctx context.Context) (uint64, error) {
	s, err := g.n.signIn(ctx, "POST /v1/tokens")
	if err != nil {
		return 0, err
	}
	made, err := g.n.Ledger().Generate(ctx, s, commands.Generate{Labels: labels(g.count.Add(1))})
	return made.Seq, err
}

// revoking revokes tokens that were imported before.
type revoking struct {
	n     *node
	ready []ulid.ULID
	next  atomic.Int64
	count uint64
}

func newRevoking(n *node) command { return &revoking{n: n} }

// prepare imports tokens until n are ready. An import takes the same way into the
// ledger as a generated token, in large batches.
func (r *revoking) prepare(ctx context.Context, n int) error {
	r.ready = r.ready[min(int(r.next.Swap(0)), len(r.ready)):]
	for len(r.ready) < n {
		lines := make([]commands.Import, min(n-len(r.ready), commands.MaxImportBatch))
		for i := range lines {
			r.count++
			lines[i] = commands.Import{Labels: labels(r.count)}
			_, _ = rand.Read(lines[i].SHA256[:]) // never fails: it ends the process first
		}
		ids, err := r.n.importBatch(ctx, lines)
		if err != nil {
			return fmt.Errorf("prepare tokens: %w", err)
		}
		r.ready = append(r.ready, ids...)
	}
	return nil
}

func (r *revoking) do(ctx context.Context) (uint64, error) {
	i := int(r.next.Add(1)) - 1
	if i >= len(r.ready) {
		return 0, errUsedUp
	}
	s, err := r.n.signIn(ctx, "POST /v1/tokens/{id}/revoke")
	if err != nil {
		return 0, err
	}
	changed, err := r.n.Ledger().Revoke(ctx, s, commands.Revoke{ID: r.ready[i], Why: commands.Why{Reason: "no longer needed", Code: events.ReasonUnused}})
	if err == nil && changed.Token.Status(time.Now()) != tokens.StatusRevoked {
		err = errors.New("a token was not revoked when its revocation had returned")
	}
	return changed.Seq, err
}
