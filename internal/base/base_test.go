// SPDX-License-Identifier: MIT OR Apache-2.0

package base

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"sampan/internal/source"
)

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// world is a layout with one image in the making.
type world struct {
	t        *testing.T
	dir      string
	platform string // "linux/amd64"
	types    string // media type of layers
	tars     [][]byte
	blobs    [][]byte
	diffIDs  []string
	sizes    map[int]int // of blobs that say another
	history  int
	index    []string // descriptors of an index's images; nil for no index
}

func newWorld(t *testing.T) *world {
	return &world{t: t, dir: t.TempDir(), platform: "linux/amd64", types: "application/vnd.oci.image.layer.v1.tar+gzip", sizes: map[int]int{}}
}

func tarOf(headers ...tar.Header) []byte {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range headers {
		body := h.Uname // a way to write a file in one line
		h.Uname = ""
		h.Size = int64(len(body))
		if h.Mode == 0 {
			h.Mode = 0o644
		}
		if err := w.WriteHeader(&h); err != nil {
			return nil // a test sees that it is no layer
		}
		_, _ = io.WriteString(w, body)
	}
	_ = w.Close()
	return b.Bytes()
}

func zip(data []byte) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write(data)
	_ = w.Close()
	return b.Bytes()
}

func (w *world) layer(data []byte) *world {
	w.tars, w.blobs, w.diffIDs = append(w.tars, data), append(w.blobs, zip(data)), append(w.diffIDs, digest(data))
	return w
}

func (w *world) put(data []byte) {
	w.t.Helper()
	path := filepath.Join(w.dir, "blobs", "sha256", strings.TrimPrefix(digest(data), "sha256:"))
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, data, 0o644)); err != nil {
		w.t.Fatal(err)
	}
}

func descriptor(kind string, data []byte, size int, more string) string {
	return fmt.Sprintf(`{"mediaType":%q,"digest":%q,"size":%d%s}`, kind, digest(data), size, more)
}

// image writes the image and gives its descriptor.
func (w *world) image() string {
	os, arch, _ := strings.Cut(w.platform, "/")
	ids, _ := json.Marshal(w.diffIDs)
	history := `{"created_by":"FROM scratch","empty_layer":true}` + strings.Repeat(`,{"created_by":"ADD"}`, w.history)
	config := []byte(fmt.Sprintf(`{"os":%q,"architecture":%q,"config":{"Env":["PATH=/bin","LANG=C"]},"history":[%s],"rootfs":{"type":"layers","diff_ids":%s}}`, os, arch, history, ids))
	var layers []string
	for i, b := range w.blobs {
		size, ok := w.sizes[i]
		if !ok {
			size = len(b)
		}
		layers = append(layers, descriptor(w.types, b, size, ""))
		w.put(b)
	}
	w.put(config)
	manifest := []byte(fmt.Sprintf(`{"schemaVersion":2,"config":%s,"layers":[%s]}`, descriptor("application/vnd.oci.image.config.v1+json", config, len(config), ""), strings.Join(layers, ",")))
	w.put(manifest)
	return descriptor("application/vnd.oci.image.manifest.v1+json", manifest, len(manifest), fmt.Sprintf(`,"platform":{"os":%q,"architecture":%q}`, os, arch))
}

func (w *world) open(memory string) (*Image, error) {
	w.t.Helper()
	top := w.image()
	if w.index != nil {
		index := []byte(`{"schemaVersion":2,"manifests":[` + strings.Join(append(w.index, top), ",") + `]}`)
		w.put(index)
		top = descriptor("application/vnd.oci.image.index.v1+json", index, len(index), "")
	}
	if err := os.WriteFile(filepath.Join(w.dir, "index.json"), []byte(`{"schemaVersion":2,"manifests":[`+top+`]}`), 0o644); err != nil {
		w.t.Fatal(err)
	}
	p, err := source.Open(w.dir)
	if err != nil {
		w.t.Fatal(err)
	}
	return Open(p, p.Entries[0], "linux/amd64", Options{Memory: memory})
}

