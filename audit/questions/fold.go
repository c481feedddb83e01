package questions

import (
	"context"

	"github.com/oklog/ulid/v2"

	"github.com/tokenledger/tokenledger/events"
	"github.com/tokenledger/tokenledger/projections/tokens"
)

// past is a token as the log tells it, event by event.
type past struct {
	tokens.Token
	seqs []uint64
}

// take brings in one event.
func (p *past) take(r events.Recorded) {
	if p.Fold(r) {
		p.seqs = append(p.seqs, r.Seq)
	}
}

// at gives the token as it is now in p, if there is one, at a moment.
func (p *past) at(m moment) (AsOfToken, bool) {
	if p.CreatedSeq == 0 {
		return AsOfToken{}, false
	}
	return AsOfToken{Token: p.Token, Status: p.Status(m.clock), Seqs: append([]uint64(nil), p.seqs...)}, true
}

// history calls each with the events of a token up to a sequence, uses left out, read
// from the log. The read model says where they are.
func (a *Asker) history(ctx context.Context, d *events.Decoder, id ulid.ULID, last uint64, each func(events.Recorded) error) error {
	seqs, err := a.Tokens.Changes(id, last)
	if err != nil {
		return err
	}
	return a.read(ctx, d, seqs, each)
}

// fold gives a token as of a sequence.
func (a *Asker) fold(ctx context.Context, d *events.Decoder, id ulid.ULID, last uint64) (past, error) {
	p := past{Token: tokens.Token{ID: id}}
	err := a.history(ctx, d, id, last, func(r events.Recorded) error {
		p.take(r)
		return nil
	})
	return p, err
}
