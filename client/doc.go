// Package client calls the HTTP interface of a tokenledger node: it generates,
// lists, revokes and validates tokens.
//
//	c, err := client.New(client.Config{
//		URL:   "https://ledger.example",
//		Token: client.NewSecret(os.Getenv("TOKENLEDGER_TOKEN")),
//	})
//	made, err := c.Generate(ctx, api.GenerateRequest{Name: "shop checkout", Site: "shop.example"})
//	keep(made.Value.Secret.Reveal()) // the only time that it is seen
//
// What is guaranteed:
//
//   - When a write returns without an error, its event is on the stream as
//     durably as the ledger keeps anything, and applied on the node that answered:
//     that node's next validation takes it in. Another node takes it in once it
//     has followed the stream to [Written.Seq]; give that as MinSeq to wait for it.
//   - An error that leaves open whether a write took effect says so:
//     [UnreachableError.Unknown] and [AnswerError]. With [WithIdempotencyKey] the
//     same call can be made again safely; revoke, suspend, resume and import can be
//     made again safely anyway.
//   - A token is sent to Config.URL and nowhere else: redirects are not followed,
//     and plain HTTP to another machine is refused unless Config.AllowPlaintext.
//     It shows in no error and in no formatting of [Config], [Client], [Secret] or
//     [Generated]. The request of a validation is the caller's own plain struct:
//     do not log it.
//   - What is read of an answer is bounded.
//
// What is not: the client repeats no call by itself, save what [net/http] does
// (a request on a kept connection that the node closed before it answered, when
// it is a read or bears an Idempotency-Key). It caches nothing.
package client
