// SPDX-License-Identifier: MIT OR Apache-2.0

package base

import (
	"errors"
	"fmt"
	"io"
	"os"

	"sampan/internal/rootfs"
)

// Tree gives the files of all layers, to run a program upon them. The layers are unpacked into files without a name,
// which end with the process.
func (i *Image) Tree() (rootfs.Tree, error) {
	var spools []*os.File
	for _, l := range i.Layers {
		f, err := spool(l.Uncompressed)
		if err != nil {
			return nil, fmt.Errorf("unpack base: %w", err)
		}
		spools = append(spools, f)
	}
	return i.Files.Tree(func(n rootfs.Node) (io.ReadCloser, error) {
		if n.Offset < 0 {
			return nil, fmt.Errorf("read %q of the base: it is a sparse file, which only engines unpack", n.Path)
		}
		return io.NopCloser(io.NewSectionReader(spools[n.Layer], n.Offset, n.Size)), nil
	}), nil
}

func spool(open func() (io.ReadCloser, error)) (*os.File, error) {
	r, err := open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	f, err := os.CreateTemp("", "sampan-base-")
	if err != nil {
		return nil, err
	}
	_, err = io.Copy(f, r)
	if err := errors.Join(err, os.Remove(f.Name())); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}
