package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/tokenledger/tokenledger/client"
	"github.com/tokenledger/tokenledger/client/api"
)

// secretOut is where a new secret goes: to standard output, or into a file.
type secretOut struct {
	SecretFile string `placeholder:"FILE" help:"Write the secret into this new file (mode 0600) instead of printing it."`
}

// prepare makes the file before the token is generated, so that a path that
// cannot be written costs no secret. drop takes the file away again if it is
// still empty.
func (s *secretOut) prepare() (f *os.File, drop func(), err error) {
	if s.SecretFile == "" {
		return nil, func() {}, nil
	}
	f, err = os.OpenFile(s.SecretFile, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, os.ErrExist) {
		return nil, nil, usage("%s is there already, and a file is never overwritten by a secret: give another --secret-file", s.SecretFile)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("cannot make the secret file: %w; no token was generated", err)
	}
	return f, func() {
		info, err := f.Stat()
		_ = f.Close()
		if err == nil && info.Size() == 0 {
			_ = os.Remove(s.SecretFile)
		}
	}, nil
}

// give hands a generated token to its user. f is the prepared file, or nil.
func (s *secretOut) give(m *Main, f *os.File, made client.Written[client.Generated], title string, asJSON bool) error {
	noteReplay(m, made)
	token, secret := made.Value.Token, made.Value.Secret
	doc := api.Generated{Secret: secret.Reveal(), Token: token, Note: made.Value.Note}
	if f != nil {
		if secret.IsZero() {
			return fmt.Errorf("the secret of %s is not in the answer, so %s was not written: %s", token.ID, s.SecretFile, made.Value.Note)
		}
		_, err := f.WriteString(secret.Reveal() + "\n")
		if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
			return fmt.Errorf("token %s was generated, but its secret could not be written: %w; it is lost: revoke the token (tokenledger token revoke %s) and generate another", token.ID, err, token.ID)
		}
		doc.Secret, doc.Note = "", "the secret is in "+s.SecretFile
	}
	if asJSON {
		return lost(doc, m.printJSON(doc))
	}
	text := clean(title) + "\n\n"
	switch {
	case doc.Secret != "":
		text += "Secret, shown this once and stored nowhere; keep it now:\n\n    " + clean(doc.Secret) + "\n\n"
	case doc.Note != "":
		text += "Secret: " + clean(doc.Note) + "\n\n"
	}
	return lost(doc, m.print(text+record(token)))
}

// lost says what an error of printing means for the secret.
func lost(doc api.Generated, err error) error {
	if err == nil || doc.Secret == "" {
		return err
	}
	return fmt.Errorf("token %s was generated, but its secret could not be shown: %w; it is lost: revoke the token and generate another", doc.Token.ID, err)
}
