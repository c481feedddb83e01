package natsserver

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// names are what clients are known by inside the server: the name under which they were
// admitted, signed with a key that exists in memory only.
//
// A request that comes from another account has a header in which the server says who
// asks. The server takes that header out of what a client sends, but not out of every
// header that a client can write: one that ends early in the eyes of who reads it, or
// that repeats the header's name in odd places, gets through (nats-server 2.15.2,
// getHeaderKeyIndex). So what stands in the header proves nothing by itself. The
// signature does: a client is told its own name by nobody, and cannot make another's.
type names struct{ key []byte }

func newNames() *names { return &names{key: []byte(rand.Text())} }

// signed separates the name from its signature. The logger knows it.
const signed = "!0x"

func (n *names) sign(name string) string {
	mac := hmac.New(sha256.New, n.key)
	mac.Write([]byte(name))
	return name + signed + hex.EncodeToString(mac.Sum(nil))
}

// open gives the name back, if it was signed here.
func (n *names) open(user string) (name string, ok bool) {
	name, _, ok = strings.Cut(user, signed)
	return name, ok && hmac.Equal([]byte(user), []byte(n.sign(name)))
}

func validName(name string) bool {
	return name != "" && !strings.ContainsFunc(name, func(c rune) bool {
		return (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z')
	})
}

// Requester is who sent a request.
type Requester struct {
	// Name is that of [Permissions].
	Name string
	// Host is the address that the client's connection comes from, without the port.
	Host string
	// Client is what the client calls itself; it can be any text.
	Client string
}

// Requester tells who sent the request with the header h, which came from another
// account by way of [Account.Services]. What a client has put into the header does not
// count, and does not pass for another's name. False: the header does not say it.
func (s *Server) Requester(h nats.Header) (Requester, bool) {
	said := h[server.ClientInfoHdr]
	if len(said) != 1 {
		return Requester{}, false
	}
	var info struct {
		User   string `json:"user"`
		Host   string `json:"host"`
		Client string `json:"name"`
	}
	if err := json.Unmarshal([]byte(said[0]), &info); err != nil {
		return Requester{}, false
	}
	name, ok := s.auth.names.open(info.User)
	if !ok {
		return Requester{}, false
	}
	return Requester{Name: name, Host: info.Host, Client: info.Client}, true
}
