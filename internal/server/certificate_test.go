package server_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
)

// certificateFiles writes a certificate of its own signing for 127.0.0.1, with the
// serial number.
func certificateFiles(t *testing.T, dir string, serial int64) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for file, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: pkcs8}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}

// TestACertificateIsRenewedWithoutARestart shows it on both listeners, and that a
// broken renewal leaves the former certificate in use.
func TestACertificateIsRenewedWithoutARestart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cert, key := certificateFiles(t, dir, 1)
	n := newNode(t, "--tls-cert", cert, "--tls-key", key)
	roots := x509.NewCertPool()
	trust := func() {
		raw, err := os.ReadFile(cert)
		if err != nil || !roots.AppendCertsFromPEM(raw) {
			t.Fatal("the certificate cannot be read")
		}
	}
	trust()
	n.start()
	serial := func(address string) int64 {
		conn, err := tls.Dial("tcp", address, &tls.Config{RootCAs: roots})
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		return conn.ConnectionState().PeerCertificates[0].SerialNumber.Int64()
	}
	web := strings.TrimPrefix(n.url, "https://")
	if got := serial(web); got != 1 {
		t.Fatalf("serial %d", got)
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}
	res, err := client.Get(n.url + "/readyz")
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode != 200 || res.Header.Get("Strict-Transport-Security") == "" {
		t.Errorf("%d %v", res.StatusCode, res.Header)
	}

	good, err := os.ReadFile(key)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(key, []byte("no key\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	time.Sleep(1100 * time.Millisecond) // the files are looked at once a second
	if got := serial(web); got != 1 {
		t.Fatalf("with a broken key: serial %d", got)
	}
	if err := os.WriteFile(key, good, 0o600); err != nil {
		t.Fatal(err)
	}

	certificateFiles(t, dir, 2)
	trust()
	for deadline := time.Now().Add(20 * time.Second); serial(web) != 2; {
		if time.Now().After(deadline) {
			t.Fatal("the new certificate is not taken into use")
		}
		time.Sleep(100 * time.Millisecond)
	}
	nc, err := nats.Connect(n.nats, nats.Secure(&tls.Config{RootCAs: roots}), nats.Token(n.token))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	state, err := nc.TLSConnectionState()
	if err != nil || state.PeerCertificates[0].SerialNumber.Int64() != 2 {
		t.Errorf("the NATS listener has another certificate: %v", err)
	}
}
