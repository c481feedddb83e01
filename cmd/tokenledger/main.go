package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// Main is the program, with all that it touches of the process passed in, so that
// a test can run it in its own.
type Main struct {
	// Stdin is taken for a terminal if it is an *os.File that is one; so is
	// Stdout.
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	// LookupEnv is [os.LookupEnv], or a test's own.
	LookupEnv func(name string) (string, bool)
}

func main() {
	// The first signal asks for an orderly end; the next ends the process.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	m := &Main{Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, LookupEnv: os.LookupEnv}
	code := m.Run(ctx, os.Args[1:])
	stop()
	os.Exit(code)
}
