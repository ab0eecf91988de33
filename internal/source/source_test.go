// SPDX-License-Identifier: MIT OR Apache-2.0

package source

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/validate"
)

const (
	imageType = "application/vnd.oci.image.manifest.v1+json"
	indexType = "application/vnd.oci.image.index.v1+json"
)

func digest(data string) string {
	sum := sha256.Sum256([]byte(data))
	return "sha256:" + hex.EncodeToString(sum[:])
}

func descriptor(mediaType, data string) string {
	return fmt.Sprintf(`{"mediaType":%q,"digest":%q,"size":%d}`, mediaType, digest(data), len(data))
}

// stock is the files of a layout.
type stock map[string]string

func (s stock) add(data string) string {
	s["blobs/sha256/"+strings.TrimPrefix(digest(data), "sha256:")] = data
	return data
}

// image adds an image of one layer of random-looking text, and gives its manifest.
func (s stock) image(seed string) string {
	var tarred bytes.Buffer
	w := tar.NewWriter(&tarred)
	_ = w.WriteHeader(&tar.Header{Name: seed, Mode: 0o644, Size: int64(len(seed))})
	_, _ = io.WriteString(w, seed)
	_ = w.Close()
	layer := s.add(tarred.String())
	config := s.add(fmt.Sprintf(`{"os":"linux","architecture":"amd64","rootfs":{"type":"layers","diff_ids":[%q]}}`, digest(layer)))
	return s.add(fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"config":%s,"layers":[%s]}`, imageType,
		descriptor("application/vnd.oci.image.config.v1+json", config), descriptor("application/vnd.oci.image.layer.v1.tar", layer)))
}

func (s stock) index(descriptors ...string) {
	s["index.json"] = `{"schemaVersion":2,"manifests":[` + strings.Join(descriptors, ",") + `]}`
}

func (s stock) folder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, data := range s {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(data), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func (s stock) archive(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "a.tar")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w := tar.NewWriter(f)
	for name, data := range s {
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(data)), PAXRecords: map[string]string{"SAMPAN.x": strings.Repeat("y", 700)}}); err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(w, data)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestLayoutsAndArchives(t *testing.T) {
	s := stock{}
	one, two := s.image("one"), s.image("two")
	sub := s.add(`{"schemaVersion":2,"mediaType":"` + indexType + `","manifests":[` + descriptor(imageType, one) + "," + descriptor(imageType, two) + `]}`)
	s.index(descriptor(imageType, one), descriptor(indexType, sub))
	for _, path := range []string{s.folder(t), s.archive(t)} {
		p, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		images, index, err := p.Load(p.Entries[0])
		if err != nil || index != nil || len(images) != 1 {
			t.Fatalf("%d images, %v, %v", len(images), index, err)
		}
		if err := validate.Image(images[0], validate.Fast); err != nil {
			t.Error(err)
		}
		images, index, err = p.Load(p.Entries[1])
		if err != nil || len(images) != 2 {
			t.Fatalf("%d images, %v", len(images), err)
		}
		if got, _ := index.Digest(); got.String() != digest(sub) {
			t.Error(got)
		}
		if err := validate.Index(index, validate.Fast); err != nil {
			t.Error(err)
		}
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestNothingIsBelieved(t *testing.T) {
	for name, spoil := range map[string]func(s stock, manifest string){
		"a manifest of other bytes": func(s stock, m string) {
			s["blobs/sha256/"+strings.TrimPrefix(digest(m), "sha256:")] = m + " "
		},
		"a path for a digest": func(s stock, m string) {
			s.index(`{"mediaType":"` + imageType + `","digest":"sha256:` + strings.Repeat("../", 21) + `x","size":1}`)
		},
		"another algorithm": func(s stock, m string) {
			s.index(`{"mediaType":"` + imageType + `","digest":"sha512:` + strings.Repeat("ab", 64) + `","size":1}`)
		},
		"another media type": func(s stock, m string) { s.index(descriptor("text/plain", m)) },
		"manifest as index": func(s stock, m string) {
			s.index(strings.Replace(descriptor(imageType, m), imageType, "application/vnd.docker.distribution.manifest.v2+json", 1))
		},
		"no manifest": func(s stock, m string) { delete(s, "blobs/sha256/"+strings.TrimPrefix(digest(m), "sha256:")) },
		"index in an index": func(s stock, m string) {
			inner := s.add(`{"schemaVersion":2,"manifests":[]}`)
			outer := s.add(`{"schemaVersion":2,"manifests":[` + descriptor(indexType, inner) + `]}`)
			s.index(descriptor(indexType, outer))
		},
		"no JSON":     func(s stock, m string) { s["index.json"] = "{" },
		"no image":    func(s stock, m string) { s.index() },
		"no index":    func(s stock, m string) { delete(s, "index.json") },
		"a huge file": func(s stock, m string) { s["index.json"] = strings.Repeat(" ", maxJSON+1) },
	} {
		s := stock{}
		m := s.image("one")
		s.index(descriptor(imageType, m))
		spoil(s, m)
		for _, path := range []string{s.folder(t), s.archive(t)} {
			p, err := Open(path)
			if err == nil {
				_, _, err = p.Load(p.Entries[0])
				p.Close()
			}
			var e *Error
			if !errors.As(err, &e) || e.Hint() == "" {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

// A layer of other bytes never comes out whole.
func TestLayersAreHashedAsTheyAreRead(t *testing.T) {
	for name, spoil := range map[string]func(string) string{
		"changed": func(d string) string { return d[:100] + "x" + d[101:] },
		"cut":     func(d string) string { return d[:len(d)-1] },
		"longer":  func(d string) string { return d + "x" },
		"empty":   func(string) string { return "" },
		"":        func(d string) string { return d }, // and one that is as it should be
	} {
		s := stock{}
		m := s.image("one")
		s.index(descriptor(imageType, m))
		for path, data := range s {
			if len(data) > 1024 && path != "index.json" {
				s[path] = spoil(data)
			}
		}
		p, err := Open(s.folder(t))
		if err != nil {
			t.Fatal(err)
		}
		images, _, err := p.Load(p.Entries[0])
		if err != nil {
			t.Fatal(err)
		}
		layers, err := images[0].Layers()
		if err != nil {
			t.Fatal(err)
		}
		r, err := layers[0].Compressed()
		if err != nil {
			t.Fatal(err)
		}
		size, _ := layers[0].Size()
		got, err := io.Copy(io.Discard, r)
		var e *Error
		if name == "" && (err != nil || got != size) || name != "" && (!errors.As(err, &e) || got >= size) {
			t.Errorf("%s: %d of %d bytes, %v", name, got, size, err)
		}
		r.Close()
	}
}

func TestPlacesThatAreNone(t *testing.T) {
	text := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(text, []byte(strings.Repeat("no archive ", 100)), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{filepath.Join(t.TempDir(), "nothing"), t.TempDir(), text} {
		p, err := Open(path)
		var e *Error
		if !errors.As(err, &e) || e.Hint() == "" || p != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
	if _, err := (&Place{Path: t.TempDir()}).open("x"); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}

// What readers could take for two things, or wait for, is refused; a link is followed, and what is behind it hashed.
func TestOddPlaces(t *testing.T) {
	s := stock{}
	m := s.image("one")
	s.index(descriptor(imageType, m))
	blob := "blobs/sha256/" + strings.TrimPrefix(digest(m), "sha256:")

	path := s.archive(t)
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Seek(-1024, io.SeekEnd); err != nil { // before the end of the archive
		t.Fatal(err)
	}
	w := tar.NewWriter(f)
	_ = w.WriteHeader(&tar.Header{Name: "./index.json", Mode: 0o644, Size: 2})
	_, _ = io.WriteString(w, "{}")
	if err := errors.Join(w.Close(), f.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path); err == nil || !strings.Contains(err.Error(), "twice") {
		t.Errorf("a member twice: %v", err)
	}

	dir := s.folder(t)
	at := filepath.Join(dir, filepath.FromSlash(blob))
	load := func() error {
		p, err := Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		_, _, err = p.Load(p.Entries[0])
		return err
	}
	if err := errors.Join(os.Rename(at, at+".real"), os.Symlink(at+".real", at)); err != nil {
		t.Fatal(err)
	}
	if err := load(); err != nil {
		t.Errorf("a link: %v", err)
	}
	if err := os.WriteFile(at+".real", []byte("other"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := load(); err == nil {
		t.Error("other bytes behind a link were taken")
	}
	if err := errors.Join(os.Remove(at), os.Mkdir(at, 0o755)); err != nil {
		t.Fatal(err)
	}
	var e *Error
	if err := load(); !errors.As(err, &e) || !strings.Contains(err.Error(), "no regular file") {
		t.Errorf("a folder: %v", err)
	}
}
