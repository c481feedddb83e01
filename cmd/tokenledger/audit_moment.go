package main

import (
	"errors"
	"strconv"
	"time"

	"github.com/tokenledger/tokenledger/client"
	"github.com/tokenledger/tokenledger/client/api"
)

// moment is a point in the life of the ledger as an argument: a time, how long ago, a
// sequence, or "now".
type moment struct {
	past
	seq uint64
	now bool
}

// UnmarshalText implements [encoding.TextUnmarshaler].
func (m *moment) UnmarshalText(text []byte) error {
	if string(text) == "now" {
		m.now = true
		return nil
	}
	if seq, err := strconv.ParseUint(string(text), 10, 63); err == nil {
		if seq == 0 {
			return errors.New("must not be 0: the first event has the sequence 1")
		}
		m.seq = seq
		return nil
	}
	if err := m.past.UnmarshalText(text); err != nil {
		return errors.New("must be a time such as 2026-03-01T00:00:00Z, how long ago, such as 90d or 12h, a sequence, or now")
	}
	return nil
}

// at gives the time of the moment, as of now; zero for a sequence.
func (m *moment) at(now time.Time) time.Time {
	switch {
	case m.seq != 0:
		return time.Time{}
	case m.now:
		return now.UTC()
	}
	return m.before(now)
}

// text gives the moment as the node takes it.
func (m *moment) text(now time.Time) string {
	if m.seq != 0 {
		return strconv.FormatUint(m.seq, 10)
	}
	return m.at(now).Format(time.RFC3339Nano)
}

// start is a moment that can be before the first event, too.
type start struct {
	moment
	empty bool
}

// UnmarshalText implements [encoding.TextUnmarshaler].
func (s *start) UnmarshalText(text []byte) error {
	if string(text) == "0" {
		s.empty = true
		return nil
	}
	return s.moment.UnmarshalText(text)
}

// text gives the moment as the node takes it.
func (s *start) text(now time.Time) string {
	if s.empty {
		return "0"
	}
	return s.moment.text(now)
}

// showMoment gives a moment for people.
func showMoment(m api.Moment) string {
	if m.Seq == 0 && m.Time.Unix() == 0 {
		return "the beginning"
	}
	return when(&m.Time) + " (sequence " + strconv.FormatUint(m.Seq, 10) + ")"
}

// proving is the flag of the questions whose rows can be proven.
type proving struct {
	Proof bool `help:"With --json: add to each row the proofs that the log has its events."`
}

// fewer reports that a page would have had too many proofs, and makes the next one
// shorter.
func (p *proving) fewer(err error, limit *int) bool {
	e, ok := errors.AsType[*client.Error](err)
	if !ok || e.Problem.Code != "too_many_proofs" || *limit == 1 {
		return false
	}
	*limit = max(1, *limit/4)
	return true
}

// check refuses proofs in a table.
func (p *proving) check(f *form) error {
	if p.Proof && !f.JSON {
		return usage("--proof goes with --json; for people, audit proof SEQ gives the proof of one row")
	}
	return nil
}
