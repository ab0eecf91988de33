// SPDX-License-Identifier: MIT OR Apache-2.0

package output

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"sampan/internal/faulty"
	"sampan/internal/transport"
)

// The tests of this file and of faults_hostile_test.go play one fault each, by its number in the table of faults of
// docs/faults.md. What a registry holds is asked of the registry.

// steps are the kinds of requests of a cold push, of which each can go wrong.
var steps = faulty.Steps

// survives pushes an image and wants it whole.
func (w *wharf) survives(what string) {
	w.t.Helper()
	rs, err := w.reg.Write(w.t.Context(), []Payload{w.load("app", 1, "v1")})
	if err != nil {
		w.t.Errorf("%s: %v", what, err)
		return
	}
	w.whole(rs[0])
}

// gives wants a push that fails, says why, and leaves the tag alone.
func (w *wharf) gives(what string, texts ...string) error {
	w.t.Helper()
	before := w.store.Tags("app")["v1"]
	rs, err := w.reg.Write(w.t.Context(), []Payload{w.load("app", 1, "v1")})
	if err == nil {
		w.t.Errorf("%s: no error", what)
		return nil
	}
	if len(rs) > 0 {
		w.t.Errorf("%s: a receipt beside the error: %+v", what, rs)
	}
	for _, text := range texts {
		if !strings.Contains(err.Error(), text) {
			w.t.Errorf("%s: %q is not in: %v", what, text, err)
		}
	}
	if len(err.Error()) > 2000 || strings.Contains(err.Error(), secret) {
		w.t.Errorf("%s: error of %d bytes, or with a secret: %.300s", what, len(err.Error()), err)
	}
	if after := w.store.Tags("app")["v1"]; after != before {
		w.t.Errorf("%s: the tag moved to %s", what, after)
	}
	var h interface{ Hint() string }
	if !errors.As(err, &h) || h.Hint() == "" {
		w.t.Errorf("%s: nothing to type: %v", what, err)
	}
	return err
}

func TestR01RateLimitIsWaitedForByAll(t *testing.T) {
	for _, kind := range steps {
		w := newWharf(t, &faulty.Guard{})
		w.proxy.Now = w.clock.Now
		var at []time.Time
		var mu sync.Mutex
		w.proxy.Play(faulty.Fault{Kind: kind, Times: 2, Act: func(rw http.ResponseWriter, r *http.Request, next http.Handler) {
			mu.Lock()
			at = append(at, w.clock.Now())
			mu.Unlock()
			faulty.Status(http.StatusTooManyRequests, "", "Retry-After: 3")(rw, r, next)
		}})
		w.survives(kind)
		if w.clock.total() < 3*time.Second {
			t.Errorf("%s: waited %s", kind, w.clock.total())
		}
		for _, limit := range at {
			for _, r := range w.proxy.Requests() {
				if r.Began.After(limit) && r.Began.Before(limit.Add(3*time.Second)) {
					t.Errorf("%s: %s came %s after a refusal that asked for 3 s", kind, r.Kind, r.Began.Sub(limit))
				}
			}
		}
		if n := len(w.said); n < 1 || n > 2 {
			t.Errorf("%s: told %d times: %q", kind, n, w.said)
		}
	}
}

