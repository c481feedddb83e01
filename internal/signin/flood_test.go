package signin_test

import (
	"net/http"
	"sync"
	"testing"

	"github.com/tokenledger/tokenledger/internal/signin"
)

// An issuer that does not answer is not waited for by more than a few.
func TestAFloodOfCodesDoesNotReachTheIssuer(t *testing.T) {
	const waiting, more = 32, 20
	i := newIssuer(t)
	p := newParty(t, config(i))
	sealed, r := round(t, p, "anil")
	r.Code = "made up"
	let := make(chan struct{})
	reached := make(chan struct{}, waiting+more)
	i.Front(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodPost {
			return false
		}
		reached <- struct{}{}
		<-let
		http.Error(w, "{}", http.StatusBadRequest)
		return true
	})
	finish := func() error {
		_, _, err := p.Finish(t.Context(), sealed, signin.Response{Code: r.Code, State: r.State})
		return err
	}
	var wg sync.WaitGroup
	for range waiting {
		wg.Go(func() {
			if err := finish(); code(t, err) != "sign_in_refused" {
				t.Error(err)
			}
		})
	}
	for range waiting {
		<-reached
	}
	for range more {
		if err := finish(); code(t, err) != "too_many_sign_ins" {
			t.Error(err)
		}
	}
	close(let)
	wg.Wait()
	if len(reached) > 0 {
		t.Errorf("%d more reached the issuer", len(reached))
	}
}
