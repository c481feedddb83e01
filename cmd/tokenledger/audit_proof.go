package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/tokenledger/tokenledger/audit"
)

type auditProofCmd struct {
	Seq  uint64 `arg:"" help:"The event's sequence."`
	Data string `placeholder:"DIR" help:"Read it from a data directory, whether a node runs on it or not, and ask no node."`
	Out  string `placeholder:"FILE" help:"Write it here instead of printing it."`

	connection
}

// Help implements kong.HelpProvider.
func (auditProofCmd) Help() string {
	return `The proof (https://c2sp.org/tlog-proof) has the event in it, and a signed checkpoint: audit verify --proof needs nothing else but the key. A node records that you asked; with --data nobody does.

Example:

    tokenledger audit proof 4711 --out 4711.tlog-proof
    tokenledger audit verify --proof 4711.tlog-proof --vkey log.vkey`
}

// Run implements the verb.
func (c *auditProofCmd) Run(ctx context.Context, m *Main) error {
	if c.Seq == 0 {
		return usage("sequences begin with 1")
	}
	proof, err := c.proof(ctx, m)
	if err != nil {
		return doing(fmt.Sprintf("cannot prove the event at sequence %d", c.Seq), err)
	}
	return m.deliver(proof, c.Out)
}

func (c *auditProofCmd) proof(ctx context.Context, m *Main) ([]byte, error) {
	if c.Data != "" {
		return dataProof(c.Data, c.Seq)
	}
	cl, err := c.open(m)
	if err != nil {
		return nil, err
	}
	defer cl.Close()
	return cl.AuditProof(ctx, c.Seq)
}

// dataProof makes a proof from a data directory.
func dataProof(data string, seq uint64) (proof []byte, err error) {
	r, checkpoint, err := openLog(filepath.Join(data, "audit"), data)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	proof, err = r.Proof(seq, checkpoint)
	if ahead, ok := errors.AsType[*audit.NotYetError](err); ok {
		return nil, fmt.Errorf("the newest checkpoint in %s is over %s; a running node signs a new one within a second", data, entriesOf(ahead.Size))
	}
	return proof, err
}
