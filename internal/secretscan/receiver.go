package secretscan

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/tokenledger/tokenledger/commands"
)

// The headers of a message.
const (
	headerKey       = "Github-Public-Key-Identifier"
	headerSignature = "Github-Public-Key-Signature"
)

const (
	// MaxMessage bounds a message, in bytes.
	MaxMessage = 1 << 20
	// atOnce is how many messages are on their way in at most: 32 MiB of memory.
	atOnce = 32
	// ReadWithin bounds how long the reading of a message may take.
	ReadWithin = 10 * time.Second
	// maxSignature bounds a signature in base64, in bytes; one on P-256 has 96.
	maxSignature = 200
)

// Receiver takes GitHub's messages. It is safe for concurrent use.
type Receiver struct {
	keys  *source
	slots chan struct{}
}

// Config says where the keys are.
type Config struct {
	// Keys is a file's name or an https URL.
	Keys   string
	Logger *slog.Logger
	// HTTP asks the URL; nil takes one with the system's certificates.
	HTTP *http.Client
	// Now is the clock; nil takes the system's.
	Now func() time.Time
}

// Open gives a receiver. A file of keys has to be there and readable; a URL is asked
// when the first message comes.
func Open(cfg Config) (*Receiver, error) {
	if err := checkWhere(cfg.Keys); err != nil {
		return nil, err
	}
	keys := &source{now: cfg.Now, http: cfg.HTTP, log: cfg.Logger, turn: make(chan struct{}, 1)}
	if keys.now == nil {
		keys.now = time.Now
	}
	if keys.http == nil {
		keys.http = transport()
	}
	if strings.Contains(cfg.Keys, "://") {
		keys.url = cfg.Keys
	} else {
		keys.file = cfg.Keys
	}
	if err := keys.open(); err != nil {
		return nil, err
	}
	return &Receiver{keys: keys, slots: make(chan struct{}, atOnce)}, nil
}

// Enter takes a place for a message, without waiting for one. Whoever got it calls leave
// when the message has been answered.
func (r *Receiver) Enter() (leave func(), err error) {
	select {
	case r.slots <- struct{}{}:
		return func() { <-r.slots }, nil
	default:
		return nil, &commands.Error{Kind: commands.Unavailable, Code: "leaks_busy",
			Detail: "too many messages are on their way in at this moment; this one was not read", Hint: "send it again shortly"}
	}
}

// Receive verifies a message and gives what it says, and the identifier of the key that
// has signed it. The body is read only if the headers name a key of the set.
func (r *Receiver) Receive(ctx context.Context, header http.Header, body io.Reader) (matches []Match, signedBy string, err error) {
	id, signature, err := signatureOf(header)
	if err != nil {
		return nil, "", err
	}
	key, err := r.keys.key(ctx, id)
	if err != nil {
		return nil, "", err
	}
	if key == nil {
		return nil, "", &commands.Error{Kind: commands.Invalid, Code: "leaks_github_key_unknown",
			Detail: "the key set has no key of the identifier in " + headerKey, Hint: "if the key is new, send the message again in a minute: the set is fetched anew for it"}
	}
	raw, err := io.ReadAll(io.LimitReader(body, MaxMessage+1))
	if err != nil {
		return nil, "", &commands.Error{Kind: commands.Invalid, Code: "body_unreadable", Detail: "the request's body ended early", Hint: "send it whole", Cause: err}
	}
	if len(raw) > MaxMessage {
		return nil, "", TooLarge()
	}
	if !verify(key, raw, signature) {
		return nil, "", &commands.Error{Kind: commands.Invalid, Code: "leaks_github_signature_wrong",
			Detail: "the signature in " + headerSignature + " is not one over this body by the key that " + headerKey + " names; nothing was read of it",
			Hint:   "something between GitHub and this node may change bodies: they have to come as they were sent"}
	}
	matches, err = parseMatches(raw)
	return matches, id, err
}

// signatureOf gives the two headers, each of which has to stand there once.
func signatureOf(header http.Header) (id, signature string, err error) {
	ids, signatures := header.Values(headerKey), header.Values(headerSignature)
	if len(ids) != 1 || len(signatures) != 1 || ids[0] == "" || signatures[0] == "" {
		return "", "", &commands.Error{Kind: commands.Invalid, Code: "leaks_github_signature_missing",
			Detail: "the request does not bear the headers " + headerKey + " and " + headerSignature + ", each once", Hint: "this call is for GitHub's secret scanning; others use POST /v1/leaks with a token of the ledger"}
	}
	if len(ids[0]) > maxIdentifier || len(signatures[0]) > maxSignature {
		return "", "", &commands.Error{Kind: commands.Invalid, Code: "leaks_github_signature_wrong",
			Detail: "what stands in " + headerKey + " or " + headerSignature + " is too long for either", Hint: "send what GitHub sends"}
	}
	return ids[0], signatures[0], nil
}

// TooLarge is the answer to a message of more than [MaxMessage] bytes.
func TooLarge() error {
	return &commands.Error{Kind: commands.TooLarge, Code: "leaks_github_too_large",
		Detail: "the message has more than 1 MiB; nothing was recorded", Hint: "send it in parts"}
}