func TestR02RetryAfterInAllItsForms(t *testing.T) {
	now := time.Unix(1_800_000_000, 0).UTC()
	for _, c := range []struct {
		header   string
		min, max time.Duration
	}{
		{"Retry-After: " + now.Add(40*time.Second).Format(http.TimeFormat), 40 * time.Second, time.Minute},
		{"Retry-After: " + now.Add(-time.Hour).Format(http.TimeFormat), 0, 2 * time.Second},
		{"Retry-After: soon", 100 * time.Millisecond, 2 * time.Second},
		{"Retry-After: -5", 100 * time.Millisecond, 2 * time.Second},
		{"Retry-After: 0", 0, 2 * time.Second},
	} {
		w := newWharf(t, nil)
		w.proxy.Play(faulty.Fault{Kind: faulty.Manifest, Act: faulty.Status(429, "", c.header, "Date: "+now.Format(http.TimeFormat))})
		w.survives(c.header)
		if got := w.clock.total(); got < c.min || got > c.max {
			t.Errorf("%s: waited %s", c.header, got)
		}
	}
	for _, header := range []string{"Retry-After: 86400", "Retry-After: " + now.Add(24*time.Hour).Format(http.TimeFormat), "Retry-After: 99999999999999999999"} {
		w := newWharf(t, nil)
		w.proxy.Play(faulty.Fault{Kind: faulty.Manifest, Times: -1, Act: faulty.Status(429, "", header, "Date: "+now.Format(http.TimeFormat))})
		err := w.gives(header, "asks to wait")
		var long *transport.WaitError
		if !errors.As(err, &long) || long.Wait < 23*time.Hour || w.clock.total() > 0 || w.proxy.Count(faulty.Manifest) != 1 {
			t.Errorf("%s: %v, waited %s", header, err, w.clock.total())
		}
	}
}

func TestR03RateLimitWithoutATime(t *testing.T) {
	code := `{"errors":[{"code":"TOOMANYREQUESTS","message":"slow down"}]}`
	for _, kind := range steps {
		for _, f := range []faulty.Act{faulty.Status(429, ""), faulty.Status(403, code), faulty.Status(400, code)} {
			if kind == faulty.Look && w403(f) {
				continue
			}
			w := newWharf(t, &faulty.Guard{})
			w.proxy.Play(faulty.Fault{Kind: kind, Times: 2, Act: f})
			w.survives(kind)
			if w.clock.total() < 500*time.Millisecond {
				t.Errorf("%s: waited %s", kind, w.clock.total())
			}
		}
		w := newWharf(t, &faulty.Guard{})
		w.proxy.Play(faulty.Fault{Kind: kind, Times: -1, Act: faulty.Status(429, code)})
		w.gives(kind+" for ever", "429", "attempts")
		if w.clock.total() > 15*time.Minute {
			t.Errorf("%s: gave up after %s", kind, w.clock.total())
		}
		w = newWharf(t, &faulty.Guard{})
		w.proxy.Play(faulty.Fault{Kind: kind, Times: -1, Act: faulty.Status(429, code, "Retry-After: 60")})
		w.gives(kind+" for an hour", "429", "attempts")
		if w.clock.total() > time.Hour || w.proxy.Count(kind) > 60 {
			t.Errorf("%s: %d requests in %s", kind, w.proxy.Count(kind), w.clock.total())
		}
	}
}

// w403 tells of an answer whose reason is in its body: an answer to HEAD has none.
func w403(f faulty.Act) bool {
	got := &statusOnly{header: http.Header{}}
	f(got, nil, nil)
	return got.status != 429
}

type statusOnly struct {
	header http.Header
	status int
}

func (s *statusOnly) Header() http.Header         { return s.header }
func (s *statusOnly) Write(p []byte) (int, error) { return len(p), nil }
func (s *statusOnly) WriteHeader(status int)      { s.status = status }

func TestR04ServerErrorsPass(t *testing.T) {
	for _, kind := range steps {
		for i, status := range []int{500, 502, 503, 504, 408} {
			w := newWharf(t, &faulty.Guard{})
			w.proxy.Play(faulty.Fault{Kind: kind, Times: 1 + i%3, Act: faulty.Status(status, "<html>oops</html>")})
			w.survives(fmt.Sprintf("%s %d", kind, status))
		}
	}
}

func TestR05GivesUp(t *testing.T) {
	for _, kind := range steps {
		w := newWharf(t, &faulty.Guard{})
		w.proxy.Play(faulty.Fault{Kind: kind, Times: -1, Act: faulty.Status(500, "")})
		w.gives(kind, "500 Internal Server Error", w.proxy.Host, "attempts")
		if w.clock.total() > 10*time.Minute {
			t.Errorf("%s: gave up after %s", kind, w.clock.total())
		}
	}
}

