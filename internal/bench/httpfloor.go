package bench

import (
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/tokenledger/tokenledger/client/api"
)

// startBareServer serves a floor on loopback. The server's settings are those of a node.
func startBareServer(handle http.HandlerFunc) (addr string, stop func(), err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	s := &http.Server{
		Handler:           handle,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       60 * time.Second,
		WriteTimeout:      120 * time.Second,
		IdleTimeout:       120 * time.Second,
		MaxHeaderBytes:    16 << 10,
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	return l.Addr().String(), func() {
		_ = s.Close()
		<-done //nolint:errcheck // it was closed on purpose
	}, nil
}

// answerBare is the floor of validate-http: it reads the request's JSON into the
// product's type and writes an answer of the product's type, and looks nothing up.
func answerBare(w http.ResponseWriter, r *http.Request) {
	var in api.ValidateRequest
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	err := d.Decode(&in)
	if err == nil && len(in.Token) < 29 {
		err = errors.New("no token")
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	expires := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	body, err := json.Marshal(api.ValidateAnswer{Active: true, AsOfSeq: 1_000_002, Token: &api.ValidToken{
		ID: in.Token[3:29], Tenant: "default", Name: "shop 1000000 checkout", Site: "shop1000.example",
		Scopes: []string{"orders:read", "orders:write"}, ExpiresAt: &expires,
	}})
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = w.Write(body)
}
