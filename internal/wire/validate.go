package wire

import (
	"net/netip"
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/tokenledger/tokenledger/client/api"
	"github.com/tokenledger/tokenledger/commands"
	"github.com/tokenledger/tokenledger/commands/secret"
)

// ValidateCommand reads what is asked with a validation.
func ValidateCommand(in api.ValidateItem) (commands.Validate, error) {
	cmd := commands.Validate{
		Token: secret.Of(in.Token), Scopes: in.Scopes, Site: in.Site, UserAgent: in.UserAgent, Resource: in.Resource,
	}
	if in.ClientIP != "" {
		var err error
		if cmd.ClientIP, err = ClientIP(in.ClientIP); err != nil {
			return cmd, err
		}
	}
	return cmd, nil
}

// ClientIP reads the address of a bearer.
func ClientIP(s string) (netip.Addr, error) {
	ip, err := netip.ParseAddr(s)
	// A zone is the name of an interface of the asker's own: of no use here, and it can
	// be any text.
	if err != nil || ip.Zone() != "" {
		return netip.Addr{}, &commands.Error{Kind: commands.Invalid, Code: "client_ip_invalid", Detail: "client_ip is not an IP address", Hint: `write "192.0.2.7" or "2001:db8::7", without a port or a zone`}
	}
	return ip, nil
}

// AppendAnswer writes the [api.ValidateAnswer] of v, as [Marshal] would. This is the
// answer given most often by far; by reflection it takes 3.4 µs, so 0.7 µs.
func AppendAnswer(b []byte, v commands.Verdict) (_ []byte, err error) {
	b, err = AppendVerdict(b, v)
	b = append(b, `,"as_of_seq":`...)
	b = strconv.AppendUint(b, v.AsOf, 10)
	return append(b, "}\n"...), err
}

// AppendVerdict writes the [api.ValidateVerdict] of v, but for its last brace.
func AppendVerdict(b []byte, v commands.Verdict) (_ []byte, err error) {
	quote := func(field, s string) {
		b = append(b, field...)
		if err == nil {
			b, err = jsontext.AppendQuote(b, s)
		}
	}
	if t := &v.Token; v.Active() {
		quote(`{"active":true,"token":{"id":`, t.ID.String())
		quote(`,"tenant":`, t.Tenant)
		quote(`,"name":`, t.Name)
		if t.Site != "" {
			quote(`,"site":`, t.Site)
		}
		field := `,"scopes":[`
		for _, scope := range t.Scopes {
			quote(field, scope)
			field = ","
		}
		if len(t.Scopes) == 0 {
			b = append(b, field...)
		}
		b = append(b, ']')
		if !t.ExpiresAt.IsZero() {
			b = append(b, `,"expires_at":"`...)
			b = t.ExpiresAt.AppendFormat(b, time.RFC3339Nano)
			b = append(b, '"')
		}
		b = append(b, '}')
	} else {
		quote(`{"active":false,"reason":`, string(v.Reason))
	}
	return b, err
}
