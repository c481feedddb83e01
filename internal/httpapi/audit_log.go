package httpapi

import (
	"net/http"
	"strconv"
)

const plainText = "text/plain; charset=utf-8"

func checkpoint(c *call) error {
	signed, err := c.api.Ledger.Checkpoint(c.r.Context(), c.session)
	if err != nil {
		return err
	}
	return c.write(plainText, http.StatusOK, signed)
}

func logKey(c *call) error {
	key, err := c.api.Ledger.LogKey(c.r.Context(), c.session)
	if err != nil {
		return err
	}
	return c.write(plainText, http.StatusOK, []byte(key+"\n"))
}

func proof(c *call) error {
	// What is no number is no sequence that there is: 0 is none either.
	seq, err := strconv.ParseUint(c.r.PathValue("seq"), 10, 63)
	if err != nil {
		seq = 0
	}
	text, err := c.api.Ledger.Proof(c.r.Context(), c.session, seq)
	if err != nil {
		return err
	}
	return c.write(plainText, http.StatusOK, text)
}

// fullTile is for tiles that never change. They are for the caller alone. Entries are not
// to be kept at all: who reads them is on record.
var fullTile = []string{"private, max-age=31536000, immutable"}

func tile(c *call) error {
	t, err := c.api.Ledger.Tile(c.r.Context(), c.session, "tile/"+c.r.PathValue("path"))
	if err != nil {
		return err
	}
	if t.Full && !t.Entries {
		c.w.Header()["Cache-Control"] = fullTile
	}
	return c.write("application/octet-stream", http.StatusOK, t.Bytes)
}
