package archive

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/tokenledger/tokenledger/audit"
	"github.com/tokenledger/tokenledger/audit/layout"
	"github.com/tokenledger/tokenledger/events"
	"github.com/tokenledger/tokenledger/internal/eventstore"
)

// hashesAtOnce is how many hashes of the log are held in memory.
const hashesAtOnce = 4096

// Comparison says how a stream and the archive agree.
type Comparison struct {
	// Archive is the number of entries, Stream the last sequence; 0 without a stream.
	Archive uint64 `json:"archive"`
	Stream  uint64 `json:"stream"`
	// Lost, Changed and Foreign count sequences. Those that the stream ends before
	// are not among the lost.
	Lost    uint64 `json:"lost"`
	Changed uint64 `json:"changed"`
	Foreign uint64 `json:"foreign"`
	// Gone counts the lost that are not in the archive either.
	Gone uint64 `json:"gone"`
	// Ranges are the findings in the order of the stream, at most MaxRanges;
	// Unlisted counts those that found no room.
	Ranges   []Range `json:"ranges,omitempty"`
	Unlisted uint64  `json:"unlisted,omitempty"`
}

// EndsEarly counts the entries of the archive behind the stream's end.
func (c *Comparison) EndsEarly() uint64 {
	if c.Stream >= c.Archive {
		return 0
	}
	return c.Archive - c.Stream
}

// Extra counts the sequences of the stream that the archive does not have yet.
func (c *Comparison) Extra() uint64 {
	if c.Archive >= c.Stream {
		return 0
	}
	return c.Stream - c.Archive
}

// Agree reports whether the stream has all that the archive has, unchanged, and
// nothing behind it that is missing or no event.
func (c *Comparison) Agree() bool {
	return c.Lost == 0 && c.Changed == 0 && c.Foreign == 0 && c.EndsEarly() == 0
}

// Compare reads the whole stream and holds it against the archive; a nil r is one of no
// entries. Differences are no errors. Errors: ErrUnavailable of the event store, those of the archive, which is
// believed here ([Check] looks whether it may be), ctx's. Where a hash of the archive is
// damaged its entry counts, which the hashes above prove.
func Compare(ctx context.Context, store *eventstore.Store, r *audit.Reader, progress Progress) (*Comparison, error) {
	c := &comparing{r: r, progress: progress}
	if r != nil {
		c.size = r.Size()
	}
	st, err := store.State(ctx)
	if err != nil && !errors.Is(err, eventstore.ErrNoStream) {
		return nil, err
	}
	c.last = st.Last
	if st.Last > 0 {
		err := store.Examine(ctx, 1, st.Last, eventstore.Findings{Message: c.message, Lost: c.lost})
		if err != nil {
			return nil, err
		}
	}
	if c.last < c.size {
		c.add(Range{First: c.last + 1, Last: c.size, Kind: EndsEarly})
	}
	c.end()
	return &Comparison{
		Archive: c.size, Stream: c.last,
		Lost: c.counts[Lost], Changed: c.counts[Changed], Foreign: c.counts[Foreign], Gone: c.gone,
		Ranges: c.list, Unlisted: c.unlisted,
	}, nil
}

// comparing is a comparison under way.
type comparing struct {
	ranges
	r          *audit.Reader
	size, last uint64
	gone       uint64
	progress   Progress

	decoder events.Decoder
	hash    audit.Hasher
	leaf    []byte
	hashes  []tlog.Hash // of the archive, from the sequence from on
	from    uint64
	// badHashes counts those of the archive that are damaged.
	badHashes int
}

func (c *comparing) lost(first, last uint64) error {
	c.add(Range{First: first, Last: last, Kind: Lost})
	if behind := max(first, c.size+1); behind <= last {
		c.gone += last - behind + 1
	}
	return nil
}

func (c *comparing) message(m eventstore.Stored) error {
	if m.Seq%often == 0 || m.Seq == c.last {
		c.progress.tell("comparing the stream with the log", m.Seq, c.last)
	}
	if m.Seq > c.size {
		if !isEvent(&c.decoder, m) {
			c.add(Range{First: m.Seq, Last: m.Seq, Kind: Foreign})
		}
		return nil
	}
	if m.Seq >= c.from+uint64(len(c.hashes)) {
		var err error
		if c.hashes, err = c.r.LeafHashes(m.Seq, min(c.size, m.Seq+hashesAtOnce-1)); err != nil {
			return err
		}
		c.from = m.Seq
	}
	leaf, err := layout.AppendLeaf(c.leaf[:0], leafOf(m))
	c.leaf = leaf
	if err == nil && c.hash.Sum(leaf) == c.hashes[m.Seq-c.from] {
		return nil
	}
	what, err := c.differs(m)
	if errors.Is(err, errSame) {
		return nil
	}
	if err != nil {
		return err
	}
	c.add(Range{First: m.Seq, Last: m.Seq, Kind: Changed, What: what})
	return nil
}

var errSame = errors.New("the message is the archive's")

// differs says in what a message, which has not the hash that the archive has for it, is
// not the archive's. It may be the hash alone that is damaged: then that is errSame.
func (c *comparing) differs(m eventstore.Stored) (what []string, err error) {
	raw, err := c.r.Leaf(m.Seq)
	bad, ok := errors.AsType[*audit.CorruptError](err)
	// Each costs the reading of 256 entries. Where there are many, the comparison is over.
	hashDamaged := ok && bad.File == layout.TileFile(0) && c.badHashes < MaxRanges
	if hashDamaged {
		c.badHashes++
		if raw, err = c.r.Entry(m.Seq); err == nil && bytes.Equal(raw, c.leaf) {
			return nil, errSame
		}
	}
	if err != nil {
		return nil, err
	}
	there, err := layout.ParseLeaf(raw)
	if err != nil || !hashDamaged && c.hash.Sum(raw) != c.hashes[m.Seq-c.from] {
		return nil, &DamageError{layout.SegmentFile((m.Seq - 1) / layout.SegmentLeaves), m.Seq, fmt.Sprintf("has an entry for sequence %d that is not the one whose hash the log has", m.Seq)}
	}
	if !bytes.Equal(there.Event, m.Raw) {
		what = append(what, "payload")
	}
	if there.Subject != m.Subject {
		what = append(what, "subject")
	}
	if !there.Received.Equal(m.Received) {
		what = append(what, "time")
	}
	return what, nil
}

func leafOf(m eventstore.Stored) layout.Leaf {
	return layout.Leaf{Seq: m.Seq, Received: m.Received, Subject: m.Subject, Event: m.Raw}
}

// isEvent reports whether a message is an event that the log could take.
func isEvent(d *events.Decoder, m eventstore.Stored) bool {
	if _, err := m.Event(d); err != nil {
		return false
	}
	_, err := layout.AppendLeaf(nil, leafOf(m))
	return err == nil
}
