// SPDX-License-Identifier: MIT OR Apache-2.0

// Package base reads the image that ours is built upon.
//
// It trusts no byte: manifests, configs and layers are hashed (by room source), the tar stream of each layer has to have
// the diff ID that the config names, and what unpacks to far more than it is, or holds what engines would differ about, is
// refused. What was found in a layer is remembered by its digests, so that it is read once on a machine; its bytes are
// hashed again whenever they go anywhere.
//
//	img, err := base.Open(place, entry, "linux/amd64", base.Options{Memory: dir})
//	tree, err := rootfs.Static(…).Missing(img.Files)
package base

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/klauspost/compress/gzip"

	"sampan/internal/binary"
	"sampan/internal/rootfs"
	"sampan/internal/source"
)

// Image is a base for one platform.
type Image struct {
	Name    string  // what others can find it by; "" for a place on this machine
	Digest  v1.Hash // of its manifest
	Layers  []v1.Layer
	DiffIDs []v1.Hash
	History []v1.History // one that is not empty for each layer
	Env     []string
	Files   *rootfs.Lower
	Search  []string // folders of /etc/ld.so.conf and the files that it includes

	libs map[file]binary.Links
}

// file is where the bytes of a file are.
type file struct {
	layer  int
	offset int64
}

// Links tells what a shared object of the base needs and gives; false for what is none.
func (i *Image) Links(n rootfs.Node) (binary.Links, bool) {
	l, ok := i.libs[file{n.Layer, n.Offset}]
	return l, ok
}

// From notes which repository of which registry the base is in, and the name that others find it by.
func (i *Image) From(host, path, name string) {
	i.Name = name
	for _, l := range i.Layers {
		if l, ok := l.(*layer); ok {
			l.host, l.path = host, path
		}
	}
}

// Error says that a base cannot be built upon.
type Error struct {
	Path string
	Err  error
	hint string
}

func (e *Error) Error() string { return fmt.Sprintf("read base %s: %v", e.Path, e.Err) }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Hint says what to type.
func (e *Error) Hint() string { return e.hint }

// Options say where what was found in layers is remembered.
type Options struct {
	Memory string // folder, made when needed; "" for nowhere
}

// maxLayers is as many as engines take.
const maxLayers = 127

// Open reads a base: of an index, the image for the platform. Errors are *Error, and those of room source.
func Open(p *source.Place, e source.Entry, platform string, o Options) (*Image, error) {
	want, err := v1.ParsePlatform(platform)
	if err != nil {
		return nil, err
	}
	img, digest, err := p.For(e.Descriptor, *want)
	if err != nil {
		return nil, err
	}
	out := &Image{Digest: digest, Files: &rootfs.Lower{}, libs: map[file]binary.Links{}}
	if err := out.read(img, o); err != nil {
		if damaged, ok := errors.AsType[*source.Error](err); ok {
			return nil, damaged
		}
		e := &Error{Path: p.Path, Err: err, hint: "take another base, or fetch it anew"}
		if k, ok := errors.AsType[*kindError](err); ok {
			e.hint = k.hint
		}
		return nil, e
	}
	return out, nil
}

func (i *Image) read(img v1.Image, o Options) error {
	m, err := img.Manifest()
	if err != nil {
		return err
	}
	config, err := img.ConfigFile()
	if err != nil {
		return err
	}
	if n := len(config.RootFS.DiffIDs); n != len(m.Layers) || n > maxLayers {
		return fmt.Errorf("%d layers, and %d in its config; %d at most", len(m.Layers), n, maxLayers)
	}
	i.DiffIDs, i.Env = config.RootFS.DiffIDs, config.Config.Env
	budget := &budget{free: freeUnpacked}
	texts := map[file]string{}
	for at, d := range m.Layers {
		kind, err := layerType(d.MediaType)
		if err != nil {
			return err
		}
		blob, err := img.LayerByDigest(d.Digest)
		if err != nil {
			return err
		}
		l := &layer{d: d, kind: kind, diffID: config.RootFS.DiffIDs[at], blob: blob}
		found, err := l.look(o.Memory, budget)
		if err != nil {
			return fmt.Errorf("layer %s: %w", d.Digest, err)
		}
		if err := i.Files.Lay(found.Nodes); err != nil {
			return fmt.Errorf("layer %s: %w", d.Digest, err)
		}
		for offset, links := range found.Libs {
			i.libs[file{at, offset}] = links
		}
		for offset, text := range found.Texts {
			texts[file{at, offset}] = text
		}
		i.Layers = append(i.Layers, l)
	}
	i.History = history(config.History, m.Layers)
	i.Search = searchPath(i.Files, texts)
	return nil
}

