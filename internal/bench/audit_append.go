package bench

import (
	"context"
	"crypto/sha256"
	"errors"
	"os"
	"path/filepath"
	"time"

	"github.com/tokenledger/tokenledger/audit/layout"
	"github.com/tokenledger/tokenledger/events"
	"github.com/tokenledger/tokenledger/internal/durable"
)

// appending is the suite audit-append under way.
type appending struct {
	log *auditLog
	// events are appended over and over, under new sequences.
	events []events.Recorded
	leaves [][]byte
	bytes  int
	floor  *os.File
	at     int64
}

func runAuditAppend(ctx context.Context, b *bench, dir string) (o outcome, cs Conditions, err error) {
	a := &appending{}
	if a.events, err = newRecordings().next(16 * auditBatch); err != nil {
		return o, nil, err
	}
	for _, r := range a.events {
		leaf, err := layout.AppendLeaf(nil, layout.Leaf{Seq: r.Seq, Received: r.Received, Subject: r.Subject, Event: r.Raw})
		if err != nil {
			return o, nil, err
		}
		a.leaves = append(a.leaves, leaf)
		a.bytes += len(leaf)
	}
	if a.log, err = b.openAudit(dir); err != nil {
		return o, nil, err
	}
	defer func() { err = errors.Join(err, a.log.Close()) }()
	if a.floor, err = os.Create(filepath.Join(dir, "floor")); err != nil {
		return o, nil, err
	}
	defer func() { err = errors.Join(err, a.floor.Close()) }()
	if o, err = b.alternate(ctx, b.Slice, a.hashAndSync, a.append); err != nil {
		return o, nil, err
	}
	cs.add("events_per_batch", auditBatch)
	cs.add("bytes_per_leaf", a.bytes/len(a.leaves))
	cs.add("audit_durability", "each batch is synced, counted and synced again before the next is begun")
	cs.add("entries_at_end", a.log.Size())
	return o, cs, nil
}

// append is the product: a batch is durable before the next is appended.
func (a *appending) append(ctx context.Context, d time.Duration) (sample, error) {
	return timed(func() (n int, err error) {
		for began := time.Now(); time.Since(began) < d; n += auditBatch {
			seq := a.log.Appended()
			from := int(seq) % len(a.events)
			batch := a.events[from : from+auditBatch]
			for i := range batch {
				batch[i].Seq = seq + uint64(i) + 1
			}
			if err := a.log.Append(batch); err != nil {
				return n, err
			}
			if err := a.log.WaitFor(ctx, seq+auditBatch); err != nil {
				return n, err
			}
		}
		return n, nil
	})
}

// hashAndSync is the floor: the SHA-256 of the same leaves, which are written to one
// file, and one sync for a batch.
func (a *appending) hashAndSync(_ context.Context, d time.Duration) (sample, error) {
	return timed(func() (n int, err error) {
		var lines []byte
		var sink [sha256.Size]byte
		for began := time.Now(); time.Since(began) < d; n += auditBatch {
			lines = lines[:0]
			from := n % len(a.leaves)
			for _, leaf := range a.leaves[from : from+auditBatch] {
				sink = sha256.Sum256(leaf)
				lines = append(lines, leaf...)
			}
			if _, err := a.floor.WriteAt(append(lines, sink[:]...), a.at); err != nil {
				return n, err
			}
			a.at += int64(len(lines))
			if err := durable.Data(a.floor); err != nil {
				return n, err
			}
		}
		return n, nil
	})
}
