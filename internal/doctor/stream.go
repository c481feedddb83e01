package doctor

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/tokenledger/tokenledger/internal/archive"
	"github.com/tokenledger/tokenledger/internal/eventstore"
	"github.com/tokenledger/tokenledger/internal/natsserver"
	"github.com/tokenledger/tokenledger/internal/offline"
)

// examineStream holds the stream against the log.
func (x *examination) examineStream(ctx context.Context) error {
	if err := x.openStream(); err != nil {
		return err
	}
	if x.stream == nil {
		x.report.Stream = x.noStream()
	} else {
		c, err := archive.Compare(ctx, x.stream.Store, x.log, x.cfg.Progress)
		switch {
		case archive.IsDamage(err):
			// The log is damaged where the stream differs: said of the log already.
			x.report.add("stream_not_compared", Damage, "the stream could not be compared to its end: "+err.Error(), "", "")
			return nil
		case err != nil:
			return err
		}
		x.report.Stream = c
		if err := x.stream.Check(ctx); err != nil {
			wrong, ok := errors.AsType[*eventstore.StreamConfigError](err)
			if !ok && !errors.Is(err, eventstore.ErrNoStream) {
				return err
			}
			if ok {
				x.report.add("stream_unfit", Trouble, wrong.Error(), "the node refuses it", "set these back, or restore the stream")
			}
		}
	}
	x.reportStream()
	return nil
}

// openStream opens the stream, if there is one.
func (x *examination) openStream() (err error) {
	if x.cfg.NATSURL != "" {
		x.stream, err = offline.Dial(x.cfg.NATSURL, x.cfg.NATSCreds, x.cfg.Replicas, x.cfg.Logger)
		return err
	}
	if x.kept, err = natsserver.Keep(x.path("stream")); err != nil {
		return err
	}
	if _, err := os.Stat(x.path("stream")); errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	s, err := offline.Open(x.path("stream"), x.cfg.Logger)
	if err != nil {
		x.report.add("stream_unreadable", Damage, "the stream's store cannot be opened: "+err.Error(), "", x.mend())
		return nil //nolint:nilerr // it is a finding
	}
	if s.Unrecovered != "" {
		x.report.add("stream_unreadable", Damage, "the stream's store cannot be read: "+s.Unrecovered, "a block of it is damaged, and the server recovers nothing of a stream that it cannot read whole", x.mend())
	}
	x.stream = s
	return nil
}

// noStream is the comparison with nothing.
func (x *examination) noStream() *archive.Comparison {
	c := &archive.Comparison{}
	if x.log != nil {
		c.Archive = x.log.Size()
	}
	if c.Archive > 0 {
		c.Ranges = []archive.Range{{First: 1, Last: c.Archive, Kind: archive.EndsEarly}}
	}
	return c
}

// streamLast is the stream's last sequence, as far as it was found.
func (x *examination) streamLast() uint64 {
	if x.report.Stream == nil {
		return 0
	}
	return x.report.Stream.Stream
}

// mend says how a damaged stream is mended.
func (x *examination) mend() string {
	if x.cfg.NATSURL != "" {
		return "keep a copy of the stream (nats stream backup LEDGER DIR), delete it, and make it anew from the log: tokenledger doctor --data " + x.cfg.Data + " --nats-url … --restore-stream"
	}
	if x.whole() {
		return "make the stream anew from the log: tokenledger doctor --data " + x.cfg.Data + " --restore-stream (the damaged store is kept)"
	}
	return "the log is not whole, or not this node's, so the stream cannot be made from it: put stream/ back from a copy that is at least as new, or restore a backup into a new directory"
}

// reportStream makes findings of the comparison.
func (x *examination) reportStream() {
	c := x.report.Stream
	add := func(code, what, why string) { x.report.add(code, Damage, what, why, x.mend()) }
	switch {
	case c.Stream == 0 && c.Archive > 0:
		add("stream_missing", fmt.Sprintf("the stream is missing or empty, and the log has %d events of it", c.Archive), "its store was deleted, or replaced, or it could not be read")
	case c.EndsEarly() > 0:
		add("stream_ends_early", fmt.Sprintf("the stream ends at sequence %d, and the log has %d events: it lost its end", c.Stream, c.Archive), "a store that was damaged in a crash rolls back silently; or an older copy was put in its place. What is lost may be revocations")
	}
	if n := c.Lost - c.Gone; n > 0 {
		add("stream_lost", fmt.Sprintf("the stream has lost %s that the log has: %s", events(n), list(c, archive.Lost, 0, c.Archive)), "a damaged block, or deleted messages")
	}
	if c.Changed > 0 {
		add("stream_changed", fmt.Sprintf("%s of the stream %s not what the log has: %s", events(c.Changed), isAre(c.Changed), list(c, archive.Changed, 0, c.Archive)), "the stream was altered or replaced, or this is the log of another ledger")
	}
	if c.Foreign > 0 {
		add("stream_foreign", fmt.Sprintf("%s behind the log's end %s none: %s", events(c.Foreign), isAre(c.Foreign), list(c, archive.Foreign, c.Archive+1, c.Stream)), "somebody published to ledger.> what no tokenledger wrote, or the store is damaged. The node stops at it")
	}
	if c.Gone > 0 {
		x.report.add("stream_gone", Damage, fmt.Sprintf("the stream has lost %s that the log does not have either: %s", events(c.Gone), list(c, archive.Lost, c.Archive+1, c.Stream)), "they were stored, and not yet in the log", x.mend()+". What follows them cannot be placed: see whether another node's log has them")
	}
	if n := c.Extra(); n > 0 && c.Foreign+c.Gone == 0 {
		x.report.add("log_behind", Note, fmt.Sprintf("the stream has %s that the log does not have yet", events(n)), "the node was stopped before it had taken them in, or is behind", "nothing: the next start takes them in")
	}
}

