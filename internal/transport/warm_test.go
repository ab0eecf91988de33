// SPDX-License-Identifier: MIT OR Apache-2.0

package transport

import (
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// A connection that was opened in advance is the one that is spoken on, as long as it is young.
func TestWarm(t *testing.T) {
	var opened atomic.Int64
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			opened.Add(1)
		}
	}
	s.Start()
	defer s.Close()
	n, err := ParseName(strings.TrimPrefix(s.URL, "http://") + "/app")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		age  time.Duration
		want int64
	}{{0, 1}, {time.Second, 1}, {time.Minute, 2}} {
		now := time.Unix(1_800_000_000, 0)
		client := New(Options{Now: func() time.Time { return now }})
		opened.Store(0)
		client.Warm(t.Context(), n)
		client.Warm(t.Context(), n) // a second one is not kept
		now = now.Add(c.age)
		if ok, err := client.Repository(n).HasBlob(t.Context(), anyDigest); err != nil || !ok {
			t.Fatal(ok, err)
		}
		if got := opened.Load() - 1; got != c.want {
			t.Errorf("after %s: %d connections, want %d", c.age, got, c.want)
		}
		client.Close()
	}
}
