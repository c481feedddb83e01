package server

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/oklog/ulid/v2"

	"github.com/tokenledger/tokenledger/commands"
	"github.com/tokenledger/tokenledger/commands/secret"
	"github.com/tokenledger/tokenledger/events"
	"github.com/tokenledger/tokenledger/internal/durable"
	"github.com/tokenledger/tokenledger/internal/eventstore"
	"github.com/tokenledger/tokenledger/internal/follower"
)

// createOrJoin gives an empty stream its beginning. A stream that is empty
// although a ledger was served from this data directory is a lost one: it is
// left alone, and the node refuses.
func (s *Server) createOrJoin(ctx context.Context) error {
	st, err := s.store.State(ctx)
	if err != nil && !errors.Is(err, eventstore.ErrNoStream) {
		return err
	}
	if st.Last == 0 {
		if s.broker != nil && s.broker.Unrecovered() != "" {
			return &follower.Refusal{
				What: "the stream's store cannot be read: " + s.broker.Unrecovered(),
				Hint: "see to the disk, then run tokenledger doctor on the data directory: it can make the stream anew from the audit log; or put the store (" + s.cfg.streamDir() + ") back from a backup; it is left as it was before this start",
			}
		}
		if seen := max(s.runner.Position().Seq, s.identity.Evidence().Seq, s.audit.Size()); seen > 0 || s.identity.LedgerID != (ulid.ULID{}) {
			return &follower.Refusal{
				What: fmt.Sprintf("the stream is empty, and this data directory belongs to a ledger of which %d events were applied here: the stream's store was lost or replaced", seen),
				Hint: "run tokenledger doctor on the data directory: it can make the stream (" + s.cfg.streamDir() + ") anew from the audit log; or put it back from a backup; to give the ledger up for good, start on a new data directory",
			}
		}
	}
	if st.Last > 0 {
		return s.store.Ensure(ctx)
	}
	if err := s.release(); err != nil {
		return err
	}
	if err := s.store.Ensure(ctx); err != nil {
		return err
	}
	return s.create(ctx)
}

// create records the ledger's creation and its first root token. The token is
// handed over before it is recorded: if the node is stopped between the two, the
// next start hands over another, and no ledger is left without one.
func (s *Server) create(ctx context.Context) error {
	now := commands.Clock(nil)()
	evs, root := commands.Bootstrap{
		LedgerID: ulid.MustNew(ulid.Timestamp(now), rand.Reader), LogOrigin: s.identity.LogOrigin, PublicKey: s.identity.PublicKey,
		Source: s.source, Node: s.identity.Node, TokenPrefix: s.cfg.TokenPrefix,
	}.Events(now)
	withdraw, err := s.handOver(root)
	if err != nil {
		return err
	}
	err = s.store.AppendFirst(ctx, evs...)
	if errors.Is(err, eventstore.ErrNotEmpty) {
		withdraw()
		s.cfg.Logger.Info("another node created the ledger at the same moment; this one joins it")
		return nil
	}
	if errors.Is(err, eventstore.ErrUnknownOutcome) {
		return fmt.Errorf("record the creation of the ledger: %w (keep the root token that was handed over: it is the ledger's unless the next start hands over another)", err)
	}
	if err != nil {
		return fmt.Errorf("record the creation of the ledger: %w (a root token that was handed over is not valid)", err)
	}
	s.cfg.Logger.Info("a new ledger was created", "data", s.cfg.DataDir)
	return nil
}

// handOver gives the root token to the operator, and returns what takes it back.
func (s *Server) handOver(root secret.Secret) (withdraw func(), err error) {
	if path := s.cfg.BootstrapTokenFile; path != "" {
		// Known before it is handed over: the next start may replace this token
		// in the file, if this start comes to nothing, and no other.
		own := s.identity.FirstRoot
		if err := s.identity.Offer(root.Hash()); err != nil {
			return nil, err
		}
		if err := writeTokenFile(path, root, own); err != nil {
			return nil, fmt.Errorf("write --bootstrap-token-file: %w", err)
		}
		return func() { _ = os.Remove(path) }, nil
	}
	_, err = fmt.Fprintf(s.cfg.Stdout, "\nThis ledger is new. Its root token, which is shown this once:\n\n    %s\n\nKeep it safe: it may do everything. To use it:  export TOKENLEDGER_TOKEN=<the token>\n\n", root.Reveal())
	return func() {
		fmt.Fprintln(s.cfg.Stdout, "The root token above is not valid: another node created the ledger at the same moment.")
	}, err
}

// writeTokenFile writes the token for its owner's eyes alone. A file that holds
// anything is not overwritten, but for the token that an earlier start of this
// node handed over and then came to nothing.
func writeTokenFile(path string, token secret.Secret, own events.Digest) error {
	old, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if was := strings.TrimSpace(string(old)); was != "" {
		if own.IsZero() || !secret.Of(was).Matches(own) {
			return fmt.Errorf("%s exists and holds something else, perhaps the token of another ledger; name another file", path)
		}
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), ".token-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.WriteString(token.Reveal() + "\n")
	if err == nil {
		err = tmp.Sync()
	}
	if err = errors.Join(err, tmp.Close()); err != nil {
		return err
	}
	if err := os.Rename(tmp.Name(), path); err != nil {
		return err
	}
	return durable.Dir(filepath.Dir(path))
}
