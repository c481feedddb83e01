package main

import (
	"log/slog"

	"github.com/tokenledger/tokenledger/internal/server"
)

type projectionRebuildCmd struct {
	Data string `env:"TOKENLEDGER_DATA" default:"./tokenledger-data" placeholder:"DIR" help:"The data directory of a stopped node."`
}

// Help implements kong.HelpProvider.
func (projectionRebuildCmd) Help() string {
	return `The node's next start reads the audit log from its beginning, proving each event by the log's root, and then the stream. No event is touched, and a stream that lost events is still noticed.

Example:

    tokenledger projection rebuild --data /var/lib/tokenledger`
}

// Run implements the verb.
func (c *projectionRebuildCmd) Run(m *Main) error {
	if err := server.RebuildReadModel(c.Data, slog.New(slog.NewTextHandler(m.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))); err != nil {
		return doing("cannot empty the read model", err)
	}
	return m.print("The read model is empty. The node's next start builds it from the audit log, and then the stream.\n")
}
