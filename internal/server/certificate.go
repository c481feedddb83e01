package server

import (
	"crypto/tls"
	"log/slog"
	"os"
	"sync"
	"time"
)

// certificate is the node's, as its files have it. Files that change are read anew, so
// that a certificate is renewed without a restart; connections that exist keep theirs.
// What cannot be used (one file of the two was written, and not yet the other) leaves the
// certificate as it was, with a warning, and is tried again.
type certificate struct {
	certFile, keyFile string
	logger            *slog.Logger

	mu      sync.Mutex
	current *tls.Certificate
	read    [2]stamp // of the files, when they were read last
	looked  time.Time
}

// stamp tells one content of a file from another.
type stamp struct {
	size     int64
	modified time.Time
}

// lookEvery is how often the files are looked at, at the most.
const lookEvery = time.Second

// openCertificate reads the files. The error says what is wrong with them.
func openCertificate(certFile, keyFile string, logger *slog.Logger) (*certificate, error) {
	c := &certificate{certFile: certFile, keyFile: keyFile, logger: logger}
	c.read = c.stamps()
	return c, c.load()
}

// config gives the TLS settings of a listener.
func (c *certificate) config() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: c.get}
}

func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := time.Now(); now.Sub(c.looked) >= lookEvery {
		c.looked = now
		if stamps := c.stamps(); stamps != c.read {
			if err := c.load(); err != nil {
				c.logger.Warn("the certificate was changed and cannot be used; the former one stays in use", "error", err)
			} else {
				c.read = stamps
				c.logger.Info("the certificate was read anew", "file", c.certFile, "good_until", c.current.Leaf.NotAfter)
			}
		}
	}
	return c.current, nil
}

func (c *certificate) stamps() (all [2]stamp) {
	for i, file := range []string{c.certFile, c.keyFile} {
		if info, err := os.Stat(file); err == nil {
			all[i] = stamp{info.Size(), info.ModTime()}
		}
	}
	return all
}

func (c *certificate) load() error {
	pair, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		return err
	}
	if time.Now().After(pair.Leaf.NotAfter) {
		c.logger.Warn("the certificate has expired; clients will refuse it", "file", c.certFile, "good_until", pair.Leaf.NotAfter)
	}
	c.current = &pair
	return nil
}
