package commands

import (
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/tokenledger/tokenledger/commands/secret"
	"github.com/tokenledger/tokenledger/events"
	"github.com/tokenledger/tokenledger/projections/tokens"
)

// LeakPolicy is what becomes of a token that is reported as leaked.
type LeakPolicy string

// The policies there are.
const (
	// RevokeLeaked ends it at once.
	RevokeLeaked LeakPolicy = "revoke"
	// SuspendLeaked makes it not good until somebody has looked at it.
	SuspendLeaked LeakPolicy = "suspend"
	// ReportLeaked puts the report on record, and no more.
	ReportLeaked LeakPolicy = "report"
)

// LeakPolicies lists every [LeakPolicy].
func LeakPolicies() []LeakPolicy { return []LeakPolicy{RevokeLeaked, SuspendLeaked, ReportLeaked} }

// Why there was no action on a leaked token.
const (
	LeakByPolicy         = "policy"            // the policy is to report
	LeakAlreadyRevoked   = "already_revoked"   // it had ended
	LeakExpired          = "expired"           // there is nothing to suspend
	LeakAlreadySuspended = "already_suspended" // by somebody, or by an earlier report
	LeakResumed          = "resumed"           // it was suspended for this place before, and resumed since
	LeakLastRoot         = "last_root"         // without it nobody could administer the ledger
	LeakAboveCaller      = "token_above_caller"
)

// Leak is a report that a token was seen where it does not belong.
type Leak struct {
	// Token is what was seen, SHA256 the hash of it; one of them is given. The token
	// itself goes no further than the comparison with the hash.
	Token  secret.Secret
	SHA256 events.Digest
	// Source says what kind of place it was, or what found it; URL is the place.
	Source, URL string
	Note        string
	// SecretType is what the reporter calls tokens of this form, ReportedBy the key
	// that the report was signed with.
	SecretType, ReportedBy string
}

// presented reports whether the reporter has shown the token itself.
func (l *Leak) presented() bool { return l.Token.Reveal() != "" }

// hash is the SHA-256 over the token.
func (l *Leak) hash() events.Digest {
	if l.presented() {
		return l.Token.Hash()
	}
	return l.SHA256
}

// Bounds on the texts of a report, in bytes.
const (
	maxLeakWord = 100
	maxLeakURL  = 2048
	maxLeakNote = 500
)

// clean readies the texts for the record. They are not refused: a strange URL is no
// reason to leave a token good that others have. keys takes tokens out that have no
// form to know them by.
func (l *Leak) clean(keys *strings.Replacer) {
	l.Source, l.SecretType, l.ReportedBy = cleanLeak(l.Source, keys, maxLeakWord), cleanLeak(l.SecretType, keys, maxLeakWord), cleanLeak(l.ReportedBy, keys, maxLeakWord)
	l.URL = cleanLeak(withoutUser(l.URL), keys, maxLeakURL)
	l.Note = cleanLeak(l.Note, keys, maxLeakNote)
}

func cleanLeak(s string, keys *strings.Replacer, most int) string {
	s = secret.Blot(keys.Replace(s))
	if len(s) > most {
		s = s[:most]
	}
	return strings.Map(func(r rune) rune {
		if unprintable(r) {
			return '\uFFFD'
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
}

// withoutUser takes a name and a password out of a URL.
func withoutUser(s string) string {
	u, err := url.Parse(s)
	if err != nil || u.User == nil {
		return s
	}
	u.User = nil
	return u.String()
}

// leastKey is the length, in bytes, of the shortest imported key that is looked for in
// the texts of a report; to take shorter ones out would blot out words.
const leastKey = 8

// keysOf gives what takes the tokens of all reports out of a text: imported keys may
// have any form.
func keysOf(leaks []Leak) *strings.Replacer {
	var pairs []string
	for i := range leaks {
		key := leaks[i].Token.Reveal()
		if len(key) < leastKey || secret.Within(key) {
			continue // the form gives it away
		}
		for _, written := range []string{key, url.QueryEscape(key), url.PathEscape(key)} {
			pairs = append(pairs, written, "[token]")
		}
	}
	return strings.NewReplacer(pairs...)
}

// place is what makes two reports of one token the same report: its idempotency key.
// Two notes on one place are one report.
func (l *Leak) place(t *tokens.Token) string {
	return hexSum("leak\x00" + t.ID.String() + "\x00" + l.Source + "\x00" + l.URL)
}

// leakRequest stands in the events of a report, to tell what it led to.
func leakRequest(a events.LeakAction) string { return hexSum("leak\x00" + string(a)) }

// onRecord is what the ledger has of a report that came before.
type onRecord struct {
	reported  bool // the place is known
	suspended bool // the token was suspended for it
}

func recordOf(answered []tokens.Answered) (r onRecord) {
	r.reported = len(answered) > 0
	r.suspended = slices.ContainsFunc(answered, func(a tokens.Answered) bool { return a.Request == leakRequest(events.LeakSuspended) })
	return r
}

// leakDecision is what a report leads to.
type leakDecision struct {
	action events.LeakAction
	why    string
	// facts are the events that follow: the report, unless it is on record, and what
	// ends or suspends the token.
	facts []events.Data
}

// decideLeak decides about a report on the token t. otherRoot says that another token
// holds ledger:root and can be counted on.
func decideLeak(p LeakPolicy, c Caller, t *tokens.Token, l *Leak, was onRecord, otherRoot bool, now time.Time) leakDecision {
	d := leakDecision{action: events.LeakNone}
	status := t.Status(now)
	root := t.HasScope(Root)
	switch {
	case status == tokens.StatusRevoked:
		d.why = LeakAlreadyRevoked
	case p == ReportLeaked:
		d.why = LeakByPolicy
	case root && !c.Holds(Root) && !l.presented():
		// Whoever has the token itself could end it with it. A hash is no secret.
		d.why = LeakAboveCaller
	case root && !otherRoot && status != tokens.StatusExpired:
		d.why = LeakLastRoot
	case p == SuspendLeaked && status == tokens.StatusExpired:
		d.why = LeakExpired
	case p == SuspendLeaked && t.Suspended:
		d.why = LeakAlreadySuspended
	case p == SuspendLeaked && was.suspended:
		// Whoever has resumed it has judged this report: it does not count again.
		d.why = LeakResumed
	case p == SuspendLeaked:
		d.action = events.LeakSuspended
	default:
		d.action = events.LeakRevoked
	}
	if !was.reported {
		report := &events.TokenLeaked{
			Source: l.Source, URL: l.URL, Note: l.Note, SecretType: l.SecretType, ReportedBy: l.ReportedBy,
			Presented: l.presented(), Action: d.action, Reason: d.why,
		}
		report.TokenID = t.ID
		d.facts = append(d.facts, report)
	}
	const reason = "reported as leaked"
	switch d.action {
	case events.LeakRevoked:
		end := &events.TokenRevoked{EffectiveAt: now, ReasonCode: events.ReasonLeaked, Reason: reason}
		end.TokenID = t.ID
		d.facts = append(d.facts, end)
	case events.LeakSuspended:
		pause := &events.TokenSuspended{Reason: reason}
		pause.TokenID = t.ID
		d.facts = append(d.facts, pause)
	}
	return d
}
