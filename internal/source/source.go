// SPDX-License-Identifier: MIT OR Apache-2.0

// Package source reads images from layouts and archives, trusting no byte.
//
// Open finds an OCI image layout in a folder or in a tar file (image-spec, image-layout.md), which `docker save` of an
// engine since version 25 and Sampan's own archives hold too. It promises that manifests, indexes and configs are those
// that their digests name, and that who reads a layer to its end knows the same of it. It refuses what two readers could
// understand in two ways, links, and documents of more than 4 MiB.
//
//	s, err := source.Open("oci:target/sampan/hello")
//	defer s.Close()
//	for _, im := range s.Images { … }
package source

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Source is an open layout or archive.
type Source struct {
	Images []Image
	files  files
}

// Image is one image of a source, for one or several platforms.
type Image struct {
	Name      string // of the image; of the layout where that does not tell
	Tags      []string
	Digest    v1.Hash
	MediaType types.MediaType
	Platforms []v1.Image
	Index     v1.ImageIndex // over all Platforms and nothing else; nil when there is none
}

// files are the files of a layout by their names in it.
type files interface {
	// open gives a file and its size.
	open(name string) (io.ReadCloser, int64, error)
	Close() error
}

const (
	maxJSON   = 4 << 20 // of an index, a manifest or a config, in bytes
	maxImages = 10_000
)

// Annotations of a descriptor in index.json: image-spec, annotations.md; and containerd's.
const (
	refName        = "org.opencontainers.image.ref.name"
	containerdName = "io.containerd.image.name"
)

// Error says that a source cannot be read.
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

const kinds = "name a folder or a tar file that sampan build -o oci:DIR or -o docker-archive:FILE writes"

// Open opens what a word names: a path, or what `sampan build` prints, "oci:PATH[:TAG][@DIGEST]". The error is an *Error.
func Open(word string) (*Source, error) {
	path := word
	for _, scheme := range []string{"oci:", "oci-archive:", "docker-archive:"} {
		path = strings.TrimPrefix(path, scheme)
	}
	path, digest, _ := strings.Cut(path, "@")
	tag := ""
	if i := strings.LastIndexByte(path, ':'); i > 0 && strings.HasPrefix(word, "oci:") {
		if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
			path, tag = path[:i], path[i+1:]
		}
	}
	s, err := open(path)
	if err != nil {
		return nil, err
	}
	s.Images = slices.DeleteFunc(s.Images, func(im Image) bool {
		return digest != "" && im.Digest.String() != digest || tag != "" && !slices.Contains(im.Tags, tag)
	})
	if len(s.Images) == 0 {
		s.Close()
		return nil, &Error{Path: word, Err: errors.New("there is no such image in it"), hint: "leave tag and digest out for all that are there"}
	}
	return s, nil
}

func open(path string) (*Source, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, &Error{Path: path, Err: plain(err), hint: kinds}
	}
	s := &Source{}
	if info.IsDir() {
		s.files = folder(path)
	} else if s.files, err = openTar(path); err != nil {
		return nil, &Error{Path: path, Err: plain(err), hint: kinds}
	}
	if err := s.read(strings.TrimSuffix(filepath.Base(path), ".tar")); err != nil {
		s.Close()
		return nil, &Error{Path: path, Err: err, hint: kinds}
	}
	return s, nil
}

// Close closes the files.
func (s *Source) Close() error { return s.files.Close() }

// read reads the top and all that it names but layers and configs.
func (s *Source) read(name string) error {
	data, err := s.document("index.json", nil)
	if errors.Is(err, fs.ErrNotExist) {
		return errors.New("no index.json in it: it is no OCI image layout")
	}
	if err != nil {
		return err
	}
	top, err := parseIndex(data)
	if err != nil {
		return fmt.Errorf("index.json: %w", err)
	}
	for _, d := range top.Manifests {
		n, tag := nameOf(d, name)
		if i := slices.IndexFunc(s.Images, func(im Image) bool { return im.Digest == d.Digest && im.Name == n }); i >= 0 {
			s.Images[i].Tags = append(s.Images[i].Tags, tag)
			continue
		}
		im, err := s.image(d)
		if err != nil {
			return fmt.Errorf("%s: %w", d.Digest, err)
		}
		im.Name, im.Tags = n, []string{tag}
		s.Images = append(s.Images, im)
	}
	return nil
}

