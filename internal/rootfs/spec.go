// SPDX-License-Identifier: MIT OR Apache-2.0

package rootfs

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/bmatcuk/doublestar/v4"
)

// File is one row of the files setting.
//
// Source is a path or a glob below FilesOptions.Root, with forward slashes: `*` and `?` stay in one name, `**` crosses
// folders, `[a-z]` and `{a,b}` choose, `\` takes a character for itself. Names that begin with a dot match like others. A
// path without wildcards that is a link is followed; links found by a glob or in a folder are kept. Folders are copied
// with all that is in them.
//
// Destination is absolute. Ending in a slash it is the folder to put things in: a path keeps its last name, what a glob
// finds keeps its path from the first wildcard on ("assets/**/*.css" to "/srv/" gives /srv/blue/a.css). Without the slash
// it is the copy's own new path, and Source may not be a glob.
//
// Owner is as LookupUser reads it, "" for root; it holds for the folders that are copied, too, not for those that are
// only added on the way. Mode is octal, for files; folders are 0755. Without it files are 0644, or 0755 when the file on
// disk may be executed by anybody.
type File struct{ Source, Destination, Owner, Mode string }

// spec is a File, read and found sound.
type spec struct {
	index    int
	source   string   // as written
	base     string   // the folder that globs are relative to; the path itself without wildcards
	globs    []string // nil when source has no wildcards
	dirsOnly bool     // it ended in a slash, or in /**
	dest     string   // clean, no slash in front; "" is the image's root
	folder   bool
	uid, gid int
	mode     fs.FileMode
	hasMode  bool
}

func parseFile(i int, f File) (spec, error) {
	s := spec{index: i, source: f.Source}
	for _, step := range []func(File) error{s.parseSource, s.parseDestination, s.parseOwner, s.parseMode} {
		if err := step(f); err != nil {
			return spec{}, err
		}
	}
	return s, nil
}

func (s *spec) fail(field, value, hint string, cause error) error {
	return &FileError{Index: s.index, Field: field, Value: value, Err: cause, hint: hint}
}

func (s *spec) parseSource(f File) error {
	bad := func(hint, cause string) error { return s.fail("source", f.Source, hint, errors.New(cause)) }
	switch {
	case f.Source == "":
		return bad(`write source = "assets" or source = "assets/*.css"`, "is empty")
	case strings.IndexByte(f.Source, 0) >= 0:
		return bad("write the path without it", "has a NUL byte in it")
	case !utf8.ValidString(f.Source):
		return bad("rename the file, or name its folder", "is not UTF-8")
	case !doublestar.ValidatePattern(f.Source):
		return bad(`close every [ and {, or write \[ and \{ for the characters themselves`, "is not a sound glob")
	}
	globs, err := alternatives(f.Source)
	if err != nil {
		return s.fail("source", f.Source, "write several rows, or a wildcard", err)
	}
	for i, g := range globs {
		if strings.HasPrefix(g, "/") {
			return bad("copy the file below the package's folder and name it from there", "is absolute")
		}
		if globs[i] = cleanGlob(g); globs[i] == "" {
			return bad("copy the file below the package's folder and name it from there", `has ".." in it`)
		}
	}
	s.dirsOnly = strings.HasSuffix(f.Source, "/")
	s.base = "."
	if !hasWildcard(f.Source) {
		s.base = unescape(globs[0])
		return nil
	}
	s.globs = globs
	if base, _ := doublestar.SplitPattern(f.Source); base != "" {
		s.base = path.Clean(base)
	}
	return nil
}

func (s *spec) parseDestination(f File) error {
	bad := func(hint, cause string) error { return s.fail("destination", f.Destination, hint, errors.New(cause)) }
	d := f.Destination
	switch {
	case d == "":
		return bad(`write destination = "/srv/" for a folder, or a file's whole path`, "is empty")
	case d[0] != '/':
		return bad(fmt.Sprintf("write destination = %q", "/"+d), "is not absolute")
	}
	s.folder = strings.HasSuffix(d, "/")
	var names []string
	for seg := range strings.SplitSeq(d, "/") {
		if seg == "" || seg == "." {
			continue
		}
		if problem := checkName(seg); problem != "" {
			return bad(`write the file's path in the image, as in "/srv/logo.png"`, problem)
		}
		names = append(names, seg)
	}
	s.dest = strings.Join(names, "/")
	if len(s.dest) > maxPath {
		return bad("choose a shorter path", checkPath(s.dest))
	}
	if s.dest == "" {
		s.folder = true
	}
	if s.globs != nil && !s.folder {
		return bad(fmt.Sprintf("write destination = %q", d+"/"), "must end in a slash, since source is a glob")
	}
	return nil
}

func (s *spec) parseOwner(f File) error {
	if f.Owner == "" {
		return nil
	}
	uid, gid, err := LookupUser(f.Owner)
	if u := (*UserError)(nil); errors.As(err, &u) {
		return s.fail("owner", f.Owner, u.Hint(), errors.New(u.Problem))
	}
	s.uid, s.gid = uid, gid
	return err
}

// parseMode reads up to four octal digits, with or without the 0 or 0o that mark them as octal.
func (s *spec) parseMode(f File) error {
	if f.Mode == "" {
		return nil
	}
	digits := strings.TrimPrefix(f.Mode, "0o")
	n, err := strconv.ParseUint(digits, 8, 16)
	if err != nil || len(digits) < 3 || len(digits) > 4 {
		return s.fail("mode", f.Mode, `write mode = "0644", or "0755" for what is to be started`, errors.New("is not an octal mode"))
	}
	s.hasMode = true
	s.mode = fs.FileMode(n & 0o777)
	for bit, mode := range map[uint64]fs.FileMode{0o4000: fs.ModeSetuid, 0o2000: fs.ModeSetgid, 0o1000: fs.ModeSticky} {
		if n&bit != 0 {
			s.mode |= mode
		}
	}
	return nil
}

// target gives the path in the image of something found at p; "" is the image's root, which has no entry.
func (s *spec) target(p string) string {
	switch {
	case !s.folder:
		return s.dest
	case s.globs == nil:
		return join(s.dest, path.Base(p))
	case s.base == ".":
		return join(s.dest, p)
	}
	return join(s.dest, strings.TrimPrefix(strings.TrimPrefix(p, s.base), "/"))
}

// join joins a path in the image and a name, either of which may be the root or the same place.
func join(dir, name string) string {
	switch {
	case name == "" || name == ".":
		return dir
	case dir == "":
		return name
	}
	return dir + "/" + name
}