// history is the base's own where it counts as many layers as there are: engines refuse one that does not.
func history(own []v1.History, layers []v1.Descriptor) []v1.History {
	full := 0
	for _, h := range own {
		if !h.EmptyLayer {
			full++
		}
	}
	if full == len(layers) {
		return slices.Clone(own)
	}
	var out []v1.History
	for _, d := range layers {
		out = append(out, v1.History{CreatedBy: "Base: " + d.Digest.String()})
	}
	return out
}

// kindError is a layer of a kind that is not taken.
type kindError struct {
	kind types.MediaType
	hint string
}

func (e *kindError) Error() string { return fmt.Sprintf("its layers are %q", e.kind) }

// layerType is OCI's media type for a layer: Docker's types are other names of the same bytes. What is not said to be
// there (foreign layers), and what not every engine reads (zstd), is refused.
func layerType(t types.MediaType) (types.MediaType, error) {
	switch t {
	case types.OCILayer, types.DockerLayer:
		return types.OCILayer, nil
	case types.OCIUncompressedLayer, types.DockerUncompressedLayer:
		return types.OCIUncompressedLayer, nil
	case types.OCILayerZStd:
		return "", &kindError{t, "engines differ about zstd; copy it with gzip: skopeo copy --dest-compress-format gzip"}
	}
	return "", &kindError{t, "a base has layers of tar, with gzip or without: take another one"}
}

// Environ lays the variables of an image over those of its base: in the base's order, then what is new.
func (i *Image) Environ(own []string) []string {
	out := slices.Clone(i.Env)
	for _, v := range own {
		name, _, _ := strings.Cut(v, "=")
		if at := slices.IndexFunc(out, func(b string) bool { return strings.HasPrefix(b, name+"=") }); at >= 0 {
			out[at] = v
		} else {
			out = append(out, v)
		}
	}
	return out
}

// maxConf bounds how many files /etc/ld.so.conf may include.
const maxConf = 100

// searchPath reads /etc/ld.so.conf as ldconfig does: a folder a line, and "include" with a pattern.
func searchPath(l *rootfs.Lower, texts map[file]string) (dirs []string) {
	todo, seen := []string{"etc/ld.so.conf"}, 0
	for len(todo) > 0 && seen < maxConf {
		n, ok := l.Find(todo[0])
		todo, seen = todo[1:], seen+1
		if !ok {
			continue
		}
		for line := range strings.Lines(texts[file{n.Layer, n.Offset}]) {
			line, _, _ = strings.Cut(line, "#")
			line = strings.TrimSpace(line)
			switch pattern, include := strings.CutPrefix(line, "include "); {
			case include:
				pattern = strings.TrimSpace(pattern)
				if !path.IsAbs(pattern) {
					pattern = "/etc/" + pattern
				}
				if suffix, ok := strings.CutPrefix(path.Base(pattern), "*"); ok {
					todo = append(todo, l.Glob(path.Dir(pattern), suffix)...)
				} else {
					todo = append(todo, pattern)
				}
			case path.IsAbs(line) && !slices.Contains(dirs, line):
				dirs = append(dirs, line)
			}
		}
	}
	return dirs
}

// layer is one of the base's, byte for byte as it was.
type layer struct {
	d      v1.Descriptor
	kind   types.MediaType
	diffID v1.Hash
	blob   v1.Layer
	host   string // of the registry that it came from, "" for none
	path   string // of the repository there
}

// Origin is where in a registry the layer is: who pushes to the same one need not send it.
func (l *layer) Origin() (host, path string) { return l.host, l.path }

func (l *layer) Digest() (v1.Hash, error)             { return l.d.Digest, nil }
func (l *layer) DiffID() (v1.Hash, error)             { return l.diffID, nil }
func (l *layer) Size() (int64, error)                 { return l.d.Size, nil }
func (l *layer) MediaType() (types.MediaType, error)  { return l.kind, nil }
func (l *layer) Compressed() (io.ReadCloser, error)   { return l.blob.Compressed() }
func (l *layer) Uncompressed() (io.ReadCloser, error) { return l.unpack() }

// unpack reads the tar stream. All members of the gzip count, and nothing else may follow them.
func (l *layer) unpack() (io.ReadCloser, error) {
	blob, err := l.blob.Compressed()
	if err != nil || l.kind == types.OCIUncompressedLayer {
		return blob, err
	}
	r, err := gzip.NewReader(bufio.NewReaderSize(blob, 256<<10))
	if err != nil {
		blob.Close()
		return nil, fmt.Errorf("unpack: %w", err)
	}
	return &unzipped{Reader: r, blob: blob}, nil
}

type unzipped struct {
	*gzip.Reader
	blob io.Closer
}

func (u *unzipped) Close() error { return errors.Join(u.Reader.Close(), u.blob.Close()) }
