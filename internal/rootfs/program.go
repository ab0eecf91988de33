// SPDX-License-Identifier: MIT OR Apache-2.0

package rootfs

import (
	"io"
	"sort"
	"strings"
)

// ProgramFile is one program of an image.
type ProgramFile struct {
	Path string // in the image, "hello" or "usr/bin/hello"; a slash in front is allowed
	Size int64  // bytes
	Open func() (io.ReadCloser, error)
	Caps Caps // that it has from its start, whoever starts it
}

// Program gives the tree of an image's programs, root's and mode 0555: whoever the image runs as can start them, and
// nobody can change them. Folders above them are added (see Above). The error is a *TreeError.
func Program(entries ...ProgramFile) (Tree, error) {
	var t Tree
	seen := map[string]bool{}
	for _, p := range entries {
		name := strings.TrimPrefix(p.Path, "/")
		if problem := checkPath(name); problem != "" {
			return nil, &TreeError{Path: p.Path, Problem: problem}
		}
		for d := range parents(name) {
			if !seen[d] {
				seen[d] = true
				t = append(t, Entry{Path: d, Mode: dirMode})
			}
		}
		t = append(t, Entry{Path: name, Mode: 0o555, Size: p.Size, Open: p.Open, Caps: p.Caps})
	}
	sortTree(t)
	if err := t.Validate(); err != nil {
		return nil, err
	}
	return t, nil
}

func sortTree(t Tree) {
	sort.SliceStable(t, func(i, j int) bool { return t[i].Path < t[j].Path })
}
