package natsserver

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"
	"sync"

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
	if known, ok := s.requesters.get(said[0]); ok {
		return known, true
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
	who := Requester{Name: name, Host: info.Host, Client: info.Client}
	s.requesters.put(said[0], who)
	return who, true
}

// requesters spares reading what was read before: the server says the same of a
// connection for as long as it measures the same round trip. Only what bears a good
// signature is kept. When full it starts anew.
type requesters struct {
	mu    sync.RWMutex
	known map[string]Requester
}

// Bounds of what is kept; a text has some 300 bytes, of which a client chooses few.
const (
	maxRequesters    = 2048
	maxRequesterText = 1024
)

func (r *requesters) get(said string) (Requester, bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	who, ok := r.known[said]
	return who, ok
}

func (r *requesters) put(said string, who Requester) {
	if len(said) > maxRequesterText {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.known == nil || len(r.known) >= maxRequesters {
		r.known = make(map[string]Requester)
	}
	r.known[strings.Clone(said)] = who
}
