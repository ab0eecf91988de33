// SPDX-License-Identifier: MIT OR Apache-2.0

package transport

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

// certificate signs itself for a name until a moment.
func certificate(t *testing.T, name string, until time.Time) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Unix(1, 0), NotAfter: until, DNSNames: []string{name},
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature}
	if ip := net.ParseIP(name); ip != nil {
		c.DNSNames, c.IPAddresses = nil, []net.IP{ip}
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(parsed)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

// quay is a registry that has every blob.
func quay(t *testing.T, cert *tls.Certificate) (host string) {
	t.Helper()
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusOK) }))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	if cert != nil {
		s.TLS = &tls.Config{Certificates: []tls.Certificate{*cert}, MinVersion: tls.VersionTLS12}
		s.StartTLS()
	} else {
		s.Start()
	}
	t.Cleanup(s.Close)
	_, host, _ = strings.Cut(s.URL, "://")
	return host
}

var anyDigest = "sha256:" + strings.Repeat("a", 64)

// ask asks a registry one thing.
func ask(t *testing.T, word string, o Options) error {
	t.Helper()
	n, err := ParseName(word + "/app")
	if err != nil {
		t.Fatal(err)
	}
	o.Now = time.Now
	c := New(o)
	defer c.Close()
	ok, err := c.Repository(n).HasBlob(t.Context(), anyDigest)
	if err == nil && !ok {
		t.Error("a blob that is there is not")
	}
	return err
}

func TestR25Certificates(t *testing.T) {
	later := time.Now().Add(time.Hour)
	good, goodPool := certificate(t, "127.0.0.1", later)
	old, oldPool := certificate(t, "127.0.0.1", time.Now().Add(-time.Hour))
	named, namedPool := certificate(t, "registry.example.com", later)
	secure, plain := quay(t, &good), quay(t, nil)
	for _, c := range []struct {
		name, word string
		o          Options
		want, hint string // "" is no error
	}{
		{"a CA of one's own", "https://" + secure, Options{Roots: goodPool}, "", ""},
		{"self-signed", "https://" + secure, Options{}, "unknown authority", "--registry-ca"},
		{"self-signed, insecure", "https://" + secure, Options{Insecure: []string{secure}}, "", ""},
		{"insecure means that host alone", "https://" + secure, Options{Insecure: []string{"other.example.com"}}, "unknown authority", "--insecure " + secure},
		{"expired", "https://" + quay(t, &old), Options{Roots: oldPool}, "expired", "clock"},
		{"another name", "https://" + quay(t, &named), Options{Roots: namedPool}, "127.0.0.1", "name the host"},
		{"plain HTTP on a TLS port", "https://" + plain, Options{}, "plain HTTP", "--repo http://"},
		{"plain HTTP, insecure", "https://" + plain, Options{Insecure: []string{plain}}, "", ""},
		{"plain HTTP of this machine", plain, Options{}, "", ""},
		{"TLS where HTTP is spoken", "http://" + secure, Options{}, "400", "--repo https://"},
		{"nobody", "http://127.0.0.1:1", Options{Attempts: 1}, "refused", "port"},
	} {
		err := ask(t, c.word, c.o)
		if c.want == "" {
			if err != nil {
				t.Errorf("%s: %v", c.name, err)
			}
			continue
		}
		var h interface{ Hint() string }
		if err == nil || !strings.Contains(err.Error(), c.want) || !errors.As(err, &h) || !strings.Contains(h.Hint(), c.hint) {
			t.Errorf("%s: %v", c.name, err)
			if h != nil {
				t.Errorf("hint: %s", h.Hint())
			}
		}
	}
}

// forward is a proxy that leads every name to one address, if its password is given.
type forward struct {
	to   string
	mu   sync.Mutex
	seen []string
}

func (f *forward) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	f.seen = append(f.seen, r.Method+" "+r.Host)
	f.mu.Unlock()
	if r.Header.Get("Proxy-Authorization") != "Basic dTpwcm94eS1wYXNzd29yZA==" { // u:proxy-password
		w.WriteHeader(http.StatusProxyAuthRequired)
		return
	}
	there, err := net.Dial("tcp", f.to)
	if err != nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	defer there.Close()
	here, buf, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer here.Close()
	_, _ = io.WriteString(here, "HTTP/1.1 200 OK\r\n\r\n")
	go func() { _, _ = io.Copy(there, bufio.NewReader(buf)) }()
	_, _ = io.Copy(here, there)
}

func TestR25Proxies(t *testing.T) {
	cert, pool := certificate(t, "registry.example.com", time.Now().Add(time.Hour))
	f := &forward{to: quay(t, &cert)}
	s := httptest.NewServer(f)
	defer s.Close()
	via := func(user *url.Userinfo) func(*http.Request) (*url.URL, error) {
		u, _ := url.Parse(s.URL)
		u.User = user
		return http.ProxyURL(u)
	}
	if err := ask(t, "registry.example.com", Options{Roots: pool, Proxy: via(url.UserPassword("u", "proxy-password"))}); err != nil {
		t.Errorf("through a proxy with a password: %v", err)
	}
	if len(f.seen) != 1 || f.seen[0] != "CONNECT registry.example.com:443" {
		t.Errorf("the proxy saw %q", f.seen)
	}
	for _, user := range []*url.Userinfo{nil, url.UserPassword("u", "wrong-proxy-password")} {
		err := ask(t, "registry.example.com", Options{Roots: pool, Proxy: via(user), Attempts: 2})
		var h interface{ Hint() string }
		if err == nil || !strings.Contains(err.Error(), "407") || strings.Contains(err.Error(), "wrong-proxy") || !errors.As(err, &h) || !strings.Contains(h.Hint(), "HTTPS_PROXY") {
			t.Errorf("%v", err)
		}
	}
	// One that cannot be reached tells no password either.
	gone, _ := url.Parse("http://u:proxy-password@127.0.0.1:1")
	if err := ask(t, "registry.example.com", Options{Attempts: 1, Proxy: http.ProxyURL(gone)}); err == nil || strings.Contains(err.Error(), "proxy-password") {
		t.Errorf("%v", err)
	}
}
