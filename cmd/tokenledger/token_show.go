package main

import "context"

type tokenShowCmd struct {
	tokenID
	form
	connection
}

// Help implements kong.HelpProvider.
func (tokenShowCmd) Help() string {
	return `Example:

    tokenledger token show 01ARZ3NDEKTSV4RRFFQ69G5FAV`
}

// Run implements the verb.
func (c *tokenShowCmd) Run(ctx context.Context, m *Main) error {
	cl, err := c.open(m)
	if err != nil {
		return err
	}
	defer cl.Close()
	token, err := cl.Token(ctx, c.ID)
	if err != nil {
		return doing("cannot show "+c.ID, err)
	}
	if c.JSON {
		return m.printJSON(token)
	}
	return m.print(record(token))
}
