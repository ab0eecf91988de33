// SPDX-License-Identifier: MIT OR Apache-2.0

package base

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"sampan/internal/faulty"
	"sampan/internal/transport"
)

// quay is a registry with one base in it.
type quay struct {
	t      *testing.T
	store  *faulty.Store
	proxy  *faulty.Proxy
	digest string
	layer  string // digest of its layer
	client *transport.Client
	cache  *Cache
}

func newQuay(t *testing.T) *quay {
	t.Helper()
	q := &quay{t: t, store: faulty.NewStore(), cache: &Cache{Dir: filepath.Join(t.TempDir(), "bases")}}
	q.proxy = faulty.NewProxy(q.store, false, time.Now)
	t.Cleanup(q.proxy.Close)
	q.client = transport.New(transport.Options{Now: time.Now, Stall: 300 * time.Millisecond,
		Sleep: func(ctx context.Context, _ time.Duration) error { return ctx.Err() }})
	t.Cleanup(q.client.Close)
	noise := make([]byte, 100_000)
	r := rand.NewChaCha8([32]byte{1})
	_, _ = r.Read(noise)
	w := newWorld(t).layer(tarOf(tar.Header{Name: "noise", Uname: string(noise)}))
	top := w.image()
	q.digest = top[strings.Index(top, "sha256:"):][:71]
	q.layer = digest(w.blobs[0])
	files, _ := filepath.Glob(filepath.Join(w.dir, "blobs", "sha256", "*"))
	for _, f := range files {
		if data, err := os.ReadFile(f); err == nil && digest(data) != q.digest {
			q.blob(data)
		}
	}
	manifest, err := os.ReadFile(filepath.Join(w.dir, "blobs", "sha256", strings.TrimPrefix(q.digest, "sha256:")))
	if err != nil {
		t.Fatal(err)
	}
	q.manifest("v1", manifest)
	q.proxy.Forget()
	return q
}

func (q *quay) send(method, path string, body []byte) *http.Response {
	q.t.Helper()
	r, err := http.NewRequestWithContext(q.t.Context(), method, "http://"+q.proxy.Host+path, bytes.NewReader(body))
	if err != nil {
		q.t.Fatal(err)
	}
	got, err := http.DefaultClient.Do(r)
	if err != nil || got.StatusCode >= 300 {
		q.t.Fatal(method, path, got, err)
	}
	_, _ = io.Copy(io.Discard, got.Body)
	got.Body.Close()
	return got
}

func (q *quay) blob(data []byte) {
	q.t.Helper()
	at := q.send(http.MethodPost, "/v2/base/blobs/uploads/", nil).Header.Get("Location")
	q.send(http.MethodPut, at+"&digest="+digest(data), data)
}

func (q *quay) manifest(ref string, data []byte) {
	q.t.Helper()
	q.send(http.MethodPut, "/v2/base/manifests/"+ref, data)
}

func (q *quay) fetch(digest string) (*Image, error) {
	q.t.Helper()
	place, e, err := q.cache.Fetch(q.t.Context(), q.client.Source(transport.Name{Host: q.proxy.Host, Path: "base"}), digest, "linux/amd64")
	if err != nil {
		return nil, err
	}
	return Open(place, e, "linux/amd64", Options{})
}

func (q *quay) kept() (names []string) {
	_ = filepath.WalkDir(q.cache.Dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			names = append(names, "sha256:"+d.Name())
		}
		return nil
	})
	return names
}

