package commands

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/oklog/ulid/v2"

	"github.com/tokenledger/tokenledger/commands/secret"
	"github.com/tokenledger/tokenledger/events"
	"github.com/tokenledger/tokenledger/projections/tokens"
)

var (
	now    = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	hour   = time.Hour
	day    = 24 * hour
	id     = ulid.MustParse("01JDA0V6Q3Y8N5K2M7R4T1W9XZ")
	other  = ulid.MustParse("01JDA0V6Q3Y8N5K2M7R4T1W9Y0")
	root   = Caller{Tenant: "default", Scopes: []string{Root}}
	writer = Caller{Tenant: "default", Scopes: []string{TokensWrite, TokensRead}}
	admin  = Caller{Tenant: "default", Scopes: []string{Admin}}
)

// code gives the code of an error of the package, "" for none.
func code(t *testing.T, err error) string {
	t.Helper()
	if err == nil {
		return ""
	}
	e, ok := errors.AsType[*Error](err)
	if !ok {
		t.Fatalf("an error of another kind: %v", err)
	}
	if e.Detail == "" || e.Hint == "" {
		t.Errorf("%s says too little: detail %q, hint %q", e.Code, e.Detail, e.Hint)
	}
	return e.Code
}

func TestGenerate(t *testing.T) {
	good := Labels{Name: "checkout", Site: "shop.example"}
	with := func(change func(*Labels)) Labels { l := good; change(&l); return l }
	for _, tc := range []struct {
		name   string
		policy Policy
		caller Caller
		labels Labels
		code   string
	}{
		{name: "a name is enough", labels: Labels{Name: "x"}},
		{name: "no name", labels: Labels{Site: "s"}, code: "field_required"},
		{name: "a blank name", labels: Labels{Name: "  "}, code: "field_required"},
		{name: "the longest name, in characters", labels: Labels{Name: strings.Repeat("é", 200)}},
		{name: "a name too long", labels: Labels{Name: strings.Repeat("x", 201)}, code: "length"},
		{name: "a name of 10 MB", labels: Labels{Name: strings.Repeat("x", 10<<20)}, code: "length"},
		{name: "a control character", labels: Labels{Name: "a\x1b[31mb"}, code: "control_character"},
		{name: "a direction override", labels: Labels{Name: "a\u202eb"}, code: "control_character"},
		{name: "a token in the name", labels: Labels{Name: "key " + secret.Mint("tl", id).Reveal()}, code: "secret_in_label"},
		{name: "a token in the metadata", labels: with(func(l *Labels) { l.Metadata = map[string]string{"k": secret.Mint("zz", id).Reveal()} }), code: "secret_in_label"},
		{name: "too much metadata", labels: with(func(l *Labels) { l.Metadata = map[string]string{"k": strings.Repeat("v", 513)} }), code: "length"},
		{name: "policy: the name's least length", policy: Policy{NameLength: Length{Min: 9}}, labels: good, code: "length"},
		{name: "policy: a site is required", policy: Policy{SiteLength: Length{Min: 1}}, labels: Labels{Name: "x"}, code: "field_required"},

		{name: "a ttl", labels: with(func(l *Labels) { l.TTL = day })},
		{name: "an expiry", labels: with(func(l *Labels) { l.ExpiresAt = now.Add(day) })},
		{name: "both", labels: with(func(l *Labels) { l.TTL, l.ExpiresAt = day, now.Add(day) }), code: "expiry_twice"},
		{name: "a past expiry", labels: with(func(l *Labels) { l.ExpiresAt = now.Add(-day) }), code: "expiry_past"},
		{name: "an expiry now", labels: with(func(l *Labels) { l.ExpiresAt = now }), code: "expiry_past"},
		{name: "an expiry before the start", labels: with(func(l *Labels) { l.NotBefore, l.ExpiresAt = now.Add(2*day), now.Add(day) }), code: "expiry_before_start"},
		{name: "a year that cannot be written", labels: with(func(l *Labels) { l.ExpiresAt = now.AddDate(9000, 0, 0) }), code: "time_invalid"},
		{name: "policy: within the longest life", policy: Policy{MaxLife: 90 * day}, labels: with(func(l *Labels) { l.TTL = 90 * day })},
		{name: "policy: beyond the longest life", policy: Policy{MaxLife: 90 * day}, labels: with(func(l *Labels) { l.TTL = 91 * day }), code: "life_too_long"},
		{name: "policy: no expiry", policy: Policy{MaxLife: 90 * day}, labels: good, code: "expiry_required"},

		{name: "free scopes", caller: writer, labels: with(func(l *Labels) { l.Scopes = []string{"orders:read", "a.b/c-d_*"} })},
		{name: "a scope of other characters", labels: with(func(l *Labels) { l.Scopes = []string{"orders read"} }), code: "scope_invalid"},
		{name: "an empty scope", labels: with(func(l *Labels) { l.Scopes = []string{""} }), code: "scope_invalid"},
		{name: "a scope too long", labels: with(func(l *Labels) { l.Scopes = []string{strings.Repeat("x", 129)} }), code: "scope_invalid"},
		{name: "too many scopes", labels: with(func(l *Labels) { l.Scopes = make([]string, 65) }), code: "too_many_scopes"},
		{name: "policy: an allowed scope", policy: Policy{AllowedScopes: []string{"orders:*"}}, labels: with(func(l *Labels) { l.Scopes = []string{"orders:read"} })},
		{name: "policy: another scope", policy: Policy{AllowedScopes: []string{"orders:*"}}, labels: with(func(l *Labels) { l.Scopes = []string{"users:read"} }), code: "scope_not_allowed"},
		{name: "policy: a wildcard wider than allowed", policy: Policy{AllowedScopes: []string{"orders:*"}}, labels: with(func(l *Labels) { l.Scopes = []string{"*"} }), code: "scope_not_allowed"},

		{name: "a permission that is held", caller: writer, labels: with(func(l *Labels) { l.Scopes = []string{TokensRead} })},
		{name: "a permission that is not held", caller: writer, labels: with(func(l *Labels) { l.Scopes = []string{TokensRevoke} }), code: "grant_not_held"},
		{name: "admin gives what admin covers", caller: admin, labels: with(func(l *Labels) { l.Scopes = []string{TokensRevoke, Admin} })},
		{name: "admin does not give root", caller: admin, labels: with(func(l *Labels) { l.Scopes = []string{Root} }), code: "grant_not_held"},
		{name: "root gives root", caller: root, labels: with(func(l *Labels) { l.Scopes = []string{Root} })},
		{name: "a wildcard over free scopes does not give permissions", caller: Caller{Scopes: []string{"*", "ledger*"}}, labels: with(func(l *Labels) { l.Scopes = []string{TokensRead} }), code: "grant_not_held"},
		{name: "no such permission", caller: root, labels: with(func(l *Labels) { l.Scopes = []string{"ledger:everything"} }), code: "unknown_permission"},
		{name: "no wildcard over permissions", caller: root, labels: with(func(l *Labels) { l.Scopes = []string{"ledger:*"} }), code: "unknown_permission"},

		{name: "networks", labels: with(func(l *Labels) { l.AllowedCIDRs = []string{"192.0.2.9/24", "2001:db8::1", "::ffff:198.51.100.0/120"} })},
		{name: "no network", labels: with(func(l *Labels) { l.AllowedCIDRs = []string{"192.0.2.0/33"} }), code: "cidr_invalid"},
		{name: "a zone in a network", labels: with(func(l *Labels) { l.AllowedCIDRs = []string{"fe80::1%eth0"} }), code: "cidr_invalid"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			caller := tc.caller
			if caller.Scopes == nil {
				caller = root
			}
			data, err := decideGenerate(tc.policy, caller, tc.labels, now)
			if got := code(t, err); got != tc.code {
				t.Fatalf("code %q, want %q (%v)", got, tc.code, err)
			}
			if (data == nil) != (err != nil) {
				t.Errorf("event %v beside error %v", data, err)
			}
		})
	}
}

