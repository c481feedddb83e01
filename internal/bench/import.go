package bench

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nuid"

	"github.com/tokenledger/tokenledger/client/api"
	"github.com/tokenledger/tokenledger/commands"
)

// floorBatches is how many batches of the floor of import are under way at once: as many
// as the product has.
const floorBatches = 3

// runImport imports keys over HTTP, in one request a slice, beside atomic batches of the
// same events.
func runImport(ctx context.Context, b *bench, dir string) (o outcome, cs Conditions, err error) {
	b.step("starting a node")
	n, err := b.startNode(ctx, dir)
	if err != nil {
		return o, nil, err
	}
	defer n.Shutdown()
	idle := &http.Transport{}
	defer idle.CloseIdleConnections()
	im := &importer{n: n, client: &http.Client{Transport: idle}}

	// The first one shows what the product publishes.
	if _, err := im.run(ctx, newImportLines(1, time.Hour)); err != nil {
		return o, nil, err
	}
	payload, err := n.published(ctx, n.Ledger().State.Applied())
	if err != nil {
		return o, nil, err
	}
	floor, err := b.startPublisher(ctx, dir, payload)
	if err != nil {
		return o, nil, err
	}
	defer floor.close()
	product := func(ctx context.Context, d time.Duration) (sample, error) {
		return timed(func() (int, error) { return im.run(ctx, newImportLines(commands.MaxImport, d)) })
	}
	if o, err = b.alternate(ctx, b.Slice, floor.publishBatches(floorBatches, commands.MaxImportBatch), product); err != nil {
		return o, nil, err
	}
	cs.add("connections", 1)
	cs.add("floor_batches_under_way", floorBatches)
	cs.add("events_per_batch", commands.MaxImportBatch)
	cs.add("bytes_per_event", len(payload))
	cs.add("bytes_per_line", len(newImportLines(1, time.Hour).line))
	cs.addResident("resident_mb_under_load")
	return o, cs, nil
}

// importer sends imports and reads the results as they come.
type importer struct {
	n      *node
	client *http.Client
}

var importedStatus = []byte(`"status":"imported"`)

// run imports lines and gives their number.
func (im *importer) run(ctx context.Context, lines *importLines) (imported int, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, im.n.URL()+"/v1/tokens/import", lines)
	if err != nil {
		return 0, err
	}
	req.Header.Set("Authorization", "Bearer "+im.n.root.Reveal())
	req.Header.Set("Connection", api.ConnectionDuplex)
	res, err := im.client.Do(req)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	answer := bufio.NewScanner(res.Body)
	for answer.Scan() {
		if !bytes.Contains(answer.Bytes(), importedStatus) {
			return imported, fmt.Errorf("a line was not imported: %.200s", answer.Bytes())
		}
		imported++
	}
	if err := answer.Err(); err != nil {
		return imported, err
	}
	if res.StatusCode != http.StatusOK {
		return imported, fmt.Errorf("the import was answered with %s", res.Status)
	}
	return imported, nil
}

// importLines is the body of an import: lines of keys that nobody has had, until a time
// is over.
type importLines struct {
	line  []byte
	left  int
	until time.Time
	rest  []byte
	hash  [32]byte
}

const hashAt = len(`{"sha256":"`)

func newImportLines(n int, d time.Duration) *importLines {
	l := labels(0)
	in := &importLines{left: n, until: time.Now().Add(d)}
	_, _ = rand.Read(in.hash[:]) // never fails: it ends the process first
	in.line = fmt.Appendf(nil, "{\"sha256\":\"%064d\",\"name\":%q,\"site\":%q,\"owner\":%q,\"scopes\":[%q,%q],\"ttl\":\"90d\"}\n", 0, l.Name, l.Site, l.Owner, l.Scopes[0], l.Scopes[1])
	return in
}

// Read implements [io.Reader]. It costs little beside what is measured.
func (in *importLines) Read(p []byte) (n int, err error) {
	for n < len(p) {
		if len(in.rest) == 0 {
			if in.left == 0 || time.Now().After(in.until) {
				break
			}
			in.left--
			for i := 0; i < 8; i++ { // the next number
				if in.hash[i]++; in.hash[i] != 0 {
					break
				}
			}
			hex.Encode(in.line[hashAt:], in.hash[:])
			in.rest = in.line
		}
		copied := copy(p[n:], in.rest)
		n, in.rest = n+copied, in.rest[copied:]
	}
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

// publishBatches gives the slice of callers that publish atomic batches of size events
// each; an event is an operation. The headers are those of ADR-50 of NATS.
func (p *publisher) publishBatches(callersAtOnce, size int) slice {
	return func(ctx context.Context, d time.Duration) (sample, error) {
		s, err := callers(ctx, callersAtOnce, d, func(ctx context.Context, _ int) error { return p.publishBatch(ctx, size) })
		s.n *= size
		return s, err
	}
}

func (p *publisher) publishBatch(ctx context.Context, size int) error {
	batch := nuid.Next()
	for i := 1; ; i++ {
		m := &nats.Msg{Subject: floorSubject, Data: p.payload, Header: nats.Header{
			"Nats-Batch-Id": {batch}, "Nats-Batch-Sequence": {fmt.Sprint(i)}, "Content-Type": {"application/cloudevents+json"},
		}}
		if i < size {
			if err := p.conn.PublishMsg(m); err != nil {
				return fmt.Errorf("publish a batch of the floor: %w", err)
			}
			continue
		}
		m.Header["Nats-Batch-Commit"] = []string{"1"}
		ack, err := p.conn.RequestMsgWithContext(ctx, m)
		if err != nil {
			return fmt.Errorf("commit a batch of the floor: %w", err)
		}
		if bytes.Contains(ack.Data, []byte(`"error"`)) {
			return errors.New("a batch of the floor was refused: " + string(ack.Data))
		}
		return nil
	}
}
