package client_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/tokenledger/tokenledger/client/api"
)

// Whatever answers repeats a reported token in its error: it is taken out.
func TestAReportedTokenIsInNoError(t *testing.T) {
	const first, second = "an imported key of any form", "sk_live_0123456789"
	c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusBadRequest)
		_, _ = w.Write([]byte(`{"code":"x","detail":"` + first + ` and ` + second + `","hint":"` + second + `"}`))
	})
	_, err := c.ReportLeaks(t.Context(), api.LeaksRequest{Token: first, Leaks: []api.LeakReport{{Token: second}}})
	if err == nil || strings.Contains(err.Error(), first) || strings.Contains(err.Error(), second) {
		t.Errorf("%v", err)
	}
}

func TestNoReportIsRefusedAtHome(t *testing.T) {
	c := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("it was sent") })
	if _, err := c.ReportLeaks(t.Context(), api.LeaksRequest{Note: "n"}); err == nil {
		t.Error("a report of nothing was taken")
	}
}
