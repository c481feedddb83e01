package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/tokenledger/tokenledger/audit/verify"
)

// since gives the checkpoints that the log is held against.
func (c *auditVerifyCmd) since() (all [][]byte, err error) {
	if c.Remember != "" {
		b, err := verify.ReadFile(c.Remember, maxCheckpoint)
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return nil, doing("cannot read the remembered checkpoint", err)
		case !bytes.Contains(b, []byte("\n\n— ")):
			return nil, usage("--remember: %s holds something else than a checkpoint, and is not overwritten", c.Remember)
		default:
			all = append(all, b)
		}
	}
	if c.Since != "" {
		b, err := verify.ReadFile(c.Since, maxCheckpoint)
		if err != nil {
			return nil, doing("cannot read the remembered checkpoint", err)
		}
		all = append(all, b)
	}
	return all, nil
}

// remember puts a checkpoint into a file, as a whole: a crash leaves the old or the
// new one.
func remember(path string, checkpoint []byte) error {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, "."+filepath.Base(path)+"-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(checkpoint)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
