// SPDX-License-Identifier: MIT OR Apache-2.0

package rootfs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// maxLinks is how many symbolic links a path may lead through, as in the kernel.
const maxLinks = 40

// opaque is the whiteout that hides everything that lower layers have in a folder (OCI image-spec, layer.md, "Opaque
// Whiteout").
const opaque = ".wh..wh..opq"

// Node is one entry of a layer that others made.
type Node struct {
	Path   string      `json:"path"` // clean, relative to the image's root
	Mode   fs.FileMode `json:"mode"`
	UID    int         `json:"uid,omitempty"`
	GID    int         `json:"gid,omitempty"`
	Size   int64       `json:"size,omitempty"`   // bytes of a file
	Offset int64       `json:"offset,omitempty"` // of a file's bytes in the layer's tar stream
	Link   string      `json:"link,omitempty"`   // a symbolic link's text
	Hard   string      `json:"hard,omitempty"`   // of a hard link: the path of the file that it is another name of
	Layer  int         `json:"-"`                // from 0, the lowest; set by Lay
}

// Lower is the files of the layers that an image is built upon. Paths that it is asked about may lead through symbolic
// links to folders, which stay in the image's root.
type Lower struct {
	nodes  map[string]Node // by real path: no part of it but the last is a link
	layers int
}

// Len is the number of entries.
func (l *Lower) Len() int { return len(l.nodes) }

// Lay lays a layer over those before, as engines unpack it: first its whiteouts, which speak of the layers below alone,
// then its entries in their order.
func (l *Lower) Lay(layer []Node) error {
	if l.nodes == nil {
		l.nodes = map[string]Node{}
	}
	for _, n := range layer {
		name := path.Base(n.Path)
		if !strings.HasPrefix(name, whiteout) {
			continue
		}
		dir, err := l.Real(path.Dir(n.Path))
		switch {
		case err != nil: // it hides what is not there
		case name == opaque:
			l.remove(dir, false)
		default:
			l.remove(path.Join(dir, strings.TrimPrefix(name, whiteout)), true)
		}
	}
	for _, n := range layer {
		if strings.HasPrefix(path.Base(n.Path), whiteout) {
			continue
		}
		n.Layer = l.layers
		if err := l.add(n); err != nil {
			return fmt.Errorf("lay out %q: %w", n.Path, err)
		}
	}
	l.layers++
	return nil
}

func (l *Lower) add(n Node) error {
	dir, err := l.walk(path.Dir(n.Path), true)
	if err != nil {
		return err
	}
	if n.Hard != "" {
		at, err := l.walk(path.Dir(n.Hard), false)
		if err != nil {
			return err
		}
		target, ok := l.nodes[path.Join(at, path.Base(n.Hard))]
		if !ok || target.Mode.IsDir() {
			return fmt.Errorf("it is another name of %q, which is no file", n.Hard)
		}
		target.Path = n.Path
		n = target
	}
	n.Path = path.Join(dir, path.Base(n.Path))
	if old, ok := l.nodes[n.Path]; ok && old.Mode.IsDir() && !n.Mode.IsDir() {
		l.remove(n.Path, true)
	}
	l.nodes[n.Path] = n
	return nil
}

// remove takes what lies below a path away, and the path too when self says so.
func (l *Lower) remove(p string, self bool) {
	if self {
		if old, ok := l.nodes[p]; !ok || !old.Mode.IsDir() {
			delete(l.nodes, p)
			return
		}
		delete(l.nodes, p)
	}
	for q := range l.nodes {
		if p == "" || strings.HasPrefix(q, p+"/") {
			delete(l.nodes, q)
		}
	}
}

// Real gives the real path of a folder, "" for the root. The error is fs.ErrNotExist when there is no such folder.
func (l *Lower) Real(dir string) (string, error) { return l.walk(dir, false) }

var errNoFolder = errors.New("a file is where a folder should be")

// walk follows a path to a folder. Folders that are missing are an error, or made.
func (l *Lower) walk(p string, create bool) (string, error) {
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
		n, ok := l.nodes[next]
		switch {
		case !ok && create:
			l.nodes[next] = Node{Path: next, Mode: dirMode, Layer: l.layers}
		case !ok:
			return "", fs.ErrNotExist
		case n.Mode&fs.ModeSymlink != 0:
			if links++; links > maxLinks {
				return "", errors.New("too many symbolic links")
			}
			if path.IsAbs(n.Link) {
				at = ""
			}
			todo = append(strings.Split(n.Link, "/"), todo...)
			continue
		case !n.Mode.IsDir():
			return "", errNoFolder
		}
		at = next
	}
	return at, nil
}

