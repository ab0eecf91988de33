// SPDX-License-Identifier: MIT OR Apache-2.0

//go:build linux

package main

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha1"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/binary"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"sync"
	"time"
)

// site is servers on 127.0.0.1 that programs talk to.
type site struct {
	ca      string // path of the CA certificate that good is signed by, PEM
	good    *httptest.Server
	unknown *httptest.Server // signed by a CA that no image has

	mu    sync.Mutex
	slack []string // bodies of what was posted to good's /services/
}

// hello is what the servers answer at /hello.
const hello = "hello from the harness"

// newSite starts the servers and writes the CA's certificate.
func newSite(ca string) (*site, error) {
	s := &site{ca: ca}
	certificate, leaf, err := newCertificates("Sampan's test CA")
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(ca, certificate, 0o644); err != nil {
		return nil, err
	}
	_, stranger, err := newCertificates("A CA that nobody knows")
	if err != nil {
		return nil, err
	}
	s.good, s.unknown = s.serve(leaf), s.serve(stranger)
	return s, nil
}

func (s *site) close() {
	s.good.Close()
	s.unknown.Close()
}

func (s *site) serve(leaf tls.Certificate) *httptest.Server {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /hello", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, hello) })
	mux.HandleFunc("GET /echo", echo)
	mux.HandleFunc("POST /services/", s.takeMessage)
	server := httptest.NewUnstartedServer(mux)
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // refused handshakes are what we ask for
	server.TLS = &tls.Config{Certificates: []tls.Certificate{leaf}, NextProtos: []string{"http/1.1"}}
	server.StartTLS()
	return server
}

// takeMessage is Slack's side of a webhook.
func (s *site) takeMessage(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	if err != nil {
		return
	}
	s.mu.Lock()
	s.slack = append(s.slack, string(body))
	s.mu.Unlock()
	fmt.Fprint(w, "ok")
}

// messages returns what Slack was told since the last call.
func (s *site) messages() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	told := s.slack
	s.slack = nil
	return told
}

// newCertificates makes a CA and, signed by it, a certificate for 127.0.0.1 and localhost.
func newCertificates(name string) (ca []byte, leaf tls.Certificate, err error) {
	template := func(serial int64, subject string) *x509.Certificate {
		return &x509.Certificate{SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: subject},
			NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(48 * time.Hour), BasicConstraintsValid: true}
	}
	authority := template(1, name)
	authority.IsCA, authority.KeyUsage = true, x509.KeyUsageCertSign
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, leaf, err
	}
	der, err := x509.CreateCertificate(rand.Reader, authority, authority, key.Public(), key)
	if err != nil {
		return nil, leaf, err
	}
	server := template(2, "127.0.0.1")
	server.KeyUsage, server.ExtKeyUsage = x509.KeyUsageDigitalSignature, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	server.DNSNames, server.IPAddresses = []string{"localhost"}, []net.IP{net.IPv4(127, 0, 0, 1)}
	own, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, leaf, err
	}
	signed, err := x509.CreateCertificate(rand.Reader, server, authority, own.Public(), key)
	if err != nil {
		return nil, leaf, err
	}
	ca = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	return ca, tls.Certificate{Certificate: [][]byte{signed}, PrivateKey: own}, nil
}

// The opcodes of RFC 6455, section 5.2, and the constant of its section 1.3.
const (
	opText   = 1
	opBinary = 2
	opClose  = 8
	opPing   = 9
	opPong   = 10

	magic = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
)

// echo is a WebSocket server (RFC 6455) that sends back each message; it knows unfragmented ones alone.
func echo(w http.ResponseWriter, r *http.Request) {
	key := r.Header.Get("Sec-WebSocket-Key")
	if key == "" {
		http.Error(w, "no WebSocket", http.StatusBadRequest)
		return
	}
	conn, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	defer conn.Close()
	sum := sha1.Sum([]byte(key + magic))
	fmt.Fprintf(buffered, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
		base64.StdEncoding.EncodeToString(sum[:]))
	for {
		if buffered.Flush() != nil {
			return
		}
		opcode, payload, err := readFrame(buffered.Reader)
		if err != nil {
			return
		}
		switch opcode {
		case opText, opBinary, opClose:
			writeFrame(buffered.Writer, opcode, payload)
		case opPing:
			writeFrame(buffered.Writer, opPong, payload)
		}
		if opcode == opClose {
			_ = buffered.Flush()
			return
		}
	}
}

// readFrame reads one frame of a client, which is masked (RFC 6455, section 5.3).
func readFrame(r *bufio.Reader) (opcode byte, payload []byte, err error) {
	var head [2]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, nil, err
	}
	length := int(head[1] & 0x7f)
	if length == 126 {
		var long [2]byte
		if _, err := io.ReadFull(r, long[:]); err != nil {
			return 0, nil, err
		}
		length = int(binary.BigEndian.Uint16(long[:]))
	}
	if head[1]&0x80 == 0 || length == 127 {
		return 0, nil, errors.New("read a frame: not masked, or longer than 64 KiB")
	}
	var mask [4]byte
	if _, err := io.ReadFull(r, mask[:]); err != nil {
		return 0, nil, err
	}
	payload = make([]byte, length)
	if _, err := io.ReadFull(r, payload); err != nil {
		return 0, nil, err
	}
	for i := range payload {
		payload[i] ^= mask[i%4]
	}
	return head[0] & 0x0f, payload, nil
}

// writeFrame writes one final frame, not masked. What goes wrong is seen by the Flush that follows.
func writeFrame(w *bufio.Writer, opcode byte, payload []byte) {
	head := []byte{0x80 | opcode, byte(len(payload))}
	if len(payload) > 125 {
		head = binary.BigEndian.AppendUint16([]byte{0x80 | opcode, 126}, uint16(len(payload)))
	}
	_, _ = w.Write(head)
	_, _ = w.Write(payload)
}
