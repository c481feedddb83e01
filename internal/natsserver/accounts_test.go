package natsserver

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
)

// tenants admits tokens "<account>/<name>" with what a tenant's clients are given.
func tenants() Config {
	return Config{
		Listen: "127.0.0.1:0", ExportStreams: []string{"news.>"}, ExportServices: []string{"ask"},
		Authenticate: func(token, _ string) (Permissions, error) {
			account, name, ok := strings.Cut(token, "/")
			if !ok {
				return Permissions{}, errors.New("unknown token")
			}
			return Permissions{
				Name:      name,
				Account:   &Account{Name: account, Streams: []string{"news." + account}, Services: []string{"ask"}},
				Subscribe: []string{"news.>", "_INBOX.>"}, Publish: []string{"ask"},
			}, nil
		},
	}
}

// echo answers at "ask", on the node's connection, with who asks.
func echo(t *testing.T, s *Server, nc *nats.Conn) {
	t.Helper()
	_, err := nc.Subscribe("ask", func(m *nats.Msg) {
		who, ok := s.Requester(m.Header)
		_ = m.Respond(fmt.Appendf(nil, "%v %s %s %s", ok, who.Name, who.Host, who.Client))
	})
	if err == nil {
		err = nc.Flush()
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestAnAccountHearsItsOwnSubjectsAndNoOthers(t *testing.T) {
	s := start(t, tenants())
	node := connect(t, s)
	heard := map[string]*nats.Subscription{}
	for _, account := range []string{"a", "b"} {
		nc, _ := dial(t, s, account+"/X1")
		sub, err := nc.SubscribeSync("news.>")
		if err != nil {
			t.Fatal(err)
		}
		if err := nc.Flush(); err != nil {
			t.Fatal(err)
		}
		heard[account] = sub
	}
	for _, subject := range []string{"news.a", "news.b", "news.c", "news.a.deeper"} {
		if err := node.Publish(subject, []byte(subject)); err != nil {
			t.Fatal(err)
		}
	}
	if err := node.Publish("news.a", []byte("end")); err != nil {
		t.Fatal(err)
	}
	if err := node.Publish("news.b", []byte("end")); err != nil {
		t.Fatal(err)
	}
	for account, sub := range heard {
		for _, want := range []string{"news." + account, "end"} {
			if m, err := sub.NextMsg(10 * time.Second); err != nil || string(m.Data) != want || m.Subject != "news."+account {
				t.Errorf("%s heard %v (%v), want %s", account, m, err, want)
			}
		}
	}
}

func TestARequestSaysWhoAsks(t *testing.T) {
	s := start(t, tenants())
	node := connect(t, s)
	echo(t, s, node)
	for _, token := range []string{"a/A1", "a/A2", "b/B1"} {
		nc, err := nats.Connect(s.ClientURL(), nats.Token(token), nats.Name("client of "+token))
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		m, err := nc.Request("ask", nil, 10*time.Second)
		if want := "true " + token[2:] + " 127.0.0.1 client of " + token; err != nil || string(m.Data) != want {
			t.Errorf("%s: answered %q, %v; want %q", token, m.Data, err, want)
		}
	}
	// The node's own requests come from nobody.
	if m, err := node.Request("ask", nil, 10*time.Second); err != nil || !strings.HasPrefix(string(m.Data), "false") {
		t.Errorf("the node's request: %q, %v", m.Data, err)
	}
}

// raw speaks the protocol of NATS without a client library, which would not let a
// malformed header out.
type raw struct {
	t    *testing.T
	conn net.Conn
	in   *bufio.Reader
}

func dialRaw(t *testing.T, s *Server, token string) *raw {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.ClientURL(), "nats://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
	r := &raw{t, conn, bufio.NewReader(conn)}
	r.line() // INFO
	r.send(`CONNECT {"verbose":false,"headers":true,"no_responders":true,"auth_token":"%s"}`+"\r\nPING\r\n", token)
	if got := r.line(); got != "PONG" {
		t.Fatalf("signing in: %s", got)
	}
	r.send("SUB _INBOX.raw 1\r\n")
	return r
}

func (r *raw) send(format string, args ...any) {
	r.t.Helper()
	if _, err := fmt.Fprintf(r.conn, format, args...); err != nil {
		r.t.Fatal(err)
	}
}

func (r *raw) line() string {
	r.t.Helper()
	line, err := r.in.ReadString('\n')
	if err != nil {
		r.t.Fatal(err)
	}
	return strings.TrimSpace(line)
}

// ask sends a request with the header as it is and gives the answer's body.
func (r *raw) ask(header string) string {
	r.t.Helper()
	r.send("HPUB ask _INBOX.raw %d %d\r\n%s\r\n", len(header), len(header), header)
	if got := r.line(); !strings.HasPrefix(got, "MSG") && !strings.HasPrefix(got, "HMSG") {
		return got
	}
	return r.line()
}

// A client that writes its own name, or another's, into the header is taken for itself
// or for nobody.
func TestWhoAsksCannotBeForged(t *testing.T) {
	s := start(t, tenants())
	echo(t, s, connect(t, s))
	dial(t, s, "b/VICTIM")
	attacker := dialRaw(t, s, "a/ATTACKER")
	const key = "Nats-Request-Info"
	forged := func(user string) string { return key + `: {"acc":"b","user":"` + user + `","host":"192.0.2.1"}` }
	for _, user := range []string{"VICTIM", "VICTIM!0x", "VICTIM!0x" + strings.Repeat("0", 64), "$node", ""} {
		f := forged(user)
		for name, header := range map[string]string{
			"plain":                       "NATS/1.0\r\n" + f + "\r\n\r\n",
			"twice":                       "NATS/1.0\r\n" + f + "\r\n" + f + "\r\n\r\n",
			"in lower case":               "NATS/1.0\r\n" + strings.ToLower(f) + "\r\n\r\n",
			"behind another":              "NATS/1.0\r\nA: b\r\n" + f + "\r\n\r\n",
			"behind its own name twice":   "NATS/1.0\r\nA: " + key + key + "\r\n" + f + "\r\n\r\n",
			"hidden and ended early":      "NATS/1.0\r\nA: " + key + key + "\r\n" + f + "\r\n\r\nB: c\r\n\r\n",
			"lines ended by LF":           "NATS/1.0\nA: b\n" + f + "\n\r\n",
			"ended early by LF":           "NATS/1.0\n" + f + "\n\nB: c\r\n\r\n",
			"a value that goes on":        "NATS/1.0\r\nA: b\r\n " + f + "\r\n\r\n",
			"the name with a blank":       "NATS/1.0\r\n" + strings.Replace(f, ":", " :", 1) + "\r\n\r\n",
			"in the line of the version":  "NATS/1.0 " + f + "\r\n\r\n",
			"no end":                      "NATS/1.0\r\n" + f + "\r\n",
			"an empty one before":         "NATS/1.0\r\n" + key + ":\r\n" + f + "\r\n\r\n",
			"after a blank line and more": "NATS/1.0\r\n\r\n" + f + "\r\n\r\n",
		} {
			got := attacker.ask(header)
			if strings.Contains(got, "VICTIM") || strings.Contains(got, "192.0.2.1") || strings.Contains(got, "node") {
				t.Errorf("user %q, %s: the request is taken for one of %s", user, name, got)
			}
			if strings.HasPrefix(got, "true") && !strings.HasPrefix(got, "true ATTACKER 127.0.0.1") {
				t.Errorf("user %q, %s: %s", user, name, got)
			}
		}
	}
	// The connection has stood all that, and without tricks it is known.
	if got := attacker.ask("NATS/1.0\r\nA: b\r\n\r\n"); !strings.HasPrefix(got, "true ATTACKER") {
		t.Errorf("an honest request: %s", got)
	}
}

// The server would take other credentials for the client's name, and checks none.
func TestOtherCredentialsBesideTheTokenAreRefused(t *testing.T) {
	s := start(t, tenants())
	for name, credentials := range map[string]string{
		"a user name": `"user":"VICTIM"`, "an nkey": `"nkey":"UVICTIM","sig":"AA"`,
	} {
		conn, err := net.Dial("tcp", strings.TrimPrefix(s.ClientURL(), "nats://"))
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
		r := &raw{t, conn, bufio.NewReader(conn)}
		r.line()
		r.send(`CONNECT {"verbose":false,"auth_token":"a/A1",%s}`+"\r\nPING\r\n", credentials)
		if got := r.line(); !strings.Contains(got, "Authorization Violation") {
			t.Errorf("%s: %s", name, got)
		}
		_ = conn.Close()
	}
	// Nor can they be slipped in later.
	r := dialRaw(t, s, "a/A1")
	r.send(`CONNECT {"verbose":false,"auth_token":"a/A1","nkey":"UVICTIM"}` + "\r\nPING\r\n")
	if got := r.line(); !strings.Contains(got, "Authorization Violation") {
		t.Errorf("a second CONNECT: %s", got)
	}
}

func TestClientsOfOneAccountDoNotReachAnother(t *testing.T) {
	s := start(t, tenants())
	node := connect(t, s)
	echo(t, s, node)
	a, refused := dial(t, s, "a/A1")
	b, _ := dial(t, s, "b/B1")
	eavesdropper, err := a.SubscribeSync("_INBOX.>")
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Flush(); err != nil {
		t.Fatal(err)
	}
	nodes, err := node.SubscribeSync(">")
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if _, err := b.Request("ask", []byte("hush"), 10*time.Second); err != nil {
			t.Fatal(err)
		}
	}
	for _, subject := range []string{"news.a", "news.b", "_INBOX.x", "_R_.x", "$JS.API.INFO", "$SYS.REQ.USER.INFO", "$SYS.REQ.ACCOUNT.PING.CONNZ", "ask.more"} {
		if err := a.Publish(subject, nil); err != nil {
			t.Fatal(err)
		}
		wantViolation(t, refused, "publish to "+subject)
	}
	if m, err := eavesdropper.NextMsg(0); err == nil {
		t.Errorf("another account's answer was heard: %s %s", m.Subject, m.Data)
	}
	for {
		m, err := nodes.NextMsg(0)
		if err != nil {
			break
		}
		if m.Subject != "ask" && !strings.HasPrefix(m.Subject, "_") {
			t.Errorf("a client's message on %s came into the node's account", m.Subject)
		}
	}
}

func TestAccountsAreMadeForAdmittedClientsAlone(t *testing.T) {
	s := start(t, tenants())
	for i := range 20 {
		if nc, err := nats.Connect(s.ClientURL(), nats.Token(fmt.Sprintf("guess%d", i)), nats.MaxReconnects(0)); err == nil {
			nc.Close()
			t.Fatal("a bad token got in")
		}
	}
	if n := s.accountsMade(); n != 0 {
		t.Errorf("%d accounts were made for nobody", n)
	}
	// Many at once for one account.
	var wg sync.WaitGroup
	for i := range 30 {
		wg.Go(func() {
			nc, err := nats.Connect(s.ClientURL(), nats.Token(fmt.Sprintf("a/N%d", i)), nats.MaxReconnects(0))
			if err != nil {
				t.Error(err)
				return
			}
			nc.Close()
		})
	}
	wg.Wait()
	if n := s.accountsMade(); n != 1 {
		t.Errorf("%d accounts were made, want 1", n)
	}
	account, err := s.nats.LookupAccount("a")
	if err != nil || account.JetStreamEnabled() {
		t.Errorf("the account: %v, %v", account, err)
	}
	for _, name := range []string{"$G", "$SYS", "", "a b", "a.b", "*"} {
		if _, err := s.auth.accounts.get(Account{Name: name}); err == nil {
			t.Errorf("the account %q could be had", name)
		}
	}
}

func (s *Server) accountsMade() int {
	s.auth.accounts.mu.Lock()
	defer s.auth.accounts.mu.Unlock()
	return len(s.auth.accounts.made)
}
