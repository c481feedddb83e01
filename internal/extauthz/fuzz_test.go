package extauthz

import (
	"net/netip"
	"strings"
	"testing"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/protobuf/proto"

	"github.com/tokenledger/tokenledger/internal/ledger"
)

// FuzzForwarded reads any message as a request of Envoy's. Whatever it is, an address of
// a client comes from a trusted proxy alone, and an entry that is not known is refused.
func FuzzForwarded(f *testing.F) {
	for _, in := range []*authv3.CheckRequest{
		{},
		{Attributes: &authv3.AttributeContext{
			ContextExtensions: map[string]string{"scope": "a b", "site": "x"},
			Request: &authv3.AttributeContext_Request{Http: &authv3.AttributeContext_HttpRequest{
				Headers: map[string]string{"authorization": "Bearer x", "x-forwarded-for": "192.0.2.1"}, Path: "/x?y",
			}},
		}},
	} {
		b, err := proto.Marshal(in)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	a := &authorization{Config: Config{TrustedProxies: ledger.Proxies{netip.MustParsePrefix("10.0.0.0/8")}}}
	f.Fuzz(func(t *testing.T, b []byte) {
		var in authv3.CheckRequest
		if err := proto.Unmarshal(b, &in); err != nil {
			t.Skip()
		}
		got, err := a.forwarded("192.0.2.9", in.GetAttributes())
		if err == nil && got.Client.IsValid() {
			t.Errorf("a peer that is no proxy is believed: %v", &in)
		}
		for name, value := range in.GetAttributes().GetContextExtensions() {
			known := name == "scope" || name == "site" || name == "tenant"
			if err == nil && (!known || strings.TrimSpace(value) == "") {
				t.Errorf("the entry %q of %q was passed over", name, value)
			}
		}
	})
}
