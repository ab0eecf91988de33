// SPDX-License-Identifier: MIT OR Apache-2.0

package source

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"math/rand"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/google/go-containerregistry/pkg/v1/validate"
)

func img(t testing.TB, seed int64) v1.Image {
	t.Helper()
	im, err := random.Image(4<<10, 2, random.WithSource(rand.NewSource(seed)))
	if err != nil {
		t.Fatal(err)
	}
	return mutate.ConfigMediaType(mutate.MediaType(im, types.OCIManifestSchema1), types.OCIConfigJSON)
}

// sample is a layout by another's hand: an image under two names, and an index of two images.
func sample(t testing.TB) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "boat")
	p, err := layout.Write(dir, empty.Index)
	if err != nil {
		t.Fatal(err)
	}
	one := img(t, 1)
	for _, a := range []map[string]string{
		{refName: "hello:v1", containerdName: "docker.io/library/hello:v1"},
		{refName: "hello:latest", containerdName: "docker.io/library/hello:latest"},
	} {
		if err := p.AppendImage(one, layout.WithAnnotations(a)); err != nil {
			t.Fatal(err)
		}
	}
	two := mutate.IndexMediaType(mutate.AppendManifests(empty.Index, mutate.IndexAddendum{Add: img(t, 2)}, mutate.IndexAddendum{Add: img(t, 3)}), types.OCIImageIndex)
	if err := p.AppendIndex(two, layout.WithAnnotations(map[string]string{refName: "edge"})); err != nil {
		t.Fatal(err)
	}
	return dir
}

// archived puts a folder into a tar file.
func archived(t testing.TB, dir string) string {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	if err := w.AddFS(os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "boat.tar")
	if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestOpen: both forms tell the same, and another's validator finds every byte right.
func TestOpen(t *testing.T) {
	dir := sample(t)
	for _, path := range []string{dir, archived(t, dir), "oci:" + dir, "oci-archive:" + archived(t, dir)} {
		s, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		if len(s.Images) != 2 {
			t.Fatalf("%s: %d images", path, len(s.Images))
		}
		a, b := s.Images[0], s.Images[1]
		if a.Name != "hello" || !slices.Equal(a.Tags, []string{"v1", "latest"}) || a.Index != nil {
			t.Errorf("%s: %s %v", path, a.Name, a.Tags)
		}
		if b.Name != "boat" || !slices.Equal(b.Tags, []string{"edge"}) || len(b.Platforms) != 2 {
			t.Errorf("%s: %s %v", path, b.Name, b.Tags)
		}
		if err := errors.Join(validate.Image(a.Platforms[0]), validate.Index(b.Index), s.Close()); err != nil {
			t.Errorf("%s: %v", path, err)
		}
		if got, err := b.Index.Digest(); err != nil || got != b.Digest {
			t.Errorf("%s: index %s, %v", path, got, err)
		}
	}
	for word, want := range map[string]int{dir + ":edge": 1, dir + ":v1": 1, dir + "@sha256:" + strings.Repeat("0", 64): 0, dir + ":none": 0} {
		s, err := Open("oci:" + word)
		switch {
		case err == nil && len(s.Images) != want, err != nil && want > 0:
			t.Errorf("%s: %v", word, err)
		case err == nil:
			s.Close()
		}
	}
}

// TestRefuse: what is damaged, and what could be understood in two ways.
func TestRefuse(t *testing.T) {
	for _, c := range []struct {
		name   string
		damage func(t *testing.T, dir string)
		says   string
	}{
		{"no layout", func(t *testing.T, dir string) { remove(t, dir, "index.json") }, "no index.json"},
		{"flipped bit in a manifest", func(t *testing.T, dir string) { flip(t, dir, manifest(t, dir)) }, "holds other bytes"},
		{"manifest missing", func(t *testing.T, dir string) { remove(t, dir, manifest(t, dir)) }, "no such file"},
		{"manifest is a link", func(t *testing.T, dir string) {
			name := manifest(t, dir)
			remove(t, dir, name)
			if err := os.Symlink("/etc/passwd", filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
		}, ""},
		{"huge index", func(t *testing.T, dir string) { write(t, dir, "index.json", strings.Repeat(" ", maxJSON+1)) }, "has 4194305 bytes"},
		{"digest with a path", func(t *testing.T, dir string) {
			write(t, dir, "index.json", `{"schemaVersion":2,"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","size":1,"digest":"sha256:../../../../etc/passwd"}]}`)
		}, "index.json"},
		{"two kinds at once", func(t *testing.T, dir string) {
			write(t, dir, "index.json", `{"schemaVersion":2,"manifests":[],"layers":[]}`)
		}, "it is no index"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := sample(t)
			c.damage(t, dir)
			_, err := Open(dir)
			var e *Error
			if !errors.As(err, &e) || !strings.Contains(err.Error(), c.says) || e.Hint() == "" {
				t.Errorf("error %v", err)
			}
		})
	}
	dir := sample(t)
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	layers, err := s.Images[0].Platforms[0].Layers()
	if err != nil {
		t.Fatal(err)
	}
	d, err := layers[0].Digest()
	if err != nil {
		t.Fatal(err)
	}
	flip(t, dir, blobName(d))
	r, err := layers[0].Compressed()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, r); err == nil || !strings.Contains(err.Error(), "holds other bytes") {
		t.Errorf("a flipped bit in a layer: %v", err)
	}
}

// TestRefuseArchives: files that are no archive, or two at once.
func TestRefuseArchives(t *testing.T) {
	good, err := os.ReadFile(archived(t, sample(t)))
	if err != nil {
		t.Fatal(err)
	}
	var zipped, twice bytes.Buffer
	zw := gzip.NewWriter(&zipped)
	_, _ = zw.Write(good)
	zw.Close()
	tw := tar.NewWriter(&twice)
	for range 2 {
		_ = tw.WriteHeader(&tar.Header{Name: "index.json", Size: 2, Mode: 0o644})
		_, _ = tw.Write([]byte("{}"))
	}
	tw.Close()
	for name, c := range map[string]struct {
		data []byte
		says string
	}{
		"gzip":  {zipped.Bytes(), "gunzip"},
		"text":  {bytes.Repeat([]byte("hello\n"), 500), "no tar file"},
		"cut":   {good[:len(good)/2], ""},
		"twice": {twice.Bytes(), "index.json is twice"},
		"empty": {nil, "no index.json"},
	} {
		path := filepath.Join(t.TempDir(), name)
		write(t, filepath.Dir(path), name, string(c.data))
		if _, err := Open(path); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Open(filepath.Join(t.TempDir(), "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("nothing there: %v", err)
	}
}

func write(t testing.TB, dir, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func remove(t testing.TB, dir, name string) {
	t.Helper()
	if err := os.Remove(filepath.Join(dir, name)); err != nil {
		t.Fatal(err)
	}
}

func flip(t testing.TB, dir, name string) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)/2] ^= 1
	write(t, dir, name, string(data))
}

// manifest is the file of the first manifest.
func manifest(t testing.TB, dir string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, "index.json"))
	if err != nil {
		t.Fatal(err)
	}
	var x v1.IndexManifest
	if err := json.Unmarshal(data, &x); err != nil {
		t.Fatal(err)
	}
	return blobName(x.Manifests[0].Digest)
}
