// SPDX-License-Identifier: MIT OR Apache-2.0

package transport

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// inPEM writes a certificate and, when asked, its key.
func inPEM(t *testing.T, path string, c tls.Certificate, key string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Certificate[0]}), 0o644); err != nil {
		t.Fatal(err)
	}
	if key == "" {
		return
	}
	der, err := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
}

// A CA that is put beside a host's name is believed of that host, and of no other; who wants to know us is told.
func TestR25TrustOfOneHost(t *testing.T) {
	later := time.Now().Add(time.Hour)
	server, _ := certificate(t, "127.0.0.1", later)
	client, clients := certificate(t, "somebody", later)
	one, other := quay(t, &server), quay(t, &server)
	wants := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusOK) }))
	wants.TLS = &tls.Config{Certificates: []tls.Certificate{server}, ClientCAs: clients, ClientAuth: tls.RequireAndVerifyClientCert, MinVersion: tls.VersionTLS12}
	wants.Config.ErrorLog = log.New(io.Discard, "", 0)
	wants.StartTLS()
	defer wants.Close()
	who := strings.TrimPrefix(wants.URL, "https://")

	user, all := t.TempDir(), t.TempDir()
	inPEM(t, filepath.Join(user, one, "ca.crt"), server, "")
	inPEM(t, filepath.Join(all, one, "ca.crt"), client, "") // the first folder that has the host counts
	inPEM(t, filepath.Join(all, who, "ca.crt"), server, "")
	o := Options{Trust: HostTrust([]string{user, all}, nil), Attempts: 1}
	if err := ask(t, "https://"+one, o); err != nil {
		t.Errorf("with its CA: %v", err)
	}
	if err := ask(t, "https://"+other, o); err == nil || !strings.Contains(err.Error(), "unknown authority") {
		t.Errorf("another host: %v", err)
	}
	if err := ask(t, "https://"+who, o); err == nil {
		t.Error("a host that wants to know us took nobody")
	}
	inPEM(t, filepath.Join(all, who, "us.cert"), client, filepath.Join(all, who, "us.key"))
	if err := ask(t, "https://"+who, o); err != nil {
		t.Errorf("with our certificate: %v", err)
	}

	// What cannot be read is said, and nothing is tried without it.
	for name, text := range map[string]string{"ca.crt": "no PEM", "us.cert": "no PEM"} {
		dir := t.TempDir()
		if err := errors.Join(os.Mkdir(filepath.Join(dir, one), 0o755), os.WriteFile(filepath.Join(dir, one, name), []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
		err := ask(t, "https://"+one, Options{Trust: HostTrust([]string{dir}, nil)})
		var e *CertError
		if !errors.As(err, &e) || e.Hint() == "" || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
