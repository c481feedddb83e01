package bench

import (
	"context"
	"crypto/sha256"
	"errors"
	"runtime"
	"time"

	"github.com/tokenledger/tokenledger/audit/verify"
)

// runAuditVerify verifies a whole log, beside the SHA-256 of its leaves and of as many
// nodes as their tree has, in memory and on one core.
func runAuditVerify(ctx context.Context, b *bench, dir string) (o outcome, cs Conditions, err error) {
	l, err := b.openAudit(dir)
	if err != nil {
		return o, nil, err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	if _, err := b.fillAudit(ctx, l, b.Tokens, nil); err != nil {
		return o, nil, err
	}
	if _, err := l.Checkpoint(ctx); err != nil {
		return o, nil, err
	}
	var leaves [][]byte
	bytes := 0
	err = l.Leaves(1, uint64(min(b.Tokens, 16*auditBatch)), func(_ uint64, leaf []byte) error {
		leaves = append(leaves, leaf)
		bytes += len(leaf)
		return nil
	})
	if err != nil {
		return o, nil, err
	}
	hash := func(context.Context, time.Duration) (sample, error) {
		return timed(func() (int, error) {
			var node [1 + 2*sha256.Size]byte
			for i := range b.Tokens {
				sum := sha256.Sum256(leaves[i%len(leaves)])
				copy(node[1:], sum[:])
				sum = sha256.Sum256(node[:])
				copy(node[1+sha256.Size:], sum[:])
			}
			return b.Tokens, nil
		})
	}
	check := func(ctx context.Context, _ time.Duration) (sample, error) {
		return timed(func() (int, error) {
			r, err := verify.Verify(ctx, verify.Dir(l.dir), verify.Options{Key: l.vkey})
			if err != nil {
				return 0, err
			}
			return int(r.Size), nil
		})
	}
	if o, err = b.alternate(ctx, 0, hash, check); err != nil {
		return o, nil, err
	}
	cs.add("entries", b.Tokens)
	cs.add("bytes_per_leaf", bytes/len(leaves))
	cs.add("entries_per_second_and_core", o.value/float64(runtime.GOMAXPROCS(0)))
	return o, cs, nil
}
