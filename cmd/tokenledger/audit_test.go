package main

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vbauerster/mpb/v8"

	"github.com/tokenledger/tokenledger/audit"
	"github.com/tokenledger/tokenledger/audit/verify"
)

// exportedLog is an export, and the key of its log.
func exportedLog(t *testing.T, size uint64) (dir, vkey string) {
	t.Helper()
	data, vkey := testLog(t, size)
	r, err := audit.OpenReader(filepath.Join(data, "audit"))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	checkpoint, err := verify.ReadFile(filepath.Join(data, "audit", "checkpoint"), maxCheckpoint)
	if err != nil {
		t.Fatal(err)
	}
	dir = filepath.Join(t.TempDir(), "out")
	if err := audit.ExportTiles(r, checkpoint, dir, nil); err != nil {
		t.Fatal(err)
	}
	return dir, vkey
}

// A node serves its log to who may read it, and says its key.
func TestAuditVerifyOfANode(t *testing.T) {
	dir, vkey := exportedLog(t, 300)
	files := http.StripPrefix("/v1/audit", http.FileServer(http.Dir(dir)))
	node := func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Header.Get("Authorization") != "Bearer "+ownToken:
			w.WriteHeader(http.StatusUnauthorized)
		case r.URL.Path == "/v1/audit/key":
			_, _ = w.Write([]byte(vkey + "\n"))
		default:
			files.ServeHTTP(w, r)
		}
	}
	server := httptest.NewServer(http.HandlerFunc(node))
	defer server.Close()
	o := runAgainst(t, server.URL, "audit", "verify", server.URL)
	if o.code != exitDone || !strings.Contains(o.stdout, "entries    300\n") || !strings.Contains(o.stdout, "The key came from the node itself") {
		t.Errorf("%+v", o)
	}
	o = runAgainst(t, server.URL+"/", "audit", "verify", server.URL, "--vkey", vkey)
	if o.code != exitDone || strings.Contains(o.stdout, "came from") {
		t.Errorf("%+v", o)
	}
}

// The token is for the node that was named, and for no other server.
func TestAuditVerifySendsTheTokenToNobodyElse(t *testing.T) {
	dir, vkey := exportedLog(t, 300)
	files := http.FileServer(http.Dir(dir))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" {
			t.Errorf("%s was sent a token", r.URL)
		}
		if strings.HasPrefix(r.URL.Path, "/closed/") {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		files.ServeHTTP(w, r)
	}))
	defer server.Close()
	o := run(t, nobody, "", "audit", "verify", server.URL, "--vkey", vkey)
	if o.code != exitDone || !strings.Contains(o.stdout, "entries    300\n") {
		t.Errorf("%+v", o)
	}
	o = run(t, nobody, "", "audit", "verify", server.URL+"/closed", "--vkey", vkey)
	if o.code != exitDenied || !strings.Contains(o.stderr, "your token goes to the node that TOKENLEDGER_URL or --url names") {
		t.Errorf("%+v", o)
	}
	o = run(t, nobody, "", "audit", "verify", server.URL+"/elsewhere", "--vkey", vkey)
	if o.code != exitVerification || !strings.Contains(o.stderr, "checkpoint: it is missing") {
		t.Errorf("%+v", o)
	}
	o = run(t, nobody, "", "audit", "verify", server.URL+"?x=y", "--vkey", vkey)
	if o.code != exitUsage {
		t.Errorf("%+v", o)
	}
}

func runAgainst(t *testing.T, url string, args ...string) outcome {
	t.Helper()
	var out, errOut bytes.Buffer
	env := map[string]string{"TOKENLEDGER_URL": url, "TOKENLEDGER_TOKEN": ownToken}
	m := &Main{
		Stdin: strings.NewReader(""), Stdout: &out, Stderr: &errOut,
		LookupEnv: func(name string) (string, bool) { v, ok := env[name]; return v, ok },
	}
	code := m.Run(t.Context(), args)
	return outcome{out.String(), errOut.String(), code}
}

func TestProgressIsShownOnATerminalAlone(t *testing.T) {
	var b bytes.Buffer
	if show, end := (&Main{Stderr: &b}).progress("verifying"); show != nil {
		t.Error("a buffer is no terminal")
	} else {
		end()
	}
	show, end := progressOn(&b, "verifying", mpb.WithAutoRefresh())
	for done := range uint64(11) {
		show(done, 10)
	}
	end()
	if !strings.Contains(b.String(), "verifying ") {
		t.Errorf("%q", &b)
	}
	_, end = progressOn(&b, "verifying")
	end() // before there was anything to show
}
