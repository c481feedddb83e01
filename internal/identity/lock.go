package identity

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// LockedError says that another process has the data directory.
type LockedError struct{ Dir string }

func (e *LockedError) Error() string {
	return fmt.Sprintf("the data directory %s is in use by another tokenledger; stop it first, or give --data another directory", e.Dir)
}

// Lock is the hold on a data directory. NATS would let two servers write one
// store, so the lock is taken before anything in the directory is touched.
type Lock struct{ f *os.File }

// LockDir takes the lock of the data directory, which it makes if it has to. The
// kernel releases it when the process ends, however it ends.
func LockDir(dir string) (*Lock, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the data directory: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the lock of the data directory: %w", err)
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		_ = f.Close()
		return nil, &LockedError{Dir: dir}
	}
	if err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("lock the data directory %s: %w", dir, err)
	}
	return &Lock{f}, nil
}

// Release gives the directory free.
func (l *Lock) Release() error { return l.f.Close() }
