// SPDX-License-Identifier: MIT OR Apache-2.0

package sandbox

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"sampan/internal/rootfs"
)

// maxLinks is how many symbolic links a path may lead through, as in the kernel.
const maxLinks = 40

// overlay is what several trees come to when one lies over the other.
type overlay struct {
	entries map[string]rootfs.Entry // by real path: no part of it but the last is a link
}

// layers lays trees over each other as engines do: below a link to a folder, its target is meant; a folder over a
// folder changes its mode only; anything else replaces what was there.
func layers(trees []rootfs.Tree) (*overlay, error) {
	o := &overlay{entries: map[string]rootfs.Entry{}}
	for _, t := range trees {
		for _, e := range t {
			dir, err := o.dir(path.Dir(e.Path))
			if err != nil {
				return nil, fmt.Errorf("lay out %q: %w", e.Path, err)
			}
			e.Path = path.Join(dir, path.Base(e.Path))
			if old, ok := o.entries[e.Path]; ok && old.Mode.IsDir() && !e.Mode.IsDir() {
				o.remove(e.Path)
			}
			o.entries[e.Path] = e
		}
	}
	return o, nil
}

func (o *overlay) remove(p string) {
	maps.DeleteFunc(o.entries, func(q string, _ rootfs.Entry) bool { return strings.HasPrefix(q, p+"/") })
}

// dir gives the real path of a folder, "" for the root, and makes what is missing of it. Links stay in the root.
func (o *overlay) dir(p string) (string, error) {
	todo := strings.Split(p, "/")
	at, links := "", 0
	for len(todo) > 0 {
		name := todo[0]
		todo = todo[1:]
		switch name {
		case "", ".":
			continue
		case "..":
			if at = path.Dir(at); at == "." {
				at = ""
			}
			continue
		}
		next := path.Join(at, name)
		e, ok := o.entries[next]
		switch {
		case !ok:
			o.entries[next] = rootfs.Entry{Path: next, Mode: fs.ModeDir | 0o755}
		case e.Mode&fs.ModeSymlink != 0:
			if links++; links > maxLinks {
				return "", errors.New("too many symbolic links")
			}
			if path.IsAbs(e.Link) {
				at = ""
			}
			todo = append(strings.Split(e.Link, "/"), todo...)
			continue
		case !e.Mode.IsDir():
			return "", fmt.Errorf("%q is not a folder", next)
		}
		at = next
	}
	return at, nil
}

// file adds a small file unless something is there.
func (o *overlay) file(p string, content []byte) error {
	dir, err := o.dir(path.Dir(p))
	if err != nil {
		return err
	}
	p = path.Join(dir, path.Base(p))
	if _, ok := o.entries[p]; !ok {
		o.entries[p] = rootfs.Entry{Path: p, Mode: 0o644, Size: int64(len(content)), Open: func() (io.ReadCloser, error) {
			return io.NopCloser(bytes.NewReader(content)), nil
		}}
	}
	return nil
}

// sorted gives all entries, parents before children, with the permissions that the one user who exists inside has.
func (o *overlay) sorted(uid, gid int) []rootfs.Entry {
	all := make([]rootfs.Entry, 0, len(o.entries))
	for _, p := range slices.Sorted(maps.Keys(o.entries)) {
		e := o.entries[p]
		e.Mode = seen(e, uid, gid)
		all = append(all, e)
	}
	return all
}

// seen is the mode that gives the user, once everything belongs to them, the rights that they have on e as it is.
// Setuid and setgid bits mean nothing where there is one user. Root's rights are those of the owner.
func seen(e rootfs.Entry, uid, gid int) fs.FileMode {
	m := e.Mode &^ (fs.ModeSetuid | fs.ModeSetgid)
	perm := m.Perm()
	switch {
	case e.UID == uid || uid == 0:
		return m
	case e.GID == gid:
		perm = perm&0o077 | perm&0o070<<3
	default:
		perm = perm&0o077 | perm&0o007<<6
	}
	return m&^fs.ModePerm | perm
}
