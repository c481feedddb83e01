package main

import (
	"errors"
	"net/http"

	"github.com/tokenledger/tokenledger/audit"
	"github.com/tokenledger/tokenledger/audit/verify"
)

// auditCmd is the verbs that concern the audit log.
type auditCmd struct {
	Events      auditEventsCmd      `cmd:"" help:"Show events: by who, about which token, from where, what and when."`
	Trace       auditTraceCmd       `cmd:"" help:"Tell the whole story of one token; a leaked one comes on standard input."`
	AsOf        auditAsOfCmd        `cmd:"" help:"Show which tokens were valid at some time."`
	Diff        auditDiffCmd        `cmd:"" help:"Show what became of tokens between two times."`
	Checkpoint  auditCheckpointCmd  `cmd:"" help:"Print the log's signed checkpoint, or its public key."`
	Proof       auditProofCmd       `cmd:"" help:"Print the proof that the log has an event."`
	Consistency auditConsistencyCmd `cmd:"" help:"Prove that the log begins with what it was."`
	Verify      auditVerifyCmd      `cmd:"" help:"Look whether an audit log is what its key has signed."`
	ExportTiles auditExportTilesCmd `cmd:"" help:"Write the log as a static directory that anybody can verify."`
}

// Help implements kong.HelpProvider.
func (auditCmd) Help() string {
	return `Events, trace, as-of and diff ask a node, and it records who asked what. Verify and export-tiles need no node.

Example:

    tokenledger audit events --kind revoked --since 7d
    tokenledger audit trace < leaked.txt
    tokenledger audit verify --data /var/lib/tokenledger`
}

// auditExitCode maps the errors of the audit log's packages.
func auditExitCode(err error) (code int, ok bool) {
	if _, ok := errors.AsType[*verify.Error](err); ok {
		return exitVerification, true
	}
	if _, ok := errors.AsType[*audit.CorruptError](err); ok {
		return exitVerification, true
	}
	if _, ok := errors.AsType[*verify.UnreachableError](err); ok {
		return exitUnavailable, true
	}
	if e, ok := errors.AsType[*verify.StatusError](err); ok {
		switch e.Status {
		case http.StatusUnauthorized, http.StatusForbidden:
			return exitDenied, true
		case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
			return exitUnavailable, true
		}
		return exitFailed, true
	}
	return 0, false
}

// auditHint says what to do about an error of the audit log's packages, "" if that is
// another error, or nothing.
func auditHint(err error) string {
	if e, ok := errors.AsType[*verify.Error](err); ok {
		return e.Hint
	}
	if _, ok := errors.AsType[*audit.CorruptError](err); ok {
		return "keep the directory as it is, as evidence; tokenledger audit verify reads all of it, and shows whether there is more"
	}
	if _, ok := errors.AsType[*verify.UnreachableError](err); ok {
		return "is the server running, and does the URL name the directory that the checkpoint is in?"
	}
	if e, ok := errors.AsType[*verify.StatusError](err); ok {
		switch e.Status {
		case http.StatusUnauthorized:
			return "your token goes to the node that TOKENLEDGER_URL or --url names, and nowhere else; if this is that node, look at TOKENLEDGER_TOKEN or --token-file"
		case http.StatusForbidden:
			return "a node wants a token that holds ledger:audit:read"
		}
	}
	return ""
}
