package commands

import (
	"context"
	"net/netip"
	"strings"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/tokenledger/tokenledger/commands/secret"
	"github.com/tokenledger/tokenledger/events"
	"github.com/tokenledger/tokenledger/projections/tokens"
)

// Validate asks whether a token is good, for these scopes, here, now.
type Validate struct {
	Token secret.Secret
	// Scopes must all be held.
	Scopes []string
	// Site, if given, must be the token's, if it has one.
	Site string
	// ClientIP is where the bearer came from. A token that is bound to networks
	// is not good without it.
	ClientIP            netip.Addr
	UserAgent, Resource string
	// Tenant, if given, is the only one whose tokens are known to the asker.
	Tenant string
}

// Reason says why a token is not good.
type Reason string

// The reasons, in the order in which they are looked at: the first that applies
// is given.
const (
	Malformed         Reason = "malformed"
	Unknown           Reason = "unknown"
	BadSecret         Reason = "bad_secret"
	Revoked           Reason = "revoked"
	Expired           Reason = "expired"
	NotYetValid       Reason = "not_yet_valid"
	Suspended         Reason = "suspended"
	InsufficientScope Reason = "insufficient_scope"
	SiteMismatch      Reason = "site_mismatch"
	IPDenied          Reason = "ip_denied"
)

// Verdict is the answer to Validate.
type Verdict struct {
	// Reason is empty for a token that is good.
	Reason Reason
	// Token is that of the id that was presented, where there is one that may be
	// told of. Its secret was right unless Reason is BadSecret.
	Token tokens.Credential
	// AsOf is the sequence that the verdict takes in, at least.
	AsOf uint64
}

// Active reports a token that is good.
func (v Verdict) Active() bool { return v.Reason == "" }

// Judge finds the verdict over a presented token. It records nothing; whoever
// answers with the verdict records it first.
type Judge struct {
	state State
	now   func() time.Time
	// catchUp brings the read model up to the stream's tip; asOf is the time up
	// to which it is known to be complete.
	catchUp func(context.Context) error
	asOf    func() time.Time
}

// NewJudge gives a judge over state. asOf tells up to which time the state is
// known to hold every event, catchUp waits until it holds all of now.
func NewJudge(state State, now func() time.Time, asOf func() time.Time, catchUp func(context.Context) error) *Judge {
	return &Judge{state: state, now: Clock(now), asOf: asOf, catchUp: catchUp}
}

// Judge gives the verdict. An error means that there is none: the read model
// failed or does not keep up.
func (j *Judge) Judge(ctx context.Context, cmd Validate) (Verdict, error) {
	v := Verdict{AsOf: j.state.Applied()}
	if cmd.Token.Reveal() == "" {
		v.Reason = Malformed // whatever was imported
		return v, nil
	}
	id, malformed := secret.Parse(cmd.Token)
	var known bool
	var err error
	if malformed == nil {
		v.Token, known, err = j.issued(ctx, id)
	}
	if err == nil && !known && len(cmd.Token.Reveal()) <= maxImportedKey {
		// An imported key may have any format, that of another ledger too.
		v.Token, known, err = j.imported(cmd.Token)
	}
	switch {
	case err != nil:
		return v, Unreadable(err)
	case known && (cmd.Tenant == "" || cmd.Tenant == v.Token.Tenant):
		v.Reason = decideValidate(&v.Token, cmd, j.now())
	case malformed != nil && !known:
		v.Reason = Malformed
	default:
		v.Token, v.Reason = tokens.Credential{}, Unknown
	}
	return v, nil
}

// JudgeHolder gives the verdict over the token of an id whose secret its holder has shown
// before, for as long as he could not have been exchanged for another: on one connection,
// say. What Judge asks for besides the secret is asked for again; cmd bears no token.
func (j *Judge) JudgeHolder(ctx context.Context, id ulid.ULID, cmd Validate) (Verdict, error) {
	v := Verdict{AsOf: j.state.Applied()}
	t, known, err := j.issued(ctx, id)
	switch {
	case err != nil:
		return v, Unreadable(err)
	case !known:
		v.Reason = Unknown
	default:
		v.Token, v.Reason = t, decideHeld(&t, cmd, j.now())
	}
	return v, nil
}

// issued looks up the token that this ledger gave the id.
func (j *Judge) issued(ctx context.Context, id ulid.ULID) (t tokens.Credential, known bool, err error) {
	t, known, err = j.state.Credential(id)
	if err != nil || known || id.Time() < ulid.Timestamp(j.asOf()) || id.Time() > ulid.Timestamp(j.now().Add(clockSkew)) {
		return t, known, err
	}
	// It may have been generated elsewhere a moment ago. An older id would have
	// been applied by now.
	if err := j.catchUp(ctx); err != nil {
		return t, false, err
	}
	return j.state.Credential(id)
}

