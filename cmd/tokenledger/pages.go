package main

import (
	"errors"
	"strconv"
)

// pageLength is how many rows a page has; 0 where that was not given.
type pageLength int

// UnmarshalText implements [encoding.TextUnmarshaler].
func (l *pageLength) UnmarshalText(text []byte) error {
	n, err := strconv.Atoi(string(text))
	if err != nil || n < 1 || n > 1000 {
		return errors.New("must be a number from 1 to 1000; --all gives every page")
	}
	*l = pageLength(n)
	return nil
}

// errSamePage is the cause where a node would be asked for the same page for ever.
var errSamePage = errors.New("the node gave the cursor of the same page again")

// pages has show ask for the page at the cursor, show it, and give the cursor of the
// next, until there is none; or once, if not all are wanted, with a note that there are
// more. what says what an error hindered.
func (m *Main) pages(what string, cursor *string, all bool, show func() (next string, err error)) error {
	for {
		next, err := show()
		switch {
		case err != nil:
			return doing(what, err)
		case next == "":
			return nil
		case !all:
			m.note("there are more: --cursor %s, or --all", next)
			return nil
		case next == *cursor:
			return doing(what, errSamePage)
		}
		*cursor = next
	}
}

// printEach writes rows as JSON, one a line.
func printEach[T any](m *Main, rows []T) error {
	for _, row := range rows {
		if err := m.printJSON(row); err != nil {
			return err
		}
	}
	return nil
}
