package natsserver

import (
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/nats-io/nats-server/v2/server"
)

// accounts are those besides the node's own. None is ever taken away: the server has no
// way to do it. So who admits clients has to bound the names.
type accounts struct {
	streams, services []string // of the node's, exported

	mu   sync.Mutex
	nats *server.Server             // nil until open
	made map[string]*server.Account // complete ones
}

func newAccounts(cfg Config) *accounts {
	return &accounts{streams: cfg.ExportStreams, services: cfg.ExportServices, made: make(map[string]*server.Account)}
}

// open exports what the node's account gives to others.
func (a *accounts) open(ns *server.Server) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	node := ns.GlobalAccount()
	for _, subject := range a.streams {
		if err := node.AddStreamExport(subject, server.IsPublicExport); err != nil {
			return fmt.Errorf("export the subjects %s to NATS clients: %w", subject, err)
		}
	}
	for _, subject := range a.services {
		if err := node.AddServiceExport(subject, server.IsPublicExport); err != nil {
			return fmt.Errorf("export the service %s to NATS clients: %w", subject, err)
		}
	}
	a.nats = ns
	return nil
}

// get gives the account, and makes it if there is none of the name.
func (a *accounts) get(want Account) (*server.Account, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if made := a.made[want.Name]; made != nil {
		return made, nil
	}
	if a.nats == nil {
		return nil, errors.New("the server is starting")
	}
	// It becomes a part of subjects of the server's own.
	if !validName(strings.ReplaceAll(want.Name, "-", "")) {
		return nil, errors.New("its name is none")
	}
	account, _ := a.nats.LookupOrRegisterAccount(want.Name)
	node := a.nats.GlobalAccount()
	// One that was begun before and did not get everything is completed: an import
	// that is there already is no error.
	for _, subject := range want.Streams {
		if err := account.AddStreamImport(node, subject, ""); err != nil && !errors.Is(err, server.ErrStreamImportDuplicate) {
			return nil, fmt.Errorf("import the subjects %s: %w", subject, err)
		}
	}
	for _, subject := range want.Services {
		if account.SetServiceImportSharing(node, subject, true) == nil {
			continue // it is there
		}
		if err := account.AddServiceImport(node, subject, subject); err != nil {
			return nil, fmt.Errorf("import the service %s: %w", subject, err)
		}
		// Requests say who asks.
		if err := account.SetServiceImportSharing(node, subject, true); err != nil {
			return nil, fmt.Errorf("import the service %s: %w", subject, err)
		}
	}
	a.made[want.Name] = account
	return account, nil
}