func TestR06ConnectionEndsMidBody(t *testing.T) {
	for _, reset := range []bool{true, false} {
		for _, after := range []int64{0, 1, 16 << 10, 32 << 10} {
			for _, times := range []int{1, 3} {
				w := newWharf(t, nil)
				w.proxy.Play(faulty.Fault{Kind: faulty.Body, Times: times, Act: faulty.Cut(after, reset)})
				w.survives(fmt.Sprintf("after %d bytes, %d times, reset %t", after, times, reset))
			}
		}
	}
}

func TestR07ReplyIsLost(t *testing.T) {
	for _, kind := range steps {
		w := newWharf(t, &faulty.Guard{})
		w.proxy.Play(faulty.Fault{Kind: kind, Act: faulty.Lose})
		w.survives(kind)
		if kind == faulty.Body && w.proxy.Count(faulty.Body) != 3 {
			t.Errorf("a blob that was there went up again: %d uploads", w.proxy.Count(faulty.Body))
		}
	}
}

func TestR08BlobIsSaidToBeThere(t *testing.T) {
	w := newWharf(t, nil)
	w.proxy.Play(faulty.Fault{Kind: faulty.Look, Times: -1, Act: faulty.Status(200, "")})
	w.survives("every HEAD lies")

	// A garbage collector between upload and manifest.
	w = newWharf(t, nil)
	w.proxy.Play(faulty.Fault{Kind: faulty.Manifest, Act: func(rw http.ResponseWriter, r *http.Request, next http.Handler) {
		for _, digest := range digestsOf(t, w.load("app", 1)) {
			w.store.Drop("app", digest)
		}
		next.ServeHTTP(rw, r)
	}})
	w.survives("collected before the manifest")

	// After it, before the read-back.
	w = newWharf(t, nil)
	w.proxy.Play(faulty.Fault{Kind: faulty.Read, Skip: 1, Act: func(rw http.ResponseWriter, r *http.Request, next http.Handler) {
		c, _ := gather(w.load("app", 1))
		w.store.Drop("app", c.blobs[0].digest.String())
		next.ServeHTTP(rw, r)
	}})
	if _, err := w.reg.Write(t.Context(), []Payload{w.load("app", 1, "v1")}); err != nil {
		t.Error(err)
	}

	// One that is lost again and again.
	w = newWharf(t, nil)
	w.proxy.Play(faulty.Fault{Kind: faulty.Manifest, Times: -1, Act: faulty.Status(400, `{"errors":[{"code":"MANIFEST_BLOB_UNKNOWN"}]}`)})
	w.gives("lost for ever", "MANIFEST_BLOB_UNKNOWN")
	if n := w.proxy.Count(faulty.Manifest); n != 2 {
		t.Errorf("the manifest was sent %d times", n)
	}
}