// Await returns once a token that was generated elsewhere a moment ago can be read, if
// that is what the string is.
func (j *Judge) Await(ctx context.Context, s secret.Secret) error {
	id, err := secret.Parse(s)
	if err == nil {
		_, _, err = j.issued(ctx, id)
		return Unreadable(err)
	}
	return nil // no token of the ledger's own form
}

// clockSkew is how far ahead the clock of another node may be. No node has made an
// id that lies further ahead.
const clockSkew = time.Minute

// imported looks a presented string up among the keys imported by their hash.
func (j *Judge) imported(s secret.Secret) (t tokens.Credential, known bool, err error) {
	id, known, err := j.state.ByHash(s.Hash())
	if err != nil || !known {
		return t, false, err
	}
	return j.state.Credential(id)
}

// maxImportedKey bounds what is hashed for a look-up, in bytes.
const maxImportedKey = 4096

// decideValidate holds the token of the presented id against what is asked.
func decideValidate(t *tokens.Credential, cmd Validate, now time.Time) Reason {
	if !cmd.Token.Matches(t.Hash) {
		return BadSecret
	}
	return decideHeld(t, cmd, now)
}

// decideHeld holds a token against what is asked of who is known to hold it.
func decideHeld(t *tokens.Credential, cmd Validate, now time.Time) Reason {
	if reason := notActive(t, now); reason != "" {
		return reason
	}
	if !coversAll(t.Scopes, cmd.Scopes) {
		return InsufficientScope
	}
	return notHere(t, cmd)
}

// notHere gives the reason that lies in where a token is presented.
func notHere(t *tokens.Credential, cmd Validate) Reason {
	switch {
	case cmd.Site != "" && t.Site != "" && cmd.Site != t.Site:
		return SiteMismatch
	case !inside(t.AllowedCIDRs, cmd.ClientIP):
		return IPDenied
	}
	return ""
}

// LacksScopeAlone reports a token that is good, and good here, and lacks a scope that
// cmd asked for. InsufficientScope says less: it is the first reason of several.
func (v Verdict) LacksScopeAlone(cmd Validate) bool {
	return v.Reason == InsufficientScope && notHere(&v.Token, cmd) == ""
}

// notActive gives the reason that lies in the token's life, empty for one that is
// active.
func notActive(t *tokens.Credential, now time.Time) Reason {
	switch t.Status(now) {
	case tokens.StatusRevoked:
		return Revoked
	case tokens.StatusExpired:
		return Expired
	case tokens.StatusPending:
		return NotYetValid
	case tokens.StatusSuspended:
		return Suspended
	}
	return ""
}

// Since gives the reason why a token that the verdict v found good has ended since,
// empty if it has not.
func (j *Judge) Since(v Verdict) (Reason, error) {
	if j.state.Applied() == v.AsOf {
		return notActive(&v.Token, j.now()), nil
	}
	return ended(j.state, v.Token.ID, j.now())
}

// ended gives the reason why a token that is known is good no more, empty if it is
// active.
func ended(state State, id ulid.ULID, now time.Time) (Reason, error) {
	t, known, err := state.Credential(id)
	if err != nil || !known {
		return "", Unreadable(err)
	}
	return notActive(&t, now), nil
}

// inside reports whether ip lies in one of the networks, or there are none.
func inside(networks []netip.Prefix, ip netip.Addr) bool {
	if len(networks) == 0 {
		return true
	}
	ip = ip.Unmap().WithZone("")
	for _, n := range networks {
		if n.Contains(ip) {
			return true
		}
	}
	return false
}

// Check reports what cannot be validated against.
func (cmd Validate) Check() error {
	if len(cmd.Scopes) > maxScopes {
		return invalid("too_many_scopes", "a validation may ask for at most 64 scopes", "ask for fewer")
	}
	for _, s := range cmd.Scopes {
		if err := checkScope(s); err != nil {
			return err
		}
	}
	return nil
}

// Use is the record of the verdict, as asked for by actor. It belongs to the
// tenant of the token, or where no token is known to the asker's.
func (v Verdict) Use(actor events.Actor, asker string, cmd Validate, at time.Time) Use {
	u := Use{
		At: at, Tenant: asker, TokenID: v.Token.ID, Reason: string(v.Reason), Actor: actor,
		UserAgent: Clean(cmd.UserAgent), Site: Clean(cmd.Site), Resource: Clean(cmd.Resource), Scopes: cmd.Scopes,
	}
	if v.Token.Tenant != "" {
		u.Tenant = v.Token.Tenant
	}
	if cmd.ClientIP.IsValid() {
		u.IP = cmd.ClientIP.Unmap().WithZone("").String()
	}
	return u
}

// maxHearsay bounds what is recorded of a text that the bearer chose, in bytes.
const maxHearsay = 256

// Clean readies a text that the bearer chose for the record. It is not refused: a
// strange user agent is no reason to turn away a good token. It is cut to its
// bound, and a token in it (say, in the query of a URL) is blotted out.
func Clean(s string) string {
	s = secret.Blot(s)
	if len(s) > maxHearsay {
		s = s[:maxHearsay]
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}
