// SPDX-License-Identifier: MIT OR Apache-2.0

package source

import (
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sampan/internal/faulty"
	"sampan/internal/transport"
)

// shelf is a registry that holds what a stock does, with what stands before it.
func shelf(t *testing.T, s stock, manifests ...string) (*faulty.Proxy, *transport.Repository) {
	t.Helper()
	store := faulty.NewStore()
	for path, data := range s {
		if strings.HasPrefix(path, "blobs/") {
			store.PutBlob("app", data)
		}
	}
	for i, m := range manifests {
		kind, err := KindOf([]byte(m))
		if err != nil {
			kind = imageType // a registry takes what it is given
		}
		store.Put("app", "v"+string(rune('1'+i)), string(kind), []byte(m))
	}
	proxy := faulty.NewProxy(store, false, time.Now)
	client := transport.New(transport.Options{Now: time.Now, Attempts: 2})
	t.Cleanup(func() { client.Close(); proxy.Close() })
	n, err := transport.ParseName(proxy.Host + "/app")
	if err != nil {
		t.Fatal(err)
	}
	return proxy, client.Source(n)
}

// read reads the first layer of the first image of a registry.
func read(t *testing.T, p *Place) ([]byte, error) {
	t.Helper()
	images, _, err := p.Load(p.Entries[0])
	if err != nil {
		return nil, err
	}
	layers, err := images[0].Layers()
	if err != nil {
		t.Fatal(err)
	}
	if host, path := layers[0].(interface{ Origin() (string, string) }).Origin(); path != "app" || host == "" {
		t.Errorf("a layer comes from %q of %q", path, host)
	}
	r, err := layers[0].Compressed()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}

// A registry's image is read as a layout's is: every byte checked, and each blob fetched once.
func TestFetch(t *testing.T) {
	s := stock{}
	one, two := s.image("one"), s.image("two")
	sub := s.add(`{"schemaVersion":2,"mediaType":"` + indexType + `","manifests":[` +
		strings.TrimSuffix(descriptor(imageType, one), "}") + `,"platform":{"os":"linux","architecture":"amd64"}},` + descriptor(imageType, two) + `]}`)
	proxy, repo := shelf(t, s, sub, one, two)
	dir := t.TempDir()
	for name, which := range map[string][2]string{"by tag": {"v1", ""}, "by digest": {"", digest(sub)}} {
		p, err := Fetch(t.Context(), Remote{Repos: []*transport.Repository{repo}, Dir: dir}, which[0], which[1])
		if err != nil {
			t.Fatal(err)
		}
		if got := p.Entries[0].Descriptor.Digest.String(); got != digest(sub) {
			t.Errorf("%s: %s", name, got)
		}
		for range 2 {
			if _, err := read(t, p); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		if n := proxy.Count(faulty.Fetch); n != 2*2+1 { // two configs each time it is loaded, and the layer once
			t.Errorf("%s: %d blobs were fetched", name, n)
		}
		proxy.Forget()
		p.Forget()
		left, err := os.ReadDir(filepath.Join(dir, "blobs", "sha256"))
		if err != nil || len(left) != 0 {
			t.Errorf("%s: %d blobs stay, %v", name, len(left), err)
		}
	}
	img, entry, err := (func() (any, Entry, error) {
		p, err := Fetch(t.Context(), Remote{Repos: []*transport.Repository{repo}, Dir: dir}, "v1", "")
		if err != nil {
			t.Fatal(err)
		}
		i, e, err := p.Pick(p.Entries[0], "linux/amd64")
		return i, e, err
	})()
	if err != nil || img == nil || entry.Descriptor.Digest.String() != digest(one) {
		t.Errorf("one platform: %v, %v", entry, err)
	}
}

func TestFetchBelievesNothing(t *testing.T) {
	s := stock{}
	m := s.image("one")
	for name, f := range map[string]struct {
		fault faulty.Fault
		tag   string
		want  string
	}{
		"another manifest":   {faulty.Fault{Kind: faulty.Read, Skip: 1, Times: -1, Act: faulty.Status(http.StatusOK, "{}")}, "v1", "sha256:"},
		"another layer":      {faulty.Fault{Kind: faulty.Fetch, Skip: 1, Times: -1, Act: faulty.Status(http.StatusOK, "other bytes")}, "v1", "attempts"},
		"another config":     {faulty.Fault{Kind: faulty.Fetch, Times: -1, Act: faulty.Status(http.StatusOK, "{}")}, "v1", "attempts"},
		"no such tag":        {faulty.Fault{Kind: "nothing"}, "v9", "no tag"},
		"schema version one": {faulty.Fault{Kind: "nothing"}, "v2", "schema version 1"},
	} {
		proxy, repo := shelf(t, s, m, `{"schemaVersion":1,"fsLayers":[]}`)
		proxy.Play(f.fault)
		dir := t.TempDir()
		p, err := Fetch(t.Context(), Remote{Repos: []*transport.Repository{repo}, Dir: dir}, f.tag, "")
		if err == nil {
			_, err = read(t, p)
		}
		var h interface{ Hint() string }
		if err == nil || !strings.Contains(err.Error(), f.want) || !errors.As(err, &h) || h.Hint() == "" {
			t.Errorf("%s: %v", name, err)
		}
		if left, _ := filepath.Glob(filepath.Join(dir, "blobs", "sha256", "*")); len(left) != 0 {
			t.Errorf("%s: %q stays", name, left)
		}
	}
}

// A mirror that lies, or is away, is one that does not help.
func TestFetchByMirror(t *testing.T) {
	s := stock{}
	m := s.image("one")
	_, origin := shelf(t, s, m)
	good, mirror := shelf(t, s, m)
	bad, liar := shelf(t, s, m)
	bad.Play(faulty.Fault{Kind: faulty.Fetch, Times: -1, Act: faulty.Status(http.StatusOK, "other bytes")})
	told := 0
	for _, first := range []*transport.Repository{mirror, liar} {
		p, err := Fetch(t.Context(), Remote{Repos: []*transport.Repository{first, origin}, Dir: t.TempDir(), Say: func(string) { told++ }}, "v1", "")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := read(t, p); err != nil {
			t.Error(err)
		}
	}
	if told != 2 || good.Count(faulty.Fetch) != 2 { // config and layer of the liar
		t.Errorf("told %d times; the good mirror was asked %d times", told, good.Count(faulty.Fetch))
	}
}
