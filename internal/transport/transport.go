// SPDX-License-Identifier: MIT OR Apache-2.0

// Package transport speaks HTTP with registries: credentials, limits, retries, no surprises.
//
// It promises: a credential goes to the exact origin (scheme, host and port) that the user named, and to a token server
// only on that registry's own domain or where the user said so; it never follows a redirect or an upload's Location to
// another origin. A registry that asks to wait is waited for by all workers at once. Every request ends: when nothing
// moves for Options.Stall it is given up and tried again, and the tries have a bound. Every body that is read has a
// limit. What others wrote is escaped and cut before it becomes part of a message, and secrets are taken out of it.
//
// It refuses: more than ten hops, redirects from HTTPS to HTTP, redirects of what is written to another origin, digests
// that are no digests, and token servers elsewhere.
//
//	c := transport.New(transport.Options{Credentials: keys.For, Now: time.Now})
//	repo := c.Repository(name)
//	err := repo.PutBlob(ctx, blob, nil)
package transport

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"
)

// Limits of what is read, in bytes.
const (
	maxJSON   = 4 << 20  // manifests, indexes, tokens: what the distribution specification asks registries to take
	maxError  = 64 << 10 // bodies of errors
	maxHeader = 64 << 10
	maxHops   = 10
)

// Options shape a Client. The zero value of each field but Now has a meaning.
type Options struct {
	// Credentials is asked once for each registry, when that registry first wants to know who we are; nil is nobody.
	Credentials func(ctx context.Context, n Name) (Credential, error)
	Proxy       func(*http.Request) (*url.URL, error) // nil for none
	Roots       *x509.CertPool                        // nil for the system's
	Trust       func(host string) (*Trust, error)     // what is true of one host's certificates alone; nil for nothing
	Insecure    []string                              // hosts whose certificates are not looked at, and that may speak plain HTTP
	Realms      []string                              // hosts that may get a registry's credentials besides those of its own domain

	Stall    time.Duration // without progress of a request; 0 is a minute
	Attempts int           // of one operation that fails; 0 is 8
	Longest  time.Duration // wait that a registry may ask for; 0 is five minutes
	Patience time.Duration // of one operation that is asked to wait again and again; 0 is fifteen minutes

	Now   func() time.Time
	Sleep func(ctx context.Context, d time.Duration) error // nil really sleeps
	Say   func(text string)                                // is told why nothing goes on; nil for nobody
	Agent string                                           // User-Agent
}

// Client speaks with any number of registries: one for a whole run, so that connections, tokens and waits are shared.
// It may be used from several goroutines at once.
type Client struct {
	o      Options
	strict *http.Transport // looks at certificates
	lax    *http.Transport // does not
	net    net.Dialer
	stash  stash

	mu    sync.Mutex
	hosts map[string]*host
	own   map[string]*http.Transport // by host, where Options.Trust was asked
}

// New makes a Client. Nothing goes out before it is used.
func New(o Options) *Client {
	o.Stall = orDuration(o.Stall, time.Minute)
	o.Longest = orDuration(o.Longest, 5*time.Minute)
	o.Patience = orDuration(o.Patience, 15*time.Minute)
	if o.Attempts <= 0 {
		o.Attempts = 8
	}
	if o.Sleep == nil {
		o.Sleep = sleep
	}
	c := &Client{o: o, hosts: map[string]*host{}, own: map[string]*http.Transport{}, net: net.Dialer{Timeout: 15 * time.Second, KeepAlive: 30 * time.Second}}
	c.strict = c.dialer(&tls.Config{RootCAs: o.Roots, MinVersion: tls.VersionTLS12})
	if len(o.Insecure) > 0 {
		c.lax = c.dialer(&tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12}) // the user said so, for those hosts
	}
	return c
}

func orDuration(d, or time.Duration) time.Duration {
	if d <= 0 {
		return or
	}
	return d
}

func (c *Client) dialer(t *tls.Config) *http.Transport {
	return &http.Transport{
		Proxy:                  c.o.Proxy,
		DialContext:            c.dial,
		TLSClientConfig:        t,
		TLSHandshakeTimeout:    min(c.o.Stall, 15*time.Second),
		ForceAttemptHTTP2:      true,
		DisableCompression:     true, // what is read is hashed
		MaxIdleConnsPerHost:    16,
		IdleConnTimeout:        90 * time.Second,
		MaxResponseHeaderBytes: maxHeader,
		WriteBufferSize:        64 << 10,
	}
}

// Close ends connections that nobody uses.
func (c *Client) Close() {
	c.cool()
	c.strict.CloseIdleConnections()
	if c.lax != nil {
		c.lax.CloseIdleConnections()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, own := range c.own {
		own.CloseIdleConnections()
	}
}

// host is what is known of one registry during a run.
type host struct {
	c      *Client
	name   string // as the user wrote it: "registry.example.com:5000"
	lax    bool
	gate   gate
	badge  badge
	mu     sync.Mutex
	origin url.URL // scheme and host of the API
}

// host finds or begins what is known of a registry.
func (c *Client) host(n Name) *host {
	c.mu.Lock()
	defer c.mu.Unlock()
	key := n.Scheme + "//" + n.Host
	h := c.hosts[key]
	if h == nil {
		h = &host{c: c, name: n.Host, lax: slices.Contains(c.o.Insecure, n.Host)}
		h.origin = url.URL{Scheme: n.scheme(), Host: n.api()}
		h.badge.name = n
		c.hosts[key] = h
	}
	return h
}

// base is the address of the API.
func (h *host) base() url.URL {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.origin
}

// plain remembers that an insecure host does not speak TLS.
func (h *host) plain() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.origin.Scheme = "http"
}

func (c *Client) say(text string) {
	if c.o.Say != nil {
		c.o.Say(text)
	}
}

// sleep waits, or ends with the context.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
		return nil
	}
}
