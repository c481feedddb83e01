package audit

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync"
	"sync/atomic"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/tokenledger/tokenledger/audit/layout"
	"github.com/tokenledger/tokenledger/events"
)

// Reader reads the leaves and hashes that are durable. It is safe for concurrent
// use. A leaf is held against the hash that the log has for it, so one that was altered
// on the disk is not given. Whether the hashes are those that were signed is the
// verifier's to say; a node holds them against the stream.
type Reader struct {
	fs    FS
	state atomic.Pointer[layout.State]

	mu      sync.Mutex
	offsets File
	tiles   [layout.MaxLevels]File
	closed  bool
}

// OpenReader opens the log in dir as it is now, to be read; a writer may go on. Only
// [Reader.Refresh] makes later leaves visible. An error of a log that does not exist
// is [fs.ErrNotExist].
func OpenReader(dir string) (*Reader, error) { return OpenReaderOn(Dir(dir)) }

// OpenReaderOn is [OpenReader] over any file system.
func OpenReaderOn(fsys FS) (*Reader, error) {
	r := &Reader{fs: fsys}
	return r, r.Refresh()
}

// Refresh makes visible what has become durable since.
func (r *Reader) Refresh() error {
	s, _, err := readState(r.fs)
	if err != nil {
		return err
	}
	r.state.Store(&s)
	return nil
}

// readState reads the newest state on the disk.
func readState(fsys FS) (layout.State, int, error) {
	raw, err := fsys.ReadFile(layout.StateFile)
	if err != nil {
		return layout.State{}, 0, fmt.Errorf("read the audit log's state: %w", err)
	}
	s, slot, err := layout.NewestState(raw)
	if err != nil {
		return s, 0, &CorruptError{layout.StateFile, "holds no state: it is damaged; the log's size and root cannot be known without it", err}
	}
	return s, slot, nil
}

// Size is the number of leaves, which is the last sequence too.
func (r *Reader) Size() uint64 { return r.state.Load().Size }

// State is what is durable, as the log has recorded it.
func (r *Reader) State() layout.State { return *r.state.Load() }

// Tree is the size and the root.
func (r *Reader) Tree() tlog.Tree {
	s := r.state.Load()
	return tlog.Tree{N: int64(s.Size), Hash: s.Root}
}

// Leaf gives the leaf of a sequence. Errors: a [*NotYetError], a [*CorruptError],
// those of the file system.
func (r *Reader) Leaf(seq uint64) ([]byte, error) {
	if size := r.Size(); seq == 0 || seq > size {
		return nil, &NotYetError{seq, size}
	}
	var leaf []byte
	err := r.Leaves(seq, seq, func(_ uint64, b []byte) error {
		leaf = b
		return nil
	})
	return leaf, err
}

// Entry gives the leaf of a sequence as it lies on the disk, whether it has its hash or
// not: it is for those who say what is damaged.
func (r *Reader) Entry(seq uint64) (leaf []byte, err error) {
	if size := r.Size(); seq == 0 || seq > size {
		return nil, &NotYetError{seq, size}
	}
	err = r.walk(seq, seq, func(_ uint64, b []byte) error {
		leaf = b
		return nil
	})
	return leaf, err
}

// Event gives the event of a sequence, decoded from its leaf.
func (r *Reader) Event(seq uint64) (events.Recorded, error) {
	leaf, err := r.Leaf(seq)
	if err != nil {
		return events.Recorded{}, err
	}
	return Decode(new(events.Decoder), seq, leaf)
}

// Decode reads the leaf of a sequence. A leaf that is none, or another's, is a
// [*CorruptError]. The result refers to leaf.
func Decode(d *events.Decoder, seq uint64, leaf []byte) (events.Recorded, error) {
	l, err := layout.ParseLeaf(leaf)
	if err != nil {
		return events.Recorded{}, &CorruptError{segmentOf(seq), fmt.Sprintf("has no entry for sequence %d where it should be: %v", seq, err), err}
	}
	if l.Seq != seq {
		return events.Recorded{}, corrupt(segmentOf(seq), "has the entry of sequence %d in the place of %d", l.Seq, seq)
	}
	e, err := d.Decode(l.Event)
	if err != nil {
		return events.Recorded{}, &CorruptError{segmentOf(seq), fmt.Sprintf("has an entry for sequence %d that is no event: %v", seq, err), err}
	}
	return events.Recorded{Seq: seq, Received: l.Received, Subject: l.Subject, Raw: l.Event, Event: e}, nil
}

// segmentOf names the file that has the leaf of a sequence.
func segmentOf(seq uint64) string { return layout.SegmentFile((seq - 1) / layout.SegmentLeaves) }

// HashOf gives the hash of the leaf that an event is. Its error is a [*LeafError].
func HashOf(r events.Recorded) (tlog.Hash, error) {
	leaf, err := layout.AppendLeaf(nil, layout.Leaf{Seq: r.Seq, Received: r.Received, Subject: r.Subject, Event: r.Raw})
	if err != nil {
		return tlog.Hash{}, &LeafError{r.Seq, err}
	}
	return tlog.RecordHash(leaf), nil
}

// run bounds what is read at once, in bytes.
const run = 1 << 20

