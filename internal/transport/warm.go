// SPDX-License-Identifier: MIT OR Apache-2.0

package transport

import (
	"context"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"
)

// warmFor is how long a connection that nobody has spoken on is used: servers end those that stay silent.
const warmFor = 5 * time.Second

// stash holds connections that were opened before there was anything to say.
type stash struct {
	mu    sync.Mutex
	conns map[string]warmed // by address
	ended bool
}

type warmed struct {
	conn net.Conn
	at   time.Time
}

// Warm looks a registry's name up and opens a connection, without a word on it: what costs time on the way to it is
// done while something else still runs. Through a proxy nothing is done. Failing is no error: who speaks will see.
func (c *Client) Warm(ctx context.Context, n Name) {
	u := url.URL{Scheme: n.scheme(), Host: n.api()}
	if c.o.Proxy != nil {
		if via, err := c.o.Proxy(&http.Request{URL: &u}); err != nil || via != nil {
			return
		}
	}
	address := net.JoinHostPort(u.Hostname(), portOf(&u))
	conn, err := c.net.DialContext(ctx, "tcp", address)
	if err != nil {
		return
	}
	c.stash.mu.Lock()
	defer c.stash.mu.Unlock()
	if _, taken := c.stash.conns[address]; taken || c.stash.ended {
		conn.Close()
		return
	}
	if c.stash.conns == nil {
		c.stash.conns = map[string]warmed{}
	}
	c.stash.conns[address] = warmed{conn, c.o.Now()}
}

// dial takes a connection that is open already, or opens one.
func (c *Client) dial(ctx context.Context, network, address string) (net.Conn, error) {
	c.stash.mu.Lock()
	w, ok := c.stash.conns[address]
	delete(c.stash.conns, address)
	c.stash.mu.Unlock()
	if ok {
		if age := c.o.Now().Sub(w.at); age >= 0 && age < warmFor {
			return w.conn, nil
		}
		w.conn.Close()
	}
	return c.net.DialContext(ctx, network, address)
}

// cool closes what was opened and never used.
func (c *Client) cool() {
	c.stash.mu.Lock()
	defer c.stash.mu.Unlock()
	c.stash.ended = true
	for address, w := range c.stash.conns {
		w.conn.Close()
		delete(c.stash.conns, address)
	}
}
