// SPDX-License-Identifier: MIT OR Apache-2.0

package output

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"sampan/internal/faulty"
	"sampan/internal/transport"
)

// about makes artifacts about every image and the index of a payload.
func about(t testing.TB, p Payload, texts ...string) Payload {
	t.Helper()
	c, err := gather(p)
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range c.blobs {
		if b.manifest == "" {
			continue
		}
		for _, text := range texts {
			p.Referrers = append(p.Referrers, Referrer{Subject: b.digest, Type: "application/x-note",
				Layers:      []v1.Layer{static.NewLayer([]byte(text), "text/plain")},
				Annotations: map[string]string{"note": text}})
		}
	}
	return p
}

func mustName(t testing.TB, w *wharf) transport.Name {
	t.Helper()
	n, err := transport.ParseName(w.proxy.Host + "/app")
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// refers checks that a stranger finds just these referrers of every subject, and every byte of them.
func (w *wharf) refers(name string, r Receipt, others ...string) {
	w.t.Helper()
	want := map[string][]string{}
	for _, x := range r.Referrers {
		want[x.Subject] = append(want[x.Subject], x.Digest)
		if err := w.store.Whole("app", x.Digest); err != nil {
			w.t.Errorf("%s: %v", name, err)
		}
	}
	for subject, digests := range want {
		digests = append(digests, others...)
		slices.Sort(digests)
		if got := w.store.Referrers("app", subject); !slices.Equal(got, digests) {
			w.t.Errorf("%s: %s has referrers %q, want %q", name, subject, got, digests)
		}
	}
}

func TestReferrers(t *testing.T) {
	for _, lists := range []bool{true, false} {
		w := newWharf(t, &faulty.Guard{})
		w.store.Lists = lists
		p := platforms(t, "app", 1, "v1")
		p.Repository = w.proxy.Host + "/app"
		p = about(t, p, "one", "two")
		r := w.push(p)[0]
		w.whole(r)
		w.refers("first", r)
		if len(r.Referrers) != 6 {
			t.Fatalf("%d referrers", len(r.Referrers))
		}
		last := w.proxy.Requests()
		tagged := slices.IndexFunc(last, func(q faulty.Request) bool { return q.Kind == faulty.Tag && strings.HasSuffix(q.Path, "/v1") })
		for _, q := range last[tagged+1:] {
			if q.Kind != faulty.Read {
				t.Errorf("after the tag: %+v", q)
			}
		}
		for _, x := range r.Referrers {
			listed, err := w.reg.Client.Source(mustName(t, w)).Referrers(t.Context(), x.Subject)
			if err != nil || len(listed) != 2 {
				t.Errorf("%d are read, %v", len(listed), err)
			}
		}

		w.proxy.Forget()
		if w.push(p); w.proxy.Count("") != 1 {
			t.Errorf("nothing to do took %v", w.proxy.Requests())
		}
		w.proxy.Forget()
		p.Referrers = nil
		more := w.push(about(t, p, "one", "two", "three"))[0]
		w.refers("one more", more)
		if n := w.proxy.Count(faulty.Body); n != 1 {
			t.Errorf("one more took %d uploads", n)
		}
	}
}

// What is said of an image costs no wait of its own where the registry lists referrers.
func TestReferrersCostNoWait(t *testing.T) {
	w := newWharf(t, nil)
	w.store.Lists = true
	w.proxy.Delay = 200 * time.Millisecond
	p := about(t, w.load("app", 1, "v1"), "one")
	d := w.reg.Open(t.Context())
	defer d.Close()
	layers, err := p.Images[0].Layers()
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range layers {
		d.Layer(p, l, true)
	}
	if _, err := d.Write(t.Context(), []Payload{p}); err != nil {
		t.Fatal(err)
	}
	if n := faulty.InARow(w.proxy.Requests()); n > 5 { // place, body, manifest, read-back, tag
		t.Errorf("%d requests in a row: %v", n, w.proxy.Requests())
	}
}

// A list that no registry guards is written by two at once.
func TestR20ReferrersAreRaced(t *testing.T) {
	theirs := []byte(`{"schemaVersion":2}`)
	other := digestOf(theirs).String()
	foreign := func() []byte {
		data, _ := json.Marshal(map[string]any{"schemaVersion": 2, "mediaType": types.OCIImageIndex, "manifests": []any{
			map[string]any{"digest": other, "mediaType": "a/b", "size": 2, "x-own": 1}}})
		return data
	}
	for name, match := range map[string]string{"between writing and reading": "/manifests/sha256-", "after it was read": "/manifests/v1"} {
		w := newWharf(t, nil)
		w.store.Put("app", "theirs", string(types.OCIManifestSchema1), theirs)
		p := about(t, w.load("app", 1, "v1"), "one", "two")
		tag := strings.Replace(p.Referrers[0].Subject.String(), ":", "-", 1)
		w.proxy.Play(faulty.Fault{Kind: faulty.Tag, Match: match, Act: func(rw http.ResponseWriter, r *http.Request, next http.Handler) {
			next.ServeHTTP(rw, r)
			w.store.Put("app", tag, string(types.OCIImageIndex), foreign()) // it read the list before us
		}})
		w.refers(name, w.push(p)[0], other)
	}

	// Somebody who never stops.
	w := newWharf(t, nil)
	w.store.Put("app", "theirs", string(types.OCIManifestSchema1), theirs)
	p := about(t, w.load("app", 1, "v1"), "one")
	tag := strings.Replace(p.Referrers[0].Subject.String(), ":", "-", 1)
	w.proxy.Play(faulty.Fault{Kind: faulty.Tag, Match: "/manifests/sha256-", Times: -1, Act: func(rw http.ResponseWriter, r *http.Request, next http.Handler) {
		next.ServeHTTP(rw, r)
		w.store.Put("app", tag, string(types.OCIImageIndex), foreign())
	}})
	_, err := w.reg.Write(t.Context(), []Payload{p})
	hinted(t, err, "push again")
	if len(w.store.Tags("app")) != 2 {
		t.Errorf("tags %v", w.store.Tags("app"))
	}
}

// Something else stands where the list would be: it stays, and no tag is put.
func TestReferrersTagIsTaken(t *testing.T) {
	w := newWharf(t, nil)
	p := about(t, w.load("app", 1, "v1"), "one")
	tag := strings.Replace(p.Referrers[0].Subject.String(), ":", "-", 1)
	w.store.Put("app", tag, string(types.OCIManifestSchema1), []byte(`{"schemaVersion":2,"layers":[]}`))
	_, err := w.reg.Write(t.Context(), []Payload{p})
	hinted(t, err, "remove the tag")
	if len(w.store.Tags("app")) != 1 {
		t.Errorf("tags %v", w.store.Tags("app"))
	}
}

func TestReferrersUnderFaults(t *testing.T) {
	for name, f := range map[string]faulty.Fault{
		"a wait":           {Act: faulty.Status(429, "", "Retry-After: 3")},
		"broken":           {Act: faulty.Status(503, ""), Times: 2},
		"reply lost":       {Act: faulty.Lose},
		"said to be there": {Act: faulty.Swallow(201)},
		"subject first":    {Act: faulty.Status(400, `{"errors":[{"code":"MANIFEST_INVALID","message":"no such subject"}]}`)},
	} {
		for _, lists := range []bool{true, false} {
			w := newWharf(t, &faulty.Guard{})
			w.store.Lists = lists
			p := about(t, w.load("app", 1, "v1"), "one")
			c, err := gather(p)
			if err != nil {
				t.Fatal(err)
			}
			f.Kind, f.Match = faulty.Manifest, c.referrers[0].manifest.digest.String()
			w.proxy.Play(f)
			r := w.push(p)[0]
			w.whole(r)
			w.refers(fmt.Sprintf("%s, lists %t", name, lists), r)
		}
	}
	w := newWharf(t, nil)
	p := about(t, w.load("app", 1, "v1"), "one")
	c, err := gather(p)
	if err != nil {
		t.Fatal(err)
	}
	w.proxy.Play(faulty.Fault{Kind: faulty.Manifest, Match: c.referrers[0].manifest.digest.String(), Times: -1, Act: faulty.Status(403, "")})
	if _, err := w.reg.Write(t.Context(), []Payload{p}); err == nil || len(w.store.Tags("app")) != 0 {
		t.Errorf("%v, tags %v", err, w.store.Tags("app"))
	}
}

func TestReferrerMustFit(t *testing.T) {
	p := payloadOf(t, "app", 1)
	layer := []v1.Layer{static.NewLayer([]byte("x"), "text/plain")}
	good := about(t, p, "x").Referrers[0]
	for _, r := range []Referrer{{Type: "a/b", Layers: layer}, {Subject: good.Subject, Layers: layer}, {Subject: good.Subject, Type: "a/b"}} {
		p.Referrers = []Referrer{r}
		if _, err := gather(p); err == nil {
			t.Errorf("%+v was taken", r)
		}
	}
}
