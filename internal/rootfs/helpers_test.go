// SPDX-License-Identifier: MIT OR Apache-2.0

package rootfs

import (
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files anew")

// tarMode gives a mode's bits as tar and chmod write them.
func tarMode(m fs.FileMode) uint32 {
	n := uint32(m.Perm())
	for bit, mode := range map[uint32]fs.FileMode{0o4000: fs.ModeSetuid, 0o2000: fs.ModeSetgid, 0o1000: fs.ModeSticky} {
		if m&mode != 0 {
			n |= bit
		}
	}
	return n
}

// listing writes a tree as text: type, mode, owner, size, path, and what is in it.
func listing(t testing.TB, tree Tree) string {
	t.Helper()
	var b strings.Builder
	for _, e := range tree {
		kind, what := "-", ""
		switch e.Mode.Type() {
		case fs.ModeDir:
			kind = "d"
		case fs.ModeSymlink:
			kind, what = "l", " -> "+e.Link
		default:
			what = fmt.Sprintf(" sha256:%x", sha256.Sum256([]byte(content(t, e))))
		}
		fmt.Fprintf(&b, "%s%04o %d %d %d %s%s\n", kind, tarMode(e.Mode), e.UID, e.GID, e.Size, e.Path, what)
	}
	return b.String()
}

// short writes a tree as text with the content of its (small) files.
func short(t testing.TB, tree Tree) []string {
	t.Helper()
	var out []string
	for _, e := range tree {
		line := fmt.Sprintf("%04o %d:%d %s", tarMode(e.Mode), e.UID, e.GID, e.Path)
		switch e.Mode.Type() {
		case fs.ModeDir:
			line += "/"
		case fs.ModeSymlink:
			line += " -> " + e.Link
		default:
			line += " = " + content(t, e)
		}
		out = append(out, line)
	}
	return out
}

// content reads a file to its end, twice, and compares it with its size.
func content(t testing.TB, e Entry) string {
	t.Helper()
	var texts [2]string
	for i := range texts {
		r, err := e.Open()
		if err != nil {
			t.Fatalf("open %q: %v", e.Path, err)
		}
		data, err := io.ReadAll(r)
		if err := errors.Join(err, r.Close()); err != nil {
			t.Fatalf("read %q: %v", e.Path, err)
		}
		texts[i] = string(data)
	}
	if texts[0] != texts[1] || int64(len(texts[0])) != e.Size {
		t.Fatalf("%q: %d and %d bytes, size says %d", e.Path, len(texts[0]), len(texts[1]), e.Size)
	}
	return texts[0]
}

// disk makes a folder from lines: "a/b = text", "a/b* = text" (to be executed), "a/", "a/b -> target".
func disk(t testing.TB, lines ...string) string {
	t.Helper()
	root := t.TempDir()
	for _, line := range lines {
		put(t, root, line)
	}
	return root
}

func put(t testing.TB, root, line string) {
	t.Helper()
	at := func(name string) string {
		p := filepath.Join(root, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		return p
	}
	var err error
	if name, target, ok := strings.Cut(line, " -> "); ok {
		err = os.Symlink(target, at(name))
	} else if name, text, ok := strings.Cut(line, " = "); ok {
		name, exec := strings.CutSuffix(name, "*")
		mode := fs.FileMode(0o644)
		if exec {
			mode = 0o755
		}
		p := at(name)
		err = errors.Join(os.WriteFile(p, []byte(text), mode), os.Chmod(p, mode))
	} else {
		err = os.MkdirAll(at(line), 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// mustFiles calls Files, and sees that what it gives is valid.
func mustFiles(t testing.TB, o FilesOptions) Tree {
	t.Helper()
	tree, err := Files(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := tree.Validate(); err != nil {
		t.Fatal(err)
	}
	return tree
}

func equal(t testing.TB, want, got any) {
	t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}

// hinted wants an error with this text in it and with a hint.
func hinted(t testing.TB, err error, text string) {
	t.Helper()
	var h interface{ Hint() string }
	if err == nil || !strings.Contains(err.Error(), text) {
		t.Errorf("error %v, want one with %q", err, text)
	} else if !errors.As(err, &h) || h.Hint() == "" {
		t.Errorf("error %v has no hint", err)
	}
}
