package natsserver

import (
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"log/slog"

	"github.com/nats-io/nats-server/v2/server"
)

// authenticator decides, in process, who may connect. It implements the server's
// Authentication.
type authenticator struct {
	check    func(token, remoteAddr string) (Permissions, error)
	logger   *slog.Logger
	names    *names
	accounts *accounts

	// The credentials of the node's own connections; in memory only.
	nodeUser, nodeSecret string
}

func newAuthenticator(cfg Config, logger *slog.Logger) *authenticator {
	return &authenticator{
		check:      cfg.Authenticate,
		logger:     logger,
		names:      newNames(),
		accounts:   newAccounts(cfg),
		nodeUser:   "$node",
		nodeSecret: rand.Text() + rand.Text(),
	}
}

// Check implements server.Authentication.
func (a *authenticator) Check(c server.ClientAuthentication) bool {
	if c.Kind() != server.CLIENT {
		return false
	}
	opts := c.GetOpts()
	if opts.Username == a.nodeUser && subtle.ConstantTimeCompare([]byte(opts.Password), []byte(a.nodeSecret)) == 1 {
		c.RegisterUser(&server.User{Username: a.nodeUser})
		return true
	}
	remote := ""
	if addr := c.RemoteAddress(); addr != nil {
		remote = addr.String()
	}
	granted, err := a.admit(opts, remote)
	if err != nil {
		a.logger.Warn("a NATS client was refused", "remote", remote, "error", redact(err.Error()))
		return false
	}
	user := &server.User{Username: a.names.sign(granted.Name), Permissions: serverPermissions(granted)}
	if granted.Account != nil {
		if user.Account, err = a.accounts.get(*granted.Account); err != nil {
			a.logger.Error("a NATS client was refused: its account cannot be made", "remote", remote, "account", granted.Account.Name, "error", err)
			return false
		}
	}
	c.RegisterUser(user)
	return true
}

// admit asks what the client may do.
func (a *authenticator) admit(opts *server.ClientOpts, remote string) (Permissions, error) {
	if opts.Token == "" || a.check == nil {
		return Permissions{}, errors.New("it shows no token")
	}
	// The server would take these for who the client is, and checks none of them.
	if opts.Username != "" || opts.Nkey != "" || opts.JWT != "" {
		return Permissions{}, errors.New("it shows a token and other credentials besides")
	}
	granted, err := a.check(opts.Token, remote)
	if err != nil {
		return Permissions{}, err
	}
	if !validName(granted.Name) {
		return Permissions{}, errors.New("it was admitted under no name that can be used")
	}
	return granted, nil
}

func serverPermissions(p Permissions) *server.Permissions {
	return &server.Permissions{Publish: allowed(p.Publish), Subscribe: allowed(p.Subscribe)}
}

// allowed gives the permission for the subjects and no others.
func allowed(subjects []string) *server.SubjectPermission {
	p := &server.SubjectPermission{}
	for _, s := range subjects {
		if server.IsValidSubject(s) {
			p.Allow = append(p.Allow, s)
		}
	}
	if len(p.Allow) == 0 {
		// To the server an empty list means everything.
		p.Deny = []string{">"}
	}
	return p
}
