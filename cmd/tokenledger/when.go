package main

import (
	"errors"
	"time"

	"github.com/tokenledger/tokenledger/commands"
)

// instant is a point in time as a flag's value.
type instant struct{ time.Time }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (i *instant) UnmarshalText(text []byte) error {
	t, err := time.Parse(time.RFC3339, string(text))
	if err != nil {
		return errors.New("must be a time such as 2026-03-01T00:00:00Z")
	}
	i.Time = t.UTC()
	return nil
}

// pointer gives what the JSON of a request holds: nil where no time was given.
func (i *instant) pointer() *time.Time {
	if i == nil {
		return nil
	}
	return &i.Time
}

// orZero gives the time, zero where none was given.
func (i *instant) orZero() time.Time {
	if i == nil {
		return time.Time{}
	}
	return i.Time
}

// past is a point in time as a flag's value, or how long ago it was: "90d". How
// long ago is counted from when the verb runs.
type past struct {
	at  time.Time
	ago time.Duration
}

// UnmarshalText implements [encoding.TextUnmarshaler].
func (p *past) UnmarshalText(text []byte) error {
	if ago, ok := commands.ParseDuration(string(text)); ok && ago > 0 {
		p.ago = ago
		return nil
	}
	t, err := time.Parse(time.RFC3339, string(text))
	if err != nil {
		return errors.New("must be a time such as 2026-03-01T00:00:00Z, or how long ago, such as 90d or 12h")
	}
	p.at = t.UTC()
	return nil
}

// before gives the point in time as of now, zero where none was given.
func (p *past) before(now time.Time) time.Time {
	switch {
	case p == nil:
		return time.Time{}
	case p.ago != 0:
		return now.Add(-p.ago).UTC().Truncate(time.Second)
	}
	return p.at
}
