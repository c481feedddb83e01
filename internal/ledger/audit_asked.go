package ledger

import (
	"strconv"
	"strings"
	"time"

	"github.com/tokenledger/tokenledger/audit/questions"
)

// asked is a question in the canonical form that is recorded of it: a verb, and what it
// was asked with, in a fixed order. What was left out is left out.
type asked struct{ b strings.Builder }

func ask(verb string) *asked {
	q := new(asked)
	q.b.WriteString(verb)
	return q
}

func (q *asked) String() string { return q.b.String() }

func (q *asked) word(w string) *asked {
	q.b.WriteString(" " + w)
	return q
}

// maxValue bounds one value, so that what follows is not cut off, in bytes.
const maxValue = 256

// text adds a value, in quotes if it could be taken for something else.
func (q *asked) text(name, value string) *asked {
	if value == "" {
		return q
	}
	if len(value) > maxValue {
		value = strings.ToValidUTF8(value[:maxValue], "") + "…"
	}
	if strings.ContainsFunc(value, func(r rune) bool { return r <= ' ' || r == '"' || r == '=' || !strconv.IsPrint(r) }) {
		value = strconv.Quote(value)
	}
	return q.word(name + "=" + value)
}

func (q *asked) number(name string, n uint64) *asked {
	if n == 0 {
		return q
	}
	return q.word(name + "=" + strconv.FormatUint(n, 10))
}

func (q *asked) time(name string, t time.Time) *asked {
	if t.IsZero() {
		return q
	}
	return q.word(name + "=" + t.UTC().Format(time.RFC3339Nano))
}

// moment adds a time or a sequence, under the name or under what it is.
func (q *asked) moment(asTime, asSeq string, m questions.Moment) *asked {
	if m.Seq != 0 {
		return q.number(asSeq, m.Seq)
	}
	return q.time(asTime, m.Time)
}

// scope adds whose events it was about, where that is not the caller's own tenant.
func (q *asked) scope(s questions.Scope, own string) *asked {
	switch {
	case s.AllTenants:
		return q.word("tenant=*")
	case s.Tenant != own:
		return q.text("tenant", s.Tenant)
	}
	return q
}

func (q *asked) proof(wanted bool) *asked {
	if wanted {
		q.word("proof=true")
	}
	return q
}
