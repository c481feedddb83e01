package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"time"

	"github.com/tokenledger/tokenledger/client"
	"github.com/tokenledger/tokenledger/client/api"
)

type loginCmd struct {
	Tenant     string        `help:"The tenant to work on, if you have roles in several."`
	NoBrowser  bool          `help:"Open no browser: only show the URL to open."`
	Replace    bool          `help:"Replace the token file if it is there already."`
	PrintToken bool          `help:"Print the session's token instead of writing it to a file."`
	Wait       time.Duration `default:"10m" help:"How long to wait for you to sign in."`

	form
	connection
}

// Help implements kong.HelpProvider.
func (loginCmd) Help() string {
	return `You sign in at your issuer, in the browser of this machine; the session's token is written to the token file (mode 0600), from which the other verbs read it. A file that is there is kept unless you say --replace. The session ends by itself; tokenledger logout ends it sooner.

Example:

    export TOKENLEDGER_TOKEN_FILE=$HOME/.tokenledger-session
    tokenledger login
    tokenledger whoami`
}

// Run implements the verb.
func (c *loginCmd) Run(ctx context.Context, m *Main) error {
	switch {
	case (c.TokenFile == "") == !c.PrintToken:
		return usage("say where the session's token goes: --token-file FILE (TOKENLEDGER_TOKEN_FILE), or --print-token, and not both")
	case c.Wait <= 0:
		return usage("--wait must be longer than 0")
	}
	cl, err := c.as(client.Secret{})
	if err != nil {
		return err
	}
	defer cl.Close()
	f, drop, err := c.prepare()
	if err != nil {
		return err
	}
	defer drop()
	waiting, cancel := context.WithTimeout(ctx, c.Wait)
	defer cancel()
	in, err := cl.SignIn(waiting, client.SignInRequest{Tenant: c.Tenant, Open: func(url string) error {
		m.note("Sign in here, with a browser of this machine:")
		fmt.Fprintf(m.Stderr, "\n    %s\n\n", url)
		if !c.NoBrowser {
			openBrowser(ctx, url)
		}
		return nil
	}})
	if errors.Is(err, context.DeadlineExceeded) && waiting.Err() != nil && ctx.Err() == nil {
		return fmt.Errorf("nobody has signed in within %s; if the browser shows an error, it says what to do", c.Wait)
	}
	if err != nil {
		return doing("cannot sign in", err)
	}
	if f == nil {
		return m.print(in.Secret.Reveal() + "\n")
	}
	if err := c.keep(f, in.Secret); err != nil {
		return fmt.Errorf("you are signed in, but the token could not be written: %w; revoke the session %s, or let it end by itself", err, in.Token.ID)
	}
	session := api.Session{
		Actor: api.Actor{Type: "person", ID: in.Token.Owner, Name: in.Token.Name}, TokenID: in.Token.ID, Tenant: in.Token.Tenant,
		Scopes: in.Token.Scopes, Roles: in.Roles, ExpiresAt: in.Token.ExpiresAt,
	}
	if c.JSON {
		return m.printJSON(session)
	}
	return m.print("Signed in; the token is in " + clean(c.TokenFile) + ".\n\n" + whoIs(session))
}

// prepare makes the file before the person signs in, so that a path that cannot be
// written costs no session. drop takes away what was not used.
func (c *loginCmd) prepare() (f *os.File, drop func(), err error) {
	if c.PrintToken {
		return nil, func() {}, nil
	}
	if info, err := os.Lstat(c.TokenFile); err == nil && (!c.Replace || !info.Mode().IsRegular()) {
		return nil, nil, usage("%s is there already; give --replace if it may go, or another --token-file", c.TokenFile)
	}
	// What is made in the same directory can be renamed over the file, whole or not.
	f, err = os.CreateTemp(filepath.Dir(c.TokenFile), "."+filepath.Base(c.TokenFile)+".*") // mode 0600
	if err != nil {
		return nil, nil, fmt.Errorf("cannot make the token file: %w; nobody was asked to sign in", err)
	}
	return f, func() { _ = f.Close(); _ = os.Remove(f.Name()) }, nil
}

// keep writes the token and gives the file its name. Without --replace it does so only
// if there still is none.
func (c *loginCmd) keep(f *os.File, token client.Secret) error {
	_, err := f.WriteString(token.Reveal() + "\n")
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if c.Replace {
		return os.Rename(f.Name(), c.TokenFile)
	}
	return os.Link(f.Name(), c.TokenFile)
}

// openBrowser asks the system to open a URL. Where that fails, the person has it on the
// terminal.
func openBrowser(ctx context.Context, url string) {
	name, args := "xdg-open", []string{url}
	switch runtime.GOOS {
	case "darwin":
		name = "open"
	case "windows":
		name, args = "rundll32", []string{"url.dll,FileProtocolHandler", url}
	}
	cmd := exec.CommandContext(context.WithoutCancel(ctx), name, args...)
	if cmd.Start() == nil {
		go func() { _ = cmd.Wait() }() // ends with the browser's starter, or with the process
	}
}
