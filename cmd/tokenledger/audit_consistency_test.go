package main

import (
	"bytes"
	"testing"

	"github.com/tokenledger/tokenledger/client/api"
)

// What a node gives out as a proof is verified.
func TestAProofOfConsistencyIsVerified(t *testing.T) {
	data, _ := testLog(t, 300)
	p, err := dataConsistency(data, 7, 300)
	if err != nil {
		t.Fatal(err)
	}
	other, err := dataConsistency(data, 9, 300)
	if err != nil {
		t.Fatal(err)
	}
	if o := run(t, answer(200, p), "", "audit", "consistency", "7"); o.code != exitDone {
		t.Errorf("%+v", o)
	}
	for what, change := range map[string]func(p *api.Consistency){
		"another root":   func(p *api.Consistency) { p.ToRoot = bytes.Repeat([]byte{1}, 32) },
		"another size":   func(p *api.Consistency) { p.From = 8 },
		"another proof":  func(p *api.Consistency) { *p = other },
		"a short hash":   func(p *api.Consistency) { p.Proof = [][]byte{{1}} },
		"no proof":       func(p *api.Consistency) { p.Proof = nil },
		"no root":        func(p *api.Consistency) { p.FromRoot = nil },
		"a size of none": func(p *api.Consistency) { p.To = 1 << 63 },
	} {
		wrong := p
		change(&wrong)
		if o := run(t, answer(200, wrong), "", "audit", "consistency", "7"); o.code != exitVerification || o.stdout != "" {
			t.Errorf("%s: %+v", what, o)
		}
	}
}
