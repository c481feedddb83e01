package commands

import (
	"context"
	"errors"
	"fmt"
)

// MaxValidations bounds the validations of one call.
const MaxValidations = 1000

// CheckMany reports the first of the validations that cannot be made, by its index.
func CheckMany(cmds []Validate) error {
	if len(cmds) == 0 || len(cmds) > MaxValidations {
		return invalid("batch_length", fmt.Sprintf("the call has %d validations; nothing was recorded", len(cmds)), fmt.Sprintf("give from 1 to %d", MaxValidations))
	}
	for i, cmd := range cmds {
		if err := cmd.Check(); err != nil {
			return AtItem(i, err)
		}
	}
	return nil
}

// AtItem says which item of a list, counted from 0, an error is about.
func AtItem(i int, err error) error {
	e, ok := errors.AsType[*Error](err)
	if !ok {
		return err
	}
	at := *e
	at.Detail = fmt.Sprintf("tokens[%d]: %s; nothing was recorded", i, e.Detail)
	return &at
}

// JudgeMany gives the verdicts, in order, and the sequence that all of them take in. The
// read model is brought up to the stream's tip once at the most, however many of the
// tokens are not known to it.
func (j *Judge) JudgeMany(ctx context.Context, cmds []Validate) (verdicts []Verdict, asOf uint64, err error) {
	asOf = j.state.Applied()
	once, caughtUp := *j, false
	once.catchUp = func(ctx context.Context) error {
		if caughtUp {
			return nil // whatever was presented was made before the call
		}
		err := j.catchUp(ctx)
		caughtUp = err == nil
		return err
	}
	verdicts = make([]Verdict, len(cmds))
	for i, cmd := range cmds {
		if verdicts[i], err = once.Judge(ctx, cmd); err != nil {
			return nil, 0, err
		}
	}
	return verdicts, asOf, nil
}
