package index

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"github.com/cockroachdb/pebble/v2"

	"github.com/tokenledger/tokenledger/projections"
)

// open opens the store. One that is of no use is deleted and made anew.
func (f *follower) open() error {
	err := f.openStore()
	if why, ok := errors.AsType[*uselessError](err); ok {
		f.cfg.Logger.Warn("the index over the audit log is built anew", "dir", f.cfg.Dir, "reason", why.err)
		if err := f.cfg.FS.RemoveAll(f.cfg.Dir); err != nil {
			return fmt.Errorf("delete it to have it built anew: %w", err)
		}
		err = f.openStore()
	}
	if err != nil {
		return err
	}
	f.change(func() { f.view, f.stored = f.writer.view, f.store.From() })
	return nil
}

// uselessError says why a store is to be deleted.
type uselessError struct{ err error }

func (e *uselessError) Error() string { return e.err.Error() }

func (e *uselessError) Unwrap() error { return e.err }

func (f *follower) openStore() error {
	store, err := projections.OpenWith(projections.Config{
		Dir: f.cfg.Dir, FS: f.cfg.FS, Logger: f.cfg.Logger, OnFatal: f.failed,
		CacheBytes: cacheBytes, MemTableBytes: memTableBytes, Background: true,
	}, &f.writer)
	if err != nil {
		if f.unreadable(err) {
			return &uselessError{err}
		}
		return err
	}
	if err := f.judge(store); err != nil {
		return errors.Join(err, store.Close())
	}
	f.store = store
	return nil
}

// unreadable reports whether a store that could not be opened never will be by this
// build. A full or failing disk, another process on it, or a folder that may not be
// read, are no reason to delete anything; nor is a database that is something else.
func (f *follower) unreadable(err error) bool {
	if errors.Is(err, fs.ErrNotExist) {
		return true // one of its files
	}
	_, system := errors.AsType[syscall.Errno](err)
	_, foreign := errors.AsType[*projections.ForeignError](err)
	if system || foreign || errors.Is(err, fs.ErrPermission) {
		return false
	}
	lock, err := pebble.LockDirectory(f.cfg.Dir, f.cfg.FS)
	return err == nil && lock.Close() == nil
}

// judge reports whether the store was made of this log.
func (f *follower) judge(store *projections.Runner) error {
	at := store.Position()
	if at.Seq != store.From() {
		return &uselessError{errors.New("its rows are of an older version")}
	}
	if at.Seq == 0 {
		return nil
	}
	if size := f.cfg.Log.Size(); size < at.Seq {
		return &uselessError{fmt.Errorf("it has read %d entries of the log, which has %d", at.Seq, size)}
	}
	hash, err := hashAt(f.cfg.Log, at.Seq)
	if err != nil {
		return err
	}
	if was := at.Hash; sha256.Sum256(hash) != was {
		return &uselessError{fmt.Errorf("the log's entry of sequence %d is not the one that it has read", at.Seq)}
	}
	return nil
}
