package commands

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tokenledger/tokenledger/commands/secret"
	"github.com/tokenledger/tokenledger/events"
	"github.com/tokenledger/tokenledger/projections/tokens"
)

func TestLeak(t *testing.T) {
	minted := secret.Mint("tl", id)
	plain := tokens.Token{ID: id, Tenant: "default", Hash: minted.Hash()}
	with := func(change func(*tokens.Token)) tokens.Token { tok := plain; change(&tok); return tok }
	ended := with(func(tok *tokens.Token) { tok.RevokedAt = now.Add(-hour) })
	ending := with(func(tok *tokens.Token) { tok.RevokedAt = now.Add(hour) })
	expired := with(func(tok *tokens.Token) { tok.ExpiresAt = now.Add(-hour) })
	pending := with(func(tok *tokens.Token) { tok.NotBefore = now.Add(hour) })
	suspended := with(func(tok *tokens.Token) { tok.Suspended = true })
	rootToken := with(func(tok *tokens.Token) { tok.Scopes = []string{Root} })
	expiredRoot := with(func(tok *tokens.Token) { tok.Scopes = []string{Root}; tok.ExpiresAt = now.Add(-hour) })
	revoker := Caller{Tenant: "default", Scopes: []string{TokensRevoke}}
	known := onRecord{reported: true}
	knownSuspended := onRecord{reported: true, suspended: true}
	byHash := Leak{SHA256: minted.Hash()}
	for _, tc := range []struct {
		name      string
		policy    LeakPolicy
		caller    Caller
		token     tokens.Token
		leak      *Leak // the token itself, if nil
		was       onRecord
		otherRoot bool
		action    events.LeakAction
		why       string
		kinds     string // of the events
	}{
		{name: "revoked at once", policy: RevokeLeaked, token: plain, action: "revoked", kinds: "leaked revoked"},
		{name: "by hash", policy: RevokeLeaked, token: plain, leak: &byHash, action: "revoked", kinds: "leaked revoked"},
		{name: "again", policy: RevokeLeaked, token: ended, was: known, action: "none", why: "already_revoked"},
		{name: "another place", policy: RevokeLeaked, token: ended, action: "none", why: "already_revoked", kinds: "leaked"},
		{name: "still good, the place on record", policy: RevokeLeaked, token: plain, was: known, action: "revoked", kinds: "revoked"},
		{name: "an end ahead is brought to now", policy: RevokeLeaked, token: ending, action: "revoked", kinds: "leaked revoked"},
		{name: "not begun", policy: RevokeLeaked, token: pending, action: "revoked", kinds: "leaked revoked"},
		{name: "suspended before, revoked now", policy: RevokeLeaked, token: suspended, action: "revoked", kinds: "leaked revoked"},
		{name: "expired is ended for good", policy: RevokeLeaked, token: expired, action: "revoked", kinds: "leaked revoked"},

		{name: "report alone", policy: ReportLeaked, token: plain, action: "none", why: "policy", kinds: "leaked"},
		{name: "report alone, again", policy: ReportLeaked, token: plain, was: known, action: "none", why: "policy"},
		{name: "report of a root token", policy: ReportLeaked, token: rootToken, action: "none", why: "policy", kinds: "leaked"},

		{name: "suspend", policy: SuspendLeaked, token: plain, action: "suspended", kinds: "leaked suspended"},
		{name: "suspend, again", policy: SuspendLeaked, token: suspended, was: knownSuspended, action: "none", why: "already_suspended"},
		{name: "suspend, resumed since", policy: SuspendLeaked, token: plain, was: knownSuspended, action: "none", why: "resumed"},
		{name: "suspend, on record under another policy", policy: SuspendLeaked, token: plain, was: known, action: "suspended", kinds: "suspended"},
		{name: "suspend, expired", policy: SuspendLeaked, token: expired, action: "none", why: "expired", kinds: "leaked"},
		{name: "suspend, revoked", policy: SuspendLeaked, token: ended, action: "none", why: "already_revoked", kinds: "leaked"},

		{name: "one of two root tokens", policy: RevokeLeaked, token: rootToken, otherRoot: true, action: "revoked", kinds: "leaked revoked"},
		{name: "the last root token", policy: RevokeLeaked, token: rootToken, action: "none", why: "last_root", kinds: "leaked"},
		{name: "the last root token, again", policy: RevokeLeaked, token: rootToken, was: known, action: "none", why: "last_root"},
		{name: "the last root token, when there is another", policy: RevokeLeaked, token: rootToken, was: known, otherRoot: true, action: "revoked", kinds: "revoked"},
		{name: "the last root token is not suspended", policy: SuspendLeaked, token: rootToken, action: "none", why: "last_root", kinds: "leaked"},
		{name: "a root token that has expired", policy: RevokeLeaked, token: expiredRoot, action: "revoked", kinds: "leaked revoked"},
		{name: "a root token by its hash, from below", policy: RevokeLeaked, caller: revoker, token: rootToken, leak: &byHash, otherRoot: true, action: "none", why: "token_above_caller", kinds: "leaked"},
		{name: "a root token by its hash, from root", policy: RevokeLeaked, caller: root, token: rootToken, leak: &byHash, otherRoot: true, action: "revoked", kinds: "leaked revoked"},
		{name: "a root token itself, from below", policy: RevokeLeaked, caller: revoker, token: rootToken, otherRoot: true, action: "revoked", kinds: "leaked revoked"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			leak := tc.leak
			if leak == nil {
				leak = &Leak{Token: minted}
			}
			d := decideLeak(tc.policy, tc.caller, &tc.token, leak, tc.was, tc.otherRoot, now)
			if d.action != tc.action || d.why != tc.why {
				t.Errorf("%s because of %q; want %s because of %q", d.action, d.why, tc.action, tc.why)
			}
			var kinds []string
			for _, data := range d.facts {
				kinds = append(kinds, data.Type().Kind())
				if events.AboutOf(data).TokenID != id {
					t.Errorf("%+v is about another token", data)
				}
				switch data := data.(type) {
				case *events.TokenLeaked:
					if data.Action != tc.action || data.Reason != tc.why || data.Presented != (tc.leak == nil) {
						t.Errorf("the report says %+v", data)
					}
				case *events.TokenRevoked:
					if !data.EffectiveAt.Equal(now) || data.ReasonCode != events.ReasonLeaked {
						t.Errorf("the revocation says %+v", data)
					}
				}
			}
			if got := strings.Join(kinds, " "); got != tc.kinds {
				t.Errorf("events %q, want %q", got, tc.kinds)
			}
		})
	}
}

