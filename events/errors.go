package events

import (
	"errors"
	"fmt"
)

// FieldError says which field of an event is wrong, and how.
type FieldError struct {
	// Field is the path of the field, such as "data.actor.token_id"; empty where
	// the input is no JSON object at all.
	Field string
	// Problem goes on from the field's name: "is missing".
	Problem string
}

func (e *FieldError) Error() string {
	if e.Field == "" {
		return "event " + e.Problem
	}
	return "event field " + e.Field + " " + e.Problem
}

func missing(field string) error { return &FieldError{Field: field, Problem: "is missing"} }

func invalid(format string, args ...any) error {
	return &FieldError{Problem: fmt.Sprintf(format, args...)}
}

// within puts the field's name before the path of err.
func within(field string, err error) error {
	fe, ok := errors.AsType[*FieldError](err)
	if !ok {
		return fmt.Errorf("event field %s: %w", field, err)
	}
	if fe.Field != "" {
		field += "." + fe.Field
	}
	return &FieldError{Field: field, Problem: fe.Problem}
}