// Leaves calls each with the leaves of the sequences first to last, in order, until it
// returns an error, which Leaves gives back. Leaves past the log's end are left out.
// each may keep the leaf. One that has not the hash that the log has for it is a
// [*CorruptError], of the entries or of the tiles, whichever is damaged.
func (r *Reader) Leaves(first, last uint64, each func(seq uint64, leaf []byte) error) error {
	return r.HashedLeaves(first, last, func(seq uint64, leaf []byte, _ tlog.Hash) error { return each(seq, leaf) })
}

// hashesAtOnce is how many hashes are read along with leaves.
const hashesAtOnce = 4096

// HashedLeaves is [Reader.Leaves], and gives each leaf's hash.
func (r *Reader) HashedLeaves(first, last uint64, each func(seq uint64, leaf []byte, h tlog.Hash) error) error {
	var (
		hasher Hasher
		hashes []tlog.Hash
		from   uint64 // the sequence of the first of hashes
	)
	last = min(last, r.Size())
	return r.walk(first, last, func(seq uint64, leaf []byte) (err error) {
		if seq >= from+uint64(len(hashes)) {
			from = seq
			if hashes, err = r.LeafHashes(seq, min(last, seq+hashesAtOnce-1)); err != nil {
				return err
			}
		}
		h := hasher.Sum(leaf)
		if h != hashes[seq-from] {
			return r.notTheLeaf(seq)
		}
		return each(seq, leaf, h)
	})
}

// walk is Leaves without a look at the hashes.
func (r *Reader) walk(first, last uint64, each func(seq uint64, leaf []byte) error) error {
	last = min(last, r.Size())
	for first = max(first, 1); first <= last; {
		segment := (first - 1) / layout.SegmentLeaves
		end := min(last, (segment+1)*layout.SegmentLeaves)
		if err := r.segment(segment, first, end, each); err != nil {
			return err
		}
		first = end + 1
	}
	return nil
}

// segment is walk within one segment.
func (r *Reader) segment(n, first, last uint64, each func(uint64, []byte) error) error {
	ends, begin, err := r.ends(n, first, last)
	if err != nil {
		return err
	}
	name := layout.SegmentFile(n)
	f, err := r.fs.Open(name, false)
	if errors.Is(err, fs.ErrNotExist) {
		return &CorruptError{name, fmt.Sprintf("is missing; it has the entries of the sequences from %d on", n*layout.SegmentLeaves+1), err}
	} else if err != nil {
		return err
	}
	defer f.Close()
	for i := 0; i < len(ends); {
		// As many leaves at once as fit, and one at least.
		next := i + 1
		for next < len(ends) && ends[next]-begin <= run {
			next++
		}
		buf := make([]byte, ends[next-1]-begin)
		if err := readFull(f, name, buf, begin); err != nil {
			return err
		}
		at := begin
		for ; i < next; i++ {
			line := buf[at-begin : ends[i]-begin]
			seq := first + uint64(i)
			if line[len(line)-1] != '\n' {
				return corrupt(name, "has no end of line behind the entry of sequence %d", seq)
			}
			if err := each(seq, line[:len(line)-1:len(line)-1]); err != nil {
				return err
			}
			at = ends[i]
		}
		begin = at
	}
	return nil
}

// ends gives where the lines of first to last, in the segment n, end, and where the
// first begins.
func (r *Reader) ends(n, first, last uint64) (ends []uint64, begin uint64, err error) {
	f, err := r.open(&r.offsets, layout.OffsetsFile)
	if err != nil {
		return nil, 0, err
	}
	from := first - 1
	if opens := from == n*layout.SegmentLeaves; !opens {
		from-- // where the one before ends
	}
	buf := make([]byte, (last-from)*layout.OffsetSize)
	if err := readFull(f, layout.OffsetsFile, buf, from*layout.OffsetSize); err != nil {
		return nil, 0, err
	}
	if from < first-1 {
		begin = binary.BigEndian.Uint64(buf)
		buf = buf[layout.OffsetSize:]
	}
	ends = make([]uint64, last-first+1)
	was := begin
	for i := range ends {
		ends[i] = binary.BigEndian.Uint64(buf[i*layout.OffsetSize:])
		if ends[i] <= was || ends[i]-was > layout.MaxLeaf+1 {
			return nil, 0, corrupt(layout.OffsetsFile, "has a place for the entry of sequence %d that cannot be", first+uint64(i))
		}
		was = ends[i]
	}
	return ends, begin, nil
}

// open gives a file that stays open.
func (r *Reader) open(f *File, name string) (File, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil, ErrClosed
	}
	if *f != nil {
		return *f, nil
	}
	opened, err := r.fs.Open(name, false)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &CorruptError{name, "is missing", err}
	} else if err != nil {
		return nil, err
	}
	*f = opened
	return opened, nil
}

// readFull fills b from the file. A file that ends before is corrupt.
func readFull(f File, name string, b []byte, at uint64) error {
	n, err := f.ReadAt(b, int64(at))
	if n == len(b) {
		return nil
	}
	if errors.Is(err, io.EOF) {
		return corrupt(name, "ends at byte %d; it should have %d at least", at+uint64(n), at+uint64(len(b)))
	}
	return fmt.Errorf("read %s: %w", name, err)
}

// Close closes the files. Reads under way fail.
func (r *Reader) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil
	}
	r.closed = true
	var err error
	for _, f := range append(r.tiles[:], r.offsets) {
		if f != nil {
			err = errors.Join(err, f.Close())
		}
	}
	return err
}
