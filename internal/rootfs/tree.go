// SPDX-License-Identifier: MIT OR Apache-2.0

// Package rootfs describes the files of an image.
//
// A Tree is what one layer will hold, before it is a layer: paths, modes, owners and a way to read each file. There are
// three: Static, the same for every image of one release; Files, all that settings add; Program, what was compiled.
//
// What it promises: equal inputs give equal trees. Owners, umask, folder order, times and hard links of the disk do not
// show; of a file's mode only "may be executed" (and setuid, when that is allowed) does. No source lies outside
// FilesOptions.Root, whatever links say; CA files, which the user names one by one, are the only exception. Nothing is
// computed before it is asked for.
//
// What it refuses, by name: FIFOs, sockets and devices, links that leave the tree or lead in a circle, whiteout names
// (`.wh.…`, which a layer would read as a deletion), names that are not UTF-8 (a layer's headers are UTF-8 text, so
// engines would differ about them), setuid and setgid unless they are allowed, private keys among CA files, and files that
// change between being listed and being read. All other names (newlines, leading dashes, case and NFC/NFD twins,
// trailing spaces) are kept byte for byte.
//
//	base := rootfs.Static(rootfs.StaticOptions{CA: true})
//	tree, err := rootfs.Files(rootfs.FilesOptions{
//		Root:  "/home/me/shop",
//		Base:  base,
//		Files: []rootfs.File{{Source: "assets/**/*.css", Destination: "/srv/css/", Owner: "app"}},
//	})
package rootfs

import (
	"io"
	"io/fs"
	"math"
	"path"
	"sort"
	"strings"
	"unicode/utf8"
)

const (
	// maxPath is the longest path, in bytes, that a program can open in a running image: Linux's PATH_MAX less the
	// slash in front and the NUL at the end.
	maxPath = 4094
	// maxName is Linux's NAME_MAX in bytes.
	maxName = 255
	// maxID is the greatest user or group number that engines take in an image.
	maxID = math.MaxInt32
	// whiteout begins the names that delete something in a lower layer (OCI image-spec, layer.md, "Whiteouts").
	whiteout = ".wh."

	dirMode  = fs.ModeDir | 0o755
	linkMode = fs.ModeSymlink | 0o777
	modeBits = fs.ModePerm | fs.ModeSetuid | fs.ModeSetgid | fs.ModeSticky
)

// Entry is one file, folder or symbolic link of a Tree.
type Entry struct {
	Path string      // clean, relative to the image's root, forward slashes, no slash in front
	Mode fs.FileMode // permissions, setuid, setgid, sticky; type: file, fs.ModeDir or fs.ModeSymlink
	UID  int
	GID  int
	Size int64  // bytes; 0 for folders and links
	Link string // a symbolic link's text
	Caps Caps   // that a program has from its start; files only

	// Open reads a file's Size bytes, the same each time; it fails with *ChangedError when that is no longer so. Nil
	// for folders and links. It may be called from several goroutines at once.
	Open func() (io.ReadCloser, error)
}

// Tree is the content of one layer, in ascending order of Path's bytes: parents come before children.
type Tree []Entry

// Validate says whether the tree can become a layer that every engine unpacks to the same files: paths clean, UTF-8, no
// whiteout, in order, once each, never below something that is no folder; files, folders and links only; relative
// links that stay in the image's root. The error is a *TreeError. Everything that this package returns is valid.
func (t Tree) Validate() error {
	solid := map[string]bool{} // paths that are no folders; ancestors of nothing
	for i, e := range t {
		if err := e.validate(); err != nil {
			return err
		}
		if i > 0 && t[i-1].Path == e.Path {
			return &TreeError{Path: e.Path, Problem: "is there twice"}
		}
		if i > 0 && t[i-1].Path > e.Path {
			return &TreeError{Path: e.Path, Problem: "is out of order"}
		}
		for p := path.Dir(e.Path); p != "."; p = path.Dir(p) {
			if solid[p] {
				return &TreeError{Path: e.Path, Problem: "lies below something that is not a folder"}
			}
		}
		if !e.Mode.IsDir() {
			solid[e.Path] = true
		}
	}
	return nil
}

