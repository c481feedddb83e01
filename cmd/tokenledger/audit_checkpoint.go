package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"golang.org/x/mod/sumdb/note"

	"github.com/tokenledger/tokenledger/audit"
	"github.com/tokenledger/tokenledger/audit/verify"
)

type auditCheckpointCmd struct {
	VKey bool   `name:"vkey" help:"The public key that checkpoints are verified with, instead."`
	Data string `placeholder:"DIR" help:"Read it from a data directory, whether a node runs on it or not, and ask no node."`
	Out  string `placeholder:"FILE" help:"Write it here instead of printing it."`

	connection
}

// Help implements kong.HelpProvider.
func (auditCheckpointCmd) Help() string {
	return `A checkpoint is a signature over all events up to now (https://c2sp.org/tlog-checkpoint). Who keeps one notices later if the log was rewritten: audit verify --since FILE. Write the key down somewhere else than the log.

Example:

    tokenledger audit checkpoint --vkey --out log.vkey
    tokenledger audit checkpoint --out today.checkpoint`
}

// Run implements the verb.
func (c *auditCheckpointCmd) Run(ctx context.Context, m *Main) error {
	text, err := c.text(ctx, m)
	if err != nil {
		return err
	}
	return m.deliver(text, c.Out)
}

func (c *auditCheckpointCmd) text(ctx context.Context, m *Main) ([]byte, error) {
	switch {
	case c.Data != "" && c.VKey:
		key, err := dataKey(c.Data)
		return []byte(key + "\n"), err
	case c.Data != "":
		r, signed, err := openLog(filepath.Join(c.Data, "audit"), c.Data)
		if err != nil {
			return nil, doing("cannot give the checkpoint", err)
		}
		return signed, r.Close()
	}
	cl, err := c.open(m)
	if err != nil {
		return nil, err
	}
	defer cl.Close()
	if c.VKey {
		key, err := cl.LogKey(ctx)
		return []byte(key + "\n"), doing("cannot get the log's key", err)
	}
	signed, err := cl.Checkpoint(ctx)
	return signed, doing("cannot get a checkpoint", err)
}

// deliver writes evidence to a file, or else to standard output, to the letter.
func (m *Main) deliver(text []byte, file string) error {
	if file == "" {
		_, err := m.Stdout.Write(text)
		return doing("cannot write to standard output", err)
	}
	return remember(file, text)
}

// openLog opens the audit log in dir, of a data directory, and gives its newest
// checkpoint. What is made of it is evidence, so the checkpoint has to be one that the
// data directory's key has signed.
func openLog(dir, data string) (*audit.Reader, []byte, error) {
	// The checkpoint first: what it was signed over is committed then.
	signed, err := verify.ReadFile(filepath.Join(dir, "checkpoint"), maxCheckpoint)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, fmt.Errorf("%s has no checkpoint of an audit log: is it a node's data directory, and has the node run? %w", data, err)
	} else if err != nil {
		return nil, nil, doing("cannot read the checkpoint", err)
	}
	vkey, err := dataKey(data)
	if err != nil {
		return nil, nil, doing("the checkpoint's signature cannot be checked without the key of the data directory; put its keys/ back from a backup", err)
	}
	key, err := note.NewVerifier(vkey)
	if err != nil {
		return nil, nil, err
	}
	r, err := audit.OpenReader(dir)
	if err != nil {
		return nil, nil, err
	}
	if _, err := r.OpenCheckpoint(signed, key); err != nil {
		return nil, nil, errors.Join(err, r.Close())
	}
	return r, signed, nil
}

// dataKey reads the public key of a data directory.
func dataKey(data string) (string, error) {
	path := identityPath(data)
	raw, err := verify.ReadFile(path, 1<<20)
	if err != nil {
		return "", doing("cannot read the log's key", err)
	}
	var identity struct {
		PublicKey string `json:"public_key"`
	}
	if err = json.Unmarshal(raw, &identity); err == nil {
		_, err = note.NewVerifier(identity.PublicKey)
	}
	if err != nil {
		return "", fmt.Errorf("%s holds no public key: %w", path, err)
	}
	return identity.PublicKey, nil
}

func identityPath(data string) string { return filepath.Join(data, "keys", "identity.json") }
