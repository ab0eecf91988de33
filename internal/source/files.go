// SPDX-License-Identifier: MIT OR Apache-2.0

package source

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	"sampan/internal/durable"
)

// folder is a layout in a folder. Links in it are not followed.
type folder string

func (f folder) open(name string) (io.ReadCloser, int64, error) {
	r, err := durable.OpenRegular(filepath.Join(string(f), filepath.FromSlash(name)))
	if err != nil {
		return nil, 0, err
	}
	info, err := r.Stat()
	if err != nil {
		r.Close()
		return nil, 0, err
	}
	return r, info.Size(), nil
}

func (folder) Close() error { return nil }

// archive is a layout in a tar file. Nothing is unpacked: members are read where they lie.
type archive struct {
	f       *os.File
	members map[string]member
}

type member struct{ at, size int64 }

const maxMembers = 100_000

func openTar(name string) (files, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	a := &archive{f: f, members: map[string]member{}}
	if err := a.list(); err != nil {
		f.Close()
		return nil, err
	}
	return a, nil
}

func (a *archive) list() error {
	magic := make([]byte, 2)
	if _, err := a.f.ReadAt(magic, 0); err == nil && magic[0] == 0x1f && magic[1] == 0x8b {
		return errors.New("it is compressed: gunzip it first")
	}
	info, err := a.f.Stat()
	if err != nil {
		return err
	}
	r := tar.NewReader(a.f) // which reads a seeker in whole blocks, no further than it must
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("it is no tar file, or damaged: %w", err)
		}
		if h.Typeflag != tar.TypeReg {
			continue // a link in the place of a file is then missing
		}
		at, err := a.f.Seek(0, io.SeekCurrent)
		if err != nil {
			return err
		}
		name := path.Clean(h.Name)
		if _, twice := a.members[name]; twice {
			return fmt.Errorf("%s is twice in it", name)
		}
		if at+h.Size > info.Size() {
			return fmt.Errorf("it ends in the middle of %s", name)
		}
		if a.members[name] = (member{at, h.Size}); len(a.members) > maxMembers {
			return fmt.Errorf("more than %d files in it", maxMembers)
		}
	}
}

func (a *archive) open(name string) (io.ReadCloser, int64, error) {
	m, ok := a.members[name]
	if !ok {
		return nil, 0, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return io.NopCloser(io.NewSectionReader(a.f, m.at, m.size)), m.size, nil
}

func (a *archive) Close() error { return a.f.Close() }
