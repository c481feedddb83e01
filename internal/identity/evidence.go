package identity

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/tokenledger/tokenledger/events"
	"github.com/tokenledger/tokenledger/internal/plain"
)

// Evidence is the highest position of the stream that was applied here, with the
// SHA-256 of the event there. The read model has it too, but that may be deleted
// and built anew; a stream that lost events must be noticed nevertheless.
type Evidence struct {
	Seq  uint64        `json:"seq"`
	Hash events.Digest `json:"sha256"`
}

const evidenceFile = "evidence.json"

// Evidence gives what was kept last.
func (id *Identity) Evidence() Evidence { return id.evidence }

// KeepEvidence replaces what is kept, if e lies further. It is not synced: after a
// power cut an older position is found, which holds no less.
func (id *Identity) KeepEvidence(e Evidence) error {
	if e.Seq <= id.evidence.Seq {
		return nil
	}
	raw, err := json.Marshal(e)
	if err != nil {
		return err
	}
	path := filepath.Join(id.dir, evidenceFile)
	if err := os.WriteFile(path+".new", append(raw, '\n'), 0o600); err != nil {
		return err
	}
	if err := os.Rename(path+".new", path); err != nil {
		return err
	}
	id.evidence = e
	return nil
}

func (id *Identity) readEvidence() error {
	path := filepath.Join(id.dir, evidenceFile)
	raw, err := plain.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(raw) == 0 {
		return nil // never kept, or lost with the power before it was written
	}
	if err == nil {
		err = json.Unmarshal(raw, &id.evidence)
	}
	if err != nil {
		return fmt.Errorf("read %s: %w: put the file back from a backup; if the stream is known to be whole, delete it", path, err)
	}
	return nil
}