func TestFetchOnce(t *testing.T) {
	q := newQuay(t)
	if place, _, err := q.cache.Near(q.digest, "linux/amd64"); place != nil || err != nil {
		t.Error("it is near before it was fetched", err)
	}
	left := filepath.Join(q.cache.Dir, "blobs", "sha256", ".sampan-1.tmp") // of a killed process
	if err := errors.Join(os.MkdirAll(filepath.Dir(left), 0o700), os.WriteFile(left, nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	if img, err := q.fetch(q.digest); err != nil || img.Files.Len() != 1 || len(q.kept()) != 3 {
		t.Fatal(err, q.kept())
	}
	if n := q.proxy.Count(""); n != 3 {
		t.Errorf("%d requests, want manifest, config and layer: %v", n, q.proxy.Requests())
	}
	if _, err := q.fetch(q.digest); err != nil || q.proxy.Count("") != 3 {
		t.Errorf("the second time %d requests, %v", q.proxy.Count(""), err)
	}
	if place, _, err := q.cache.Near(q.digest, "linux/amd64"); place == nil || err != nil {
		t.Error("it is not near", err)
	}
	// What is damaged in the cache is found out, taken out, and fetched anew.
	blob := filepath.Join(q.cache.Dir, "blobs", "sha256", strings.TrimPrefix(q.layer, "sha256:"))
	data, _ := os.ReadFile(blob)
	data[len(data)/2] ^= 1
	if err := os.WriteFile(blob, data, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := q.fetch(q.digest); err == nil {
		t.Error("damaged bytes were taken")
	}
	if _, err := q.fetch(q.digest); err != nil {
		t.Error(err)
	}
}

func TestR16BlobsOnTheirWay(t *testing.T) {
	flip := faulty.Rewrite(func(b []byte) []byte { b = bytes.Clone(b); b[len(b)/2] ^= 1; return b })
	longer := faulty.Rewrite(func(b []byte) []byte { return append(bytes.Clone(b), "more"...) })
	whole := func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		r.Header.Del("Range")
		next.ServeHTTP(w, r)
	}
	elsewhere := faulty.Status(206, "other bytes", "Content-Range: bytes 5-15/100")
	for name, c := range map[string]struct {
		faults []faulty.Fault
		ranges int // requests for a part
		fails  bool
	}{
		"cut once":                 {[]faulty.Fault{{Act: faulty.Short(40_000)}}, 1, false},
		"cut twice":                {[]faulty.Fault{{Act: faulty.Short(40_000)}, {Act: faulty.Short(20_000)}}, 2, false},
		"cut before a byte":        {[]faulty.Fault{{Act: faulty.Short(0)}}, 0, false},
		"cut, and no resuming":     {[]faulty.Fault{{Act: faulty.Short(40_000)}, {Act: whole}}, 1, false},
		"cut, and another part":    {[]faulty.Fault{{Act: faulty.Short(40_000)}, {Act: elsewhere}}, 1, false},
		"cut, and a range refused": {[]faulty.Fault{{Act: faulty.Short(40_000)}, {Act: faulty.Status(416, "")}}, 1, false},
		"cut for ever":             {[]faulty.Fault{{Times: -1, Act: faulty.Short(0)}}, 0, true},
		"silence once":             {[]faulty.Fault{{Act: faulty.Silence(true)}}, 0, false},
		"500 twice":                {[]faulty.Fault{{Times: 2, Act: faulty.Status(500, "")}}, 0, false},
		"a bit flips once":         {[]faulty.Fault{{Act: flip}}, 0, false},
		"a bit flips for ever":     {[]faulty.Fault{{Times: -1, Act: flip}}, 0, true},
		"longer once":              {[]faulty.Fault{{Act: longer}}, 0, false},
		"longer for ever":          {[]faulty.Fault{{Times: -1, Act: longer}}, 0, true},
		"a login page":             {[]faulty.Fault{{Times: -1, Act: faulty.Status(200, "<html>")}}, -1, true},
		"not there":                {[]faulty.Fault{{Times: -1, Act: faulty.Status(404, "")}}, 0, true},
		"forbidden":                {[]faulty.Fault{{Times: -1, Act: faulty.Status(403, "")}}, 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			q := newQuay(t)
			for _, f := range c.faults {
				f.Kind, f.Match = faulty.Fetch, q.layer
				q.proxy.Play(f)
			}
			_, err := q.fetch(q.digest)
			if (err != nil) != c.fails {
				t.Fatal(err)
			}
			ranges := 0
			for _, r := range q.proxy.Requests() {
				if r.Range != "" {
					ranges++
				}
			}
			if c.ranges >= 0 && ranges != c.ranges {
				t.Errorf("%d requests for a part, want %d: %v", ranges, c.ranges, q.proxy.Requests())
			}
			kept := strings.Join(q.kept(), " ")
			if strings.Contains(kept, q.layer) == c.fails || strings.Contains(kept, ".tmp") {
				t.Errorf("in the cache: %s", kept)
			}
			if n := q.proxy.Count(""); n > 12 {
				t.Errorf("%d requests", n)
			}
		})
	}
}

func TestR17R18Manifests(t *testing.T) {
	const config, layer = `"config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"sha256:00","size":2}`, `"layers":[]`
	for name, c := range map[string]struct{ doc, want string }{
		"schema 1":                      {`{"schemaVersion":1,"fsLayers":[]}`, "schema version 1"},
		"an image and an index at once": {`{"schemaVersion":2,` + config + `,"manifests":[]}`, "at once"},
		"an image that says index":      {`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json",` + config + `,` + layer + `}`, "holds something else"},
		"an unknown type":               {`{"schemaVersion":2,"mediaType":"application/x-unknown",` + config + `,` + layer + `}`, "holds something else"},
		"a giant config":                {`{"schemaVersion":2,"config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"sha256:` + strings.Repeat("0", 64) + `","size":5000000},` + layer + `}`, "larger than 4 MiB"},
		"no JSON":                       {`<html>`, "no JSON"},
		"no platform of ours":           {`{"schemaVersion":2,"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:00","size":2,"platform":{"os":"linux","architecture":"mips"}}]}`, "parse index"},
		"an index of indexes":           {`{"schemaVersion":2,"manifests":[]}`, "no image for linux/amd64"},
		"a giant":                       {`{"schemaVersion":2,"x":"` + strings.Repeat("y", 5<<20) + `"}`, "larger than"},
	} {
		q := newQuay(t)
		doc := []byte(c.doc)
		q.proxy.Play(faulty.Fault{Kind: faulty.Read, Times: -1, Act: faulty.Status(200, c.doc)})
		if _, err := q.fetch(digest(doc)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
		// Another document than the digest names is never taken.
		if _, err := q.fetch(q.digest); err == nil {
			t.Errorf("%s: it was taken for another", name)
		}
	}
}

func TestR19ATagThatMoves(t *testing.T) {
	q := newQuay(t)
	repo := q.client.Source(transport.Name{Host: q.proxy.Host, Path: "base"})
	pinned, err := repo.Tagged(t.Context(), "v1")
	if err != nil || pinned != q.digest {
		t.Fatal(pinned, err)
	}
	q.manifest("v1", []byte(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}`))
	if img, err := q.fetch(pinned); err != nil || img.Digest.String() != q.digest {
		t.Error(err)
	}
}

func TestFetchAtOnce(t *testing.T) {
	q := newQuay(t)
	var wg sync.WaitGroup
	errs := make([]error, 8)
	for i := range errs {
		wg.Go(func() { _, errs[i] = q.fetch(q.digest) })
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil || len(q.kept()) != 3 {
		t.Error(err, q.kept())
	}
}

// TestR13BlobsElsewhere: storage behind a registry gives the bytes, is asked for the rest of what was cut, and hears no
// credential; a token is asked for reading alone.
func TestR13BlobsElsewhere(t *testing.T) {
	q := newQuay(t)
	guard := &faulty.Guard{Behind: q.store, User: "user", Password: "pa55word"}
	proxy := faulty.NewProxy(guard, false, time.Now)
	t.Cleanup(proxy.Close)
	cuts := 1
	var mu sync.Mutex
	other := faulty.NewStranger(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		cut := cuts > 0 && strings.HasSuffix(r.URL.Path, q.layer)
		if cut {
			cuts--
		}
		mu.Unlock()
		if cut {
			faulty.Short(40_000)(w, r, q.store)
			return
		}
		q.store.ServeHTTP(w, r)
	}))
	t.Cleanup(other.Close)
	proxy.Play(faulty.Fault{Kind: faulty.Fetch, Times: -1, Act: func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if r.Header.Get("Authorization") == "" {
			next.ServeHTTP(w, r)
			return
		}
		http.Redirect(w, r, "http://"+other.Host+r.URL.Path, http.StatusTemporaryRedirect)
	}})
	client := transport.New(transport.Options{Now: time.Now, Sleep: func(ctx context.Context, _ time.Duration) error { return ctx.Err() },
		Credentials: func(context.Context, transport.Name) (transport.Credential, error) {
			return transport.Credential{Origin: "the test", User: "user", Password: "pa55word"}, nil
		}})
	t.Cleanup(client.Close)
	if _, _, err := q.cache.Fetch(t.Context(), client.Source(transport.Name{Host: proxy.Host, Path: "base"}), q.digest, "linux/amd64"); err != nil {
		t.Fatal(err)
	}
	heard, n := other.Heard()
	if n != 3 || strings.Contains(heard, "Authorization") || strings.Contains(heard, "pa55word") || !strings.Contains(heard, "Range: bytes=40000-") {
		t.Errorf("the other host heard in %d requests: %s", n, heard)
	}
	if _, scopes := guard.Given(); strings.Contains(strings.Join(scopes, " "), "push") || len(scopes) == 0 {
		t.Errorf("tokens for %q", scopes)
	}
}
