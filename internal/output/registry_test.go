// SPDX-License-Identifier: MIT OR Apache-2.0

package output

import (
	"context"
	"errors"
	"io"
	"log"
	"math/rand"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/random"

	"sampan/internal/faulty"
	"sampan/internal/transport"
)

// wharf is a registry, what stands before it, and a client of ours.
type wharf struct {
	t     *testing.T
	store *faulty.Store
	proxy *faulty.Proxy
	guard *faulty.Guard
	reg   *Registry
	clock *clock
	mu    sync.Mutex
	said  []string
}

// clock does not wait: it only says that it did.
type clock struct {
	mu    sync.Mutex
	now   time.Time
	slept time.Duration
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Sleep(ctx context.Context, d time.Duration) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now, c.slept = c.now.Add(d), c.slept+d
	return ctx.Err()
}

func (c *clock) total() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.slept
}

const secret = "hunter2-is-a-password"

// newWharf builds one. guard may be nil.
func newWharf(t *testing.T, guard *faulty.Guard, change ...func(*transport.Options)) *wharf {
	t.Helper()
	w := &wharf{t: t, store: faulty.NewStore(), clock: &clock{now: time.Unix(1_800_000_000, 0)}}
	var behind http.Handler = w.store
	if guard != nil {
		guard.Behind, guard.User, guard.Password = w.store, "user", secret
		behind = guard
	}
	w.guard, w.proxy = guard, faulty.NewProxy(behind, false, time.Now)
	o := transport.Options{Now: w.clock.Now, Sleep: w.clock.Sleep, Stall: 5 * time.Second,
		Say: func(s string) { w.mu.Lock(); defer w.mu.Unlock(); w.said = append(w.said, s) },
		Credentials: func(context.Context, transport.Name) (transport.Credential, error) {
			if guard == nil {
				return transport.Credential{}, nil
			}
			return transport.Credential{Origin: "the test", User: "user", Password: secret}, nil
		}}
	for _, f := range change {
		f(&o)
	}
	client := transport.New(o)
	w.reg = &Registry{Client: client, Memory: filepath.Join(t.TempDir(), "memory")}
	t.Cleanup(func() { client.Close(); w.proxy.Close() })
	return w
}

// load is a payload for the wharf's registry.
func (w *wharf) load(path string, seed int64, tags ...string) Payload {
	p := payloadOf(w.t, "app", seed, tags...)
	p.Repository = w.proxy.Host + "/" + path
	return p
}

func (w *wharf) push(ps ...Payload) []Receipt {
	w.t.Helper()
	rs, err := w.reg.Write(w.t.Context(), ps)
	if err != nil {
		w.t.Fatal(err)
	}
	return rs
}

// whole checks that a stranger could read what a receipt promises.
func (w *wharf) whole(r Receipt) {
	w.t.Helper()
	ref, digest, _ := strings.Cut(r.Reference, "@")
	path := strings.TrimPrefix(ref, w.proxy.Host+"/")
	if digest != r.Digest {
		w.t.Errorf("reference %s, digest %s", r.Reference, r.Digest)
	}
	if err := w.store.Whole(path, digest); err != nil {
		w.t.Error(err)
	}
	for _, tag := range r.Tags {
		if got := w.store.Tags(path)[tag[strings.LastIndex(tag, ":")+1:]]; got != digest {
			w.t.Errorf("%s points at %q", tag, got)
		}
	}
}

func TestPush(t *testing.T) {
	for _, guard := range []*faulty.Guard{nil, {}, {Basic: true}, {Uses: 3}} {
		w := newWharf(t, guard)
		r := w.push(w.load("app", 1, "v1", "latest"))[0]
		w.whole(r)
		if len(r.Tags) != 2 || r.Written != r.Size || len(r.Blobs) != 3 || r.Blobs[0].How != "pushed" || r.Output != "registry:"+w.proxy.Host+"/app" {
			t.Errorf("%+v", r)
		}
		if n := w.store.Uploads(); n != 0 {
			t.Errorf("%d uploads are open", n)
		}
	}
}

func TestPushOfAnIndex(t *testing.T) {
	w := newWharf(t, nil)
	p := platforms(t, "multi", 1, "v1")
	p.Repository = w.proxy.Host + "/team/multi"
	r := w.push(p)[0]
	w.whole(r)
	if w.store.Manifests("team/multi") != 3 {
		t.Errorf("%d manifests", w.store.Manifests("team/multi"))
	}
}

// The tag comes last, when all else is there and was read back.
func TestOrderOfAPush(t *testing.T) {
	w := newWharf(t, nil)
	w.push(w.load("app", 1, "v1"))
	var kinds []string
	for _, r := range w.proxy.Requests() {
		kinds = append(kinds, r.Kind)
	}
	last := func(k string) int {
		for i, kind := range slices.Backward(kinds) {
			if kind == k {
				return i
			}
		}
		return -1
	}
	if !(last(faulty.Body) < slices.Index(kinds, faulty.Manifest) && last(faulty.Manifest) < last(faulty.Read) && last(faulty.Read) < slices.Index(kinds, faulty.Tag)) {
		t.Error(kinds)
	}
}

