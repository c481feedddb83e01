// Package archivetest makes data directories as a stopped node leaves them, for tests of
// what is done to them: a stream, an audit log of it, and keys.
package archivetest

import (
	"context"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/oklog/ulid/v2"

	"github.com/tokenledger/tokenledger/audit"
	"github.com/tokenledger/tokenledger/events"
	"github.com/tokenledger/tokenledger/internal/eventstore"
	"github.com/tokenledger/tokenledger/internal/identity"
	"github.com/tokenledger/tokenledger/internal/natsserver"
)

// Data is a data directory.
type Data struct {
	tb  testing.TB
	Dir string
}

// Stream is the store of the stream.
func (d Data) Stream() string { return filepath.Join(d.Dir, "stream") }

// Audit is the audit log's directory.
func (d Data) Audit() string { return filepath.Join(d.Dir, "audit") }

// Keys is the directory of the node's keys.
func (d Data) Keys() string { return filepath.Join(d.Dir, "keys") }

// New gives a data directory with n events on the stream and in the log.
func New(tb testing.TB, n int) Data {
	tb.Helper()
	d := Data{tb, filepath.Join(tb.TempDir(), "data")}
	id, err := identity.Open(d.Keys())
	if err != nil {
		tb.Fatal(err)
	}
	if err := id.Join(ulid.Make()); err != nil {
		tb.Fatal(err)
	}
	d.Append(n)
	d.Log()
	return d
}

// Event is an event like many.
func Event(i int) events.Event {
	id := ulid.Make()
	return events.Event{
		ID: ulid.Make(), Source: "/tokenledger/test", Subject: id.String(), Time: time.Now().UTC().Truncate(time.Millisecond), Tenant: events.DefaultTenant,
		Data: &events.TokenSuspended{
			About: events.About{TokenID: id, Actor: events.Actor{Type: "system", ID: "test", Name: "test"}}, Reason: fmt.Sprintf("number %d", i),
		},
	}
}

// Open runs a server on a store and gives its events. close stops it.
func Open(tb testing.TB, storeDir string) (store *eventstore.Store, conn *nats.Conn, close func()) {
	tb.Helper()
	srv, err := natsserver.Start(natsserver.Config{StoreDir: storeDir, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		tb.Fatal(err)
	}
	conn, err = srv.Connect()
	if err != nil {
		tb.Fatal(err)
	}
	store, err = eventstore.Open(eventstore.Config{Conn: conn})
	if err != nil {
		tb.Fatal(err)
	}
	return store, conn, func() { store.Close(); conn.Close(); srv.Shutdown() }
}

// Append adds n events to the stream.
func (d Data) Append(n int) {
	d.tb.Helper()
	store, _, stop := Open(d.tb, d.Stream())
	defer stop()
	if err := store.Ensure(d.tb.Context()); err != nil {
		d.tb.Fatal(err)
	}
	for n > 0 {
		batch := make([]events.Event, min(n, 500))
		for i := range batch {
			batch[i] = Event(i)
		}
		if _, err := store.Append(d.tb.Context(), batch...); err != nil {
			d.tb.Fatal(err)
		}
		n -= len(batch)
	}
}

// Log brings the audit log, and the evidence, up to the stream's end.
func (d Data) Log() {
	d.tb.Helper()
	store, _, stop := Open(d.tb, d.Stream())
	defer stop()
	id, err := identity.Open(d.Keys())
	if err != nil {
		d.tb.Fatal(err)
	}
	log := d.OpenLog()
	ctx, cancel := context.WithTimeout(d.tb.Context(), time.Minute)
	defer cancel()
	st, err := store.State(ctx)
	if err != nil {
		d.tb.Fatal(err)
	}
	var last events.Recorded
	if log.Size() < st.Last {
		err = store.Follow(ctx, log.Size(), func(batch []events.Recorded) error {
			if err := log.Append(batch); err != nil {
				return err
			}
			if last = batch[len(batch)-1]; last.Seq >= st.Last {
				cancel()
			}
			return nil
		})
		if last.Seq < st.Last {
			d.tb.Fatal(err)
		}
		if err := id.KeepEvidence(identity.Evidence{Seq: last.Seq, Hash: sha256.Sum256(last.Raw)}); err != nil {
			d.tb.Fatal(err)
		}
	}
	if err := log.Close(); err != nil {
		d.tb.Fatal(err)
	}
}

// OpenLog opens the audit log for writing, with the directory's keys.
func (d Data) OpenLog() *audit.Log {
	d.tb.Helper()
	id, err := identity.Open(d.Keys())
	if err != nil {
		d.tb.Fatal(err)
	}
	signer, err := id.Signer()
	if err != nil {
		d.tb.Fatal(err)
	}
	verifier, err := id.Verifier()
	if err != nil {
		d.tb.Fatal(err)
	}
	log, err := audit.Open(audit.Config{Dir: d.Audit(), Signer: signer, Verifier: verifier})
	if err != nil {
		d.tb.Fatal(err)
	}
	return log
}

// Reader opens the audit log for reading, until the test ends.
func (d Data) Reader() *audit.Reader {
	d.tb.Helper()
	r, err := audit.OpenReader(d.Audit())
	if err != nil {
		d.tb.Fatal(err)
	}
	d.tb.Cleanup(func() { _ = r.Close() })
	return r
}

// Flip flips a bit of the stream's stored event of the sequence: the server cannot read
// it any more.
func (d Data) Flip(seq uint64) {
	d.tb.Helper()
	leaf, err := d.Reader().Event(seq)
	if err != nil {
		d.tb.Fatal(err)
	}
	d.FlipID(leaf.Event.ID)
}

// FlipID is Flip of the event with the id.
func (d Data) FlipID(id ulid.ULID) {
	d.tb.Helper()
	blocks, err := filepath.Glob(filepath.Join(d.Stream(), "jetstream", "*", "streams", eventstore.Stream, "msgs", "*.blk"))
	if err != nil {
		d.tb.Fatal(err)
	}
	for _, block := range blocks {
		raw, err := os.ReadFile(block)
		if err != nil {
			d.tb.Fatal(err)
		}
		if at := strings.Index(string(raw), id.String()); at >= 0 {
			raw[at] ^= 1
			if err := os.WriteFile(block, raw, 0o600); err != nil {
				d.tb.Fatal(err)
			}
			return
		}
	}
	d.tb.Fatalf("no block of the stream has the event %s (it may be compressed)", id)
}

// Files gives the content of every file below dir but the lock, with its mode.
func Files(tb testing.TB, dir string) map[string]string {
	tb.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil || name == "lock" {
			return err
		}
		if e.IsDir() {
			files[name] = info.Mode().String()
			return nil
		}
		raw, err := os.ReadFile(path)
		sum := sha256.Sum256(raw)
		files[name] = fmt.Sprintf("%s %d %x", info.Mode(), len(raw), sum)
		return err
	})
	if err != nil {
		tb.Fatal(err)
	}
	return files
}

// Listen runs a server on a store that anybody on this machine may use, as an external
// one, and gives its URL.
func Listen(tb testing.TB, storeDir string) (url string, stop func()) {
	tb.Helper()
	ns, err := server.NewServer(&server.Options{StoreDir: storeDir, JetStream: true, Host: "127.0.0.1", Port: server.RANDOM_PORT, NoLog: true, NoSigs: true})
	if err != nil {
		tb.Fatal(err)
	}
	ns.Start()
	if !ns.ReadyForConnections(10 * time.Second) {
		tb.Fatal("the NATS server does not start")
	}
	return ns.ClientURL(), func() { ns.Shutdown(); ns.WaitForShutdown() }
}
