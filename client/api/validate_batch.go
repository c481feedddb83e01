package api

// ValidateBatchRequest is the body of POST /v1/tokens/validate/batch.
type ValidateBatchRequest struct {
	// Tokens are up to 1,000 validations.
	Tokens []ValidateItem `json:"tokens"`
	// MinSeq asks for answers that take in at least this sequence.
	MinSeq uint64 `json:"min_seq,omitempty"`
}

// ValidateItem is one validation of several.
type ValidateItem struct {
	Token     string   `json:"token"`
	Scopes    []string `json:"scopes,omitempty" doc:"All of these must be held"`
	Site      string   `json:"site,omitempty"`
	ClientIP  string   `json:"client_ip,omitempty"`
	UserAgent string   `json:"user_agent,omitempty"`
	Resource  string   `json:"resource,omitempty"`
}

// ValidateBatchAnswer answers POST /v1/tokens/validate/batch.
type ValidateBatchAnswer struct {
	// Answers are in the order of what was asked.
	Answers []ValidateVerdict `json:"answers"`
	// AsOfSeq is the sequence up to which all answers take in the stream.
	AsOfSeq uint64 `json:"as_of_seq"`
}

// ValidateVerdict is one answer of several.
type ValidateVerdict struct {
	Active bool `json:"active"`
	// Token is there when Active.
	Token *ValidToken `json:"token,omitempty"`
	// Reason is there when not Active.
	Reason string `json:"reason,omitempty" enum:"malformed,unknown,bad_secret,revoked,expired,not_yet_valid,suspended,insufficient_scope,site_mismatch,ip_denied"`
	// Code is there, in the place of a reason, when not Active and the reason is not told:
	// too_many_failures.
	Code string `json:"code,omitempty"`
}