func (e *Entry) validate() error {
	bad := func(problem string) error { return &TreeError{Path: e.Path, Problem: problem} }
	if problem := checkPath(e.Path); problem != "" {
		return bad(problem)
	}
	if e.UID < 0 || e.UID > maxID || e.GID < 0 || e.GID > maxID {
		return bad("has an owner out of range")
	}
	if e.Mode&^(modeBits|fs.ModeDir|fs.ModeSymlink) != 0 {
		return bad("is a " + kind(e.Mode))
	}
	if e.Caps != 0 && !e.Mode.IsRegular() {
		return bad("is no file and has capabilities")
	}
	switch e.Mode.Type() {
	case 0:
		if e.Open == nil || e.Size < 0 || e.Link != "" {
			return bad("is a file that cannot be read")
		}
	case fs.ModeDir:
		if e.Open != nil || e.Size != 0 || e.Link != "" {
			return bad("is a folder with content")
		}
	case fs.ModeSymlink:
		if e.Open != nil || e.Size != 0 {
			return bad("is a link with content")
		}
		if problem := checkLink(e.Path, e.Link); problem != "" {
			return bad(problem)
		}
	default:
		return bad("is a folder and a link at once")
	}
	return nil
}

// Overlap gives the first path that two trees, lying over each other in one image, would both define: a file or link in
// one that the other also holds, or that the other has something below. Folders in both are no overlap.
func Overlap(a, b Tree) (path string, ok bool) {
	x, y := covers(a, b), covers(b, a)
	switch {
	case x == "":
		return y, y != ""
	case y == "" || x < y:
		return x, true
	}
	return y, true
}

// covers gives the first path of b that is, or lies below, a file or link of a.
func covers(a, b Tree) string {
	solid := make(map[string]bool, len(a))
	for _, e := range a {
		if !e.Mode.IsDir() {
			solid[e.Path] = true
		}
	}
	for _, e := range b {
		for p := e.Path; p != "."; p = path.Dir(p) {
			if solid[p] {
				return p
			}
		}
	}
	return ""
}

// Above gives the tree without the folders that a lower tree already holds, so that laying one over the other changes
// neither their modes (think of /tmp) nor their owners.
func (t Tree) Above(lower ...Tree) Tree {
	dirs := map[string]bool{}
	for _, l := range lower {
		for _, e := range l {
			if e.Mode.IsDir() {
				dirs[e.Path] = true
			}
		}
	}
	var out Tree
	for _, e := range t {
		if !e.Mode.IsDir() || !dirs[e.Path] {
			out = append(out, e)
		}
	}
	return out
}

// lookup finds an entry by its path.
func (t Tree) lookup(p string) (Entry, bool) {
	i := sort.Search(len(t), func(i int) bool { return t[i].Path >= p })
	if i < len(t) && t[i].Path == p {
		return t[i], true
	}
	return Entry{}, false
}

// checkPath says what is wrong with a path of an image, "" when nothing is.
func checkPath(p string) string {
	switch {
	case p == "":
		return "is empty"
	case len(p) > maxPath:
		return "is longer than 4094 bytes, which no program could open"
	case p[0] == '/':
		return "begins with a slash"
	}
	for seg := range strings.SplitSeq(p, "/") {
		if problem := checkName(seg); problem != "" {
			return problem
		}
	}
	return ""
}

// checkName says what is wrong with one name of a path, "" when nothing is.
func checkName(seg string) string {
	switch {
	case seg == "" || seg == ".":
		return "has an empty or \".\" name in it"
	case seg == "..":
		return "has \"..\" in it"
	case len(seg) > maxName:
		return "has a name longer than 255 bytes in it"
	case strings.HasPrefix(seg, whiteout):
		return "has a name in it that begins with .wh., which deletes files in a layer"
	case strings.IndexByte(seg, 0) >= 0:
		return "has a NUL byte in it"
	case !utf8.ValidString(seg):
		return "has a name in it that is not UTF-8"
	}
	return ""
}

// kind names the type of a file that cannot be in an image.
func kind(m fs.FileMode) string {
	switch {
	case m&fs.ModeNamedPipe != 0:
		return "FIFO"
	case m&fs.ModeSocket != 0:
		return "socket"
	case m&fs.ModeCharDevice != 0:
		return "character device"
	case m&fs.ModeDevice != 0:
		return "block device"
	}
	return "special file"
}

// parents gives the folders above a path, nearest first.
func parents(p string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for d := path.Dir(p); d != "."; d = path.Dir(d) {
			if !yield(d) {
				return
			}
		}
	}
}
