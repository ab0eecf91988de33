// SPDX-License-Identifier: MIT OR Apache-2.0

package rootfs

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestSpecialFiles(t *testing.T) {
	root := t.TempDir()
	t.Chdir(root) // a socket's path must be short
	if err := errors.Join(os.Mkdir("f", 0o755), os.Mkdir("s", 0o755), syscall.Mkfifo("f/fifo", 0o644)); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", "s/sock")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for _, c := range []struct{ root, source, text string }{
		{root, "f", `"f/fifo": is a FIFO`}, {root, "f/fifo", "is a FIFO"}, {root, "f/*", "is a FIFO"},
		{root, "s", `"s/sock": is a socket`}, {root, "**/sock", "is a socket"}, {root, "s/sock", "is a socket"},
		{"/dev", "null", "is a character device"}, {"/dev", "nul[l]", "is a character device"},
		{root, "f/fifo/*", "not a folder"},
	} {
		_, err := Files(FilesOptions{Root: c.root, Files: []File{{c.source, "/x/", "", ""}}})
		var e *FileError
		if !errors.As(err, &e) || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s: error %v", c.source, err)
		}
	}
	// A FIFO in the place of a listed file neither blocks nor is read.
	put(t, root, "file = text")
	tree := mustFiles(t, FilesOptions{Root: root, Files: []File{{"file", "/", "", ""}}})
	if err := errors.Join(os.Remove("file"), syscall.Mkfifo("file", 0o644)); err != nil {
		t.Fatal(err)
	}
	_, err = tree[0].Open()
	if e := (*ChangedError)(nil); !errors.As(err, &e) {
		t.Error(err)
	}
	_, err = Files(FilesOptions{CAFiles: []string{"f/fifo"}})
	hinted(t, err, "is not a file")
}

func TestNamesNotUTF8(t *testing.T) {
	root := t.TempDir()
	if err := errors.Join(os.Mkdir(filepath.Join(root, "d"), 0o755), os.WriteFile(filepath.Join(root, "d", "a\xff\n"), nil, 0o644),
		os.WriteFile(filepath.Join(root, "ok"), nil, 0o644)); err != nil {
		t.Fatal(err)
	}
	for _, source := range []string{"d", "d/*", "**", "**/a*", "d/???"} {
		_, err := Files(FilesOptions{Root: root, Files: []File{{source, "/x/", "", ""}}})
		hinted(t, err, `"d/a\xff\n": has a name in it that is not UTF-8`)
	}
	mustFiles(t, FilesOptions{Root: root, Files: []File{{"o*", "/x/", "", ""}}}) // it is in nobody's way
}

// A swap of a folder for a link after the listing opens nothing outside.
func TestSwappedForLink(t *testing.T) {
	outside := disk(t, "f = text")
	for _, target := range []string{outside, "../" + filepath.Base(outside)} {
		root := disk(t, "d/f = text")
		tree := mustFiles(t, FilesOptions{Root: root, Files: []File{{"d/f", "/", "", ""}}})
		d := filepath.Join(root, "d")
		if err := errors.Join(os.RemoveAll(d), os.Symlink(target, d)); err != nil {
			t.Fatal(err)
		}
		if r, err := tree[0].Open(); err == nil {
			r.Close()
			t.Errorf("opened a file behind %s", target)
		}
	}
}

// What is written has the same modes under every umask; the tree does not depend on it.
func TestUmask(t *testing.T) {
	var want string
	for _, mask := range []int{0, 0o022, 0o077} {
		old := syscall.Umask(mask)
		root := t.TempDir()
		err := errors.Join(os.MkdirAll(filepath.Join(root, "d"), 0o777), os.WriteFile(filepath.Join(root, "d", "f"), []byte("f"), 0o666),
			os.WriteFile(filepath.Join(root, "x"), []byte("x"), 0o777))
		syscall.Umask(old)
		if err != nil {
			t.Fatal(err)
		}
		got := listing(t, mustFiles(t, FilesOptions{Root: root, Files: []File{{"**", "/a/", "", ""}}}))
		if want == "" {
			want = got
		}
		equal(t, want, got)
	}
}
