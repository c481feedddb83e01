package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/tokenledger/tokenledger/client"
)

// connection is the flags of every verb that calls a node.
type connection struct {
	URL            string        `name:"url" group:"connection" env:"TOKENLEDGER_URL" default:"http://127.0.0.1:7480" help:"Node to call."`
	TokenFile      string        `group:"connection" env:"TOKENLEDGER_TOKEN_FILE" placeholder:"FILE" help:"File that holds your token; without it TOKENLEDGER_TOKEN is used."`
	Timeout        time.Duration `group:"connection" default:"30s" help:"How long to wait for an answer; an import, and a revocation by a filter, wait as long as they take."`
	AllowPlaintext bool          `group:"connection" help:"Send the token over plain http to another machine."`
}

// maxTokenInput bounds what is read where a token is expected, in bytes.
const maxTokenInput = 4096

// open makes the client for the flags. The caller closes it.
func (c *connection) open(m *Main) (*client.Client, error) {
	token, err := c.token(m)
	if err != nil {
		return nil, err
	}
	return c.as(token)
}

// as makes the client for the flags that calls with the token.
func (c *connection) as(token client.Secret) (*client.Client, error) {
	if c.Timeout <= 0 {
		return nil, usage("--timeout must be longer than 0")
	}
	cl, err := client.New(client.Config{
		URL:            c.URL,
		Token:          token,
		UserAgent:      "tokenledger-cli/" + readBuild().Version,
		Timeout:        c.Timeout,
		AllowPlaintext: c.AllowPlaintext,
	})
	if ae, ok := errors.AsType[*client.ArgumentError](err); ok {
		switch ae.Name {
		case "Config.URL":
			return nil, usage("the node's URL (--url, TOKENLEDGER_URL) %s", ae.Problem)
		case "Config.Token":
			return nil, usage("your token (TOKENLEDGER_TOKEN, --token-file) %s", ae.Problem)
		}
	}
	if errors.Is(err, client.ErrPlaintext) {
		return nil, usage("%w (--allow-plaintext)", err)
	}
	return cl, err
}

// token gives the caller's own token: a file that was named, or else the variable.
func (c *connection) token(m *Main) (client.Secret, error) {
	if c.TokenFile == "" {
		token := strings.TrimSpace(m.getenv("TOKENLEDGER_TOKEN"))
		if token == "" {
			return client.Secret{}, usage("no token to sign in with: set TOKENLEDGER_TOKEN or give --token-file FILE")
		}
		return client.NewSecret(token), nil
	}
	f, err := os.Open(c.TokenFile)
	if err != nil {
		return client.Secret{}, usage("cannot read the token file: %w", err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxTokenInput+1))
	if err != nil {
		return client.Secret{}, usage("cannot read the token file: %w", err)
	}
	token := strings.TrimSpace(string(b))
	if token == "" || len(b) > maxTokenInput {
		return client.Secret{}, usage("the token file %s does not hold a token alone", c.TokenFile)
	}
	return client.NewSecret(token), nil
}

// writing is the flags of every verb that writes.
type writing struct {
	IdempotencyKey string `placeholder:"KEY" help:"Makes the call safe to repeat: with the same key it takes effect once."`
}

func (w *writing) options() []client.WriteOption {
	if w.IdempotencyKey == "" {
		return nil
	}
	return []client.WriteOption{client.WithIdempotencyKey(w.IdempotencyKey)}
}

// noteReplay says that an answer repeats an earlier one.
func noteReplay[T any](m *Main, w client.Written[T]) {
	if w.Replayed {
		m.note("this repeats the answer of an earlier call with the same idempotency key; nothing was written now")
	}
}

// form is the flag of every verb that answers for people or programs.
type form struct {
	JSON bool `name:"json" help:"Print JSON."`
}

// count gives "1 token", "2 tokens".
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
