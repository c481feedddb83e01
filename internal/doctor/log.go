package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/tokenledger/tokenledger/audit"
	"github.com/tokenledger/tokenledger/internal/archive"
)

const logDamaged = "keep a copy of audit/ as it is: it is evidence. Then restore a backup into a new directory, or, if the stream is whole, move audit/ aside: the next start makes the log anew from the stream, and its roots must be those of the checkpoints that are remembered elsewhere"

// examineLog reads the whole audit log.
func (x *examination) examineLog(ctx context.Context) error {
	if x.key != nil {
		signed, tree, err := archive.Checkpoint(x.path("audit"), x.key)
		switch {
		case archive.IsDamage(err):
			x.unbelievable, x.signed = true, true
			x.report.add("checkpoint_damaged", Damage, err.Error(), "the log's own promise cannot be believed: the file was altered, or it is the log of another node", logDamaged)
		case err != nil:
			return err
		case signed != nil:
			x.checkpoint, x.signed = tree, true
		}
	}
	r, err := audit.OpenReader(x.path("audit"))
	switch {
	case errors.Is(err, fs.ErrNotExist) && x.report.Evidence == 0 && x.checkpoint.N == 0:
		x.report.add("log_none", Note, "there is no audit log", "no event was recorded here yet", "")
		return nil
	case errors.Is(err, fs.ErrNotExist):
		x.report.add("log_missing", Damage, "the audit log, audit/, is missing or has no state", "with it goes the archive that a damaged stream can be made anew from", "put it back from a backup; if the stream is whole, the next start makes the log anew from it, and its roots must be those of the checkpoints that are remembered elsewhere")
		return nil
	case archive.IsDamage(err):
		x.report.add("log_damaged", Damage, err.Error(), "", logDamaged)
		return nil
	case err != nil:
		return err
	}
	x.log = r
	tree := r.Tree()
	if x.key != nil && x.checkpoint.N == 0 && tree.N > 0 && !x.signed {
		x.unbelievable = true
		x.report.add("checkpoint_missing", Damage, fmt.Sprintf("the audit log has %d entries and no checkpoint", tree.N), "a log has one before its first entry: the file was taken away, and with it what was signed", logDamaged)
	}
	x.report.Log = &Log{Size: uint64(tree.N), Root: tree.Hash, Checkpoint: uint64(x.checkpoint.N)}
	err = archive.Check(ctx, r, x.checkpoint, x.cfg.Progress)
	switch {
	case archive.IsDamage(err):
		x.report.add("log_damaged", Damage, err.Error(), "a disk that fails, or a hand that edited it", logDamaged)
	case err != nil:
		return err
	default:
		x.report.Log.Whole = !x.unbelievable
	}
	return nil
}

// whole reports whether the log may be believed.
func (x *examination) whole() bool { return x.report.Log != nil && x.report.Log.Whole }
