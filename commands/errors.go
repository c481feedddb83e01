package commands

// Kind sorts errors by whose move it is. Transports turn a kind into a status.
type Kind uint8

// The kinds of errors.
const (
	// Invalid input: the caller has to change the request.
	Invalid Kind = iota + 1
	// TooLarge input: the caller has to send less.
	TooLarge
	// Unauthenticated: the caller has shown no good token.
	Unauthenticated
	// Forbidden: the caller's token does not permit it.
	Forbidden
	// NotFound: there is no such thing, or none that the caller may see.
	NotFound
	// TooMany requests of a kind: the caller has to wait.
	TooMany
	// Outdated: the caller has seen another state than the one there is.
	Outdated
	// Conflict: the state does not allow it.
	Conflict
	// Unavailable: the ledger can't answer now; try again later.
	Unavailable
	// UnknownOutcome: it may or may not have been done.
	UnknownOutcome
)

// Error is an answer to a request that could not be followed. Unless its kind is
// UnknownOutcome or its code partly_done, nothing was changed.
type Error struct {
	Kind Kind
	// Code is one word for programs. docs/errors.md has an entry for each.
	Code string
	// Detail says what happened and why.
	Detail string
	// Hint says what to do.
	Hint string
	// Cause is for the operator's log; it is not shown to callers.
	Cause error
}

func (e *Error) Error() string {
	s := e.Detail
	if e.Hint != "" {
		s += " (" + e.Hint + ")"
	}
	if e.Cause != nil {
		s += ": " + e.Cause.Error()
	}
	return s
}

func (e *Error) Unwrap() error { return e.Cause }

func invalid(code, detail, hint string) error {
	return &Error{Kind: Invalid, Code: code, Detail: detail, Hint: hint}
}

func conflict(code, detail, hint string) error {
	return &Error{Kind: Conflict, Code: code, Detail: detail, Hint: hint}
}

// NoSuchToken is the answer for an id that does not exist and for one of another
// tenant, alike.
func NoSuchToken(id string) error {
	return &Error{
		Kind: NotFound, Code: "token_not_found",
		Detail: "there is no token " + id + " that you may see",
		Hint:   "check the id, and that your token belongs to the same tenant",
	}
}
