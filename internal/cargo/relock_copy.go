// SPDX-License-Identifier: MIT OR Apache-2.0

package cargo

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"sampan/internal/durable"
)

// Bounds of a copy.
const (
	copyBytes = 2 << 30
	copyFiles = 200_000
)

// TooLargeError says that a folder is not copied because of its size.
type TooLargeError struct {
	Dir     string // the folder
	Largest string // the folder directly in it that held the most of what was seen, "" when none did
}

func (e *TooLargeError) Error() string {
	s := fmt.Sprintf("copy %s: it holds more than %d GiB or %d files", e.Dir, copyBytes>>30, copyFiles)
	if e.Largest != "" {
		s += ", most of them in " + e.Largest
	}
	return s
}

// Hint says how to leave something out.
func (e *TooLargeError) Hint() string {
	return "folders with a CACHEDIR.TAG (https://bford.info/cachedir) are left out: put one where no sources are, " +
		"or resolve in place, with: cargo update"
}

// mirror makes a folder like another one and keeps it so. Files keep their times of change, by which cargo sees what
// is to be compiled again; what is as it was is not touched. Left out are repositories' own folders and caches (what
// holds a CACHEDIR.TAG, as cargo's target folders do), and in the copy they stay.
type mirror struct {
	trust  bool            // what the copy holds was written whole
	change func() error    // called once, before anything is written; may be nil
	skip   map[string]bool // absolute paths in the source that are left out, and in the copy left alone
	roots  []string        // absolute folders that are copied: links may point into them

	maxBytes int64
	maxFiles int
	bytes    int64 // so far
	files    int
	parts    map[string]int64 // bytes by folder directly in the source
}

// tree copies the folder from, which is the folder to in the copy.
func (m *mirror) tree(from, to string) error {
	m.parts = map[string]int64{}
	err := m.dir(from, to, "")
	if errors.Is(err, errTooLarge) {
		e := &TooLargeError{Dir: from}
		for name, n := range m.parts {
			if e.Largest == "" || n > m.parts[e.Largest] {
				e.Largest = name
			}
		}
		return e
	}
	return err
}

var errTooLarge = errors.New("too large")

func (m *mirror) dir(from, to, part string) error {
	entries, err := os.ReadDir(from)
	if err != nil {
		return fmt.Errorf("copy %s: %w", from, err)
	}
	if err := m.makeDir(to); err != nil {
		return fmt.Errorf("copy %s: %w", from, err)
	}
	var have []string
	for _, e := range entries {
		path, copied := filepath.Join(from, e.Name()), filepath.Join(to, e.Name())
		if m.left(path, e) {
			continue
		}
		have = append(have, e.Name())
		top := part
		if top == "" && e.IsDir() {
			top = e.Name()
		}
		if err := m.entry(path, copied, top); err != nil {
			return err
		}
	}
	return m.tidy(from, to, have)
}

// left reports whether an entry of the source is left out.
func (m *mirror) left(path string, e fs.DirEntry) bool {
	switch e.Name() {
	case ".git", ".hg", ".jj", ".svn":
		return true
	}
	return m.skip[path] || e.IsDir() && isCache(path)
}

// isCache reports whether a folder says of itself that what it holds can be made again.
func isCache(dir string) bool {
	info, err := os.Lstat(filepath.Join(dir, "CACHEDIR.TAG"))
	return err == nil && info.Mode().IsRegular()
}

// writing is called before each change of the copy.
func (m *mirror) writing() error {
	if m.change == nil {
		return nil
	}
	change := m.change
	m.change = nil
	return change()
}

// clear removes what stands at path, where something is to be written.
func (m *mirror) clear(path string) error {
	if err := m.writing(); err != nil {
		return err
	}
	return os.RemoveAll(path)
}

// makeDir makes a folder where one is not; what else stands there goes.
func (m *mirror) makeDir(path string) error {
	if info, err := os.Lstat(path); err == nil && info.IsDir() {
		return nil
	}
	if err := m.clear(path); err != nil {
		return err
	}
	return durable.MkdirAll(path)
}

func (m *mirror) entry(from, to, part string) error {
	info, err := os.Lstat(from)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // gone since it was listed
	}
	if err != nil {
		return fmt.Errorf("copy %s: %w", from, err)
	}
	switch {
	case info.IsDir():
		return m.dir(from, to, part)
	case info.Mode()&fs.ModeSymlink != 0:
		err = m.link(from, to)
	case info.Mode().IsRegular():
		m.bytes, m.files = m.bytes+info.Size(), m.files+1
		m.parts[part] += info.Size()
		if m.bytes > m.maxBytes || m.files > m.maxFiles {
			return errTooLarge
		}
		err = m.file(from, to, info)
	}
	if err != nil {
		return fmt.Errorf("copy %s: %w", from, err)
	}
	return nil
}

// file copies a file unless the copy has its size, its time and its mode already. The time is set last, so that what
// was not written to its end is written again.
func (m *mirror) file(from, to string, info fs.FileInfo) error {
	mode := info.Mode().Perm() | 0o200
	has, err := os.Lstat(to)
	if err == nil && m.trust && has.Mode() == mode && has.Size() == info.Size() && has.ModTime().Equal(info.ModTime()) {
		return nil
	}
	if err := m.clear(to); err != nil {
		return err
	}
	in, err := durable.OpenRegular(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	if err = errors.Join(err, out.Chmod(mode), out.Close()); err != nil {
		return err
	}
	return os.Chtimes(to, info.ModTime(), info.ModTime())
}

// link copies a symbolic link and never what it points to. One that leaves what is copied is made absolute, so that
// it points to the same file as before.
func (m *mirror) link(from, to string) error {
	text, err := os.Readlink(from)
	if err != nil {
		return err
	}
	if !filepath.IsAbs(text) {
		target := filepath.Join(filepath.Dir(from), text)
		if !slices.ContainsFunc(m.roots, func(root string) bool { return within(root, target) }) {
			text = target
		}
	}
	if has, err := os.Readlink(to); err == nil && has == text {
		return nil
	}
	if err := m.clear(to); err != nil {
		return err
	}
	return os.Symlink(text, to)
}

// tidy removes from the copy what the source does not have any more.
func (m *mirror) tidy(from, to string, have []string) error {
	entries, err := os.ReadDir(to)
	if err != nil {
		return fmt.Errorf("copy %s: %w", from, err)
	}
	for _, e := range entries {
		path := filepath.Join(to, e.Name())
		if slices.Contains(have, e.Name()) || m.skip[filepath.Join(from, e.Name())] || e.IsDir() && isCache(path) {
			continue
		}
		if err := m.clear(path); err != nil {
			return fmt.Errorf("copy %s: %w", from, err)
		}
	}
	return nil
}

// within reports whether path is dir, or lies below it.
func within(dir, path string) bool {
	rel, err := filepath.Rel(dir, path)
	return err == nil && rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator))
}
