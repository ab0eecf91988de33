// SPDX-License-Identifier: MIT OR Apache-2.0

package faulty

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Kinds of requests that a push makes.
const (
	Look     = "look"     // HEAD of a blob
	Fetch    = "fetch"    // GET of a blob
	Start    = "start"    // POST of an upload
	Body     = "body"     // PUT or PATCH of an upload
	Manifest = "manifest" // PUT of a manifest by digest
	Tag      = "tag"      // PUT of a manifest by tag
	Read     = "read"     // GET or HEAD of a manifest
	Token    = "token"
	Other    = "other"
)

// KindOf sorts a request.
func KindOf(r *http.Request) string {
	path := r.URL.Path
	switch {
	case strings.HasPrefix(path, "/token"):
		return Token
	case strings.Contains(path, "/blobs/uploads"):
		switch r.Method {
		case http.MethodPost:
			return Start
		case http.MethodPut, http.MethodPatch:
			return Body
		}
	case strings.Contains(path, "/blobs/") && r.Method == http.MethodGet:
		return Fetch
	case strings.Contains(path, "/blobs/"):
		return Look
	case strings.Contains(path, "/manifests/sha256:") && r.Method == http.MethodPut:
		return Manifest
	case strings.Contains(path, "/manifests/") && r.Method == http.MethodPut:
		return Tag
	case strings.Contains(path, "/manifests/"):
		return Read
	}
	return Other
}

// Fault is something that goes wrong with requests of one kind.
type Fault struct {
	Kind  string // "" for every kind; several with commas between them
	Match string // part of the address, "" for any
	Large int64  // requests whose bodies have so many bytes or do not say how many; 0 for all
	Skip  int    // so many go well before
	Times int    // 0 is once, below 0 is for ever
	Act   Act
}

func (f *Fault) fits(kind string, r *http.Request) bool {
	if f.Large > 0 && r.ContentLength >= 0 && r.ContentLength < f.Large {
		return false
	}
	return (f.Kind == "" || slices.Contains(strings.Split(f.Kind, ","), kind)) && strings.Contains(r.URL.String(), f.Match)
}

// Act answers a request in place of the registry behind, which it may ask all the same.
type Act func(w http.ResponseWriter, r *http.Request, behind http.Handler)

// Request is one request as it arrived.
type Request struct {
	Kind, Method, Path, Query string
	Authorization, Range      string
	Began, Ended              time.Time
	Played                    bool // a fault answered it
}

// Proxy stands before a registry.
type Proxy struct {
	Host  string         // of its address: 127.0.0.1:PORT
	Delay time.Duration  // requests are held until so much time has passed in which no other came: those sent side by side stay so
	Cert  *x509.CertPool // trusts a TLS proxy's certificate; nil without TLS
	Now   func() time.Time

	server *httptest.Server
	behind http.Handler

	mu     sync.Mutex
	faults []*Fault
	log    []Request
	gate   chan struct{} // closed when those that are held may go on; nil when none is
	timer  *time.Timer
	closed chan struct{}
	ended  atomic.Bool
}

// NewProxy starts a proxy before a registry, with a certificate when secure. now is the clock (time.Now).
func NewProxy(behind http.Handler, secure bool, now func() time.Time) *Proxy {
	p := &Proxy{behind: behind, Now: now, closed: make(chan struct{})}
	p.server = httptest.NewUnstartedServer(p)
	if secure {
		p.server.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
		p.server.StartTLS()
		p.Cert = x509.NewCertPool()
		p.Cert.AddCert(p.server.Certificate())
	} else {
		p.server.Start()
	}
	u, _ := url.Parse(p.server.URL)
	p.Host = u.Host
	return p
}

// Before is a handler that passes everything on to a registry elsewhere: http://127.0.0.1:PORT.
func Before(address string) http.Handler {
	u, err := url.Parse(address)
	if err != nil {
		return http.NotFoundHandler()
	}
	p := httputil.NewSingleHostReverseProxy(u)
	p.FlushInterval = -1
	// Clients that go away are what is played: nobody needs to be told.
	p.ErrorHandler = func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) }
	return p
}

// Close ends the proxy; requests that are held back end too. It may be called again.
func (p *Proxy) Close() {
	if p.ended.Swap(true) {
		return
	}
	close(p.closed)
	p.server.CloseClientConnections()
	p.server.Close()
}

// Play adds faults. The first that fits a request is played.
func (p *Proxy) Play(faults ...Fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, f := range faults {
		if f.Times == 0 {
			f.Times = 1
		}
		p.faults = append(p.faults, &f)
	}
}

// Calm forgets all faults.
func (p *Proxy) Calm() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.faults = nil
}

// Requests are those that arrived, in the order of their beginning.
func (p *Proxy) Requests() []Request {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.log)
}

// Forget empties the list of requests.
func (p *Proxy) Forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.log = nil
}

// Count counts the requests of a kind, "" for all.
func (p *Proxy) Count(kind string) int {
	n := 0
	for _, r := range p.Requests() {
		if kind == "" || r.Kind == kind {
			n++
		}
	}
	return n
}

// InARow is the longest chain of requests of which each began after the one before had ended: what a distance to the
// registry costs. It means something only with a Delay.
func InARow(rs []Request) int {
	rs = slices.Clone(rs)
	slices.SortFunc(rs, func(a, b Request) int { return a.Ended.Compare(b.Ended) })
	n := 0
	var last time.Time
	for _, r := range rs {
		if n == 0 || !r.Began.Before(last) {
			n, last = n+1, r.Ended
		}
	}
	return n
}

// ServeHTTP plays the first fault that fits, else passes the request on.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	kind := KindOf(r)
	p.mu.Lock()
	at := len(p.log)
	gate := p.held()
	p.log = append(p.log, Request{Kind: kind, Method: r.Method, Path: r.URL.Path, Query: r.URL.RawQuery,
		Authorization: r.Header.Get("Authorization"), Range: r.Header.Get("Range"), Began: p.Now()})
	var act Act
	for _, f := range p.faults {
		if f.Times == 0 || !f.fits(kind, r) {
			continue
		}
		if f.Skip > 0 {
			f.Skip--
			continue
		}
		f.Times--
		act = f.Act
		p.log[at].Played = true
		break
	}
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if at < len(p.log) {
			p.log[at].Ended = p.Now()
		}
	}()
	p.hold(gate)
	if act == nil {
		p.behind.ServeHTTP(w, r)
		return
	}
	act(w, r.WithContext(withClosed(r.Context(), p.closed)), p.behind)
}

// held is the gate that a request waits at, under the lock: one for all that come within Delay of each other, so that
// they leave together, whatever their answers lead to.
func (p *Proxy) held() chan struct{} {
	if p.Delay <= 0 {
		return nil
	}
	if p.gate != nil {
		p.timer.Reset(p.Delay)
		return p.gate
	}
	gate := make(chan struct{})
	p.gate = gate
	p.timer = time.AfterFunc(p.Delay, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.gate == gate {
			p.gate = nil
			close(gate)
		}
	})
	return gate
}

// hold waits at a gate.
func (p *Proxy) hold(gate chan struct{}) {
	if gate == nil {
		return
	}
	select {
	case <-gate:
	case <-p.closed:
	}
}
