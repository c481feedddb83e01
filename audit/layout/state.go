package layout

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math/bits"

	"golang.org/x/mod/sumdb/tlog"
)

// State is how much of the log is durable.
type State struct {
	// Size is the number of leaves.
	Size uint64 `json:"size"`
	// Root is the tree's.
	Root tlog.Hash `json:"root"`
	// Edge is the roots of the perfect subtrees that the leaves fall into, the
	// largest first: one for each bit that is set in Size.
	Edge []tlog.Hash `json:"edge"`
}

const (
	// SlotSize is the room of one state in the file, in bytes. A disk writes less
	// than that in one go, so a slot may be torn; then the other one holds.
	SlotSize = 4096
	// Slots is how many there are. They are written in turn.
	Slots = 2
)

// ErrNoState says that a slot holds no state: it was never written, or it is torn.
var ErrNoState = errors.New("there is no state in this slot")

// EncodeSlot gives the slot's bytes: the state as JSON, a line feed, the SHA-256 of
// the JSON in hex, a line feed, and zeros.
func EncodeSlot(s State) ([]byte, error) {
	doc, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(doc)
	b := make([]byte, 0, SlotSize)
	b = append(append(b, doc...), '\n')
	b = append(hex.AppendEncode(b, sum[:]), '\n')
	if len(b) > SlotSize {
		return nil, fmt.Errorf("a state of %d bytes does not fit its slot", len(b))
	}
	return b[:SlotSize], nil
}

// MaxSize bounds the leaves of a log: the levels of tiles have no room for more, and
// places in files can be computed without overflowing.
const MaxSize = 1 << 56

// DecodeSlot reads a slot. Whatever [EncodeSlot] does not write is [ErrNoState], and so
// is a size that no log can have, or an edge that is not one of that size.
func DecodeSlot(b []byte) (s State, err error) {
	doc, rest, ok := bytes.Cut(b, []byte{'\n'})
	sum := sha256.Sum256(doc)
	if !ok || !bytes.HasPrefix(rest, append(hex.AppendEncode(nil, sum[:]), '\n')) {
		return s, ErrNoState
	}
	if err := json.Unmarshal(doc, &s); err != nil || s.Size > MaxSize || len(s.Edge) != bits.OnesCount64(s.Size) {
		return State{}, ErrNoState
	}
	return s, nil
}

// NewestState reads the file and gives the state with the most leaves, and its
// slot's number. A file without a state is [ErrNoState].
func NewestState(file []byte) (s State, slot int, err error) {
	slot = -1
	for i := range Slots {
		if len(file) < (i+1)*SlotSize {
			break
		}
		got, err := DecodeSlot(file[i*SlotSize : (i+1)*SlotSize])
		if err == nil && (slot < 0 || got.Size > s.Size) {
			s, slot = got, i
		}
	}
	if slot < 0 {
		return State{}, 0, ErrNoState
	}
	return s, slot, nil
}
