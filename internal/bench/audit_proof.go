package bench

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/tokenledger/tokenledger/audit/layout"
)

// proving is the suite audit-proof under way.
type proving struct {
	log        *auditLog
	checkpoint []byte
	rng        *rand.Rand
	took       []time.Duration
	hashes     *os.File
}

func runAuditProof(ctx context.Context, b *bench, dir string) (o outcome, cs Conditions, err error) {
	p := &proving{rng: rand.New(rand.NewPCG(3, 4))}
	if p.log, err = b.openAudit(dir); err != nil {
		return o, nil, err
	}
	defer func() { err = errors.Join(err, p.log.Close()) }()
	if _, err := b.fillAudit(ctx, p.log, b.Tokens, nil); err != nil {
		return o, nil, err
	}
	if p.checkpoint, err = p.log.Checkpoint(ctx); err != nil {
		return o, nil, err
	}
	if p.hashes, err = os.Open(filepath.Join(p.log.dir, layout.TileFile(0))); err != nil {
		return o, nil, err
	}
	defer func() { err = errors.Join(err, p.hashes.Close()) }()
	if o, err = b.alternate(ctx, b.Slice, p.read, p.prove); err != nil {
		return o, nil, err
	}
	slices.Sort(p.took)
	cs.add("entries", b.Tokens)
	cs.add("proof_p50_us", float64(p.took[len(p.took)/2].Nanoseconds())/1e3)
	cs.add("proof_p99_us", float64(p.took[len(p.took)*99/100].Nanoseconds())/1e3)
	return o, cs, nil
}

// seq gives a random sequence.
func (p *proving) seq() uint64 { return 1 + p.rng.Uint64N(p.log.Size()) }

// prove is the product: the leaf of a random sequence, with its inclusion proof under a
// signed checkpoint, as a file to hand on.
func (p *proving) prove(ctx context.Context, d time.Duration) (sample, error) {
	return callers(ctx, 1, d, func(context.Context, int) error {
		began := time.Now()
		_, err := p.log.Proof(p.seq(), p.checkpoint)
		p.took = append(p.took, time.Since(began))
		return err
	})
}

// read is the floor: one read of the tile that holds the leaf's hash.
func (p *proving) read(ctx context.Context, d time.Duration) (sample, error) {
	var tile [layout.TileWidth * layout.HashSize]byte
	full := max(1, int64(p.log.Size()/layout.TileWidth))
	return callers(ctx, 1, d, func(context.Context, int) error {
		_, err := p.hashes.ReadAt(tile[:], int64(p.seq()/layout.TileWidth)%full*int64(len(tile)))
		return err
	})
}