func TestGenerateKeepsWhatWasAsked(t *testing.T) {
	got, err := decideGenerate(Policy{}, root, Labels{
		Name: "n", Site: "s", Owner: "o", Scopes: []string{"a", "b", "a"}, TTL: day, NotBefore: now.Add(hour),
		AllowedCIDRs: []string{"192.0.2.9/24", "2001:db8::1", "::ffff:198.51.100.7/120"}, Metadata: map[string]string{"k": "v"},
	}, now)
	if err != nil {
		t.Fatal(err)
	}
	want := &events.TokenGenerated{
		Name: "n", Site: "s", Owner: "o", Scopes: []string{"a", "b"}, ExpiresAt: now.Add(day), NotBefore: now.Add(hour),
		AllowedCIDRs: []string{"192.0.2.0/24", "2001:db8::1/128", "198.51.100.0/24"}, Metadata: map[string]string{"k": "v"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func token(change func(*tokens.Token)) tokens.Token {
	t := tokens.Token{ID: id, Tenant: "default", Name: "n", Site: "s", Scopes: []string{"a"}, CreatedAt: now.Add(-10 * day)}
	if change != nil {
		change(&t)
	}
	return t
}

func TestRevoke(t *testing.T) {
	ended := token(func(t *tokens.Token) { t.RevokedAt = now.Add(-hour) })
	ending := token(func(t *tokens.Token) { t.RevokedAt = now.Add(day) })
	for _, tc := range []struct {
		name  string
		given tokens.Token
		when  Revoke
		then  time.Time // zero: no event
		code  string
	}{
		{name: "now", given: token(nil), then: now},
		{name: "later", given: token(nil), when: Revoke{EffectiveAt: now.Add(day)}, then: now.Add(day)},
		{name: "a past time is now", given: token(nil), when: Revoke{EffectiveAt: now.Add(-day)}, then: now},
		{name: "again", given: ended},
		{name: "again, later", given: ended, when: Revoke{EffectiveAt: now.Add(day)}},
		{name: "an end that lies ahead comes forward", given: ending, then: now},
		{name: "an end that lies ahead is not put off", given: ending, when: Revoke{EffectiveAt: now.Add(2 * day)}},
		{name: "an expired token", given: token(func(t *tokens.Token) { t.ExpiresAt = now.Add(-hour) }), then: now},
		{name: "a reason that is counted", given: token(nil), when: Revoke{Why: Why{Code: events.ReasonLeaked}}, then: now},
		{name: "a reason that is not", given: token(nil), when: Revoke{Why: Why{Code: "bored"}}, code: "reason_code_invalid"},
		{name: "a reason too long", given: token(nil), when: Revoke{Why: Why{Reason: strings.Repeat("x", 501)}}, code: "length"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d, err := decideRevoke(tc.given, tc.when, now)
			if got := code(t, err); got != tc.code {
				t.Fatalf("code %q, want %q", got, tc.code)
			}
			if (d != nil) != !tc.then.IsZero() || d != nil && !d.EffectiveAt.Equal(tc.then) {
				t.Errorf("event %+v, want one that takes effect at %v", d, tc.then)
			}
		})
	}
}

func TestRotate(t *testing.T) {
	expiring := func(t *tokens.Token) { t.ExpiresAt = now.Add(20 * day) } // a life of 30 days
	for _, tc := range []struct {
		name    string
		given   tokens.Token
		caller  Caller
		policy  Policy
		grace   time.Duration
		expires time.Time
		code    string
	}{
		{name: "a token without an end", given: token(nil)},
		{name: "the new one lives as long as the old one did", given: token(expiring), expires: now.Add(30 * day)},
		{name: "a grace", given: token(expiring), grace: day, expires: now.Add(30 * day)},
		{name: "a grace longer than the old token's life", given: token(expiring), grace: 21 * day, code: "grace_too_long"},
		{name: "a grace longer than to its revocation", given: token(func(t *tokens.Token) { t.RevokedAt = now.Add(hour) }), grace: day, code: "grace_too_long"},
		{name: "a negative grace", given: token(nil), grace: -1, code: "grace_invalid"},
		{name: "a revoked token", given: token(func(t *tokens.Token) { t.RevokedAt = now }), code: "not_active"},
		{name: "an expired token", given: token(func(t *tokens.Token) { t.ExpiresAt = now }), code: "not_active"},
		{name: "a suspended token", given: token(func(t *tokens.Token) { t.Suspended = true }), code: "not_active"},
		{name: "twice", given: token(func(t *tokens.Token) { t.RotatedTo = other }), code: "already_rotated"},
		{name: "permissions that the caller does not hold", caller: writer, given: token(func(t *tokens.Token) { t.Scopes = []string{Admin} }), code: "grant_not_held"},
		{name: "a policy that came later", policy: Policy{MaxLife: 7 * day}, given: token(nil), expires: now.Add(7 * day)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			caller := tc.caller
			if caller.Scopes == nil {
				caller = root
			}
			born, ended, err := decideRotate(tc.policy, caller, tc.given, Rotate{Grace: tc.grace}, now)
			if got := code(t, err); got != tc.code {
				t.Fatalf("code %q, want %q", got, tc.code)
			}
			if err != nil {
				return
			}
			if born.RotatedFrom != id || ended.TokenID != id || ended.ReasonCode != events.ReasonRotated {
				t.Errorf("born %+v, ended %+v", born, ended)
			}
			if !ended.EffectiveAt.Equal(now.Add(tc.grace)) {
				t.Errorf("the old one ends at %v", ended.EffectiveAt)
			}
			if !born.ExpiresAt.Equal(tc.expires) {
				t.Errorf("the new one expires at %v, want %v", born.ExpiresAt, tc.expires)
			}
		})
	}
}

func TestSuspendAndResume(t *testing.T) {
	for _, tc := range []struct {
		name             string
		given            tokens.Token
		suspends, resume bool // whether an event follows
		code             string
	}{
		{name: "active", given: token(nil), suspends: true},
		{name: "suspended", given: token(func(t *tokens.Token) { t.Suspended = true }), resume: true},
		{name: "pending", given: token(func(t *tokens.Token) { t.NotBefore = now.Add(day) }), suspends: true},
		{name: "revoked", given: token(func(t *tokens.Token) { t.RevokedAt = now }), code: "not_active"},
		{name: "expired while suspended", given: token(func(t *tokens.Token) { t.Suspended, t.ExpiresAt = true, now }), code: "not_active"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s, err := decideSuspend(tc.given, Suspend{}, now)
			if got := code(t, err); got != tc.code || (s != nil) != tc.suspends {
				t.Errorf("suspend: %v, %v", s, err)
			}
			r, err := decideResume(tc.given, Resume{}, now)
			if got := code(t, err); got != tc.code || (r != nil) != tc.resume {
				t.Errorf("resume: %v, %v", r, err)
			}
		})
	}
}

