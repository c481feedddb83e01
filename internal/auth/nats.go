package auth

import (
	"github.com/tokenledger/tokenledger/commands"
	"github.com/tokenledger/tokenledger/events"
)

// ValidateSubject is where the service answers validations over NATS.
const ValidateSubject = "tokenledger.validate"

// ServiceName is the name under which that service makes itself known.
const ServiceName = "tokenledger"

// RootAccount is the name of the account in which all tenants are heard. No tenant has
// that name: theirs are in lower case.
const RootAccount = "ROOT"

// Grant is what a caller may do over NATS. An empty list allows nothing.
type Grant struct {
	// Subscribe and Publish are subjects, with NATS wildcards.
	Subscribe, Publish []string
}

// None reports a grant of nothing at all.
func (g Grant) None() bool { return len(g.Subscribe) == 0 && len(g.Publish) == 0 }

// NATSGrant is the rule which a caller's scopes come to over NATS, wherever he signs in.
//
// private says that the caller's NATS account is that of [NATSAccount]: what is
// heard there is his tenant's alone. In an account that is shared with others he is
// given narrower subjects, and has to name his own inbox: InboxPrefix of his token.
//
// Nobody is given a subject of the stream or of JetStream's interface to publish to.
func NATSGrant(c commands.Caller, private bool) Grant {
	var g Grant
	ledger, revocations := events.SubjectPrefix+c.Tenant+".", events.RevocationsPrefix+c.Tenant
	if private {
		revocations = events.RevocationsPrefix + ">"
	}
	switch {
	case c.Holds(commands.Root):
		g.Subscribe = []string{events.SubjectPrefix + ">", events.RevocationsPrefix + ">"}
	case c.Holds(commands.AuditReadScope):
		g.Subscribe = []string{ledger + ">", revocations}
	case c.Holds(commands.RevocationsRead):
		g.Subscribe = []string{ledger + "revoked", revocations}
	}
	if c.Holds(commands.TokensValidate) {
		g.Publish = append([]string{ValidateSubject}, discovery()...)
		if c.Holds(commands.Root) {
			// How much is asked of the service tells of all tenants.
			g.Publish = append(g.Publish, serviceSubjects("STATS")...)
		}
		g.Subscribe = append(g.Subscribe, InboxPrefix(c)+".>")
		if private {
			g.Subscribe = append(g.Subscribe, "_INBOX.>")
		}
	}
	return g
}

// InboxPrefix begins the subjects at which a caller, and no other, may take answers. It
// names the token: a person's own id is no part of a subject.
func InboxPrefix(c commands.Caller) string { return "_INBOX_" + c.Actor.TokenID.String() }

// Account is a NATS account, seen from that of the node.
type Account struct {
	Name string
	// Streams are the subjects that are heard in it, Services those that its clients
	// may ask, of the node's account.
	Streams, Services []string
}

// NATSAccount is the account of a caller: that of his tenant, or for who reaches all of
// them one of its own. There are as many as there are tenants, and one.
func NATSAccount(c commands.Caller) Account {
	if c.Holds(commands.Root) {
		return Account{Name: RootAccount,
			Streams:  []string{events.SubjectPrefix + ">", events.RevocationsPrefix + ">"},
			Services: append(append([]string{ValidateSubject}, discovery()...), serviceSubjects("STATS")...),
		}
	}
	return Account{Name: c.Tenant,
		Streams:  []string{events.SubjectPrefix + c.Tenant + ".>", events.RevocationsPrefix + c.Tenant},
		Services: append([]string{ValidateSubject}, discovery()...),
	}
}

// NodeExports is what the accounts of [NATSAccount] are given of the node's.
func NodeExports() Account {
	return NATSAccount(commands.Caller{Scopes: []string{commands.Root}})
}

// discovery is how clients find a micro service.
func discovery() []string { return append(serviceSubjects("PING"), serviceSubjects("INFO")...) }

// serviceSubjects are those of one verb of a micro service: all services, those of the
// name, and one of them.
func serviceSubjects(verb string) []string {
	all := "$SRV." + verb
	return []string{all, all + "." + ServiceName, all + "." + ServiceName + ".*"}
}
