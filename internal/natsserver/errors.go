package natsserver

import (
	"errors"
	"fmt"
	"syscall"
)

// ListenError says that the TCP listener could not be opened.
type ListenError struct {
	// Addr is the address that was asked for.
	Addr string
	Err  error
}

func (e *ListenError) Error() string {
	hint := "give another address, or \"off\" to run without a NATS listener"
	if errors.Is(e.Err, syscall.EADDRINUSE) {
		hint = "another process has it; stop that one, give another address (port 0 picks a free one), or \"off\" to run without a NATS listener"
	}
	return fmt.Sprintf("listen for NATS clients on %s: %v: %s", e.Addr, e.Err, hint)
}

func (e *ListenError) Unwrap() error { return e.Err }

// JetStreamError says that JetStream did not start, or stopped.
type JetStreamError struct {
	// StoreDir is the directory of the streams.
	StoreDir string
	// Cause is what the server last reported.
	Cause string
}

func (e *JetStreamError) Error() string {
	return fmt.Sprintf("JetStream does not run on %s: %s: nothing can be stored; see to the disk (free space, permissions, its health), then start the node again",
		e.StoreDir, e.Cause)
}
