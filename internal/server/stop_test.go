package server_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/tokenledger/tokenledger/client"
	"github.com/tokenledger/tokenledger/client/api"
)

// An orderly stop finishes the requests that run: none gets an error of a part
// that was closed before it.
func TestAStopUnderLoadCutsNoRequestOff(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.start()
	_, secret := generate(t, n.client(), api.GenerateRequest{Name: "checked"})
	var answered atomic.Int64
	var callers sync.WaitGroup
	begun := make(chan struct{}, 8)
	for i := range 8 {
		c := n.client()
		callers.Go(func() {
			for k := 0; ; k++ {
				var err error
				if i == 0 {
					_, err = c.Generate(t.Context(), api.GenerateRequest{Name: "made"})
				} else {
					_, err = c.Validate(t.Context(), api.ValidateRequest{Token: secret})
				}
				if e, ok := errors.AsType[*client.Error](err); ok {
					t.Errorf("while it stopped, the node answered %v", e)
				}
				if err != nil {
					return // the listener is closed
				}
				answered.Add(1)
				if k == 20 {
					begun <- struct{}{}
				}
			}
		})
	}
	for range 8 {
		<-begun
	}
	if err := n.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	callers.Wait()
	if code := n.end(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if answered.Load() < 100 {
		t.Errorf("only %d requests were answered", answered.Load())
	}
}

// A bulk revocation that the node did not live to finish is finished by its
// repeat; the repeat of a finished one gives the first answer, whatever was
// generated since.
func TestABulkRevocationIsFinishedByItsRepeat(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.start()
	const many = 3500
	importMany(t, n, "bulk", 0, many)
	body := `{"filter":{"site":"bulk"},"reason_code":"offboarding"}`
	revoke := func() (status int, header http.Header, out api.BulkRevoked) {
		status, header, raw := n.ask("POST", "/v1/tokens/revoke", n.token, body, "Idempotency-Key", "bulk 1")
		if err := json.Unmarshal(raw, &out); err != nil {
			t.Fatalf("%d %s: %v", status, raw, err)
		}
		return status, header, out
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		req, err := http.NewRequestWithContext(t.Context(), "POST", n.url+"/v1/tokens/revoke", strings.NewReader(body))
		if err != nil {
			return
		}
		req.Header.Set("Authorization", "Bearer "+n.token)
		req.Header.Set("Idempotency-Key", "bulk 1")
		if res, err := http.DefaultClient.Do(req); err == nil {
			_ = res.Body.Close()
		}
	}()
	c := n.client()
	eventually(t, "the first batch is recorded", func(ctx context.Context) bool {
		page, err := c.List(ctx, api.ListRequest{Site: "bulk", Status: "revoked", Limit: 1})
		return err == nil && len(page.Tokens) > 0
	})
	n.kill()
	<-ended
	n.start()
	status, _, out := revoke()
	if status != 200 || out.Revoked != many || len(out.Tokens) != 1000 || out.TokensOmitted != many-1000 {
		t.Errorf("the repeat: %d, %d revoked, %d tokens and %d more", status, out.Revoked, len(out.Tokens), out.TokensOmitted)
	}
	if left := count(t, n, api.ListRequest{Site: "bulk", Status: "active", Limit: 1000}); left != 0 {
		t.Errorf("%d tokens are active after the repeat", left)
	}
	importMany(t, n, "bulk", many, 1)
	status, header, out := revoke()
	if status != 200 || header.Get("Idempotency-Replayed") != "true" || out.Revoked != many {
		t.Errorf("the repeat of the whole: %d, replayed %q, %d revoked", status, header.Get("Idempotency-Replayed"), out.Revoked)
	}
	if left := count(t, n, api.ListRequest{Site: "bulk", Status: "active"}); left != 1 {
		t.Errorf("%d tokens are active; the one that came later should be", left)
	}
}

// importMany imports keys for a site.
func importMany(t *testing.T, n *node, site string, from, many int) {
	t.Helper()
	var lines bytes.Buffer
	for i := from; i < from+many; i++ {
		fmt.Fprintf(&lines, "{\"sha256\":\"%x\",\"name\":\"key %d\",\"site\":%q}\n", sha256.Sum256(fmt.Append(nil, site, i)), i, site)
	}
	done, err := n.client().Import(t.Context(), &lines, nil)
	if err != nil || done.Value.Imported != many {
		t.Fatalf("imported %+v: %v", done.Value, err)
	}
}

func count(t *testing.T, n *node, req api.ListRequest) (all int) {
	t.Helper()
	for _, err := range n.client().ListAll(t.Context(), req) {
		if err != nil {
			t.Fatal(err)
		}
		all++
	}
	return all
}
