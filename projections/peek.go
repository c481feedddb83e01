package projections

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// Peek reads the position of the store in dir without changing anything there. Where
// there is no store the position is zero. The store must not be open elsewhere.
func Peek(dir string, ps ...Projection) (Position, error) {
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return Position{}, nil
	}
	s := &store{dir: dir, logger: slog.New(slog.DiscardHandler), failed: make(chan struct{}), drained: make(chan struct{}, 1)}
	cfs := newCrashFS(vfs.Default, s.fail)
	desc, err := pebble.Peek(dir, cfs)
	if err != nil || !desc.Exists {
		return Position{}, err
	}
	if err := s.open(cfs, ps, true); err != nil {
		return Position{}, err
	}
	row, err := getRow(s.db, evidenceKey)
	if err = errors.Join(err, s.db.Close()); err != nil {
		return Position{}, fmt.Errorf("read projections store in %s: %w", dir, err)
	}
	if row == nil {
		return Position{}, nil
	}
	return decodePosition(row)
}
