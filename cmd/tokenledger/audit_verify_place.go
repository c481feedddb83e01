package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"github.com/tokenledger/tokenledger/audit/verify"
)

// logPlace is where a log is read from.
type logPlace struct {
	src verify.Source
	// dataDir is set for a log on this machine that a node writes.
	dataDir string
	// node is set for a node's URL: what its key is asked for with.
	node *verify.HTTPConfig
	name string
}

// place finds the log that PATH or --data names.
func (c *auditVerifyCmd) place(m *Main) (logPlace, error) {
	path := c.Path
	if path == "" {
		path = c.Data
	}
	if strings.HasPrefix(path, "http://") || strings.HasPrefix(path, "https://") {
		return c.served(m, path)
	}
	found, err := verify.Find(path)
	if err != nil {
		return logPlace{}, doing("cannot verify the log", err)
	}
	return logPlace{src: found.Source(), dataDir: found.DataDir, name: found.Dir}, nil
}

// served is a log behind a URL. The node that the connection flags name is sent the
// token, and no other server is.
func (c *auditVerifyCmd) served(m *Main, url string) (logPlace, error) {
	cfg := verify.HTTPConfig{URL: url, UserAgent: "tokenledger-cli/" + readBuild().Version, Timeout: c.Timeout}
	if c.Timeout <= 0 {
		return logPlace{}, usage("--timeout must be longer than 0")
	}
	place := logPlace{name: url}
	if bare := strings.TrimRight(url, "/"); bare == strings.TrimRight(c.URL, "/") {
		cl, err := c.open(m) // which looks at the URL and the token
		if err != nil {
			return logPlace{}, err
		}
		cl.Close()
		token, err := c.token(m)
		if err != nil {
			return logPlace{}, err
		}
		cfg.URL, cfg.Token = bare+"/v1/audit", token.Reveal()
		place.node = &cfg
	}
	src, err := verify.HTTP(cfg)
	if e, ok := errors.AsType[*verify.URLError](err); ok {
		return logPlace{}, usage("%s", e)
	}
	place.src = src
	return place, err
}

// logKey is the key that a log is verified with.
type logKey struct {
	vkey string
	// remark says that it came from the log's own place, "" if it did not.
	remark string
}

const maxKey = 4096 // of a file or an answer, in bytes

// key gives the key of --vkey, or else the one that the log's place has.
func (c *auditVerifyCmd) key(ctx context.Context, place logPlace) (logKey, error) {
	switch {
	case c.VKey != "":
		vkey, err := givenKey(c.VKey)
		return logKey{vkey: vkey}, err
	case place.dataDir != "":
		vkey, err := dataKey(place.dataDir)
		if err != nil {
			return logKey{}, usage("no key to verify with: give --vkey KEY (%w)", err)
		}
		return logKey{vkey, fmt.Sprintf("The key came from %s, the same place as the log: compare it with the one that you wrote down, or give that with --vkey.", identityPath(place.dataDir))}, nil
	case place.node != nil:
		raw, err := verify.Get(ctx, *place.node, "key", maxKey)
		if err != nil {
			return logKey{}, doing("cannot get the node's key", err)
		}
		vkey := strings.TrimSpace(string(raw))
		if _, err := note.NewVerifier(vkey); err != nil {
			return logKey{}, fmt.Errorf("the node's answer is no verifier key: %w", err)
		}
		return logKey{vkey, "The key came from the node itself, as the log did: compare it with the one that you wrote down, or give that with --vkey."}, nil
	}
	return logKey{}, usage("no key to verify %s with: give --vkey KEY; a key that lay beside the log would prove nothing", place.name)
}

// givenKey is --vkey: the key itself, or a file that holds it.
func givenKey(given string) (string, error) {
	if _, err := note.NewVerifier(given); err == nil {
		return given, nil
	}
	raw, err := verify.ReadFile(given, maxKey)
	if errors.Is(err, fs.ErrNotExist) {
		return "", usage("--vkey: %q is neither a verifier key, such as tokenledger/01jda0t+0123abcd+AQID…, nor a file", given)
	} else if err != nil {
		return "", usage("--vkey: %w", err)
	}
	vkey := strings.TrimSpace(string(raw))
	if _, err := note.NewVerifier(vkey); err != nil {
		return "", usage("--vkey: the file %s does not hold a verifier key alone", given)
	}
	return vkey, nil
}
