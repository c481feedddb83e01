package server

import (
	"errors"
	"fmt"
	"log/slog"
	"os"

	"github.com/tokenledger/tokenledger/internal/identity"
	"github.com/tokenledger/tokenledger/projections"
	"github.com/tokenledger/tokenledger/projections/tokens"
)

// RebuildReadModel empties the read model of a stopped node, so that its next
// start builds it anew from the audit log and the stream. The evidence of what was applied stays:
// a stream that lost events is refused afterwards as it was before.
func RebuildReadModel(dataDir string, logger *slog.Logger) (err error) {
	cfg := Config{DataDir: dataDir}
	if _, err := os.Stat(cfg.keysDir()); err != nil {
		return fmt.Errorf("%s is not a node's data directory: %w", dataDir, err)
	}
	lock, err := identity.LockDir(dataDir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Release()) }()
	if _, err := identity.Open(cfg.keysDir()); err != nil {
		return err
	}
	runner, err := projections.Open(cfg.projectionsDir(), logger, func(error) {}, tokens.New(tokens.Config{CacheBytes: -1}))
	if err != nil {
		return err
	}
	// The index over the audit log is the read side's, too.
	return errors.Join(runner.Rebuild(), runner.Close(), os.RemoveAll(cfg.indexDir()))
}