func events(n uint64) string {
	if n == 1 {
		return "1 event"
	}
	return fmt.Sprintf("%d events", n)
}

func isAre(n uint64) string {
	if n == 1 {
		return "is"
	}
	return "are"
}

// list names the ranges of a kind between two sequences, the first few.
func list(c *archive.Comparison, kind archive.Kind, from, to uint64) string {
	const most = 8
	var parts []string
	more := c.Unlisted > 0
	for _, r := range c.Ranges {
		if r.Kind != kind || r.Last < from || r.First > to {
			continue
		}
		if len(parts) == most {
			more = true
			break
		}
		first, last := max(r.First, from), min(r.Last, to)
		text := fmt.Sprintf("sequence %d", first)
		if last > first {
			text = fmt.Sprintf("sequences %d to %d", first, last)
		}
		if r.What != nil {
			text += " (" + strings.Join(r.What, ", ") + ")"
		}
		parts = append(parts, text)
	}
	if more {
		parts = append(parts, "and more")
	}
	return strings.Join(parts, ", ")
}

// examineEvidence holds what was applied here against the log. A log that has something
// else there is not this node's: no stream is to be made from it.
func (x *examination) examineEvidence(context.Context) error {
	if x.identity == nil {
		return nil
	}
	e := x.identity.Evidence()
	x.applied = max(x.applied, e.Seq)
	if e.Seq == 0 || x.log == nil || e.Seq > x.log.Size() {
		return nil
	}
	r, err := x.log.Event(e.Seq)
	if err != nil {
		return nil //nolint:nilerr // the log was read whole before, and this was said then
	}
	if sha256.Sum256(r.Raw) != e.Hash {
		x.report.Log.Whole = false
		x.report.add("evidence_differs", Damage, fmt.Sprintf("the log's event at sequence %d is not the one that was applied here (keys/evidence.json)", e.Seq), "the log was replaced or altered, or keys/ is of another data directory", "put together what belongs together: keys/, audit/ and stream/ of one node. If the stream is whole and this node's, move audit/ aside: the next start makes the log anew from it")
	}
	return nil
}

// examineApplied holds what was applied and is not in the log against the stream.
func (x *examination) examineApplied(ctx context.Context) error {
	if x.identity == nil {
		return nil
	}
	e := x.identity.Evidence()
	if e.Seq == 0 || x.log != nil && e.Seq <= x.log.Size() {
		return nil
	}
	err := eventstore.ErrNotFound
	if x.stream != nil && e.Seq <= x.streamLast() {
		var found bool
		err = x.stream.Examine(ctx, e.Seq, e.Seq, eventstore.Findings{Message: func(m eventstore.Stored) error {
			found = true
			if sha256.Sum256(m.Raw) != e.Hash {
				x.report.add("evidence_differs", Damage, fmt.Sprintf("the stream's event at sequence %d is not the one that was applied here (keys/evidence.json)", e.Seq), "the stream was replaced or altered", "put together what belongs together: keys/, audit/ and stream/ of one node")
			}
			return nil
		}})
		if err == nil && !found {
			err = eventstore.ErrNotFound
		}
	}
	if errors.Is(err, eventstore.ErrNotFound) {
		x.report.add("applied_gone", Damage, fmt.Sprintf("events up to sequence %d were applied here, and neither the stream nor the log has the last of them", e.Seq), "both lost their end, or were replaced by older copies", "see whether another node, or a newer backup, has them")
		return nil
	}
	return err
}

// damagedStores lists what earlier restores moved aside.
func (x *examination) damagedStores() []string {
	names, _ := filepath.Glob(x.path("stream.damaged-*")) // the pattern is good
	for i, name := range names {
		names[i] = filepath.Base(name)
	}
	return names
}
