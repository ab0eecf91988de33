// SPDX-License-Identifier: MIT OR Apache-2.0

package output

import (
	"crypto/sha256"
	"encoding/hex"
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
	gcrlayout "github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/google/go-containerregistry/pkg/v1/validate"
)

// makeImage makes the same OCI image for the same seed: some layers of 32 KiB for linux/arch.
func makeImage(seed int64, arch string) (v1.Image, error) {
	img, err := random.Image(32<<10, 2, random.WithSource(rand.NewSource(seed)))
	if err != nil {
		return nil, err
	}
	config, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	config.OS, config.Architecture = "linux", arch
	img, err = mutate.ConfigFile(img, config)
	if err != nil {
		return nil, err
	}
	img = mutate.MediaType(img, types.OCIManifestSchema1)
	return mutate.ConfigMediaType(img, types.OCIConfigJSON), nil
}

func testImage(t testing.TB, seed int64) v1.Image {
	t.Helper()
	img, err := makeImage(seed, "amd64")
	if err != nil {
		t.Fatal(err)
	}
	return img
}

func payloadOf(t testing.TB, name string, seed int64, tags ...string) Payload {
	t.Helper()
	return Payload{Name: name, Tags: tags, Images: []v1.Image{testImage(t, seed)}}
}

// platforms makes a payload for two platforms.
func platforms(t testing.TB, name string, seed int64, tags ...string) Payload {
	t.Helper()
	p := Payload{Name: name, Tags: tags}
	idx := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for i, arch := range []string{"arm64", "amd64"} {
		img, err := makeImage(seed+int64(i), arch)
		if err != nil {
			t.Fatal(err)
		}
		p.Images = append(p.Images, img)
		idx = mutate.AppendManifests(idx, mutate.IndexAddendum{Add: img, Descriptor: v1.Descriptor{
			Platform: &v1.Platform{OS: "linux", Architecture: arch}}})
	}
	p.Index = idx
	return p
}

// fileLayer is a layer whose bytes are in a file, as those of package image are.
type fileLayer struct {
	v1.Layer
	path     string
	verified *int
	verify   error
}

func (l fileLayer) Path() string { return l.path }
func (l fileLayer) Verify() error {
	*l.verified++
	return l.verify
}

// fileImage is an image of such layers.
type fileImage struct {
	v1.Image
	layers []v1.Layer
}

func (f fileImage) Layers() ([]v1.Layer, error) { return f.layers, nil }

// inFiles puts an image's layers into files of a folder.
func inFiles(img v1.Image, folder string, verified *int) (fileImage, error) {
	layers, err := img.Layers()
	if err != nil {
		return fileImage{}, err
	}
	out := fileImage{Image: img}
	for _, l := range layers {
		h, err := l.Digest()
		if err != nil {
			return out, err
		}
		path := filepath.Join(folder, h.Hex)
		if _, err := os.Stat(path); err != nil {
			r, err := l.Compressed()
			if err != nil {
				return out, err
			}
			data, err := io.ReadAll(r)
			if err != nil {
				return out, err
			}
			if err := os.WriteFile(path, data, 0o644); err != nil {
				return out, err
			}
		}
		out.layers = append(out.layers, fileLayer{Layer: l, path: path, verified: verified})
	}
	return out, nil
}

func mustParse(t testing.TB, spec string) Output {
	t.Helper()
	o, err := Machine{}.Parse(spec)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func write1(t testing.TB, spec string, ps ...Payload) []Receipt {
	t.Helper()
	rs, err := mustParse(t, spec).Write(t.Context(), ps)
	if err != nil {
		t.Fatal(err)
	}
	if len(rs) != len(ps) {
		t.Fatalf("%d receipts for %d payloads", len(rs), len(ps))
	}
	return rs
}

// tagsIn reads a layout with another reader, validates every byte of it, and gives digest by reference name.
func tagsIn(t testing.TB, folder string) map[string]string {
	t.Helper()
	idx, err := gcrlayout.ImageIndexFromPath(folder)
	if err != nil {
		t.Fatal(err)
	}
	m, err := idx.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, d := range m.Manifests {
		name := d.Annotations[refName]
		if _, twice := out[name]; twice {
			t.Fatalf("name %q twice", name)
		}
		out[name] = d.Digest.String()
		if d.MediaType.IsIndex() {
			child, err := idx.ImageIndex(d.Digest)
			if err != nil {
				t.Fatal(err)
			}
			if err := validate.Index(child); err != nil {
				t.Fatal(err)
			}
			continue
		}
		img, err := idx.Image(d.Digest)
		if err != nil {
			t.Fatal(err)
		}
		if err := validate.Image(img); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// blobsIn lists the digests of a layout's blobs, each of them hashed.
func blobsIn(t testing.TB, folder string) []string {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(folder, "blobs", "sha256"))
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(folder, "blobs", "sha256", e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(data)
		if hex.EncodeToString(sum[:]) != e.Name() {
			t.Fatalf("blob %s holds other bytes", e.Name())
		}
		out = append(out, "sha256:"+e.Name())
	}
	return out
}

// digestsOf lists what payloads consist of.
func digestsOf(t testing.TB, ps ...Payload) []string {
	t.Helper()
	var out []string
	for _, p := range ps {
		c, err := gather(p)
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range c.blobs {
			out = append(out, b.digest.String())
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// temps lists temporary files below a folder.
func temps(t testing.TB, folder string) []string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(folder, func(path string, e fs.DirEntry, err error) error {
		if err == nil && strings.Contains(e.Name(), ".tmp") {
			out = append(out, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// hinted checks that an error says what to type.
func hinted(t testing.TB, err error, want string) {
	t.Helper()
	var h interface{ Hint() string }
	if !errors.As(err, &h) || !strings.Contains(h.Hint(), want) {
		t.Errorf("error %v: no hint with %q", err, want)
	}
}

// snapshot describes every file and folder: names, modes, times, sizes.
func snapshot(t testing.TB, folder string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(folder, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		b.WriteString(path + " " + info.Mode().String() + " " + info.ModTime().String() + "\n")
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}
