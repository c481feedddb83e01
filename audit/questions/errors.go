package questions

import (
	"context"
	"errors"
	"fmt"

	"github.com/tokenledger/tokenledger/audit/index"
)

// ErrNotFound says that there is no such token in the scope of the question.
var ErrNotFound = errors.New("there is no such token")

// QueryError says which field of a question is wrong, and how.
type QueryError struct {
	Field   string
	Problem string
}

func (e *QueryError) Error() string {
	return fmt.Sprintf("ask the audit log: %s %s", e.Field, e.Problem)
}

// CursorError says that a cursor is not one that this question gave.
type CursorError struct{ Problem string }

func (e *CursorError) Error() string {
	return fmt.Sprintf("ask the audit log: the cursor %s; use the cursor as it was given, with the same question, or begin without one", e.Problem)
}

// BehindError says that the node did not get as far as the question, which takes in
// everything that was recorded before it, while the asker waited.
type BehindError struct {
	// What is behind: the index, or the read model.
	What string
	// At is how far it is, Want how far it has to be.
	At, Want uint64
	// Err is why the wait ended; it may be nil.
	Err error
}

func (e *BehindError) Error() string {
	return fmt.Sprintf("%s has taken in %d of %d events so far: ask again later", e.What, e.At, e.Want)
}

func (e *BehindError) Unwrap() error { return e.Err }

// settle waits until everything that was appended before can be found, and gives the
// last sequence of it.
func (a *Asker) settle(ctx context.Context) (uint64, error) {
	seq := a.Log.Appended()
	err := a.Index.WaitFor(ctx, seq)
	if behind, ok := errors.AsType[*index.BehindError](err); ok {
		err = &BehindError{"the index over the audit log", behind.Indexed, seq, behind.Err}
	}
	return seq, err
}

// readModel waits until the read model has taken in a sequence.
func (a *Asker) readModel(ctx context.Context, seq uint64) error {
	err := a.Projections.WaitFor(ctx, seq)
	if err != nil && ctx.Err() != nil {
		return &BehindError{"the read model", a.Projections.Applied(), seq, err}
	}
	return err
}

// stillReadModel reports that the read model was deleted meanwhile, to be built anew:
// what was read of it may not be all.
func (a *Asker) stillReadModel(seq uint64) error {
	if at := a.Projections.Applied(); at < seq {
		return &BehindError{"the read model", at, seq, nil}
	}
	return nil
}
