// Package durable makes what was written outlive a power cut. A sync that fails is
// final: the kernel may have dropped what it could not write, and a second one would
// succeed without it.
package durable

import (
	"errors"
	"os"
)

// Dir makes the names in a directory durable: of files made, renamed or removed.
func Dir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
