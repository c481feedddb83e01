package httpapi

import (
	"errors"
	"strings"
	"testing"

	"github.com/tokenledger/tokenledger/commands"
)

func TestLeaksOf(t *testing.T) {
	leaks, err := leaksOf([]byte(`{"leaks":[{"token":"a","url":"u"},{"sha256":"` + strings.Repeat("Ab", 32) + `","source":"s","note":"n"}]}`))
	if err != nil || len(leaks) != 2 || leaks[0].Token.Reveal() != "a" || leaks[0].URL != "u" || !leaks[0].SHA256.IsZero() ||
		leaks[1].Token.Reveal() != "" || leaks[1].SHA256[0] != 0xab || leaks[1].Source != "s" || leaks[1].Note != "n" {
		t.Errorf("%+v, %v", leaks, err)
	}
	if leaks, err = leaksOf([]byte(`{"token":"a"}`)); err != nil || len(leaks) != 1 {
		t.Errorf("%+v, %v", leaks, err)
	}
	for body, code := range map[string]string{
		``:                 "body_invalid",
		`[]`:               "body_invalid",
		`{"token":1}`:      "body_invalid",
		`{"tokens":"a"}`:   "body_invalid",
		`null`:             "leaks_invalid",
		`{"leaks":[{}]}`:   "leaks_invalid",
		`{"leaks":[null]}`: "leaks_invalid",
		`{"note":"n"}`:     "leaks_invalid",
		`{"sha256":"zz"}`:  "sha256_invalid",
		`{"sha256":"` + strings.Repeat("0", 64) + `"}`: "sha256_invalid",
		`{"note":"n","leaks":[{"token":"a"}]}`:         "leaks_invalid",
	} {
		_, err := leaksOf([]byte(body))
		if e, ok := errors.AsType[*commands.Error](err); !ok || e.Code != code {
			t.Errorf("%s: %v, want %s", body, err, code)
		}
	}
}

// Whatever the body is, it is one to a hundred reports of one token each, or an error
// that does not repeat what it holds.
func FuzzLeaksBody(f *testing.F) {
	const token = "tl_01ARZ3NDEKTSV4RRFFQ69G5FAV_0123456789abcdefghijABCDEFGHIJ012345678"
	f.Add([]byte(`{"token":"` + token + `","source":"a","url":"b","note":"c"}`))
	f.Add([]byte(`{"leaks":[{"token":"` + token + `"},{"sha256":"` + strings.Repeat("ab", 32) + `"}]}`))
	f.Add([]byte(`{"` + token + `":1}`))
	f.Add([]byte(`{"sha256":"` + token + `"}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		leaks, err := leaksOf(raw)
		if err != nil {
			e, ok := errors.AsType[*commands.Error](err)
			if !ok || e.Kind != commands.Invalid || e.Code == "" || e.Detail == "" {
				t.Fatalf("an error of another kind: %v", err)
			}
			if strings.Contains(e.Error(), token[30:]) {
				t.Errorf("the error repeats the token: %v", e)
			}
			return
		}
		if len(leaks) < 1 || len(leaks) > maxLeakReports {
			t.Fatalf("%d reports", len(leaks))
		}
		for _, l := range leaks {
			if (l.Token.Reveal() == "") == l.SHA256.IsZero() {
				t.Errorf("a report of %d tokens", len(l.Token.Reveal()))
			}
		}
	})
}
