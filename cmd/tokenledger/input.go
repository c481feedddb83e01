package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"golang.org/x/term"
)

// errInterrupted is the cause where a signal ended the wait for input.
var errInterrupted = errors.New("interrupted")

// await gives what read gives, or errInterrupted if ctx ends first. A read of a
// terminal or a pipe cannot be broken off: then it is left behind, and ends with
// the process, which is about to.
func await[T any](ctx context.Context, read func() (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	done := make(chan result, 1)
	go func() {
		value, err := read()
		done <- result{value, err}
	}()
	select {
	case r := <-done:
		return r.value, r.err
	case <-ctx.Done():
		var none T
		return none, errInterrupted
	}
}

// readToken reads the token that a verb is about: from a terminal without showing it, or
// else all of standard input less one line break at its end.
func (m *Main) readToken(ctx context.Context, verb string) (string, error) {
	var text string
	if fd, ok := terminal(m.Stdin); ok {
		before, err := term.GetState(fd)
		if err != nil {
			return "", fmt.Errorf("cannot read the terminal: %w", err)
		}
		fmt.Fprint(m.Stderr, "Token to check (it is not shown): ")
		b, err := await(ctx, func() ([]byte, error) { return term.ReadPassword(fd) })
		fmt.Fprintln(m.Stderr)
		if err != nil {
			_ = term.Restore(fd, before) // the echo is off if the read was left behind
			if !errors.Is(err, io.EOF) {
				return "", fmt.Errorf("cannot read the token: %w", err)
			}
		}
		text = string(b)
	} else {
		b, err := await(ctx, func() ([]byte, error) { return io.ReadAll(io.LimitReader(m.Stdin, maxTokenInput+1)) })
		if err != nil {
			return "", fmt.Errorf("cannot read the token from standard input: %w", err)
		}
		if len(b) > maxTokenInput {
			return "", usage("standard input holds more than %d bytes: that is no token", maxTokenInput)
		}
		text = string(b)
		if cut, ok := strings.CutSuffix(text, "\n"); ok {
			text = strings.TrimSuffix(cut, "\r")
		}
	}
	if text == "" {
		return "", usage("no token on standard input: give it as in `tokenledger %s < token.txt`", verb)
	}
	return text, nil
}

// confirm asks a question on the terminal that standard input is. Anything but y or
// yes is a no.
func (m *Main) confirm(ctx context.Context, question string) (bool, error) {
	fmt.Fprintf(m.Stderr, "%s [y/N] ", clean(question))
	answer, err := await(ctx, func() (string, error) { return bufio.NewReader(m.Stdin).ReadString('\n') })
	if err != nil {
		fmt.Fprintln(m.Stderr)
		if !errors.Is(err, io.EOF) {
			return false, fmt.Errorf("cannot read the answer: %w", err)
		}
	}
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return true, nil
	}
	return false, nil
}
