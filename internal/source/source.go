// SPDX-License-Identifier: MIT OR Apache-2.0

// Package source reads images from layouts, archives and registries, trusting no byte.
//
// Every manifest and config is hashed before it is parsed, every layer while it is read. Paths are made of checked
// digests only. It refuses indexes within indexes, digests other than SHA-256, and archives that hold no OCI layout.
//
//	p, err := source.Open("target/sampan/hello")
//	defer p.Close()
//	images, index, err := p.Load(p.Entries[0])
package source

import (
	"archive/tar"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Limits of what is read.
const (
	maxJSON    = 4 << 20 // bytes of an index, a manifest or a config
	maxMembers = 100_000 // files of an archive
)

// refName is the annotation that names an entry (image-spec, annotations.md).
const refName = "org.opencontainers.image.ref.name"

// Place is a layout or an archive that is open.
type Place struct {
	Path    string
	Entries []Entry // of its index.json

	cache   bool     // see Blobs
	remote  *remote  // of a registry
	file    *os.File // of an archive
	members map[string]section
}

// Entry is one image of a place.
type Entry struct {
	Name       string // its reference name there, "" when it has none
	Descriptor v1.Descriptor
}

// section is where a member of an archive lies.
type section struct{ at, size int64 }

// Error says that a place cannot be read.
type Error struct {
	Path string
	Err  error
	hint string
}

func (e *Error) Error() string { return fmt.Sprintf("read %s: %v", e.Path, e.Err) }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Hint says what to type.
func (e *Error) Hint() string { return e.hint }

// Open opens a layout's folder, or an archive that holds a layout: what `sampan build -o` writes. The error is an
// *Error.
func Open(path string) (*Place, error) {
	p := &Place{Path: path}
	bad := func(err error, hint string) (*Place, error) {
		p.Close()
		return nil, &Error{Path: path, Err: err, hint: hint}
	}
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return bad(errors.New("there is no such file or folder"), "make one: sampan build -o oci:"+path)
	}
	if err != nil {
		return bad(err, "ls -ld "+path)
	}
	if !info.IsDir() {
		if p.file, err = os.Open(path); err == nil {
			err = p.scan()
		}
		if err != nil {
			return bad(err, "name an archive of `sampan build -o oci-archive:FILE` or docker-archive:FILE, not compressed")
		}
	}
	data, err := p.small("index.json")
	if errors.Is(err, fs.ErrNotExist) {
		return bad(errors.New("it holds no OCI image layout: there is no index.json"), "an archive of an older `docker save` has none; push that with docker push")
	}
	if err != nil {
		return bad(err, "ls -l "+path)
	}
	var index v1.IndexManifest
	if err := json.Unmarshal(data, &index); err != nil {
		return bad(fmt.Errorf("parse index.json: %w", err), "make it anew: sampan build")
	}
	for _, d := range index.Manifests {
		p.Entries = append(p.Entries, Entry{Name: d.Annotations[refName], Descriptor: d})
	}
	if len(p.Entries) == 0 {
		return bad(errors.New("it holds no image"), "sampan build -o oci:"+path)
	}
	return p, nil
}

// Close ends the use of a place and of everything that came from it.
func (p *Place) Close() error {
	if p.file == nil {
		return nil
	}
	return p.file.Close()
}

// scan notes where an archive's members lie.
func (p *Place) scan() error {
	p.members = map[string]section{}
	counted := &counter{r: p.file}
	r := tar.NewReader(counted)
	for range maxMembers {
		h, err := r.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return errors.New("it is no tar archive, or it is cut")
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		name := strings.TrimPrefix(h.Name, "./")
		if _, twice := p.members[name]; twice {
			return fmt.Errorf("it holds %q twice, and readers differ about which counts", name)
		}
		p.members[name] = section{counted.n, h.Size}
	}
	return fmt.Errorf("more than %d files", maxMembers)
}

// counter knows how far a reader is. It cannot seek, so that the tar reader reads on and the count stays true.
type counter struct {
	r io.Reader
	n int64
}

func (c *counter) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.n += int64(n)
	return n, err
}

// open opens a file of the layout.
func (p *Place) open(name string) (io.ReadCloser, error) {
	if p.file == nil {
		path := filepath.Join(p.Path, filepath.FromSlash(name))
		// A link is followed, since some tools make layouts of them, and every byte behind it is hashed. What is no
		// file could be waited for without end.
		if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
			return nil, fmt.Errorf("%s is no regular file", name)
		}
		return os.Open(path)
	}
	s, ok := p.members[name]
	if !ok {
		return nil, fmt.Errorf("%s: %w", name, fs.ErrNotExist)
	}
	return io.NopCloser(io.NewSectionReader(p.file, s.at, s.size)), nil
}

func (p *Place) small(name string) ([]byte, error) {
	f, err := p.open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxJSON+1))
	if err == nil && len(data) > maxJSON {
		err = fmt.Errorf("%s is larger than %d bytes", name, maxJSON)
	}
	return data, err
}
