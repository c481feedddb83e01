package ledger

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/oklog/ulid/v2"

	"github.com/tokenledger/tokenledger/commands/secret"
)

// FuzzClient shows that an address is never one that a proxy did not write: the last
// entries are the proxies' own, and whatever a client puts before them changes nothing.
func FuzzClient(f *testing.F) {
	f.Add("", "203.0.113.7")
	f.Add("192.0.2.1, 10.0.0.1", "203.0.113.7")
	f.Add("unknown,,::ffff:10.0.0.1", "2001:db8::1")
	f.Add("[2001:db8::1]:443", "198.51.100.1")
	proxies := Proxies{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}
	f.Fuzz(func(t *testing.T, forged, real string) {
		at, ok := address(real)
		if !ok || proxies.contains(at) {
			t.Skip()
		}
		for _, header := range [][]string{{forged + "," + real}, {forged, real}, {forged, real + ", 10.0.0.3"}, {forged + ", " + real, "10.0.0.3"}} {
			if got := proxies.Client("10.0.0.2:1234", header); got != at {
				t.Errorf("%q: %v, want %v", header, got, at)
			}
		}
		if got := proxies.Client(real, []string{forged}); got.IsValid() {
			t.Errorf("a peer that is no proxy has its word on %q believed: %v", forged, got)
		}
	})
}

func TestClient(t *testing.T) {
	proxies := Proxies{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("127.0.0.1/32")}
	for _, tc := range []struct {
		peer   string
		header []string
		want   string
	}{
		{"127.0.0.1", []string{"192.0.2.1"}, "192.0.2.1"},
		{"127.0.0.1:9", []string{"192.0.2.1:80"}, "192.0.2.1"},
		{"[::ffff:127.0.0.1]:9", []string{"::ffff:192.0.2.1"}, "192.0.2.1"},
		{"127.0.0.1", []string{"[2001:db8::1]:443 , 10.1.1.1"}, "2001:db8::1"},
		{"127.0.0.1", []string{"10.1.1.1, 10.2.2.2"}, "10.1.1.1"},
		{"127.0.0.1", nil, ""}, {"127.0.0.1", []string{""}, ""}, {"127.0.0.1", []string{"192.0.2.1,"}, ""},
		{"127.0.0.1", []string{"fe80::1%eth0"}, ""}, {"127.0.0.1", []string{"192.0.2.1, unknown"}, ""},
		{"127.0.0.1", []string{strings.Repeat("10.0.0.1,", 100) + "10.0.0.1"}, ""},
		{"192.0.2.9", []string{"192.0.2.1"}, ""}, {"", []string{"192.0.2.1"}, ""}, {"@", nil, ""},
	} {
		got := ""
		if at := proxies.Client(tc.peer, tc.header); at.IsValid() {
			got = at.String()
		}
		if got != tc.want {
			t.Errorf("%s %q: %q, want %q", tc.peer, tc.header, got, tc.want)
		}
	}
}

// FuzzPresented shows that of several tokens none is taken, and that no record of a
// request holds one.
func FuzzPresented(f *testing.F) {
	token := secret.Mint("tl", ulid.Make()).Reveal()
	f.Add("Bearer x", "y", "/orders?x=y")
	f.Add("bEARER  x ", "", "/%zz")
	f.Add("Basic x, Bearer y", ",", "#")
	f.Fuzz(func(t *testing.T, authorization, key, uri string) {
		if s, any := presented([]string{authorization}, []string{key}); !any || s.Reveal() != "" {
			t.Errorf("one of two was taken: %q %q", authorization, key)
		}
		if s, _ := presented([]string{authorization}, nil); strings.Contains(s.Reveal(), ",") {
			t.Errorf("two in one were taken: %q", authorization)
		}
		for _, hidden := range []string{uri + "/" + token, strings.ReplaceAll(token, "_", "%5F"), uri + "/" + strings.ReplaceAll(token, "_", "%5f"), uri + "?key=" + token} {
			if got := secret.Blot(resource("GET", hidden)); strings.Contains(got, token[30:]) {
				t.Errorf("%q is recorded as %q", hidden, got)
			}
		}
	})
}