// At gives what a path names, a link itself and not what it leads to.
func (l *Lower) At(p string) (Node, bool) {
	p = strings.TrimRight(p, "/")
	above, name := path.Split(p) // not cleaned: ".." is of where links lead
	dir, err := l.walk(above, false)
	if err != nil || name == "" || name == "." || name == ".." {
		return Node{}, false
	}
	n, ok := l.nodes[path.Join(dir, name)]
	return n, ok
}

// Find gives the file or folder that a path leads to, through links.
func (l *Lower) Find(p string) (Node, bool) {
	for range maxLinks {
		n, ok := l.At(p)
		if !ok || n.Mode&fs.ModeSymlink == 0 {
			return n, ok
		}
		if p = n.Link; !path.IsAbs(p) {
			p = path.Dir(n.Path) + "/" + p
		}
	}
	return Node{}, false
}

// Glob gives the paths of the files in a folder whose names end so, in order.
func (l *Lower) Glob(dir, suffix string) (paths []string) {
	real, err := l.walk(dir, false)
	if err != nil {
		return nil
	}
	for p := range l.nodes {
		if path.Dir(p) == real && strings.HasSuffix(p, suffix) {
			paths = append(paths, p)
		}
	}
	slices.Sort(paths)
	return paths
}

// Missing gives the entries of the tree that the lower layers lack, so that nothing of theirs changes.
func (t Tree) Missing(l *Lower) (Tree, error) {
	var lacking Tree
	for _, e := range t {
		if _, there := l.At(e.Path); !there {
			lacking = append(lacking, e)
		}
	}
	return lacking.Upon(l)
}

// Upon gives the tree as it has to lie upon the lower layers: without the folders that they have, whose modes and
// owners stay, and below the folders that their links lead to, since a folder would take the link's place. The error is a
// *TreeError where a file would take a folder's place or lie below a file.
func (t Tree) Upon(l *Lower) (Tree, error) {
	var out Tree
	moved := map[string]string{} // folders of the tree that are new, by where they lie
	for _, e := range t {
		dir, err := l.walk(path.Dir(e.Path), false)
		if to, ok := moved[path.Dir(e.Path)]; ok {
			dir, err = to, nil
		} else if errors.Is(err, fs.ErrNotExist) {
			dir, err = path.Dir(e.Path), nil
		}
		if err != nil {
			return nil, &TreeError{Path: e.Path, Problem: "cannot lie upon the base: " + err.Error()}
		}
		at := path.Join(dir, path.Base(e.Path))
		there, ok := l.Find(at)
		switch {
		case ok && e.Mode.IsDir() && there.Mode.IsDir():
			continue
		case ok && e.Mode.IsDir():
			return nil, &TreeError{Path: e.Path, Problem: "is a folder, and a file of the base"}
		}
		if own, ok := l.At(at); ok && own.Mode.IsDir() {
			return nil, &TreeError{Path: e.Path, Problem: "is a folder of the base"}
		}
		if e.Mode.IsDir() {
			moved[e.Path] = at
		}
		e.Path = at
		out = append(out, e)
	}
	sortTree(out)
	return out, nil
}

// Tree gives all files, folders and links as one tree; open reads a file. Devices are left out. A link that climbs above
// the root, where it stays in a running image, is written as the absolute one that it comes to.
func (l *Lower) Tree(open func(Node) (io.ReadCloser, error)) Tree {
	var out Tree
	for p, n := range l.nodes {
		e := Entry{Path: p, Mode: n.Mode & (modeBits | fs.ModeDir | fs.ModeSymlink), UID: n.UID, GID: n.GID}
		switch {
		case n.Mode&fs.ModeSymlink != 0:
			if e.Link = n.Link; !path.IsAbs(e.Link) && climbs(path.Dir(p), e.Link) {
				e.Link = path.Clean("/" + path.Dir(p) + "/" + e.Link)
			}
		case n.Mode.IsRegular():
			e.Size, e.Open = n.Size, func() (io.ReadCloser, error) { return open(n) }
		case !n.Mode.IsDir():
			continue
		}
		out = append(out, e)
	}
	sortTree(out)
	return out
}
