package main

import (
	"context"
	"strconv"
)

// projectionCmd is the verbs that concern the read side.
type projectionCmd struct {
	Status  projectionStatusCmd  `cmd:"" help:"How far each projection of a node has come."`
	Rebuild projectionRebuildCmd `cmd:"" help:"Have a stopped node build its read model anew."`
}

// Help implements kong.HelpProvider.
func (projectionCmd) Help() string {
	return `Example:

    tokenledger projection status`
}

type projectionStatusCmd struct {
	form
	connection
}

// Help implements kong.HelpProvider.
func (projectionStatusCmd) Help() string {
	return `UNKNOWN counts the events passed over because the node's build does not know their type.

Example:

    tokenledger projection status --json`
}

// Run implements the verb.
func (c *projectionStatusCmd) Run(ctx context.Context, m *Main) error {
	cl, err := c.open(m)
	if err != nil {
		return err
	}
	defer cl.Close()
	list, err := cl.Projections(ctx)
	if err != nil {
		return doing("cannot get the projections", err)
	}
	if c.JSON {
		return m.printJSON(list)
	}
	rows := newTable("NAME", "VERSION", "APPLIED", "LAST", "LAG", "UNKNOWN")
	for _, p := range list.Projections {
		number := func(n uint64) string { return strconv.FormatUint(n, 10) }
		rows.row(p.Name, number(uint64(p.Version)), number(p.Applied), number(p.Last), number(p.Lag), number(p.Unknown))
	}
	return m.print(rows.String())
}
