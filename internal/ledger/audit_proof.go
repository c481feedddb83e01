package ledger

import (
	"context"
	"errors"
	"fmt"

	"github.com/oklog/ulid/v2"

	"github.com/tokenledger/tokenledger/audit"
	"github.com/tokenledger/tokenledger/audit/questions"
	"github.com/tokenledger/tokenledger/commands"
	"github.com/tokenledger/tokenledger/internal/auth"
)

// Proofs are C2SP tlog-proofs by sequence, all of one checkpoint. It is nil where none
// were asked for.
type Proofs map[uint64]string

// maxProofs bounds the proofs of one answer: each takes two or three kilobytes.
const maxProofs = 5000

// Proof gives the https://c2sp.org/tlog-proof of the event at a sequence, with its leaf
// as extra data. It waits until the audit log has an event that was applied.
func (l *Ledger) Proof(ctx context.Context, s auth.Session, seq uint64) ([]byte, error) {
	scope, own, err := l.enterAudit(ctx, s, "")
	if err != nil {
		return nil, err
	}
	question := ask("proof").word(fmt.Sprintf("seq=%d", seq))
	tenant, token, err := l.whose(ctx, scope, seq)
	if e, ok := errors.AsType[*commands.Error](err); ok && e.Kind == commands.NotFound {
		// Somebody who tries sequences that are not his is on record, too.
		return nil, errors.Join(l.recordReading(ctx, s, own, ulid.ULID{}, question), err)
	}
	if err != nil {
		return nil, err
	}
	proofs, err := l.prove(ctx, []uint64{seq})
	if err != nil {
		return nil, err
	}
	if err := l.recordReading(ctx, s, tenant, token, question); err != nil {
		return nil, err
	}
	return []byte(proofs[seq]), nil
}

// whose gives the tenant of an event in the scope, and the token that it is about.
func (l *Ledger) whose(ctx context.Context, scope questions.Scope, seq uint64) (tenant string, token ulid.ULID, err error) {
	if seq == 0 || seq > l.Log.Appended() {
		return "", token, noSuchEvent()
	}
	if err := l.Log.WaitFor(ctx, seq); err != nil {
		return "", token, auditError(err)
	}
	r, err := l.Log.Event(seq)
	if _, ok := errors.AsType[*audit.NotYetError](err); ok || err == nil && !has(scope, r) {
		return "", token, noSuchEvent()
	}
	if err != nil {
		return "", token, auditError(err)
	}
	token, _ = ulid.ParseStrict(r.Event.Subject) // it stays zero where the event is about none
	return r.Event.Tenant, token, nil
}

// prove gives the proofs of sequences that the log was given.
func (l *Ledger) prove(ctx context.Context, seqs []uint64) (Proofs, error) {
	if len(seqs) > maxProofs {
		return nil, &commands.Error{Kind: commands.Invalid, Code: "too_many_proofs",
			Detail: fmt.Sprintf("the answer would have %d proofs; %d are the most", len(seqs), maxProofs), Hint: "ask with a smaller limit; or without proof, and then for the events of a token at /v1/audit/events?token=ID&proof=true, or for single proofs"}
	}
	checkpoint, err := l.Log.Checkpoint(ctx)
	if err != nil {
		return nil, auditError(err)
	}
	proofs := make(Proofs, len(seqs))
	for _, seq := range seqs {
		if ctx.Err() != nil {
			return nil, auditError(context.Cause(ctx))
		}
		if _, done := proofs[seq]; done {
			continue
		}
		p, err := l.Log.Proof(seq, checkpoint)
		if err != nil {
			return nil, auditError(err)
		}
		proofs[seq] = string(p)
	}
	return proofs, nil
}
