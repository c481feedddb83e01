package natsserver

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/tokenledger/tokenledger/internal/durable"
)

// Kept is the store directory as it was before a server was started on it. A server
// that finds damage in a stream mends it in its own way while it starts: it cuts off
// what follows a damaged message, and removes a stream that it cannot read at all.
// The ledger's events would be gone before anybody could look at them.
//
// From [Keep] until [Kept.Release] or [Kept.PutBack] nothing may be appended: whatever
// ends the process meanwhile, the next Keep puts the store back as it was.
type Kept struct{ store, kept string }

const (
	keptSuffix = ".kept"
	// partSuffix marks a directory that is being made or removed.
	partSuffix = ".part"
)

// compressed is how a block begins that the server has closed and compressed. It does
// not write into it again, but replaces it as a whole. (nats-server, filestore.go,
// CompressionInfo.)
var compressed = []byte("cmp")

// Keep keeps the store directory as it is, synced, beside it. Compressed blocks are
// linked, which takes no space; the rest, some 8 MB at most as a rule, is copied. A
// store that an earlier start kept and did not release is put back first. Without a
// store there is nothing to keep, and the other methods do nothing.
func Keep(store string) (*Kept, error) {
	k := &Kept{store, store + keptSuffix}
	if _, err := os.Stat(k.kept); err == nil {
		if err := k.PutBack(); err != nil {
			return nil, err
		}
	}
	if _, err := os.Stat(store); errors.Is(err, fs.ErrNotExist) {
		return k, nil
	}
	part := k.kept + partSuffix
	err := os.RemoveAll(part)
	if err == nil {
		err = keepTree(store, part)
	}
	if err == nil {
		err = os.Rename(part, k.kept)
	}
	if err == nil {
		err = durable.Dir(filepath.Dir(store))
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("keep the stream's store %s as it is while it is opened: %w", store, err), os.RemoveAll(part))
	}
	return k, nil
}

// Release lets go of what was kept: the store was found whole.
func (k *Kept) Release() error {
	part := k.kept + partSuffix
	err := os.Rename(k.kept, part)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = durable.Dir(filepath.Dir(k.store))
	}
	if err == nil {
		err = os.RemoveAll(part)
	}
	if err != nil {
		return fmt.Errorf("let go of the kept store %s: %w", k.kept, err)
	}
	return nil
}

// PutBack puts the store back as it was kept. No server may run on it. It does
// nothing after Release.
func (k *Kept) PutBack() error {
	if _, err := os.Stat(k.kept); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	err := os.RemoveAll(k.store)
	if err == nil {
		err = os.Rename(k.kept, k.store)
	}
	if err == nil {
		err = durable.Dir(filepath.Dir(k.store))
	}
	if err != nil {
		return fmt.Errorf("put the stream's store %s back as it was, from %s: %w; move it there by hand", k.store, k.kept, err)
	}
	return nil
}

func keepTree(from, to string) error {
	err := filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rest, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		target := filepath.Join(to, rest)
		switch {
		case d.IsDir():
			info, err := d.Info()
			if err != nil {
				return err
			}
			return os.Mkdir(target, info.Mode().Perm())
		case d.Type().IsRegular():
			return keepFile(path, target)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return filepath.WalkDir(to, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			err = durable.Dir(path)
		}
		return err
	})
}

func keepFile(path, target string) (err error) {
	in, err := os.Open(path)
	if err != nil {
		return err
	}
	defer in.Close()
	if strings.HasSuffix(path, ".blk") {
		begin := make([]byte, len(compressed))
		if n, _ := in.ReadAt(begin, 0); n == len(begin) && bytes.Equal(begin, compressed) {
			// Not every file system knows links.
			if os.Link(path, target) == nil {
				return nil
			}
		}
	}
	info, err := in.Stat()
	if err != nil {
		return err
	}
	out, err := os.OpenFile(target, os.O_CREATE|os.O_EXCL|os.O_WRONLY, info.Mode().Perm())
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	if err == nil {
		err = out.Sync()
	}
	return errors.Join(err, out.Close())
}
