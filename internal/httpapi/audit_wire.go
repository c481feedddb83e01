package httpapi

import (
	"github.com/tokenledger/tokenledger/audit/questions"
	"github.com/tokenledger/tokenledger/client/api"
	"github.com/tokenledger/tokenledger/events"
	"github.com/tokenledger/tokenledger/internal/ledger"
)

// auditRows is the JSON of events, with their proofs if there are any.
func auditRows(evs []events.Recorded, proofs ledger.Proofs) []api.AuditEvent {
	rows := make([]api.AuditEvent, 0, len(evs))
	for _, e := range evs {
		rows = append(rows, api.AuditEvent{
			Seq: e.Seq, LeafIndex: e.Seq - 1, Received: e.Received, Subject: e.Subject, Event: e.Raw, Proof: proofs[e.Seq],
		})
	}
	return rows
}

// proofsOf gives the proofs of sequences, up to the first that has none.
func proofsOf(proofs ledger.Proofs, seqs ...uint64) (texts []string) {
	for _, seq := range seqs {
		text, ok := proofs[seq]
		if !ok {
			break
		}
		texts = append(texts, text)
	}
	return texts
}

// traceOf is the JSON of a token's story.
func traceOf(story *ledger.Story) api.Trace {
	out := api.Trace{
		Seq: story.Seq, Token: pastToken(&story.Token, story.Proofs), Uses: story.Uses, Rejections: story.Rejections,
		Changes: auditRows(story.Changes, story.Proofs), MoreChanges: story.MoreChanges,
		Besides: auditRows(story.Besides, story.Proofs), MoreBesides: story.MoreBesides,
		AfterEnd: auditRows(story.AfterEnd, story.Proofs), MoreAfterEnd: story.MoreAfterEnd,
		Addresses: []api.TraceAddress{}, MoreAddresses: story.MoreAddresses,
		FirstSeen: timeOrNone(story.FirstSeen), LastSeen: timeOrNone(story.LastSeen),
		MoreUses: len(story.Unread) > 0, MoreProofs: story.MoreProofs,
	}
	for _, u := range story.Unread {
		out.Unread = append(out.Unread, api.TraceUnread{From: u.From, To: u.To, Events: u.Events, Cursor: eventsCursor(u.From-1, u.To)})
	}
	for _, a := range story.Addresses {
		out.Addresses = append(out.Addresses, api.TraceAddress{
			IP: a.IP, Uses: a.Uses, Rejections: a.Rejections, First: a.First, Last: a.Last, FirstSeq: a.FirstSeq, LastSeq: a.LastSeq,
			Sites: a.Sites, UserAgents: a.UserAgents, Proofs: proofsOf(story.Proofs, a.FirstSeq, a.LastSeq),
		})
	}
	return out
}

// pastToken is the JSON of a token as it was.
func pastToken(t *questions.AsOfToken, proofs ledger.Proofs) api.PastToken {
	out := api.PastToken{
		ID: t.ID.String(), Tenant: t.Tenant, Name: t.Name, Site: t.Site, Owner: t.Owner,
		Scopes: append([]string{}, t.Scopes...), Status: string(t.Status),
		CreatedAt: t.CreatedAt, CreatedBy: idOrNone(t.CreatedBy),
		ExpiresAt: timeOrNone(t.ExpiresAt), NotBefore: timeOrNone(t.NotBefore),
		RevokedAt: timeOrNone(t.RevokedAt), RevokedBy: idOrNone(t.RevokedBy),
		RevokeReason: t.RevokeReason, ReasonCode: string(t.ReasonCode),
		RotatedFrom: idOrNone(t.RotatedFrom), RotatedTo: idOrNone(t.RotatedTo),
		Metadata: t.Metadata, Seq: t.Seq, Seqs: append([]uint64{}, t.Seqs...), Proofs: proofsOf(proofs, t.Seqs...),
	}
	for _, p := range t.AllowedCIDRs {
		out.AllowedCIDRs = append(out.AllowedCIDRs, p.String())
	}
	return out
}
