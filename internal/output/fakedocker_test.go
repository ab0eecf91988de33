// SPDX-License-Identifier: MIT OR Apache-2.0

package output

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/klauspost/compress/gzip"
)

// fakeDocker is a Docker engine as far as loading goes. It believes nothing: what it takes in, it unpacks and hashes.
type fakeDocker struct {
	mu       sync.Mutex
	images   map[string]string // name or id to id
	requests []string
	received int64 // bytes of archives

	api, os, arch string
	byManifest    bool   // knows images by their manifest's digest, as on containerd's store
	complain      string // written into the stream of a load
	status        int    // in place of a load's answer
	forget        bool   // takes an archive and does not keep it
	html          bool   // is no engine at all
}

func newFakeDocker() *fakeDocker {
	return &fakeDocker{images: map[string]string{}, api: "1.41", os: "linux", arch: "amd64"}
}

// listen starts it on a unix socket, gives the Machine that finds it.
func (f *fakeDocker) listen(t testing.TB) Machine {
	t.Helper()
	dir, err := os.MkdirTemp("", "sampan") // a socket's path must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	socket := filepath.Join(dir, "d.sock")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	s := &httptest.Server{Listener: l, Config: &http.Server{Handler: f}}
	s.Start()
	t.Cleanup(s.Close)
	return Machine{Env: []string{"DOCKER_HOST=unix://" + socket}, Home: dir}
}

func (f *fakeDocker) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.requests = append(f.requests, r.Method+" "+r.URL.RequestURI())
	if f.html {
		fmt.Fprint(w, "<html>It works!</html>")
		return
	}
	w.Header().Set("Api-Version", f.api)
	w.Header().Set("Ostype", f.os)
	name, isImage := strings.CutPrefix(r.URL.Path, "/images/")
	switch {
	case r.URL.Path == "/version":
		fmt.Fprintf(w, `{"Version":"20.10.24","Os":%q,"Arch":%q}`, f.os, f.arch)
	case r.URL.Path == "/images/load" && r.Method == http.MethodPost:
		f.load(w, r)
	case isImage && strings.HasSuffix(name, "/tag"):
		id, ok := f.images[strings.TrimSuffix(name, "/tag")]
		if !ok {
			f.refuse(w, http.StatusNotFound, "No such image: "+name)
			return
		}
		f.images[r.URL.Query().Get("repo")+":"+r.URL.Query().Get("tag")] = id
		w.WriteHeader(http.StatusCreated)
	case isImage:
		id, ok := f.images[strings.TrimSuffix(name, "/json")]
		if !ok {
			f.refuse(w, http.StatusNotFound, "No such image: "+name)
			return
		}
		fmt.Fprintf(w, `{"Id":%q,"RepoTags":[]}`, id)
	default:
		f.refuse(w, http.StatusNotFound, "page not found")
	}
}

func (f *fakeDocker) refuse(w http.ResponseWriter, code int, message string) {
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(map[string]string{"message": message})
}

func (f *fakeDocker) load(w http.ResponseWriter, r *http.Request) {
	if f.status != 0 {
		f.refuse(w, f.status, "write /var/lib/docker/tmp: no space left on device\x1b[31m")
		return
	}
	id, names, n, err := dockerUnpack(r.Body, f.byManifest)
	f.received += n
	if err == nil && f.complain != "" {
		err = fmt.Errorf("%s", f.complain)
	}
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprintln(w, `{"status":"Loading layer","progressDetail":{"current":1,"total":2}}`)
	if err != nil {
		line, _ := json.Marshal(map[string]any{"errorDetail": map[string]string{"message": err.Error()}, "error": err.Error()})
		fmt.Fprintf(w, "%s\n", line)
		return
	}
	if !f.forget {
		f.images[id] = id
		for _, n := range names {
			f.images[n] = id
		}
	}
	fmt.Fprintln(w, `{"stream":"Loaded image\n"}`)
}

// dockerUnpack reads an archive as an engine does: every layer must have the diffID that the config names.
func dockerUnpack(r io.Reader, byManifest bool) (id string, names []string, size int64, err error) {
	files := map[string][]byte{}
	counted := &counter{r: r}
	tr := tar.NewReader(counted)
	for {
		h, err := tr.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return "", nil, counted.n, fmt.Errorf("unexpected end of the archive: %w", err)
		}
		if files[h.Name], err = io.ReadAll(tr); err != nil {
			return "", nil, counted.n, err
		}
	}
	if _, err := io.Copy(io.Discard, counted); err != nil {
		return "", nil, counted.n, err
	}
	var list []dockerImage
	if err := json.Unmarshal(files["manifest.json"], &list); err != nil || len(list) != 1 {
		return "", nil, counted.n, fmt.Errorf("manifest.json: %d images, %v", len(list), err)
	}
	var config v1.ConfigFile
	if err := json.Unmarshal(files[list[0].Config], &config); err != nil {
		return "", nil, counted.n, err
	}
	for i, l := range list[0].Layers {
		var content io.Reader = strings.NewReader(string(files[l]))
		if zr, err := gzip.NewReader(strings.NewReader(string(files[l]))); err == nil {
			content = zr
		}
		hash := sha256.New()
		if _, err := io.Copy(hash, content); err != nil {
			return "", nil, counted.n, err
		}
		if got := hex.EncodeToString(hash.Sum(nil)); got != config.RootFS.DiffIDs[i].Hex {
			return "", nil, counted.n, fmt.Errorf("layer %d has diffID %s, want %s", i, got, config.RootFS.DiffIDs[i])
		}
	}
	id = "sha256:" + strings.TrimPrefix(list[0].Config, "blobs/sha256/")
	if byManifest {
		var x v1.IndexManifest
		if err := json.Unmarshal(files["index.json"], &x); err != nil {
			return "", nil, counted.n, err
		}
		id = x.Manifests[0].Digest.String()
	}
	return id, list[0].RepoTags, counted.n, nil
}

type counter struct {
	r io.Reader
	n int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

// take gives the requests since the last time.
func (f *fakeDocker) take() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := f.requests
	f.requests = nil
	return out
}

// broken is a layer that reads other bytes than its digest names.
type broken struct{ v1.Layer }

func (b broken) Compressed() (io.ReadCloser, error) {
	r, err := b.Layer.Compressed()
	if err != nil {
		return nil, err
	}
	return struct {
		io.Reader
		io.Closer
	}{io.MultiReader(strings.NewReader("x"), r), r}, nil
}

// variants is an image for two variants of arm.
func variants(t testing.TB) Payload {
	t.Helper()
	p := platforms(t, "hello", 9)
	for i, v := range []string{"v7", "v6"} {
		config, err := p.Images[i].ConfigFile()
		if err != nil {
			t.Fatal(err)
		}
		config = config.DeepCopy()
		config.Architecture, config.Variant = "arm", v
		if p.Images[i], err = mutate.ConfigFile(p.Images[i], config); err != nil {
			t.Fatal(err)
		}
	}
	return p
}
