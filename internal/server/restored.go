package server

import (
	"context"
	"errors"
	"time"

	"github.com/tokenledger/tokenledger/internal/follower"
	"github.com/tokenledger/tokenledger/internal/identity"
)

// checkRestored refuses a directory that was restored from a backup and cannot come past
// the newest checkpoint that was known then. The stream has been asked, and nothing was
// appended to it.
func (s *Server) checkRestored() error {
	marker, err := identity.ReadRestored(s.cfg.keysDir())
	if err != nil {
		return err
	}
	return refusal(identity.CheckRestored(marker, s.audit, s.follower.Last()))
}

// replayed has a restored node serve only when it has come past that checkpoint, and
// agrees with it. It warns of what the backup may not have.
func (s *Server) replayed(ctx context.Context) error {
	marker, err := identity.ReadRestored(s.cfg.keysDir())
	if err != nil || marker == nil {
		return err
	}
	// What was applied is in the log a moment later.
	if err := s.audit.WaitFor(ctx, min(marker.Newest.Size, s.audit.Appended())); err != nil {
		return err
	}
	if err := refusal(identity.CheckReplayed(marker, s.audit)); err != nil {
		return err
	}
	if warning := marker.Warning(time.Now(), s.audit); warning != "" {
		s.cfg.Logger.Warn(warning)
	}
	return nil
}

// refusal makes a restored directory's refusal one of the node.
func refusal(err error) error {
	if behind, ok := errors.AsType[*identity.RestoredError](err); ok {
		return &follower.Refusal{What: behind.What, Hint: behind.Hint}
	}
	return err
}
