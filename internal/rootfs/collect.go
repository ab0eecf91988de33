// SPDX-License-Identifier: MIT OR Apache-2.0

package rootfs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"syscall"
)

// collector walks the disk. It never holds more than one folder open besides the root, however deep it goes.
type collector struct {
	root   *os.Root
	setuid bool
	items  []item
}

// row adds all that one row of settings finds.
func (c *collector) row(s *spec) error {
	matches, err := s.match(c.root)
	if err != nil {
		return s.diskError(s.source, c.explain(err))
	}
	if len(matches) == 0 {
		return s.fail("source", s.source, s.emptyHint(), errors.New("matches nothing"))
	}
	for _, m := range matches {
		stat := c.root.Lstat
		if m.follow {
			stat = c.root.Stat
		}
		info, err := stat(m.path)
		if err != nil {
			return s.diskError(m.path, c.explain(err))
		}
		if s.globs == nil && s.dirsOnly && !info.IsDir() {
			return s.fail("source", s.source, fmt.Sprintf("write source = %q", s.base), errors.New("is not a folder"))
		}
		if err := c.add(s, m.path, s.target(m.path), info); err != nil {
			return err
		}
		if info.IsDir() {
			if err := c.walk(s, m.path, s.target(m.path)); err != nil {
				return err
			}
		}
	}
	return nil
}

// walk adds what is in a folder. Each folder is opened from the root anew, name by name, so that one that is swapped for a
// link meanwhile leads nowhere outside; and what is in it is asked of the open folder, not by its path.
func (c *collector) walk(s *spec, dir, dest string) error {
	list, err := readDir(c.root, dir)
	if err != nil {
		return s.diskError(dir, c.explain(err))
	}
	var dirs []string
	for _, d := range list {
		src := path.Join(dir, d.Name())
		info, err := d.Info() // of a folder opened in an os.Root it was taken with the list
		if err != nil {
			return s.diskError(src, c.explain(err))
		}
		if err := c.add(s, src, join(dest, d.Name()), info); err != nil {
			return err
		}
		if info.IsDir() {
			dirs = append(dirs, d.Name())
		}
	}
	for _, name := range dirs {
		if err := c.walk(s, path.Join(dir, name), join(dest, name)); err != nil {
			return err
		}
	}
	return nil
}

// add adds one file, link or folder of the disk, or says why it cannot be in an image.
func (c *collector) add(s *spec, src, dest string, info fs.FileInfo) error {
	bad := func(hint, cause string) error { return s.fail("source", src, hint, errors.New(cause)) }
	if dest == "" && info.IsDir() {
		return nil // the image's root: every image has it
	}
	if problem := checkPath(dest); problem != "" {
		return bad("rename it, or narrow source so that it is left out", problem)
	}
	e := Entry{Path: dest, UID: s.uid, GID: s.gid}
	switch info.Mode().Type() {
	case 0:
		if e.Mode = s.fileMode(info.Mode()); e.Mode&(fs.ModeSetuid|fs.ModeSetgid) != 0 && !c.setuid {
			return s.fail("source", src, setuidHint, errSetuid)
		}
		e.Size = info.Size()
		e.Open = (&diskFile{c.root, src, info.Size(), info.ModTime().UnixNano()}).open
	case fs.ModeDir:
		e.Mode = dirMode
	case fs.ModeSymlink:
		e.Mode = linkMode
		var err error
		if e.Link, err = c.link(s, src, dest); err != nil {
			return err
		}
	default:
		return bad("remove it, or narrow source so that it is left out", "is a "+kind(info.Mode()))
	}
	c.items = append(c.items, item{Entry: e, spec: s, from: src})
	return nil
}

// fileMode gives a file's mode in the image. Of the mode on disk only what a version control system would keep counts, and
// setuid and setgid, which must not vanish unseen.
func (s *spec) fileMode(disk fs.FileMode) fs.FileMode {
	switch {
	case s.hasMode:
		return s.mode
	case disk&0o111 != 0:
		return 0o755 | disk&(fs.ModeSetuid|fs.ModeSetgid)
	}
	return 0o644 | disk&(fs.ModeSetuid|fs.ModeSetgid)
}

// link reads a link that is to be kept.
func (c *collector) link(s *spec, src, dest string) (string, error) {
	bad := func(cause string) error {
		return s.fail("source", src, relink, errors.New(cause))
	}
	text, err := c.root.Readlink(src)
	if err != nil {
		return "", s.diskError(src, c.explain(err))
	}
	text = filepath.ToSlash(text)
	if problem := checkLink(dest, text); problem != "" {
		return "", bad(problem)
	}
	if path.IsAbs(text) || filepath.IsAbs(text) {
		return text, nil // judged when all of the tree is known
	}
	if climbs(path.Dir(src), text) {
		return "", bad("is a link that leaves the folder that files are copied from")
	}
	if _, err := c.root.Stat(src); errors.Is(err, syscall.ELOOP) {
		return "", bad("is a link that leads in a circle")
	}
	return text, nil
}

const relink = "replace the link by the file, or narrow source so that it is left out"

var errLeaves = errors.New("leaves the folder that files are copied from")

// explain replaces the unnamed error of os.Root for paths that leave it by errLeaves.
func (c *collector) explain(err error) error {
	var want *fs.PathError
	if _, e := c.root.Lstat(".."); errors.As(e, &want) && errors.Is(err, want.Err) {
		return errLeaves
	}
	return err
}

// diskError says in our words why something could not be read.
func (s *spec) diskError(p string, err error) error {
	var cause *fs.PathError
	switch {
	case errors.Is(err, errLeaves):
		return s.fail("source", p, "copy what it points to below that folder", err)
	case errors.Is(err, fs.ErrNotExist):
		return s.fail("source", p, s.emptyHint(), fs.ErrNotExist)
	case errors.Is(err, syscall.ELOOP):
		return s.fail("source", p, relink, errors.New("is a link that leads in a circle"))
	case errors.Is(err, fs.ErrPermission):
		return s.fail("source", p, fmt.Sprintf("make it readable: chmod -R u+rX %q", p), fs.ErrPermission)
	case errors.Is(err, syscall.ENOTDIR):
		return s.fail("source", p, s.emptyHint(), errors.New("goes through something that is not a folder"))
	case errors.As(err, &cause):
		err = cause.Err
	}
	return s.fail("source", p, fmt.Sprintf("look at it: ls -ld %q", p), err)
}

func (s *spec) emptyHint() string {
	if s.globs == nil {
		return "check the name, which is looked for below the package's folder"
	}
	return "check the glob, which is looked for below the package's folder: * stays in one name, ** crosses folders, " +
		`\[ and \{ are the characters themselves`
}
