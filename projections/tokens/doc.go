// Package tokens is the projection that answers what is known of a token: its
// record, its use, its history, and which tokens there are.
//
// What is guaranteed, once [projections.Runner.WaitFor] has returned for a sequence:
//
//   - Every read sees all events up to it, those from memory too: a cached row is
//     replaced before the runner's Applied moves past the event that changed it.
//   - The record is the fold ([Token.Fold]) of the token's events. It is monotone:
//     a token is generated once, its end only comes forward, and an event that comes
//     again changes nothing.
//   - A use is counted once, whatever the usage journal sends again: see
//     [events.Use.JournalPos].
//   - Time decides nothing when an event is applied. Whether a token is pending,
//     expired or revoked is evaluated when it is read ([Token.Status]).
//
// Events about a token that was never generated are kept in its history and make no
// record: without the generated event there is no hash to compare a secret with, no
// tenant and no scopes, so there is nothing that could be validated, and a half
// record would only look like a token.
//
// What is not: the projection does not check that an event was allowed, or that it
// belongs to the tenant whose token it names. That was decided when the event was
// appended.
package tokens
