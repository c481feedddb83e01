package client_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/tokenledger/tokenledger/client"
	"github.com/tokenledger/tokenledger/client/api"
)

func TestAnImportIsAnsweredLineByLine(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v1/tokens/import" || r.Header.Get("Content-Type") != "application/x-ndjson" {
			t.Errorf("asked %s with %s", r.URL, r.Header.Get("Content-Type"))
		}
		// The answer to a line goes out before the next one is read.
		_ = http.NewResponseController(w).EnableFullDuplex()
		w.Header().Set("Content-Type", "application/x-ndjson")
		w.Header().Set("Trailer", "Ledger-Seq")
		lines, out, n := bufio.NewScanner(r.Body), json.NewEncoder(w), 0
		for lines.Scan() {
			n++
			result := api.ImportResult{Line: n, Status: "imported", ID: id}
			if strings.Contains(lines.Text(), "bad") {
				result = api.ImportResult{Line: n, Status: "failed", Code: "bad_hash", Error: "no hash"}
			}
			_ = out.Encode(result)
			_ = http.NewResponseController(w).Flush()
		}
		w.Header().Set("Ledger-Seq", "12")
	})
	in, feed := io.Pipe()
	answered := make(chan struct{})
	go func() {
		for _, line := range []string{"{}", `{"bad":1}`, "{}"} {
			fmt.Fprintln(feed, line)
			<-answered
		}
		feed.Close()
	}()
	var got []string
	w, err := c.Import(t.Context(), in, func(r api.ImportResult) error {
		got = append(got, fmt.Sprint(r.Line, r.Status))
		answered <- struct{}{}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if want := (client.Imported{Imported: 2, Failed: 1}); w.Value != want || w.Seq != 12 {
		t.Errorf("counted %+v at %d; want %+v at 12", w.Value, w.Seq, want)
	}
	if fmt.Sprint(got) != "[1imported 2failed 3imported]" {
		t.Errorf("the results are %v", got)
	}
}

func TestAnImportThatBreaksOffSaysHowFarItCame(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/x-ndjson")
		fmt.Fprintln(w, `{"line":1,"status":"imported"}`)
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	})
	w, err := c.Import(t.Context(), strings.NewReader("{}\n{}\n"), nil)
	var ae *client.AnswerError
	if !errors.As(err, &ae) || !strings.Contains(err.Error(), "1 results") || w.Value.Imported != 1 {
		t.Errorf("got %+v, %v", w.Value, err)
	}
}

func TestAnImportEndsWhenItsCallerSaysSo(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/x-ndjson")
		fmt.Fprintln(w, `{"line":1,"status":"exists"}`+"\n"+`{"line":2,"status":"exists"}`)
	})
	enough := errors.New("enough")
	w, err := c.Import(t.Context(), strings.NewReader(""), func(api.ImportResult) error { return enough })
	if !errors.Is(err, enough) || w.Value.Exists != 1 {
		t.Errorf("got %+v, %v", w.Value, err)
	}
}
