package main

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tokenledger/tokenledger/client"
	"github.com/tokenledger/tokenledger/client/api"
)

type tokenHistoryCmd struct {
	tokenID
	Limit  pageLength `placeholder:"N" help:"Length of a page, 1 to 1000; 100 if not given."`
	Cursor string     `help:"Go on where an earlier page ended."`
	All    bool       `help:"Every page, not one."`

	form
	connection
}

// Help implements kong.HelpProvider.
func (tokenHistoryCmd) Help() string {
	return `The order is the stream's. With --json, an event a line, with the bytes as they were published; the cursor of the next page goes to standard error.

Example:

    tokenledger token history 01ARZ3NDEKTSV4RRFFQ69G5FAV
    tokenledger token history 01ARZ3NDEKTSV4RRFFQ69G5FAV --all --json`
}

// Run implements the verb.
func (c *tokenHistoryCmd) Run(ctx context.Context, m *Main) error {
	cl, err := c.open(m)
	if err != nil {
		return err
	}
	defer cl.Close()
	req := client.HistoryRequest{Cursor: c.Cursor, Limit: int(c.Limit)}
	return m.pages("cannot show the history of "+c.ID, &req.Cursor, c.All, func() (string, error) {
		page, err := cl.History(ctx, c.ID, req)
		if err != nil {
			return "", err
		}
		return page.NextCursor, c.show(m, page.Events)
	})
}

func (c *tokenHistoryCmd) show(m *Main, events []api.RecordedEvent) error {
	if c.JSON {
		return printEach(m, events)
	}
	if len(events) == 0 {
		m.note("no events")
		return nil
	}
	rows := newTable("SEQ", "TIME", "WHAT", "WHO", "FROM", "DETAILS")
	for _, e := range events {
		rows.row(eventCells(e)...)
	}
	return m.print(rows.String())
}

// eventCells reads what all events have in common, and lists the rest by name, so
// that a type of event which is newer than this program shows as well.
func eventCells(e api.RecordedEvent) []string {
	var envelope struct {
		Type string                     `json:"type"`
		Time time.Time                  `json:"time"`
		Data map[string]json.RawMessage `json:"data"`
	}
	at := e.Received
	if json.Unmarshal(e.Event, &envelope) == nil && !envelope.Time.IsZero() {
		at = envelope.Time
	}
	kind := e.Subject[strings.LastIndexByte(e.Subject, '.')+1:]
	var actor struct{ Type, ID, Name string }
	var origin struct{ IP string }
	// What does not decode is left empty: the row is for people, --json has it all.
	_ = json.Unmarshal(envelope.Data["actor"], &actor)
	_ = json.Unmarshal(envelope.Data["origin"], &origin)
	if origin.IP == "" {
		_ = json.Unmarshal(envelope.Data["ip"], &origin.IP) // of a use
	}
	who := actor.Name
	if who == "" {
		who = strings.TrimSpace(actor.Type + " " + actor.ID)
	}
	var details []string
	for _, key := range slices.Sorted(maps.Keys(envelope.Data)) {
		switch key {
		case "token_id", "actor", "origin", "sha256", "node", "journal_pos", "ip":
			continue
		}
		details = append(details, key+"="+plain(envelope.Data[key]))
	}
	return []string{strconv.FormatUint(e.Seq, 10), when(&at), kind, who, origin.IP, strings.Join(details, " ")}
}

// plain gives a JSON value for people: a string without its quotes unless it
// needs them.
func plain(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) != nil || s == "" || strings.ContainsAny(s, " =\"") {
		return string(raw)
	}
	return s
}
