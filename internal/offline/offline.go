// Package offline opens the stream of a node that does not run: the store in its data
// directory, by a server without a listener, or the stream on another NATS server. The
// caller holds the lock of the data directory.
package offline

import (
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/tokenledger/tokenledger/internal/eventstore"
	"github.com/tokenledger/tokenledger/internal/natsserver"
)

// Stream is an open stream.
type Stream struct {
	*eventstore.Store
	// Unrecovered says why the server left the stream out; empty if it did not.
	Unrecovered string
	close       []func()
}

// Open opens the store in dir, and makes it if there is none.
func Open(dir string, logger *slog.Logger) (*Stream, error) {
	server, err := natsserver.Start(natsserver.Config{StoreDir: dir, Listen: natsserver.ListenOff, ServerName: "tokenledger-offline", Logger: logger})
	if err != nil {
		return nil, err
	}
	s := &Stream{Unrecovered: server.Unrecovered(), close: []func(){server.Shutdown}}
	conn, err := server.Connect()
	if err != nil {
		s.Close()
		return nil, err
	}
	s.close = append(s.close, conn.Close)
	return s, s.open(eventstore.Config{Conn: conn, Logger: logger})
}

// Dial opens the stream on the NATS server of a URL. Streams that are made have as many
// replicas.
func Dial(url, creds string, replicas int, logger *slog.Logger) (*Stream, error) {
	conn, err := eventstore.Connect(url, creds, "tokenledger offline")
	if err != nil {
		return nil, err
	}
	s := &Stream{close: []func(){conn.Close}}
	return s, s.open(eventstore.Config{Conn: conn, Replicas: replicas, Logger: logger})
}

func (s *Stream) open(cfg eventstore.Config) (err error) {
	if s.Store, err = eventstore.Open(cfg); err != nil {
		s.Close()
		return err
	}
	s.close = append(s.close, s.Store.Close)
	return nil
}

// Close closes what was opened; a server is shut down, with its files written. A second
// call does nothing.
func (s *Stream) Close() {
	for i := len(s.close) - 1; i >= 0; i-- {
		s.close[i]()
	}
	s.close = nil
}

// SyncTree makes all files below dir durable, and their names.
func SyncTree(dir string) error {
	return filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.IsDir() && !e.Type().IsRegular() {
			return err
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		return errors.Join(f.Sync(), f.Close())
	})
}
