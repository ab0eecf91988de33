// SPDX-License-Identifier: MIT OR Apache-2.0

package faulty

import (
	"context"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"time"
)

type closedKey struct{}

func withClosed(ctx context.Context, closed chan struct{}) context.Context {
	return context.WithValue(ctx, closedKey{}, closed)
}

// Status answers with a status, headers ("Name: value") and a body.
func Status(status int, body string, headers ...string) Act {
	return func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
		for _, h := range headers {
			name, value, _ := strings.Cut(h, ": ")
			w.Header().Add(name, value)
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// Cut reads so many bytes of the request's body and ends the connection: with a reset, or politely.
func Cut(after int64, reset bool) Act {
	return func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
		_, _ = io.CopyN(io.Discard, r.Body, after)
		cut(w, reset)
	}
}

// Lose lets the registry do its work, and cuts the connection instead of answering.
func Lose(w http.ResponseWriter, r *http.Request, behind http.Handler) {
	behind.ServeHTTP(httptest.NewRecorder(), r)
	cut(w, true)
}

func cut(w http.ResponseWriter, reset bool) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	if tcp, ok := conn.(*net.TCPConn); ok && reset {
		_ = tcp.SetLinger(0)
	}
	conn.Close()
}

// Swallow says that all went well and does nothing.
func Swallow(status int, headers ...string) Act {
	return func(w http.ResponseWriter, r *http.Request, behind http.Handler) {
		_, _ = io.Copy(io.Discard, r.Body)
		Status(status, "", headers...)(w, r, behind)
	}
}

// Silence takes the request and never answers. With read, it takes the body too.
func Silence(read bool) Act {
	return func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
		if read {
			_, _ = io.Copy(io.Discard, r.Body)
		}
		closed, _ := r.Context().Value(closedKey{}).(chan struct{})
		select {
		case <-closed:
		case <-r.Context().Done():
		}
	}
}

// Drip lets the registry answer, and sends a byte of the answer's head or body at a time.
func Drip(pause time.Duration, head bool) Act {
	return func(w http.ResponseWriter, r *http.Request, behind http.Handler) {
		got := httptest.NewRecorder()
		behind.ServeHTTP(got, r)
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer conn.Close()
		text := "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n"
		if head {
			text = "HTTP/1.1 200 OK\r\nX-Long: "
		}
		if _, err := io.WriteString(conn, text); err != nil {
			return
		}
		for {
			if _, err := conn.Write([]byte("x")); err != nil {
				return
			}
			time.Sleep(pause)
		}
	}
}

// DigestOfBody reads a request's body and gives its digest.
func DigestOfBody(r *http.Request) string {
	data, _ := io.ReadAll(r.Body)
	return sum(data)
}

// Alter lets the registry answer and changes headers of it.
func Alter(headers ...string) Act {
	return func(w http.ResponseWriter, r *http.Request, behind http.Handler) {
		got := httptest.NewRecorder()
		behind.ServeHTTP(got, r)
		maps.Copy(w.Header(), got.Header())
		for _, h := range headers {
			name, value, _ := strings.Cut(h, ": ")
			w.Header().Set(name, value)
		}
		w.WriteHeader(got.Code)
		_, _ = w.Write(got.Body.Bytes())
	}
}

// Mangle changes the body of the request on its way to the registry.
func Mangle(change func(string) string) Act {
	return func(w http.ResponseWriter, r *http.Request, behind http.Handler) {
		data, _ := io.ReadAll(r.Body)
		text := change(string(data))
		r.Body, r.ContentLength = io.NopCloser(strings.NewReader(text)), int64(len(text))
		if strings.Contains(r.URL.Path, "/manifests/sha256:") {
			r.URL.Path = r.URL.Path[:strings.LastIndex(r.URL.Path, "/")+1] + sum([]byte(text))
		}
		behind.ServeHTTP(w, r)
	}
}

// Short lets the registry answer, and ends the connection after so many bytes of the body.
func Short(after int) Act {
	return func(w http.ResponseWriter, r *http.Request, behind http.Handler) {
		got := httptest.NewRecorder()
		behind.ServeHTTP(got, r)
		maps.Copy(w.Header(), got.Header())
		w.WriteHeader(got.Code)
		_, _ = w.Write(got.Body.Bytes()[:min(after, got.Body.Len())])
		_ = http.NewResponseController(w).Flush()
		cut(w, false)
	}
}

// Rewrite lets the registry answer, and changes the body; change gets a copy.
func Rewrite(change func(body []byte) []byte) Act {
	return func(w http.ResponseWriter, r *http.Request, behind http.Handler) {
		got := httptest.NewRecorder()
		behind.ServeHTTP(got, r)
		body := change(got.Body.Bytes())
		maps.Copy(w.Header(), got.Header())
		w.Header().Del("Content-Length")
		w.WriteHeader(got.Code)
		_, _ = w.Write(body)
	}
}

// Move lets the registry answer, and says that what it points at is at another host: "http://127.0.0.1:1".
func Move(to string) Act {
	return func(w http.ResponseWriter, r *http.Request, behind http.Handler) {
		got := httptest.NewRecorder()
		behind.ServeHTTP(got, r)
		maps.Copy(w.Header(), got.Header())
		if u, err := url.Parse(got.Header().Get("Location")); err == nil && got.Header().Get("Location") != "" {
			w.Header().Set("Location", to+u.RequestURI())
		}
		w.WriteHeader(got.Code)
		_, _ = w.Write(got.Body.Bytes())
	}
}