func TestOpen(t *testing.T) {
	memory := t.TempDir()
	w := newWorld(t).layer(tarOf(tar.Header{Name: "etc/", Typeflag: tar.TypeDir, Mode: 0o755}, tar.Header{Name: "./etc/ld.so.conf", Uname: "include ld.so.conf.d/*.conf # all\n/opt/lib\n"},
		tar.Header{Name: "etc/ld.so.conf.d/a.conf", Uname: "/a/lib\n"}, tar.Header{Name: "etc/old", Uname: "x"})).
		layer(tarOf(tar.Header{Name: "etc/.wh.old"}, tar.Header{Name: "lib", Typeflag: tar.TypeSymlink, Linkname: "usr/lib"}))
	w.types, w.history = "application/vnd.docker.image.rootfs.diff.tar.gzip", 2
	for _, when := range []string{"read", "remembered"} {
		img, err := w.open(memory)
		if err != nil {
			t.Fatal(when, err)
		}
		if kind, _ := img.Layers[0].MediaType(); kind != "application/vnd.oci.image.layer.v1.tar+gzip" || len(img.Layers) != 2 || len(img.DiffIDs) != 2 {
			t.Error(when, kind, len(img.Layers))
		}
		if _, ok := img.Files.At("/etc/old"); ok || img.Files.Len() != 5 {
			t.Error(when, img.Files.Len())
		}
		if len(img.History) != 3 || strings.Join(img.Search, " ") != "/opt/lib /a/lib" {
			t.Error(when, img.History, img.Search)
		}
		if got := strings.Join(img.Environ([]string{"A=1", "LANG=C.UTF-8"}), " "); got != "PATH=/bin LANG=C.UTF-8 A=1" {
			t.Error(when, got)
		}
		r, err := img.Layers[0].Uncompressed()
		if err != nil {
			t.Fatal(err)
		}
		if data, err := io.ReadAll(r); err != nil || !bytes.Equal(data, w.tars[0]) {
			t.Error(when, "the layer's bytes differ", err)
		}
		r.Close()
	}
	// What is remembered is not asked of the bytes again, until they go somewhere.
	blob := filepath.Join(w.dir, "blobs", "sha256", strings.TrimPrefix(digest(w.blobs[1]), "sha256:"))
	p, _ := source.Open(w.dir)
	if err := os.WriteFile(blob, bytes.Repeat([]byte{1}, len(w.blobs[1])), 0o644); err != nil {
		t.Fatal(err)
	}
	img, err := Open(p, p.Entries[0], "linux/amd64", Options{Memory: memory})
	if err != nil {
		t.Fatal(err)
	}
	r, err := img.Layers[1].Compressed()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(r); err == nil {
		t.Error("damaged bytes were given")
	}
}

// TestR16Refuses plays what a base may do wrong (facts on faults, R16 and R18).
func TestR16Refuses(t *testing.T) {
	good := tarOf(tar.Header{Name: "a", Uname: "one"})
	one := func(t *testing.T) *world { return newWorld(t).layer(good) }
	for name, c := range map[string]struct {
		make func(t *testing.T) *world
		want string
	}{
		"longer than declared":  {func(t *testing.T) *world { w := one(t); w.sizes[0] = len(w.blobs[0]) - 1; return w }, "other bytes"},
		"shorter than declared": {func(t *testing.T) *world { w := one(t); w.sizes[0] = len(w.blobs[0]) + 1; return w }, "other bytes"},
		"another diff ID":       {func(t *testing.T) *world { w := one(t); w.diffIDs[0] = digest([]byte("x")); return w }, "the config says"},
		"an extra member":       {func(t *testing.T) *world { w := one(t); w.blobs[0] = append(w.blobs[0], zip(good)...); return w }, "something follows"},
		"garbage behind": {func(t *testing.T) *world {
			w := one(t)
			w.blobs[0] = append(w.blobs[0], "some garbage that is no gzip"...)
			return w
		}, "invalid header"},
		"an archive behind": {func(t *testing.T) *world {
			return newWorld(t).layer(append(bytes.Clone(good), good...))
		}, "something follows"},
		"a way out": {func(t *testing.T) *world { return newWorld(t).layer(tarOf(tar.Header{Name: "../a"})) }, "leads out"},
		"another name of none": {func(t *testing.T) *world {
			return newWorld(t).layer(tarOf(tar.Header{Name: "a", Typeflag: tar.TypeLink, Linkname: "b"}))
		}, "another name"},
		"fewer diff IDs": {func(t *testing.T) *world { w := one(t); w.diffIDs = []string{}; return w }, "0 in its config"},
		"zstd": {func(t *testing.T) *world {
			w := one(t)
			w.types = "application/vnd.oci.image.layer.v1.tar+zstd"
			return w
		}, "zstd"},
		"a foreign layer": {func(t *testing.T) *world {
			w := one(t)
			w.types = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
			return w
		}, "foreign"},
		"plain bytes as gzip": {func(t *testing.T) *world { w := one(t); w.blobs[0] = w.tars[0]; return w }, "invalid header"},
		"another platform":    {func(t *testing.T) *world { w := one(t); w.platform = "linux/s390x"; return w }, "there is linux/s390x"},
	} {
		t.Run(name, func(t *testing.T) {
			w := c.make(t)
			memory := t.TempDir()
			_, err := w.open(memory)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("%v, want %q", err, c.want)
			}
			if h, ok := err.(interface{ Hint() string }); !ok || h.Hint() == "" {
				t.Errorf("no hint: %v", err)
			}
			if left, _ := os.ReadDir(memory); len(left) > 0 && name != "another name of none" {
				t.Error("it is remembered all the same")
			}
		})
	}
}

