//go:build !linux

package durable

import "os"

// Data makes durable what was written to f, with its size.
func Data(f *os.File) error { return f.Sync() }