func TestPushAgain(t *testing.T) {
	w := newWharf(t, nil)
	first := w.push(w.load("app", 1, "v1"))[0]
	w.proxy.Forget()
	second := w.push(w.load("app", 1, "v1"))[0]
	if n := w.proxy.Count(""); n != 1 || w.proxy.Count(faulty.Read) != 1 {
		t.Errorf("nothing to do took %d requests: %v", n, w.proxy.Requests())
	}
	if second.Digest != first.Digest || second.Written != 0 || second.Blobs[0].How != "there" {
		t.Errorf("%+v", second)
	}

	// A new tag uploads nothing.
	w.proxy.Forget()
	w.whole(w.push(w.load("app", 1, "v2"))[0])
	if w.proxy.Count(faulty.Start) != 0 || w.proxy.Count(faulty.Manifest) != 0 || w.proxy.Count(faulty.Tag) != 1 {
		t.Errorf("%v", w.proxy.Requests())
	}

	// A tag that somebody moved is put back, and a blob that was lost is brought again.
	w.push(w.load("app", 2, "v1"))
	w.proxy.Forget()
	w.whole(w.push(w.load("app", 1, "v1"))[0])
	w.store.Drop("app", first.Blobs[0].Digest)
	w.reg.Memory = ""
	r := w.push(w.load("app", 1, "v1"))[0]
	w.whole(r)
	if r.Blobs[0].How != "pushed" || r.Blobs[1].How != "there" {
		t.Errorf("%+v", r.Blobs)
	}
}

// What one repository of a registry has, another takes over without a byte on the wire.
func TestMount(t *testing.T) {
	w := newWharf(t, &faulty.Guard{})
	w.push(w.load("one", 1))
	w.proxy.Forget()
	r := w.push(w.load("two", 1))[0]
	w.whole(r)
	if n := w.proxy.Count(faulty.Body); n != 0 || r.Blobs[0].How != "mounted" || r.Written >= r.Size {
		t.Errorf("%d uploads: %+v", n, r.Blobs)
	}

	// Two repositories in one push: one brings, the other takes over.
	w = newWharf(t, nil)
	rs := w.push(w.load("one", 1), w.load("two", 1), w.load("three", 1))
	for _, r := range rs {
		w.whole(r)
	}
	if n := w.proxy.Count(faulty.Body); n != 3 {
		t.Errorf("%d uploads of 3 blobs", n)
	}
}

// A push begins while layers are made: what is opened in advance is used, and what is left is given back.
func TestPushBeginsEarly(t *testing.T) {
	w := newWharf(t, &faulty.Guard{})
	p := w.load("app", 1, "v1")
	d := w.reg.Open(t.Context())
	d.Soon(p, 5)
	for w.store.Uploads() < 5 {
		time.Sleep(time.Millisecond)
	}
	layers, err := p.Images[0].Layers()
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range layers {
		d.Layer(p, l, true)
	}
	rs, err := d.Write(t.Context(), []Payload{p})
	if err != nil {
		t.Fatal(err)
	}
	w.whole(rs[0])
	d.Close()
	if n := w.store.Uploads(); n != 0 {
		t.Errorf("%d places were not given back", n)
	}
	if w.proxy.Count(faulty.Start) > 5+5 || w.proxy.Count(faulty.Body) != 3 {
		t.Errorf("%v", w.proxy.Requests())
	}
}

// A distance to the registry costs few round trips: what a build waits for after its last byte is compressed.
func TestRequestsInARow(t *testing.T) {
	w := newWharf(t, &faulty.Guard{})
	w.proxy.Delay = 200 * time.Millisecond
	count := func(p Payload) (manifest, all int) {
		d := w.reg.Open(t.Context())
		defer d.Close()
		d.Soon(p, 6)
		for w.store.Uploads() < 6 {
			time.Sleep(time.Millisecond)
		}
		time.Sleep(50 * time.Millisecond) // for the answers to arrive
		w.proxy.Forget()
		for _, img := range p.Images {
			layers, err := img.Layers()
			if err != nil {
				t.Fatal(err)
			}
			for _, l := range layers {
				d.Layer(p, l, true)
			}
		}
		if _, err := d.Write(t.Context(), []Payload{p}); err != nil {
			t.Fatal(err)
		}
		rs := w.proxy.Requests()
		all = faulty.InARow(rs)
		return faulty.InARow(slices.DeleteFunc(rs, func(r faulty.Request) bool {
			return r.Kind == faulty.Read || r.Kind == faulty.Tag || r.Kind == faulty.Look
		})), all
	}
	if manifest, all := count(w.load("app", 1, "v1", "v2")); manifest > 2 || all > 4 {
		t.Errorf("an image: %d requests in a row up to the manifest, %d with read-back and tags", manifest, all)
	}
	p := platforms(t, "app", 1, "v1")
	p.Repository = w.proxy.Host + "/multi"
	if manifest, all := count(p); manifest > 3 || all > 5 {
		t.Errorf("an index: %d requests in a row up to the manifest, %d with read-back and tags", manifest, all)
	}
}