func TestUpdate(t *testing.T) {
	text := func(s string) *string { return &s }
	given := token(func(t *tokens.Token) { t.Owner, t.Metadata = "ann", map[string]string{"k": "v"} })
	for _, tc := range []struct {
		name string
		when Update
		then *events.TokenUpdated
		code string
	}{
		{name: "nothing named", code: "nothing_to_update"},
		{name: "a name", when: Update{Name: text("m")}, then: &events.TokenUpdated{Name: text("m")}},
		{name: "the same name", when: Update{Name: text("n")}},
		{name: "no name", when: Update{Name: text("")}, code: "field_required"},
		{name: "no owner", when: Update{Owner: text("")}, then: &events.TokenUpdated{Owner: text("")}},
		{name: "the same metadata", when: Update{Metadata: &map[string]string{"k": "v"}}},
		{name: "no metadata", when: Update{Metadata: &map[string]string{}}, then: &events.TokenUpdated{Metadata: &map[string]string{}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := decideUpdate(Policy{}, given, tc.when)
			if c := code(t, err); c != tc.code {
				t.Fatalf("code %q, want %q", c, tc.code)
			}
			if tc.then != nil {
				tc.then.TokenID = id
			}
			if diff := cmp.Diff(tc.then, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Each case has everything wrong that comes at or behind its reason in the
// contract's order, so the order itself is shown.
func TestValidateGivesTheFirstReasonThatApplies(t *testing.T) {
	right, wrong := secret.Mint("tl", id), secret.Mint("tl", id)
	everything := func(c *tokens.Credential) {
		c.RevokedAt, c.ExpiresAt, c.NotBefore, c.Suspended = now, now, now.Add(hour), true
		c.AllowedCIDRs = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
	}
	ask := Validate{Token: right, Scopes: []string{"b"}, Site: "elsewhere", ClientIP: netip.MustParseAddr("203.0.113.1")}
	mended := func(mend ...func(*tokens.Credential, *Validate)) (tokens.Credential, Validate) {
		full := token(nil)
		c := full.Credential()
		c.Hash = right.Hash()
		everything(&c)
		v := ask
		for _, m := range mend {
			m(&c, &v)
		}
		return c, v
	}
	steps := []struct {
		reason Reason
		mend   func(*tokens.Credential, *Validate)
	}{
		{Revoked, func(c *tokens.Credential, _ *Validate) { c.RevokedAt = now.Add(1) }},
		{Expired, func(c *tokens.Credential, _ *Validate) { c.ExpiresAt = now.Add(1) }},
		{NotYetValid, func(c *tokens.Credential, _ *Validate) { c.NotBefore = now }},
		{Suspended, func(c *tokens.Credential, _ *Validate) { c.Suspended = false }},
		{InsufficientScope, func(_ *tokens.Credential, v *Validate) { v.Scopes = []string{"a"} }},
		{SiteMismatch, func(_ *tokens.Credential, v *Validate) { v.Site = "s" }},
		{IPDenied, func(_ *tokens.Credential, v *Validate) { v.ClientIP = netip.MustParseAddr("::ffff:192.0.2.9") }},
		{"", nil},
	}
	c, v := mended()
	v.Token = wrong
	if got := decideValidate(&c, v, now); got != BadSecret {
		t.Errorf("a wrong secret: %q", got)
	}
	var mends []func(*tokens.Credential, *Validate)
	for _, s := range steps {
		c, v := mended(mends...)
		if got := decideValidate(&c, v, now); got != s.reason {
			t.Errorf("with %d things mended: %q, want %q", len(mends), got, s.reason)
		}
		mends = append(mends, s.mend)
	}
}

func TestValidateDetails(t *testing.T) {
	s := secret.Mint("tl", id)
	full := token(nil)
	c := full.Credential()
	c.Hash = s.Hash()
	bound := c
	bound.AllowedCIDRs = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
	siteless := c
	siteless.Site = ""
	wild := c
	wild.Scopes = []string{"orders:*"}
	manager := c
	manager.Scopes = []string{Admin}
	for _, tc := range []struct {
		name string
		c    tokens.Credential
		v    Validate
		want Reason
	}{
		{"nothing asked", c, Validate{}, ""},
		{"the token's own site", c, Validate{Site: "s"}, ""},
		{"a token for any site", siteless, Validate{Site: "anywhere"}, ""},
		{"bound to networks, and no address given", bound, Validate{}, IPDenied},
		{"a wildcard covers", wild, Validate{Scopes: []string{"orders:read", "orders:*"}}, ""},
		{"a wildcard ends", wild, Validate{Scopes: []string{"order"}}, InsufficientScope},
		{"admin covers permissions", manager, Validate{Scopes: []string{TokensRead}}, ""},
		{"admin does not cover root", manager, Validate{Scopes: []string{Root}}, InsufficientScope},
		{"admin does not cover free scopes", manager, Validate{Scopes: []string{"orders:read"}}, InsufficientScope},
	} {
		tc.v.Token = s
		if got := decideValidate(&tc.c, tc.v, now); got != tc.want {
			t.Errorf("%s: %q, want %q", tc.name, got, tc.want)
		}
	}
}

func TestUsesAreRecordedWithoutSecrets(t *testing.T) {
	s := secret.Mint("tl", id)
	u := Verdict{Reason: Unknown}.Use(events.Actor{}, "acme", Validate{
		UserAgent: strings.Repeat("é", 300), Resource: "/cb?token=" + s.Reveal() + "&x=1", Site: "x" + s.Reveal(),
	}, now)
	if strings.Contains(u.Resource+u.Site, s.Reveal()[30:60]) {
		t.Errorf("the token is in the record: %q, %q", u.Resource, u.Site)
	}
	if u.Resource != "/cb?token=[token]&x=1" {
		t.Errorf("resource %q", u.Resource)
	}
	if len(u.UserAgent) > maxHearsay+3 || strings.ContainsRune(u.UserAgent[:200], '\uFFFD') {
		t.Errorf("user agent of %d bytes: %q", len(u.UserAgent), u.UserAgent)
	}
}

func TestAQuestionIsRecordedWithoutSecretsAndWithinBounds(t *testing.T) {
	minted := secret.Mint("tl", NewID(time.Now()))
	for _, tc := range []struct{ name, query, want string }{
		{"as it is", "events kind=revoked", "events kind=revoked"},
		{"a token", "trace name=" + minted.Reveal(), "trace name=[token]"},
		{"not UTF-8", "events site=\xff", "events site=\uFFFD"},
		{"too long", strings.Repeat("x", maxQuery+1), strings.Repeat("x", maxQuery)},
		{"cut within a character", strings.Repeat("x", maxQuery-1) + "é", strings.Repeat("x", maxQuery-1) + "\uFFFD"},
	} {
		if got := decideReadAudit(ReadAudit{Query: tc.query}).Query; got != tc.want {
			t.Errorf("%s: %q", tc.name, got)
		}
	}
}
