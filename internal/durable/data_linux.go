package durable

import (
	"os"
	"syscall"
)

// Data makes durable what was written to f, with its size. It leaves out the file's
// times, which would cost a second write of the file system's journal. See
// fdatasync(2).
func Data(f *os.File) error {
	conn, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var syncErr error
	err = conn.Control(func(fd uintptr) {
		for {
			if syncErr = syscall.Fdatasync(int(fd)); syncErr != syscall.EINTR {
				return
			}
		}
	})
	if err != nil {
		return err
	}
	return os.NewSyscallError("fdatasync", syncErr)
}