// nameOf tells name and tag of a descriptor. docker.io's own prefix is left out: people do not say it.
func nameOf(d v1.Descriptor, fallback string) (name, tag string) {
	ref := d.Annotations[containerdName]
	ref = strings.TrimPrefix(strings.TrimPrefix(ref, "docker.io/"), "library/")
	if ref == "" {
		ref = d.Annotations[refName]
	}
	i := strings.LastIndexByte(ref, ':')
	switch {
	case ref == "":
		return fallback, "latest"
	case i > strings.LastIndexByte(ref, '/'):
		return ref[:i], ref[i+1:]
	case d.Annotations[containerdName] != "":
		return ref, "latest"
	}
	return fallback, ref
}

// image reads one image, or an index of several.
func (s *Source) image(d v1.Descriptor) (Image, error) {
	out := Image{Digest: d.Digest, MediaType: d.MediaType}
	if !d.MediaType.IsIndex() {
		im, err := s.platform(d)
		out.Platforms = []v1.Image{im}
		return out, err
	}
	raw, err := s.document(blobName(d.Digest), &d)
	if err != nil {
		return out, err
	}
	x, err := parseIndex(raw)
	if err != nil {
		return out, err
	}
	whole := true
	for _, child := range x.Manifests {
		// Attestations of BuildKit say so; what is no image is passed over.
		if child.MediaType.IsIndex() || child.Platform != nil && child.Platform.OS == "unknown" {
			whole = false
			continue
		}
		im, err := s.platform(child)
		if errors.Is(err, fs.ErrNotExist) {
			whole = false // a copy of some platforms only
			continue
		}
		if err != nil {
			return out, fmt.Errorf("%s: %w", child.Digest, err)
		}
		out.Platforms = append(out.Platforms, im)
	}
	if len(out.Platforms) == 0 {
		return out, errors.New("it holds no image")
	}
	if whole {
		out.Index = &index{raw: raw, parsed: x, descriptor: d, images: out.Platforms}
	}
	return out, nil
}

// document reads a small file. With a descriptor, its bytes are those that it names.
func (s *Source) document(name string, d *v1.Descriptor) ([]byte, error) {
	r, size, err := s.files.open(name)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	if size > maxJSON || d != nil && size != d.Size {
		return nil, fmt.Errorf("%s has %d bytes", name, size)
	}
	data, err := io.ReadAll(io.LimitReader(r, maxJSON+1))
	if err != nil {
		return nil, err
	}
	if d != nil {
		if got, _, _ := v1.SHA256(bytes.NewReader(data)); got != d.Digest {
			return nil, fmt.Errorf("%s holds other bytes: %s", name, got)
		}
	}
	return data, nil
}

// parseIndex reads an index; v1.Hash refuses digests that are none.
func parseIndex(data []byte) (*v1.IndexManifest, error) {
	var both struct {
		Layers, Config, Manifests json.RawMessage
		MediaType                 types.MediaType
	}
	if err := json.Unmarshal(data, &both); err != nil {
		return nil, err
	}
	if both.Manifests == nil || both.Layers != nil || both.Config != nil || both.MediaType != "" && !both.MediaType.IsIndex() {
		return nil, errors.New("it is no index")
	}
	x, err := v1.ParseIndexManifest(bytes.NewReader(data))
	if err == nil && len(x.Manifests) > maxImages {
		err = fmt.Errorf("it names %d images", len(x.Manifests))
	}
	return x, err
}

func blobName(h v1.Hash) string { return "blobs/" + h.Algorithm + "/" + h.Hex }

// plain drops the path from an error of package os, where it is told already.
func plain(err error) error {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return p.Err
	}
	return err
}