func TestTextsOfALeakReport(t *testing.T) {
	minted := secret.Mint("tl", id).Reveal()
	const imported = "sk_live_4eC39 HqLyjW/Darjt"
	leaks := []Leak{{
		Token:  secret.Of(imported),
		Source: strings.Repeat("é", 80), SecretType: "line\x1b[31m\u202eend",
		URL:  "https://alice:hunter2@git.example/a?old=" + minted + "&key=sk_live_4eC39+HqLyjW%2FDarjt&again=sk_live_4eC39%20HqLyjW%2FDarjt#L7",
		Note: imported + "\xff" + strings.Repeat("n", 600),
	}, {Token: secret.Of("short"), Note: "short words stay, " + imported + " of the other report does not"}}
	keys := keysOf(leaks)
	for i := range leaks {
		leaks[i].clean(keys)
	}
	want := []Leak{{
		Token:  secret.Of(imported),
		Source: strings.Repeat("é", 50), SecretType: "line\ufffd[31m\ufffdend",
		URL:  "https://git.example/a?old=[token]&key=[token]&again=[token]#L7",
		Note: "[token]\ufffd" + strings.Repeat("n", 500-8),
	}, {Token: secret.Of("short"), Note: "short words stay, [token] of the other report does not"}}
	if diff := cmp.Diff(want, leaks, cmp.Comparer(func(a, b secret.Secret) bool { return a.Reveal() == b.Reveal() })); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// A URL cannot make a place forget its token, or take another's.
func TestPlacesOfLeaks(t *testing.T) {
	tok, otherTok := tokens.Token{ID: id}, tokens.Token{ID: other}
	places := map[string]string{}
	for _, of := range []*tokens.Token{&tok, &otherTok} {
		for _, l := range []Leak{{}, {Source: "a"}, {URL: "a"}, {Source: "a", URL: "b"}, {Source: "ab"}, {URL: "ab"}} {
			place := l.place(of)
			what := of.ID.String() + " " + l.Source + " " + l.URL
			if places[place] != "" {
				t.Errorf("%s and %s are one place", what, places[place])
			}
			places[place] = what
			noted := l
			noted.Note, noted.SecretType = "x", "y"
			if noted.place(of) != place {
				t.Errorf("%s is another place with a note", what)
			}
		}
	}
}

func TestLeakPolicies(t *testing.T) {
	for policy, ok := range map[LeakPolicy]bool{"": true, RevokeLeaked: true, SuspendLeaked: true, ReportLeaked: true, "ignore": false} {
		if err := (Policy{Leaked: policy}).Check(); (err == nil) != ok {
			t.Errorf("%q: %v", policy, err)
		}
	}
}

func TestStillGood(t *testing.T) {
	for _, tc := range []struct {
		leak Leaked
		good bool
	}{
		{Leaked{}, false},
		{Leaked{Known: true}, true},
		{Leaked{Known: true, Token: tokens.Token{NotBefore: now.Add(time.Hour)}}, true},
		{Leaked{Known: true, Token: tokens.Token{RevokedAt: now}}, false},
		{Leaked{Known: true, Token: tokens.Token{Suspended: true}}, false},
	} {
		if got := tc.leak.StillGood(now); got != tc.good {
			t.Errorf("%+v: %v", tc.leak.Token, got)
		}
	}
}
