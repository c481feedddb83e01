package questions

import (
	"context"
	"fmt"
	"time"

	"github.com/tokenledger/tokenledger/audit"
	"github.com/tokenledger/tokenledger/audit/layout"
)

// moment is a [Moment] that was found in the log.
type moment struct {
	seq   uint64
	clock time.Time
}

func (m moment) public() Moment { return Moment{Time: m.clock, Seq: m.seq} }

// at finds a moment, in the log up to the sequence end. field is how the question names
// it.
func (a *Asker) at(ctx context.Context, m Moment, field string, end uint64) (moment, error) {
	switch {
	case m.Seq > end:
		return moment{}, &QueryError{field, fmt.Sprintf("is sequence %d: the log has %d events", m.Seq, end)}
	case m.Seq != 0:
		clock, err := a.received(m.Seq)
		return moment{m.Seq, clock}, err
	case m.Time.IsZero():
		return moment{}, &QueryError{field, "is missing: give a time or a sequence"}
	}
	seq, err := a.Index.LastBefore(ctx, m.Time, end)
	return moment{seq, m.Time.UTC()}, err
}

// received gives when the event of a sequence arrived.
func (a *Asker) received(seq uint64) (t time.Time, err error) {
	err = a.Log.Leaves(seq, seq, func(_ uint64, leaf []byte) error {
		l, err := layout.ParseLeaf(leaf)
		if err != nil {
			return &audit.CorruptError{
				File: layout.SegmentFile((seq - 1) / layout.SegmentLeaves), Problem: fmt.Sprintf("has no entry for sequence %d where it should be: %v", seq, err), Cause: err,
			}
		}
		t = l.Received
		return nil
	})
	return t, err
}
