// SPDX-License-Identifier: MIT OR Apache-2.0

package base

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"path"
	"strings"
	"unicode/utf8"

	"sampan/internal/binary"
	"sampan/internal/rootfs"
)

// Limits of what a base may be. Deflate cannot shrink anything but uniform bytes a hundredfold.
const (
	maxUnpacked  = 16 << 30 // bytes of all layers
	freeUnpacked = 64 << 20 // see budget
	maxRatio     = 100      // times that a layer may grow beyond those
	maxEntries   = 500_000  // of all layers
	maxLibrary   = 64 << 20 // bytes of a shared object that is looked into
	maxConfText  = 64 << 10 // bytes of a file that names folders of libraries
	maxName      = 4094
)

// budget is what is left to the layers of one base.
type budget struct {
	free     int64 // bytes of a layer that are not asked how small they were
	unpacked int64
	entries  int
}

// listing is what was found in a layer.
type listing struct {
	Unpacked int64                  `json:"unpacked"`
	Nodes    []rootfs.Node          `json:"nodes"`
	Libs     map[int64]binary.Links `json:"libs,omitempty"`  // by the offset of the file
	Texts    map[int64]string       `json:"texts,omitempty"` // of files that name folders of libraries
}

// look tells what is in a layer: from memory, or by reading all of it.
func (l *layer) look(memory string, b *budget) (*listing, error) {
	found, ok := l.recall(memory)
	if !ok {
		var err error
		if found, err = l.list(*b); err != nil {
			return nil, err
		}
		l.remember(memory, found)
	}
	b.unpacked += found.Unpacked
	b.entries += len(found.Nodes)
	if b.unpacked > maxUnpacked || b.entries > maxEntries {
		return nil, errors.New("it is too large: 16 GiB and 500,000 files at most")
	}
	return found, nil
}

// list reads a layer to its end.
func (l *layer) list(b budget) (*listing, error) {
	r, err := l.unpack()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	s := &stream{r: r, sum: sha256.New(), limit: min(maxUnpacked-b.unpacked, max(b.free, l.d.Size*maxRatio))}
	found := &listing{Libs: map[int64]binary.Links{}, Texts: map[int64]string{}}
	if err := found.entries(s); err != nil {
		return nil, err
	}
	if err := s.zeros(); err != nil {
		return nil, err
	}
	if got := hex.EncodeToString(s.sum.Sum(nil)); got != l.diffID.Hex || l.diffID.Algorithm != "sha256" {
		return nil, fmt.Errorf("it unpacks to sha256:%s, and the config says %s", got, l.diffID)
	}
	found.Unpacked = s.n
	return found, nil
}

// stream is a tar stream that is counted and hashed.
type stream struct {
	r     io.Reader
	sum   hash.Hash
	n     int64
	limit int64
}

var errBomb = errors.New("it unpacks to far more than it is: more than 64 MiB, and a hundred times its size")

func (s *stream) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	s.n += int64(n)
	s.sum.Write(p[:n])
	if s.n > s.limit {
		return n, errBomb
	}
	return n, err
}

// zeros reads what follows the end of the archive: padding, or what some readers would see and others not.
func (s *stream) zeros() error {
	buf := make([]byte, 64<<10)
	for {
		n, err := s.Read(buf)
		if len(bytes.Trim(buf[:n], "\x00")) > 0 {
			return errors.New("something follows the end of its archive")
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("unpack: %w", err)
		}
	}
}

func (f *listing) entries(s *stream) error {
	r := tar.NewReader(s)
	for {
		h, err := r.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("unpack: %w", err)
		}
		if len(f.Nodes) >= maxEntries {
			return fmt.Errorf("more than %d files", maxEntries)
		}
		n, ok, err := node(h)
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		if n.Offset = s.n; sparse(h) {
			n.Offset = -s.n // its bytes do not lie there one after another
		}
		if n.Mode.IsRegular() && n.Hard == "" {
			if err := f.content(n, r); err != nil {
				return err
			}
		}
		f.Nodes = append(f.Nodes, n)
	}
}

// node makes an entry of a header; false for the root itself and for what is no file.
func node(h *tar.Header) (rootfs.Node, bool, error) {
	name, err := clean(h.Name)
	if err != nil || name == "" {
		return rootfs.Node{}, false, err
	}
	n := rootfs.Node{Path: name, UID: h.Uid, GID: h.Gid, Mode: h.FileInfo().Mode()}
	switch h.Typeflag {
	case tar.TypeReg, tar.TypeGNUSparse:
		n.Size = h.Size
	case tar.TypeDir, tar.TypeChar, tar.TypeBlock, tar.TypeFifo:
	case tar.TypeSymlink:
		n.Link = h.Linkname
	case tar.TypeLink:
		if n.Hard, err = clean(h.Linkname); err != nil {
			return n, false, err
		}
	case tar.TypeXGlobalHeader:
		return n, false, nil
	default:
		return n, false, fmt.Errorf("%q is an entry of an unknown type %q", name, h.Typeflag)
	}
	return n, true, nil
}

func sparse(h *tar.Header) bool {
	return h.Typeflag == tar.TypeGNUSparse || h.PAXRecords["GNU.sparse.major"] != "" || h.PAXRecords["GNU.sparse.size"] != ""
}

// clean makes a path of an image of a name in an archive. One that leads out is refused, as engines do.
func clean(name string) (string, error) {
	for seg := range strings.SplitSeq(name, "/") {
		if seg == ".." {
			return "", fmt.Errorf("an entry leads out of it: %q", name)
		}
	}
	if !utf8.ValidString(name) || strings.ContainsRune(name, 0) || len(name) > maxName {
		return "", fmt.Errorf("an entry has a name that is no path: %.200q", name)
	}
	return strings.TrimPrefix(path.Clean("/"+name), "/"), nil
}

// content looks into shared objects, and into files that say where those are.
func (f *listing) content(n rootfs.Node, r io.Reader) error {
	conf := n.Path == "etc/ld.so.conf" || strings.HasPrefix(n.Path, "etc/ld.so.conf.d/") && n.Size <= maxConfText
	if !conf && (!strings.Contains(path.Base(n.Path), ".so") || n.Size > maxLibrary) {
		return nil
	}
	if conf {
		data, err := io.ReadAll(io.LimitReader(r, maxConfText))
		if err == nil && utf8.Valid(data) {
			f.Texts[n.Offset] = string(data)
		}
		return err
	}
	magic := make([]byte, 4)
	if k, err := io.ReadFull(r, magic); k < 4 || string(magic) != "\x7fELF" {
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			err = nil
		}
		return err
	}
	data, err := io.ReadAll(io.MultiReader(bytes.NewReader(magic), r))
	if err != nil {
		return fmt.Errorf("unpack: %w", err)
	}
	if links, err := binary.ReadLinks(bytes.NewReader(data), int64(len(data))); err == nil {
		f.Libs[n.Offset] = links // what cannot be read is no library
	}
	return nil
}
