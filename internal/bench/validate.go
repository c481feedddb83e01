package bench

import (
	"context"
	"fmt"
	"runtime/debug"
	"strings"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/tokenledger/tokenledger/commands"
)

// validating is the suite validate-http under way.
type validating struct {
	b      *bench
	n      *node
	tokens *holder
	// caller is the token that asks.
	caller ulid.ULID
	bearer string
	// signIns are uses of that token besides those of its validations.
	signIns uint64

	uniform, skewed *load // of the node
	bare            *load
}

func runValidateHTTP(ctx context.Context, b *bench, dir string) (o outcome, cs Conditions, err error) {
	v := &validating{b: b}
	cs.add("connections", connections)
	cs.add("tokens", b.Tokens)
	cs.add("presented", "any token, each with the same probability")
	if err := v.prepare(ctx, dir, &cs); err != nil {
		return o, nil, err
	}
	defer v.n.Shutdown()
	bareAddr, stop, err := startBareServer(answerBare)
	if err != nil {
		return o, nil, err
	}
	defer stop()
	v.connect(bareAddr)
	if o, err = b.alternate(ctx, b.Slice, v.floor, v.product(v.uniform)); err != nil {
		return o, nil, err
	}
	cs.addResident("resident_mb_under_load")
	cs.add("drain_seconds", medianOf(o.product, func(s sample) float64 { return s.settle.Seconds() }))
	cs.add("drain_cpu_us_per_operation", medianOf(o.product, func(s sample) float64 { return float64(s.settleCPU.Microseconds()) / float64(s.n) }))

	b.step("with some tokens presented far more often than others")
	busy, err := clean(ctx, b.Slice, v.product(v.skewed))
	if err != nil {
		return o, nil, err
	}
	cs.add("value_zipf_1.1", busy.rate())
	cs.add("drain_seconds_zipf_1.1", busy.settle.Seconds())

	b.step("comparing what was answered with what was recorded")
	return o, cs, v.verify(&cs)
}

// prepare has a node run on a ledger of so many tokens, started as after a restart.
func (v *validating) prepare(ctx context.Context, dir string, cs *Conditions) error {
	v.b.step("starting a node")
	n, err := v.b.startNode(ctx, dir)
	if err != nil {
		return err
	}
	err = v.makeCaller(ctx, n)
	n.Shutdown()
	if err != nil {
		return err
	}
	if v.tokens, err = v.b.populate(ctx, dir, v.b.Tokens); err != nil {
		return err
	}
	v.b.step("building the read model")
	began := time.Now()
	if n, err = v.b.startNode(ctx, dir); err != nil {
		return err
	}
	cs.add("first_start_seconds", time.Since(began).Seconds())
	n.Shutdown()

	v.b.step("restarting the node")
	debug.FreeOSMemory()
	cs.addResident("resident_mb_before_restart")
	began = time.Now()
	if v.n, err = v.b.startNode(ctx, dir); err != nil {
		return err
	}
	cs.add("restart_to_ready_seconds", time.Since(began).Seconds())
	cs.addResident("resident_mb_when_ready")
	return nil
}

// connect says who is asked: the node, and the floor at bareAddr.
func (v *validating) connect(bareAddr string) {
	own := strings.TrimPrefix(v.n.URL(), "http://")
	v.bare = newLoad(bareAddr, v.bearer, v.tokens, uniformly)
	v.uniform = newLoad(own, v.bearer, v.tokens, uniformly)
	v.skewed = newLoad(own, v.bearer, v.tokens, zipf)
}

// makeCaller generates the token of the service that validates.
func (v *validating) makeCaller(ctx context.Context, n *node) error {
	s, err := n.signIn(ctx, "POST /v1/tokens")
	if err != nil {
		return err
	}
	made, err := n.Ledger().Generate(ctx, s, commands.Generate{Labels: commands.Labels{
		Name: "gateway", Scopes: []string{commands.TokensValidate}, TTL: 24 * time.Hour,
	}})
	v.caller, v.bearer = made.Token.ID, made.Secret.Reveal()
	return err
}

func (v *validating) floor(ctx context.Context, d time.Duration) (sample, error) {
	return v.bare.run(ctx, d)
}

// product gives a slice of the node, which then waits until all uses are in the
// stream and in the read model.
func (v *validating) product(l *load) slice {
	return func(ctx context.Context, d time.Duration) (sample, error) {
		s, err := l.run(ctx, d)
		if err != nil {
			return s, err
		}
		rest, err := timed(func() (int, error) { return 0, v.n.settle(ctx) })
		s.settle, s.settleCPU = rest.took, rest.cpu
		if err != nil {
			return s, fmt.Errorf("wait until the uses are in the stream: %w", err)
		}
		return s, nil
	}
}
