package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/tokenledger/tokenledger/events"
	"github.com/tokenledger/tokenledger/projections"
	"github.com/tokenledger/tokenledger/projections/tokens"
)

// runRebuild builds the read model from the audit log, beside a bare ordered consumer
// of a stream that holds the same events.
func runRebuild(ctx context.Context, b *bench, dir string) (o outcome, cs Conditions, err error) {
	store, conn, stop, err := b.openStream(ctx, filepath.Join(dir, "stream"))
	if err != nil {
		return o, nil, err
	}
	defer stop()
	l, err := b.openAudit(dir)
	if err != nil {
		return o, nil, err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	r := &replaying{b: b, dir: dir, store: store}
	p := newRecordings()
	if err := b.fill(ctx, store, b.Tokens, func() events.Event { return p.p.mixed(&p.ids) }); err != nil {
		return o, nil, err
	}
	if err := r.open(ctx, conn); err != nil {
		return o, nil, err
	}
	if _, err := b.fillAudit(ctx, l, b.Tokens, nil); err != nil {
		return o, nil, err
	}
	read := func(ctx context.Context, _ time.Duration) (sample, error) {
		return timed(func() (int, error) {
			return b.Tokens, l.Replay(ctx, 0, func([]events.Recorded) error { return nil })
		})
	}
	reading, err := read(ctx, 0)
	if err != nil {
		return o, nil, err
	}
	if o, err = b.alternate(ctx, 0, r.consume, func(ctx context.Context, _ time.Duration) (sample, error) { return r.rebuild(ctx, l) }); err != nil {
		return o, nil, err
	}
	cs.add("events", b.Tokens)
	cs.add("tokens", len(p.ids))
	cs.add("mix", "50 % generated, 40 % used, 10 % revoked, of random tokens")
	cs.add("read_prove_and_decode_only_per_second", reading.rate())
	cs.add("close_seconds", medianOf(o.product, func(s sample) float64 { return s.settle.Seconds() }))
	return o, cs, nil
}

// rebuild is the product: from an empty read model to one in which the last event can
// be read, each event proved by the log's root before it is applied.
func (r *replaying) rebuild(ctx context.Context, l *auditLog) (s sample, err error) {
	r.tried++
	dir := filepath.Join(r.dir, fmt.Sprintf("projections-%d", r.tried))
	runner, err := projections.Open(dir, r.b.Logger, nil, tokens.New(tokens.Config{}))
	if err != nil {
		return s, err
	}
	s, err = timed(func() (int, error) {
		return int(r.last), runner.Bulk(func(apply func([]events.Recorded) error) error { return l.Replay(ctx, 0, apply) })
	})
	closing, closeErr := timed(func() (int, error) { return 0, runner.Close() })
	s.settle, s.settleCPU = closing.took, closing.cpu
	return s, errors.Join(err, closeErr, os.RemoveAll(dir))
}