func TestR09WhatIsStoredIsReadBack(t *testing.T) {
	wrong := "Docker-Content-Digest: sha256:" + strings.Repeat("0", 64)
	c, err := gather(payloadOf(t, "app", 1))
	if err != nil {
		t.Fatal(err)
	}
	right := "Docker-Content-Digest: " + c.top.Digest.String()
	spoil := faulty.Mangle(func(s string) string { return strings.Replace(s, "schemaVersion", "schemaVersioN", 1) })
	for name, faults := range map[string][]faulty.Fault{
		"the reply names another digest": {{Kind: faulty.Manifest, Times: -1, Act: faulty.Alter(wrong)}},
		"201, and nothing is stored":     {{Kind: faulty.Manifest, Times: -1, Act: faulty.Swallow(201)}},
		"201 with our digest, nothing":   {{Kind: faulty.Manifest, Times: -1, Act: faulty.Swallow(201, right)}},
		"altered on its way":             {{Kind: faulty.Manifest, Times: -1, Act: spoil}},
		"altered, and the reply lies": {{Kind: faulty.Manifest, Times: -1, Act: func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			faulty.Alter(right)(w, r, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { spoil(w, r, next) }))
		}}},
		"other bytes come back":     {{Kind: faulty.Read, Skip: 1, Times: -1, Act: faulty.Status(200, `{"schemaVersion":2}`)}},
		"a blob that is not stored": {{Kind: faulty.Body, Times: -1, Act: faulty.Swallow(201)}},
		"a blob of another digest":  {{Kind: faulty.Body, Times: -1, Act: faulty.Alter(wrong)}},
		"a tag that is not stored":  {{Kind: faulty.Tag, Times: -1, Act: faulty.Swallow(201)}},
		"the tag is another":        {{Kind: faulty.Tag, Times: -1, Act: faulty.Swallow(201, wrong)}},
	} {
		w := newWharf(t, nil)
		w.proxy.Play(faults...)
		w.gives(name)
	}
	// What went wrong once is mended.
	for name, f := range map[string]faulty.Fault{
		"manifest": {Kind: faulty.Manifest, Act: faulty.Swallow(201, right)},
		"blob":     {Kind: faulty.Body, Act: faulty.Swallow(201)},
		"tag":      {Kind: faulty.Tag, Act: faulty.Swallow(201)},
	} {
		w := newWharf(t, nil)
		w.proxy.Play(f)
		w.survives(name)
	}
}

func TestR10TokenEndsInBetween(t *testing.T) {
	for _, kind := range []string{faulty.Look, faulty.Start, faulty.Body, faulty.Manifest, faulty.Read, faulty.Tag} {
		w := newWharf(t, &faulty.Guard{})
		w.proxy.Play(faulty.Fault{Kind: kind, Act: func(rw http.ResponseWriter, r *http.Request, next http.Handler) {
			w.guard.Revoke()
			next.ServeHTTP(rw, r)
		}})
		w.survives(kind)
	}
	for _, uses := range []int{1, 2, 3, 5} {
		w := newWharf(t, &faulty.Guard{Uses: uses})
		w.survives(fmt.Sprintf("good for %d requests", uses))
	}
	w := newWharf(t, &faulty.Guard{})
	w.survives("one token")
	if n, scopes := w.guard.Given(); n != 1 || !slices.Equal(scopes, []string{"repository:app:pull,push"}) {
		t.Errorf("%d tokens for %q", n, scopes)
	}
}

func TestR11TokenServerIsBroken(t *testing.T) {
	for name, answer := range map[string]func(string) (string, []string){
		"no expires_in": func(word string) (string, []string) { return `{"token":"` + word + `"}`, nil },
		"expires_in 0":  func(word string) (string, []string) { return `{"token":"` + word + `","expires_in":0}`, nil },
		"issued in the future": func(word string) (string, []string) {
			return `{"token":"` + word + `","expires_in":60,"issued_at":"2099-01-01T00:00:00Z"}`, nil
		},
		"issued long ago": func(word string) (string, []string) {
			return `{"token":"` + word + `","expires_in":60,"issued_at":"1999-01-01T00:00:00Z"}`, nil
		},
		"access_token": func(word string) (string, []string) { return `{"access_token":"` + word + `","expires_in":3600}`, nil },
	} {
		w := newWharf(t, &faulty.Guard{Answer: answer})
		w.survives(name)
	}
	for name, answer := range map[string]func(string) (string, []string){
		"HTML": func(string) (string, []string) {
			return "<html>please log in</html>", []string{"Content-Type: text/html"}
		},
		"huge":             func(string) (string, []string) { return `{"token":"` + strings.Repeat("x", 5<<20) + `"}`, nil },
		"no token":         func(string) (string, []string) { return `{}`, nil },
		"a line feed":      func(string) (string, []string) { return `{"token":"a\r\nX-Evil: b"}`, nil },
		"another type":     func(string) (string, []string) { return `{"token":7}`, nil },
		"a worthless word": func(string) (string, []string) { return `{"token":"worthless"}`, nil },
	} {
		w := newWharf(t, &faulty.Guard{Answer: answer})
		w.gives(name, w.proxy.Host)
		if n, _ := w.guard.Given(); n > 20 {
			t.Errorf("%s: %d tokens were asked for", name, n)
		}
	}
	w := newWharf(t, &faulty.Guard{}, func(o *transport.Options) { o.Stall = 50 * time.Millisecond })
	w.proxy.Play(faulty.Fault{Kind: faulty.Token, Times: -1, Act: faulty.Silence(false)})
	w.gives("silent", "no progress")
}

