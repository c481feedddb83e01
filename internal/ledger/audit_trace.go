package ledger

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/oklog/ulid/v2"

	"github.com/tokenledger/tokenledger/audit/questions"
	"github.com/tokenledger/tokenledger/commands"
	"github.com/tokenledger/tokenledger/commands/secret"
	"github.com/tokenledger/tokenledger/events"
	"github.com/tokenledger/tokenledger/internal/auth"
	"github.com/tokenledger/tokenledger/projections/tokens"
)

// TraceQuery asks for the story of one token: of its id, its name, or itself.
type TraceQuery struct {
	Tenant string
	// Token is an id or a whole name; Secret a token that was found somewhere. One of
	// them is given.
	Token  string
	Secret secret.Secret
	Proof  bool
}

// Story answers a [TraceQuery].
type Story struct {
	questions.Story
	Proofs Proofs
	// MoreProofs says that there are too many events for each to be proven. All rows are.
	MoreProofs bool
}

// Trace tells a token's story. A token that is not found is on record as a question,
// too.
func (l *Ledger) Trace(ctx context.Context, s auth.Session, q TraceQuery) (story Story, err error) {
	defer hintTooLong(&err, "give its id, if you gave its name; ask again, since what was read is read faster the next time; or page through its events: GET /v1/audit/events?token=ID")
	scope, own, err := l.enterAudit(ctx, s, q.Tenant)
	if err != nil {
		return story, err
	}
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	id, question, err := l.trace(ctx, scope, q)
	question = question.scope(scope, s.Tenant).proof(q.Proof)
	if err == nil {
		story.Story, err = l.Questions.Story(ctx, scope, id)
		if errors.Is(err, questions.ErrNotFound) {
			err = commands.NoSuchToken(id.String())
		}
	}
	if err == nil && q.Proof {
		var seqs []uint64
		seqs, story.MoreProofs = story.sequences(maxProofs)
		story.Proofs, err = l.prove(ctx, seqs)
	}
	if err == nil {
		err = l.recordReading(ctx, s, story.Token.Tenant, id, question)
	} else if e, ok := errors.AsType[*commands.Error](err); ok && (e.Kind == commands.NotFound || e.Kind == commands.Conflict) {
		err = errors.Join(l.recordReading(ctx, s, own, ulid.ULID{}, question), err)
	}
	if err != nil {
		return Story{}, auditError(err)
	}
	return story, nil
}

// trace finds which token a question is about. It gives the question in its canonical
// form in any case.
func (l *Ledger) trace(ctx context.Context, scope questions.Scope, q TraceQuery) (id ulid.ULID, question *asked, err error) {
	question = ask("trace")
	switch given := q.Secret.Reveal(); {
	case (given == "") == (q.Token == ""):
		return id, question, &commands.Error{Kind: commands.Invalid, Code: "trace_invalid",
			Detail: "a trace is of one token, and the request names none, or two", Hint: "give token (an id or a name) or secret, and not both"}
	case given != "":
		return l.traceSecret(ctx, scope, q.Secret, question)
	case secret.Within(q.Token):
		return id, question, &commands.Error{Kind: commands.Invalid, Code: "trace_invalid",
			Detail: "token holds a secret", Hint: "give it as secret: then it is compared, and neither kept nor shown"}
	}
	if id, err = events.ParseID(q.Token); err == nil {
		return id, question.text("token", id.String()), nil
	}
	return l.traceName(ctx, scope, q.Token, question)
}

// traceSecret finds the token that a string is.
func (l *Ledger) traceSecret(ctx context.Context, scope questions.Scope, s secret.Secret, question *asked) (ulid.ULID, *asked, error) {
	v, err := l.Judge.Judge(ctx, commands.Validate{Token: s, Tenant: scope.Tenant})
	if err != nil {
		return ulid.ULID{}, question, err
	}
	id := v.Token.ID
	notFound := &commands.Error{Kind: commands.NotFound, Code: "token_not_found"}
	switch v.Reason {
	case commands.Malformed:
		notFound.Detail = "the secret is malformed: it is not of the form of a token, or a character of it is wrong, and it is no imported key"
		notFound.Hint = "give all of it, without what stood around it; if a part is missing, trace the id (its middle part)"
	case commands.Unknown:
		notFound.Detail = "the secret is unknown: it is no token that you may see"
		notFound.Hint = "check that it is of this ledger, and that your token belongs to the same tenant"
	case commands.BadSecret:
		notFound.Detail = fmt.Sprintf("bad_secret: there is a token %s, and its secret is another: this one was made up", id)
		notFound.Hint = "trace the id to see whether somebody has tried it"
		return id, question.text("token", id.String()).word("by a wrong secret"), notFound
	default:
		return id, question.text("token", id.String()).word("by its secret"), nil
	}
	return id, question.word("secret of no token here"), notFound
}

// maxNamesakes bounds the ids that an ambiguous name is answered with.
const maxNamesakes = 10

// traceName finds the token of a name.
func (l *Ledger) traceName(ctx context.Context, scope questions.Scope, name string, question *asked) (id ulid.ULID, _ *asked, err error) {
	named := ask(question.String()).text("name", name)
	var ids []string
	for q := (tokens.Query{Tenant: scope.Tenant, AllTenants: scope.AllTenants, Name: name, Limit: tokens.MaxLimit}); ; {
		page, err := l.State.List(q)
		if err != nil {
			return id, named, err
		}
		for i := range page.Tokens {
			if page.Tokens[i].Name == name {
				id, ids = page.Tokens[i].ID, append(ids, page.Tokens[i].ID.String())
			}
		}
		if ctx.Err() != nil {
			return id, named, context.Cause(ctx)
		}
		if q.Cursor = page.Next; q.Cursor == "" || len(ids) > maxNamesakes {
			break
		}
	}
	switch len(ids) {
	case 0:
		return id, named, &commands.Error{Kind: commands.NotFound, Code: "token_not_found",
			Detail: "there is no token of this id or name that you may see", Hint: "give the whole name, or the id; GET /v1/tokens finds parts of names"}
	case 1:
		return id, question.text("token", ids[0]), nil
	}
	some := "their ids are " + strings.Join(ids[:min(len(ids), maxNamesakes)], " ")
	if len(ids) > maxNamesakes {
		some = "some of their ids are " + strings.Join(ids[:maxNamesakes], " ")
	}
	return id, named, &commands.Error{Kind: commands.Conflict, Code: "name_ambiguous",
		Detail: "several tokens have this name", Hint: "trace one of them by its id; " + some}
}

// sequences are those that the story names, each once: those of its rows, of which there
// are some 2,000 at the most; those that made the record; and those of the addresses. Of a
// token that was changed or presented thousands of times, the first are proven, and not
// none at all: at most so many.
func (s *Story) sequences(most int) (seqs []uint64, more bool) {
	known := map[uint64]bool{}
	add := func(some ...uint64) {
		for _, seq := range some {
			switch {
			case more || known[seq]:
			case len(seqs) == most:
				more = true
			default:
				known[seq] = true
				seqs = append(seqs, seq)
			}
		}
	}
	add(sequences(sequences(sequences(nil, s.Changes), s.Besides), s.AfterEnd)...)
	add(s.Token.Seqs...)
	for i := range s.Addresses {
		add(s.Addresses[i].FirstSeq, s.Addresses[i].LastSeq)
	}
	return seqs, more
}
