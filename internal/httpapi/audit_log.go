package httpapi

import (
	"net/http"
	"strconv"

	"github.com/tokenledger/tokenledger/audit"
	"github.com/tokenledger/tokenledger/client/api"
	"github.com/tokenledger/tokenledger/internal/ledger"
)

const plainText = "text/plain; charset=utf-8"

func checkpoint(c *call) error {
	signed, err := c.api.Ledger.Checkpoint(c.r.Context(), c.session)
	if err != nil {
		return err
	}
	return c.write(plainText, http.StatusOK, signed)
}

// consistency answers with the proof that the log of a size begins with a smaller one.
func consistency(c *call) error {
	from, err := c.size("from")
	if err != nil {
		return err
	}
	var to *uint64
	if c.r.URL.Query().Has("to") {
		n, err := c.size("to")
		if err != nil {
			return err
		}
		to = &n
	}
	p, err := c.api.Ledger.Consistency(c.r.Context(), c.session, from, to)
	if err != nil {
		return err
	}
	return c.json(http.StatusOK, Consistency(p))
}

// Consistency gives a proof the form that it is answered in. The command line gives one
// that it has made itself the same.
func Consistency(p audit.Consistency) api.Consistency {
	out := api.Consistency{
		From: uint64(p.Older.N), FromRoot: p.Older.Hash[:], To: uint64(p.Newer.N), ToRoot: p.Newer.Hash[:],
		Proof: [][]byte{}, Checkpoint: string(p.Checkpoint),
	}
	for _, h := range p.Proof {
		out.Proof = append(out.Proof, h[:])
	}
	return out
}

// size reads a number of entries.
func (c *call) size(name string) (uint64, error) {
	text := c.r.URL.Query().Get(name)
	if text == "" {
		return 0, ledger.SizeInvalid(name + " is missing")
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0, ledger.SizeInvalid(name + " is no number of entries")
	}
	return n, nil
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