func TestR15NothingMoves(t *testing.T) {
	quick := func(o *transport.Options) { o.Stall = 150 * time.Millisecond }
	for _, kind := range steps {
		w := newWharf(t, &faulty.Guard{}, quick)
		w.proxy.Play(faulty.Fault{Kind: kind, Act: faulty.Silence(true)})
		w.survives(kind)
	}
	for name, act := range map[string]faulty.Act{
		"silence":               faulty.Silence(false),
		"a body that drips":     faulty.Drip(10*time.Millisecond, false),
		"headers without end":   faulty.Drip(time.Millisecond, true),
		"nobody reads the body": faulty.Silence(false),
	} {
		w := newWharf(t, nil, quick)
		w.proxy.Play(faulty.Fault{Kind: faulty.Manifest, Times: -1, Act: act})
		w.gives(name, "no progress", "attempts")
	}
	// Ctrl-C does not wait for it.
	w := newWharf(t, nil)
	w.proxy.Play(faulty.Fault{Kind: faulty.Body, Times: -1, Act: faulty.Silence(false)})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		for w.proxy.Count(faulty.Body) == 0 {
			time.Sleep(time.Millisecond)
		}
		cancel()
	}()
	began := time.Now()
	if _, err := w.reg.Write(ctx, []Payload{w.load("app", 1)}); !errors.Is(err, context.Canceled) || time.Since(began) > 2*time.Second {
		t.Errorf("%v after %s", err, time.Since(began))
	}
}

func TestR26PushesAtOnce(t *testing.T) {
	w := newWharf(t, &faulty.Guard{})
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			rs, err := (&Registry{Client: w.reg.Client}).Write(t.Context(), []Payload{w.load("same", 1, "v1"), w.load("one", int64(i), "v1")})
			if err != nil {
				t.Error(err)
				return
			}
			for _, r := range rs {
				if err := w.store.Whole(strings.SplitN(strings.SplitN(r.Reference, "/", 2)[1], "@", 2)[0], r.Digest); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if digest := w.store.Tags("one")["v1"]; w.store.Whole("one", digest) != nil || w.store.Manifests("one") != 8 {
		t.Errorf("the tag of eight writers points at %q", digest)
	}
}

func TestR27SecondPlatformFails(t *testing.T) {
	p := platforms(t, "app", 1, "v1")
	c, err := gather(p)
	if err != nil {
		t.Fatal(err)
	}
	var manifests []string
	for _, b := range c.blobs {
		if b.manifest != "" {
			manifests = append(manifests, b.digest.String())
		}
	}
	w := newWharf(t, nil)
	p.Repository = w.proxy.Host + "/app"
	old := w.push(w.load("app", 9, "v1"))[0]
	w.proxy.Play(faulty.Fault{Kind: faulty.Manifest, Match: manifests[1], Times: -1, Act: faulty.Status(400, `{"errors":[{"code":"MANIFEST_INVALID","message":"no"}]}`)})
	_, err = w.reg.Write(t.Context(), []Payload{p})
	var push *PushError
	if !errors.As(err, &push) || len(push.Pushed) != 1 || !strings.HasSuffix(push.Pushed[0], "@"+manifests[0]) || !strings.Contains(err.Error(), manifests[0]) {
		t.Errorf("%v", err)
	}
	if w.store.Tags("app")["v1"] != old.Digest || w.store.Whole("app", manifests[2]) == nil {
		t.Error("the index or the tag was touched")
	}
}
