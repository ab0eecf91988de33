// SPDX-License-Identifier: MIT OR Apache-2.0

package output

import (
	"archive/tar"
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"
)

const tarBlock = 512

// member is one member of an archive: a folder, a small file with its bytes, or a blob.
type member struct {
	header []byte // as it stands in the file
	blob   *blob  // nil for a folder
}

// tarFile is an archive before it is written: the same members give the same bytes, so what it will be like can be
// compared with a file without writing one.
type tarFile struct {
	members []member
	size    int64
}

// newTar lays out an archive of files by their names; the folders above them come along. Everything is sorted, has
// the epoch as its time, and belongs to root.
func newTar(files map[string]blob) (*tarFile, error) {
	all := map[string]*blob{}
	for name, b := range files {
		all[name] = &b
		for i, c := range name {
			if c == '/' {
				all[name[:i+1]] = nil
			}
		}
	}
	names := make([]string, 0, len(all))
	for name := range all {
		names = append(names, name)
	}
	slices.Sort(names)
	t := &tarFile{size: 2 * tarBlock}
	for _, name := range names {
		header, err := tarHeader(name, all[name])
		if err != nil {
			return nil, fmt.Errorf("describe %s: %w", name, err)
		}
		t.members = append(t.members, member{header, all[name]})
		t.size += int64(len(header))
		if b := all[name]; b != nil {
			t.size += b.size + padding(b.size)
		}
	}
	return t, nil
}

func tarHeader(name string, b *blob) ([]byte, error) {
	h := &tar.Header{Name: name, Mode: 0o755, Typeflag: tar.TypeDir, ModTime: time.Unix(0, 0)}
	if !strings.HasSuffix(name, "/") {
		h.Mode, h.Typeflag, h.Size = 0o644, tar.TypeReg, b.size
	}
	var out bytes.Buffer
	// A writer for the header alone; it is never closed, as it would miss the bytes.
	if err := tar.NewWriter(&out).WriteHeader(h); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

func padding(size int64) int64 { return -size & (tarBlock - 1) }

// writeTo writes the archive and checks every byte of every blob on the way.
func (t *tarFile) writeTo(ctx context.Context, w io.Writer) error {
	out := bufio.NewWriterSize(w, 256<<10)
	zeros := make([]byte, 2*tarBlock)
	for _, m := range t.members {
		if _, err := out.Write(m.header); err != nil {
			return err
		}
		if m.blob == nil {
			continue
		}
		if err := m.blob.copyTo(ctx, out); err != nil {
			return err
		}
		if _, err := out.Write(zeros[:padding(m.blob.size)]); err != nil {
			return err
		}
	}
	if _, err := out.Write(zeros); err != nil {
		return err
	}
	return out.Flush()
}

// same tells whether a file is this archive: its size, every header, and every byte that is not in a layer. A layer
// is known by the digest and size in its header: such a file got its name only after its layers were hashed.
func (t *tarFile) same(f *os.File) bool {
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() || info.Size() != t.size {
		return false
	}
	at := int64(0)
	equal := func(want []byte) bool {
		got := make([]byte, len(want))
		_, err := f.ReadAt(got, at)
		at += int64(len(want))
		return err == nil && bytes.Equal(got, want)
	}
	for _, m := range t.members {
		if !equal(m.header) {
			return false
		}
		if m.blob == nil {
			continue
		}
		if m.blob.layer == nil {
			if !equal(m.blob.data) {
				return false
			}
		} else {
			at += m.blob.size
		}
		if !equal(make([]byte, padding(m.blob.size))) {
			return false
		}
	}
	return equal(make([]byte, 2*tarBlock))
}

// isTar tells whether a file begins like a tar file.
func isTar(f io.ReaderAt) bool {
	magic := make([]byte, 5)
	_, err := f.ReadAt(magic, 257)
	return err == nil && string(magic) == "ustar"
}
