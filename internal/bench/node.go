package bench

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/tokenledger/tokenledger/commands"
	"github.com/tokenledger/tokenledger/commands/secret"
	"github.com/tokenledger/tokenledger/events"
	"github.com/tokenledger/tokenledger/internal/auth"
	"github.com/tokenledger/tokenledger/internal/server"
)

// node is a real node in this process, with its root token.
type node struct {
	*server.Server
	root secret.Secret
}

// Where a suite's directory holds a node's data and its root token.
func dataDir(dir string) string  { return filepath.Join(dir, "data") }
func rootFile(dir string) string { return filepath.Join(dir, "root-token") }

// startNode starts a node as `serve` does by default, but for its ports. The
// second start on a directory finds the ledger of the first.
func (b *bench) startNode(ctx context.Context, dir string) (*node, error) {
	s, err := server.Start(ctx, server.Config{
		DataDir: dataDir(dir), HTTP: "127.0.0.1:0", NATSListen: cmp.Or(b.natsListen, "off"), BootstrapTokenFile: rootFile(dir),
		TokenPrefix: secret.DefaultPrefix, UsageWindow: time.Second, MaxStaleness: 2 * time.Second, FailureLimit: 500,
		Stdout: io.Discard, Logger: b.Logger, Version: b.Version,
	})
	if err != nil {
		return nil, fmt.Errorf("start a node: %w", err)
	}
	root, err := os.ReadFile(rootFile(dir))
	if err != nil {
		s.Shutdown()
		return nil, fmt.Errorf("read the root token of the node: %w", err)
	}
	return &node{s, secret.Of(strings.TrimSpace(string(root)))}, nil
}

// signIn is what a transport does first with a request.
func (n *node) signIn(ctx context.Context, resource string) (auth.Session, error) {
	return n.Ledger().SignIn(ctx, n.root, events.Origin{
		IP: "192.0.2.7", UserAgent: "tokenledger-bench", RequestID: ulid.Make().String(),
	}, resource)
}

// importBatch imports keys, a batch at the most, and gives their tokens' ids.
func (n *node) importBatch(ctx context.Context, lines []commands.Import) (ids []ulid.ULID, err error) {
	s, err := n.signIn(ctx, "POST /v1/tokens/import")
	if err != nil {
		return nil, err
	}
	run, err := n.Ledger().StartImport(ctx, s)
	if err != nil {
		return nil, err
	}
	b, err := run.Submit(ctx, lines)
	if err != nil {
		return nil, err
	}
	for _, line := range b.Wait().Lines {
		if line.Err != nil {
			return nil, line.Err
		}
		ids = append(ids, line.ID)
	}
	return ids, nil
}

// published gives the bytes of the event at seq.
func (n *node) published(ctx context.Context, seq uint64) ([]byte, error) {
	r, err := n.Ledger().State.Past.Get(ctx, seq)
	if err != nil {
		return nil, fmt.Errorf("read an event of the product: %w", err)
	}
	return r.Raw, nil
}
