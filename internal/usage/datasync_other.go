//go:build !linux

package usage

import "os"

func datasync(f *os.File) error { return f.Sync() }
