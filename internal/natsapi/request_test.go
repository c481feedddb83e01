package natsapi

import (
	"errors"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/oklog/ulid/v2"

	"github.com/tokenledger/tokenledger/commands"
	"github.com/tokenledger/tokenledger/commands/secret"
)

func TestTheTokenIsTakenFromOneHeader(t *testing.T) {
	token := secret.Mint("tl", ulid.Make()).Reveal()
	for _, tc := range []struct {
		header nats.Header
		want   string
		given  bool
		code   string
	}{
		{nil, "", false, ""},
		{nats.Header{"X": {"Bearer " + token}}, "", false, ""},
		{nats.Header{"Authorization": {"Bearer " + token}}, token, true, ""},
		{nats.Header{"authorization": {"bearer " + token}}, token, true, ""},
		{nats.Header{"Authorization": {"Basic " + token}}, "", true, ""},
		{nats.Header{"Authorization": {""}}, "", true, ""},
		{nats.Header{"Authorization": {}}, "", true, "header_repeated"},
		{nats.Header{"Authorization": {"Bearer " + token, "Bearer " + token}}, "", true, "header_repeated"},
		{nats.Header{"Authorization": {"Bearer " + token}, "AUTHORIZATION": {"Bearer " + token}}, "", true, "header_repeated"},
	} {
		got, given, err := bearer(tc.header)
		code := ""
		if e, ok := errors.AsType[*commands.Error](err); ok {
			code = e.Code
		}
		if got.Reveal() != tc.want || given != tc.given || code != tc.code {
			t.Errorf("%v: %q %v %v", tc.header, got.Reveal(), given, err)
		}
	}
}

func TestAnswersGoToInboxesAlone(t *testing.T) {
	for reply, want := range map[string]bool{
		"_INBOX.x": true, "_INBOX_01K7.x.y": true, "_R_.abc": true,
		"": false, "ledger.acme.revoked": false, "$JS.API.STREAM.DELETE.LEDGER": false, "$SYS.x": false, "revocations.acme": false, "tokenledger.validate": false,
	} {
		if answerable(reply) != want {
			t.Errorf("%q: %v", reply, !want)
		}
	}
}

func FuzzRequest(f *testing.F) {
	token := secret.Mint("tl", ulid.Make()).Reveal()
	head := "NATS/1.0\r\nAuthorization: Bearer " + token + "\r\n\r\n"
	f.Add([]byte(head), []byte(`{"token":"`+token+`","scopes":["a"],"site":"s","client_ip":"192.0.2.7","user_agent":"u","resource":"r","min_seq":7}`))
	f.Add([]byte(head), []byte(`{"token":"a","token":"b"}`))
	f.Add([]byte("NATS/1.0\r\nauthorization: bearer x\r\nAuthorization: y\r\n\r\n"), []byte(`{"client_ip":"fe80::1%eth0"}`))
	f.Add([]byte("NATS/1.0 503\r\n\r\n"), []byte("{\"\xff\":1}"))
	f.Fuzz(func(t *testing.T, head, body []byte) {
		says := func(err error) {
			e, ok := errors.AsType[*commands.Error](err)
			if err != nil && (!ok || e.Code == "" || e.Kind != commands.Invalid) {
				t.Errorf("an error that says nothing: %v", err)
			}
			if err != nil && secret.Within(err.Error()) {
				t.Errorf("the error repeats a token: %v", err)
			}
		}
		if h, err := nats.DecodeHeadersMsg(head); err == nil {
			got, given, err := bearer(h)
			says(err)
			if got.Reveal() != "" && (!given || err != nil || !strings.Contains(string(head), got.Reveal())) {
				t.Errorf("a token from nowhere: given %v, %v", given, err)
			}
		}
		r, err := read(body)
		says(err)
		if err == nil && (r.cmd.Tenant != "" || r.cmd.ClientIP.Zone() != "") {
			t.Errorf("read %+v", r.cmd)
		}
	})
}
