package natsserver

import (
	"crypto/rand"
	"crypto/subtle"
	"log/slog"

	"github.com/nats-io/nats-server/v2/server"
)

// authenticator decides, in process, who may connect. It implements the server's
// Authentication.
type authenticator struct {
	check  func(token, remoteAddr string) (Permissions, error)
	logger *slog.Logger

	// The credentials of the node's own connections; in memory only.
	nodeUser, nodeSecret string
}

func newAuthenticator(cfg Config, logger *slog.Logger) *authenticator {
	return &authenticator{
		check:      cfg.Authenticate,
		logger:     logger,
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
	if opts.Token == "" || a.check == nil {
		a.logger.Warn("a NATS client without a token was refused", "remote", remote)
		return false
	}
	granted, err := a.check(opts.Token, remote)
	if err != nil {
		a.logger.Warn("a NATS client was refused", "remote", remote, "error", redact(err.Error()))
		return false
	}
	name := granted.Name
	if name == "" {
		name = "client"
	}
	c.RegisterUser(&server.User{Username: name, Permissions: serverPermissions(granted)})
	return true
}

func serverPermissions(p Permissions) *server.Permissions {
	sub := &server.SubjectPermission{}
	for _, s := range p.Subscribe {
		if server.IsValidSubject(s) {
			sub.Allow = append(sub.Allow, s)
		}
	}
	if len(sub.Allow) == 0 {
		// To the server an empty list means everything.
		sub.Deny = []string{">"}
	}
	return &server.Permissions{
		Publish:   &server.SubjectPermission{Deny: []string{">"}},
		Subscribe: sub,
	}
}
