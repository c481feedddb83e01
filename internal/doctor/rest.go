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

	"github.com/tokenledger/tokenledger/internal/identity"
	"github.com/tokenledger/tokenledger/projections"
	"github.com/tokenledger/tokenledger/projections/tokens"
)

// examineReadModel says how far the read model is. It is disposable: nothing about it is
// damage.
func (x *examination) examineReadModel(context.Context) error {
	p, err := projections.Peek(x.path("projections"), tokens.New(tokens.Config{CacheBytes: -1}))
	if err != nil {
		x.report.add("read_model_unreadable", Trouble, err.Error(), "no event is lost with it", "delete projections/ while the node is stopped: the next start builds it anew")
		return nil
	}
	x.report.ReadModel = p.Seq
	x.applied = max(x.applied, p.Seq)
	if p.Seq == 0 || x.log == nil {
		return nil
	}
	if p.Seq <= x.log.Size() {
		if r, err := x.log.Event(p.Seq); err == nil && sha256.Sum256(r.Raw) != p.Hash {
			x.report.add("read_model_differs", Trouble, fmt.Sprintf("the event at sequence %d that the read model has applied is not the log's", p.Seq), "projections/ or audit/ is of another data directory, or the stream was replaced", "put together what belongs together; if audit/ and stream/ agree, run tokenledger projection rebuild")
		}
		return nil
	}
	if p.Seq > x.streamLast() {
		x.report.add("applied_gone", Damage, fmt.Sprintf("the read model has applied events up to sequence %d, and neither the stream nor the log has the last of them", p.Seq), "both lost their end, or were replaced by older copies", "see whether another node, or a newer backup, has them")
	}
	return nil
}

// examineRest looks at what else lies in the directory.
func (x *examination) examineRest(context.Context) error {
	var files int
	var size int64
	entries, err := os.ReadDir(x.path("journal"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, e := range entries {
		if info, err := e.Info(); err == nil && info.Mode().IsRegular() {
			files, size = files+1, size+info.Size()
		}
	}
	if files > 0 {
		x.report.add("journal", Note, fmt.Sprintf("the usage journal has %d files, %d bytes", files, size), "it may hold uses that are not in the stream yet", "nothing: the next start publishes them")
	}
	if damaged := x.damagedStores(); damaged != nil {
		x.report.add("damaged_stores", Note, "earlier restores moved damaged stores aside: "+strings.Join(damaged, ", "), "", "delete them when nobody needs them as evidence any more")
	}
	if _, err := os.Stat(x.path(completeStore)); err == nil && x.cfg.NATSURL == "" {
		x.report.add("restore_interrupted", Trouble, "a restore of the stream was interrupted before its end; "+completeStore+" is its new store, complete", "", "tokenledger doctor --data "+x.cfg.Data+" --restore-stream finishes it if the stream is missing; where the stream is whole, delete "+completeStore)
	}
	return x.examineMarker()
}

// examineMarker looks whether a restored directory may be served from.
func (x *examination) examineMarker() error {
	marker, err := identity.ReadRestored(x.path("keys"))
	if err != nil {
		x.report.add("restored_unreadable", Trouble, err.Error(), "", "restore the backup again")
		return nil
	}
	if marker == nil || x.log == nil {
		return nil
	}
	what := fmt.Sprintf("this directory was restored from a backup of %d events (keys/%s)", marker.Backup.Size, filepath.Base(identity.RestoredFile))
	refusal, ok := errors.AsType[*identity.RestoredError](identity.CheckRestored(marker, x.log, x.streamLast()))
	if ok {
		x.report.add("restored_behind", Damage, refusal.What, "the node refuses to serve", refusal.Hint)
		return nil
	}
	x.report.add("restored", Note, what, "tokens that were revoked after it are good again until they are revoked anew", "")
	return nil
}
