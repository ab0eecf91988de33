// SPDX-License-Identifier: MIT OR Apache-2.0

package rootfs

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// FilesOptions say what one image adds to Static.
type FilesOptions struct {
	Root        string   // a folder; sources are below it and links may not leave it
	Files       []File   // copied from Root
	Zoneinfo    bool     // usr/share/zoneinfo, see ZoneinfoVersion
	CAFiles     []string // PEM or DER files of certificates, anywhere; see Files
	AllowSetuid bool     // keep setuid and setgid, from the disk and in File.Mode, instead of refusing them
	Base        Tree     // what lies below this tree in the image: Static
}

// Files gives the tree of what settings add; nil when they add nothing. Folders that lead to a file are added, root's and
// 0755, unless Base has them; folders of Base keep Base's mode and owner.
//
// With CAFiles the tree holds a CABundle of its own that hides Base's: Base's certificates, when Base has any, then those
// of the files in the order given, each once. A file or link at a path of Base is otherwise not refused here: see Overlap.
//
// Errors are *FileError, *ConflictError or *CAError. The tree holds Root open until it is garbage.
func Files(o FilesOptions) (Tree, error) {
	var specs []spec
	for i, f := range o.Files {
		s, err := parseFile(i, f)
		if err != nil {
			return nil, err
		}
		if s.mode&(fs.ModeSetuid|fs.ModeSetgid) != 0 && !o.AllowSetuid {
			return nil, s.fail("mode", f.Mode, setuidHint, errSetuid)
		}
		specs = append(specs, s)
	}
	c := collector{setuid: o.AllowSetuid}
	if len(specs) > 0 {
		root, err := os.OpenRoot(o.Root)
		if err != nil {
			return nil, fmt.Errorf("open folder of files: %w", err)
		}
		c.root = root
	}
	t, err := c.tree(specs, o)
	if err != nil {
		if c.root != nil {
			c.root.Close()
		}
		return nil, err
	}
	return t, nil
}

func (c *collector) tree(specs []spec, o FilesOptions) (Tree, error) {
	base := make(map[string]Entry, len(o.Base))
	for _, e := range o.Base {
		base[e.Path] = e
	}
	for i := range specs {
		if err := c.row(&specs[i]); err != nil {
			return nil, err
		}
	}
	if o.Zoneinfo {
		zones, err := zoneinfo()
		if err != nil {
			return nil, err
		}
		c.own("zoneinfo", zones)
	}
	if len(o.CAFiles) > 0 {
		t, err := caTree(o.CAFiles, base)
		if err != nil {
			return nil, err
		}
		c.own("ca-files", t)
	}
	t, err := c.merge(base)
	if err != nil {
		return nil, err
	}
	return t, c.absoluteLinks(t, base)
}

// item is an entry with what errors need to know of it.
type item struct {
	Entry
	spec *spec  // nil: ours, by the name in from
	from string // path on disk, below the root
	weak bool   // a folder that is only on the way to something
}

func (i *item) String() string {
	if i.spec == nil {
		return i.from
	}
	return fmt.Sprintf("files[%d] (%q)", i.spec.index, i.from)
}

// own adds entries that do not come from a row of settings.
func (c *collector) own(name string, t Tree) {
	for _, e := range t {
		c.items = append(c.items, item{Entry: e, from: name, weak: e.Mode.IsDir()})
	}
}

// merge adds the folders on the way, brings all in order, and makes one of what is there twice.
func (c *collector) merge(base map[string]Entry) (Tree, error) {
	c.addParents()
	slices.SortStableFunc(c.items, func(a, b item) int {
		return cmp.Or(strings.Compare(a.Path, b.Path), before(b.weak, a.weak), before(!b.Mode.IsDir(), !a.Mode.IsDir()))
	})
	var out Tree
	var first *item // of those with the same path
	for i := range c.items {
		it := &c.items[i]
		if first != nil && first.Path == it.Path {
			if err := same(first, it); err != nil {
				return nil, err
			}
			continue
		}
		first = it
		below, known := base[it.Path]
		if known && below.Mode.IsDir() != it.Mode.IsDir() {
			problem := "a file in place of a folder"
			if it.Mode.IsDir() {
				problem = "a folder in place of a file"
			}
			return nil, &ConflictError{"/" + it.Path, [2]string{it.String(), "the files of every image"}, problem}
		}
		if known && it.Mode.IsDir() {
			continue
		}
		out = append(out, it.Entry)
	}
	return out, nil
}

// before is -1 when the first of two marks is set and the second is not.
func before(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return -1
	}
	return 1
}

func (c *collector) addParents() {
	seen := map[string]bool{}
	for i := range c.items {
		it := &c.items[i]
		for d := range parents(it.Path) {
			if seen[d] {
				break // and so is all above it
			}
			seen[d] = true
			c.items = append(c.items, item{Entry: Entry{Path: d, Mode: dirMode}, spec: it.spec, from: it.from, weak: true})
			it = &c.items[i]
		}
	}
}

// same says whether two items for one path are one: a is the one that stays.
func same(a, b *item) error {
	conflict := func(problem string) error {
		return &ConflictError{"/" + a.Path, [2]string{a.String(), b.String()}, problem}
	}
	switch {
	case a.Mode.IsDir() != b.Mode.IsDir():
		return conflict("a folder and a file")
	case a.Mode.IsDir() && b.weak:
		return nil
	case a.Mode.IsDir() && (a.UID != b.UID || a.GID != b.GID):
		return conflict("a folder with two owners")
	case a.Mode.IsDir():
		return nil
	case a.spec != nil && b.spec != nil && a.from == b.from && a.Mode == b.Mode && a.UID == b.UID && a.GID == b.GID:
		return nil
	}
	return conflict("two sources")
}

// absoluteLinks refuses links to absolute paths that are neither in the image nor given by every runtime: they would
// point at something of the machine that built it.
func (c *collector) absoluteLinks(t Tree, base map[string]Entry) error {
	for i := range c.items {
		it := &c.items[i]
		if it.Mode.Type() != fs.ModeSymlink || !strings.HasPrefix(it.Link, "/") && !filepath.IsAbs(it.Link) {
			continue
		}
		target := path.Clean(it.Link)
		if runtimeProvides(target) {
			continue
		}
		_, below := base[strings.TrimPrefix(target, "/")]
		if _, here := t.lookup(strings.TrimPrefix(target, "/")); below || here || it.spec == nil {
			continue
		}
		return it.spec.fail("source", it.from, "make the link relative, or copy what it points to and name its place in the image",
			fmt.Errorf("is a link to %q, which is not in the image", it.Link))
	}
	return nil
}

const setuidHint = "write allow-setuid = true, or mode = \"0755\""

var errSetuid = errors.New("is setuid or setgid")