func TestDamagedBlob(t *testing.T) {
	w := newWorld(t).layer(tarOf(tar.Header{Name: "a", Uname: "one"}))
	if _, err := w.open(""); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(w.dir, "blobs", "sha256", strings.TrimPrefix(digest(w.blobs[0]), "sha256:"))
	for _, bad := range [][]byte{w.blobs[0][:len(w.blobs[0])-5], append(bytes.Clone(w.blobs[0][:40]), bytes.Repeat([]byte{7}, len(w.blobs[0])-40)...)} {
		if err := os.WriteFile(path, bad, 0o644); err != nil {
			t.Fatal(err)
		}
		p, err := source.Open(w.dir)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Open(p, p.Entries[0], "linux/amd64", Options{}); err == nil {
			t.Error("it was taken")
		}
	}
}

func TestPlatforms(t *testing.T) {
	w := newWorld(t).layer(tarOf(tar.Header{Name: "a", Uname: "one"}))
	absent := `{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"` + digest([]byte("x")) + `","size":1,"platform":{"os":"linux","architecture":%q}}`
	w.index = []string{fmt.Sprintf(absent, "arm64"), fmt.Sprintf(absent, "unknown")}
	if img, err := w.open(""); err != nil || img.Files.Len() != 1 {
		t.Error(err)
	}
	w.platform = "linux/386"
	_, err := w.open("")
	if e, ok := errors.AsType[*source.PlatformError](err); !ok || strings.Join(e.Have, " ") != "linux/arm64 linux/unknown linux/386" {
		t.Error(err)
	}
}

func TestR16Bombs(t *testing.T) {
	archive := tarOf(tar.Header{Name: "zeros", Uname: string(make([]byte, 1<<20))})
	l := &layer{kind: types.OCILayer, blob: static.NewLayer(zip(archive), types.OCILayer)}
	l.d.Size = int64(len(zip(archive)))
	l.diffID, _ = v1.NewHash(digest(archive))
	if _, err := l.list(budget{free: 512 << 10}); !errors.Is(err, errBomb) {
		t.Errorf("%d bytes of a megabyte: %v", l.d.Size, err)
	}
	if found, err := l.list(budget{free: 2 << 20}); err != nil || found.Unpacked != int64(len(archive)) {
		t.Error(err)
	}
	if _, err := l.list(budget{free: 2 << 20, unpacked: maxUnpacked - 1<<19}); !errors.Is(err, errBomb) {
		t.Errorf("when nothing is left: %v", err)
	}
	if _, err := l.look("", &budget{free: 2 << 20, entries: maxEntries}); err == nil {
		t.Error("one file too many was taken")
	}
}