// Another's registry: what it holds is read from it without our client.
func TestPushToAnothersRegistry(t *testing.T) {
	srv := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	defer srv.Close()
	client := transport.New(transport.Options{Now: time.Now})
	defer client.Close()
	p := platforms(t, "app", 3, "v1")
	p.Repository = strings.TrimPrefix(srv.URL, "http://") + "/team/app"
	r, err := (&Registry{Client: client}).Write(t.Context(), []Payload{p})
	if err != nil {
		t.Fatal(err)
	}
	get := func(path string) []byte {
		resp, err := http.Get(srv.URL + "/v2/team/app/" + path)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		data, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Fatalf("%s: %s, %v", path, resp.Status, err)
		}
		return data
	}
	if got := digestOf(get("manifests/v1")).String(); got != r[0].Digest {
		t.Errorf("the tag points at %s, not at %s", got, r[0].Digest)
	}
	c, err := gather(p)
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range c.blobs {
		path := "blobs/"
		if b.manifest != "" {
			path = "manifests/"
		}
		if got := digestOf(get(path + b.digest.String())); got != b.digest {
			t.Errorf("%s holds %s", b.digest, got)
		}
	}
}

func TestPushNames(t *testing.T) {
	client := transport.New(transport.Options{Now: time.Now})
	defer client.Close()
	reg := &Registry{Client: client}
	for repository, want := range map[string]string{
		"localhost:5000":       "--repo localhost:5000/app",
		"team/app":             "docker.io/team/app",
		"ghcr.io/Team/App":     "ghcr.io/team/app",
		"ghcr.io/team/app:v1":  "--tag v1",
		"ghcr.io/team//app":    "HOST/PATH",
		"u:p@ghcr.io/team/app": "sampan login",
		"":                     "HOST/PATH",
	} {
		p := Payload{Name: "app", Repository: repository, Images: []v1.Image{}}
		hinted(t, reg.Preflight(t.Context(), []Payload{p}), want)
	}
	p := Payload{Name: "app", Repository: "127.0.0.1:1/team/app"}
	var n *NameError
	if err := reg.Preflight(t.Context(), []Payload{p, p}); !errors.As(err, &n) {
		t.Errorf("two images of one name: %v", err)
	}
}

// A push, whether it succeeds or not, leaves no goroutine and no connection.
func TestNothingIsLeft(t *testing.T) {
	before := runtime.NumGoroutine()
	for _, f := range []faulty.Fault{{Kind: "nothing", Act: faulty.Lose}, {Kind: faulty.Body, Times: -1, Act: faulty.Silence(false)}, {Kind: faulty.Manifest, Times: -1, Act: faulty.Status(400, "")}} {
		t.Run(f.Kind, func(t *testing.T) {
			w := newWharf(t, &faulty.Guard{}, func(o *transport.Options) { o.Stall = 100 * time.Millisecond })
			w.proxy.Play(f)
			p := w.load("app", 1, "v1")
			if err := w.reg.Preflight(t.Context(), []Payload{p}); err != nil {
				t.Fatal(err)
			}
			_, err := w.reg.Write(t.Context(), []Payload{p})
			if (err == nil) != (f.Kind == "nothing") {
				t.Error(err)
			}
		})
	}
	for range 200 {
		if runtime.NumGoroutine() <= before {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	all := make([]byte, 1<<16)
	t.Errorf("%d goroutines, were %d:\n%s", runtime.NumGoroutine(), before, all[:runtime.Stack(all, true)])
}

// What is on its way for long is told of, up to its last byte.
func TestProgressOfAPush(t *testing.T) {
	img, err := random.Image(3<<20, 1, random.WithSource(rand.NewSource(1)))
	if err != nil {
		t.Fatal(err)
	}
	w := newWharf(t, nil)
	w.proxy.Play(faulty.Fault{Kind: faulty.Body, Act: faulty.Cut(2<<20, true)})
	var last, calls int64
	w.reg.Progress = func(repository string, done, total int64) {
		if last = done; done > total || repository != w.proxy.Host+"/app" {
			t.Errorf("%s: %d of %d", repository, done, total)
		}
		calls++
	}
	r := w.push(Payload{Name: "app", Repository: w.proxy.Host + "/app", Images: []v1.Image{img}})[0]
	if last != r.Blobs[0].Size || calls < 3 {
		t.Errorf("told %d times, last %d of %d", calls, last, r.Blobs[0].Size)
	}
}
