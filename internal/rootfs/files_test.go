// SPDX-License-Identifier: MIT OR Apache-2.0

package rootfs

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestFiles(t *testing.T) {
	assets := []string{"assets/a.css = A", "assets/b.css = B", "assets/blue/c.css = C", "assets/blue/x.js = X", "assets/empty/",
		"conf.toml = conf", "run.sh* = #!", "assets/.dot = dot", "[id].html = id", "a b/ü.txt = u"}
	for _, c := range []struct {
		name  string
		files []File
		want  []string
	}{
		{"file to folder", []File{{"conf.toml", "/srv/", "", ""}}, []string{"0755 0:0 srv/", "0644 0:0 srv/conf.toml = conf"}},
		{"file to path", []File{{"conf.toml", "/etc/app/c", "app:0", "0600"}},
			[]string{"0755 0:0 etc/", "0755 0:0 etc/app/", "0600 1000:0 etc/app/c = conf"}},
		{"file to root", []File{{"run.sh", "/", "", ""}}, []string{"0755 0:0 run.sh = #!"}},
		{"mode of executable", []File{{"run.sh", "/r", "", "0o640"}}, []string{"0640 0:0 r = #!"}},
		{"sloppy paths", []File{{"./assets//./a.css", "//srv/.//", "", "644"}}, []string{"0755 0:0 srv/", "0644 0:0 srv/a.css = A"}},
		{"folder into folder", []File{{"assets/blue", "/srv/", "app", ""}},
			[]string{"0755 0:0 srv/", "0755 1000:1000 srv/blue/", "0644 1000:1000 srv/blue/c.css = C", "0644 1000:1000 srv/blue/x.js = X"}},
		{"folder to path", []File{{"assets/blue/", "/srv", "7:8", ""}},
			[]string{"0755 7:8 srv/", "0644 7:8 srv/c.css = C", "0644 7:8 srv/x.js = X"}},
		{"star", []File{{"assets/*.css", "/srv/", "", ""}}, []string{"0755 0:0 srv/", "0644 0:0 srv/a.css = A", "0644 0:0 srv/b.css = B"}},
		{"star takes folders and dots", []File{{"assets/*", "/", "", ""}}, []string{"0644 0:0 .dot = dot", "0644 0:0 a.css = A",
			"0644 0:0 b.css = B", "0755 0:0 blue/", "0644 0:0 blue/c.css = C", "0644 0:0 blue/x.js = X", "0755 0:0 empty/"}},
		{"double star keeps folders", []File{{"assets/**/*.css", "/s/", "", ""}},
			[]string{"0755 0:0 s/", "0644 0:0 s/a.css = A", "0644 0:0 s/b.css = B", "0755 0:0 s/blue/", "0644 0:0 s/blue/c.css = C"}},
		{"all of a folder", []File{{"assets/blue/**", "/s/", "3", ""}},
			[]string{"0755 3:3 s/", "0644 3:3 s/c.css = C", "0644 3:3 s/x.js = X"}},
		{"folders only", []File{{"assets/*/", "/s/", "", ""}},
			[]string{"0755 0:0 s/", "0755 0:0 s/blue/", "0644 0:0 s/blue/c.css = C", "0644 0:0 s/blue/x.js = X", "0755 0:0 s/empty/"}},
		{"braces", []File{{"{conf.toml,assets/blue/{c,d}.css}", "/s/", "", ""}},
			[]string{"0755 0:0 s/", "0755 0:0 s/assets/", "0755 0:0 s/assets/blue/", "0644 0:0 s/assets/blue/c.css = C", "0644 0:0 s/conf.toml = conf"}},
		{"class and question mark", []File{{"assets/[a-b].???", "/", "", ""}}, []string{"0644 0:0 a.css = A", "0644 0:0 b.css = B"}},
		{"escaped", []File{{`\[id\].html`, "/", "", ""}}, []string{"0644 0:0 [id].html = id"}},
		{"space and umlaut", []File{{"a b", "/ö ö/", "", ""}}, []string{"0755 0:0 ö ö/", "0755 0:0 ö ö/a b/", "0644 0:0 ö ö/a b/ü.txt = u"}},
		{"folder twice, way before owner", []File{{"conf.toml", "/s/blue/", "", ""}, {"assets/blue", "/s/", "5", ""}},
			[]string{"0755 0:0 s/", "0755 5:5 s/blue/", "0644 5:5 s/blue/c.css = C", "0644 0:0 s/blue/conf.toml = conf", "0644 5:5 s/blue/x.js = X"}},
		{"one file by two globs of a row", []File{{"{assets/*.css,assets/a*}", "/", "", ""}},
			[]string{"0755 0:0 assets/", "0644 0:0 assets/a.css = A", "0644 0:0 assets/b.css = B"}},
		{"same row twice", []File{{"conf.toml", "/", "", ""}, {"conf.toml", "/", "", ""}}, []string{"0644 0:0 conf.toml = conf"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			equal(t, c.want, short(t, mustFiles(t, FilesOptions{Root: disk(t, assets...), Files: c.files})))
		})
	}
}

func TestFilesEverything(t *testing.T) {
	root := disk(t, "a/b = 1", "c = 2")
	got := short(t, mustFiles(t, FilesOptions{Root: root, Files: []File{{".", "/w/", "", ""}, {"**", "/v/", "", ""}}}))
	equal(t, []string{"0755 0:0 v/", "0755 0:0 v/a/", "0644 0:0 v/a/b = 1", "0644 0:0 v/c = 2",
		"0755 0:0 w/", "0755 0:0 w/a/", "0644 0:0 w/a/b = 1", "0644 0:0 w/c = 2"}, got)
	equal(t, []string{"0755 0:0 a/", "0644 0:0 a/b = 1", "0644 0:0 c = 2"},
		short(t, mustFiles(t, FilesOptions{Root: root, Files: []File{{"**", "/", "", ""}}})))
}

func TestFilesNothing(t *testing.T) {
	if tree := mustFiles(t, FilesOptions{Root: "does not exist", Base: Static(StaticOptions{CA: true})}); len(tree) != 0 {
		t.Error(tree)
	}
}

// Folders of Base keep Base's mode and owner; what lies at its files is the caller's to judge, with Overlap.
func TestFilesOverBase(t *testing.T) {
	base := Static(StaticOptions{})
	root := disk(t, "img/tmp/x = x", "img/etc/passwd = p", "img/etc/app/c = c")
	tree := mustFiles(t, FilesOptions{Root: root, Base: base, Files: []File{{"img/*", "/", "9", ""}}})
	equal(t, []string{"0755 9:9 etc/app/", "0644 9:9 etc/app/c = c", "0644 9:9 etc/passwd = p", "0644 9:9 tmp/x = x"}, short(t, tree))
	if p, ok := Overlap(base, tree); !ok || p != "etc/passwd" {
		t.Errorf("Overlap = %q, %t", p, ok)
	}
	for dest, want := range map[string]string{"/tmp": "a file in place of a folder", "/etc/passwd/": "a folder in place of a file"} {
		_, err := Files(FilesOptions{Root: root, Base: base, Files: []File{{"img/etc/app/c", dest, "", ""}}})
		hinted(t, err, want)
	}
}

func TestOverlap(t *testing.T) {
	dir := func(p string) Entry { return Entry{Path: p, Mode: dirMode} }
	file := func(p string) Entry { return memory(p, "") }
	link := func(p string) Entry { return Entry{Path: p, Mode: linkMode, Link: "x"} }
	for _, c := range []struct {
		a, b Tree
		want string
	}{
		{Tree{dir("a"), file("a/b")}, Tree{dir("a"), file("a/c")}, ""},
		{Tree{file("a")}, Tree{file("a")}, "a"},
		{Tree{link("a")}, Tree{file("a")}, "a"},
		{Tree{file("a")}, Tree{dir("a")}, "a"},
		{Tree{dir("a")}, Tree{file("a")}, "a"},
		{Tree{file("a")}, Tree{file("a/b/c")}, "a"},
		{Tree{file("b/c/d")}, Tree{file("a"), link("b")}, "b"},
		{Tree{file("a-b")}, Tree{dir("a"), file("a/b")}, ""},
		{nil, Tree{file("a")}, ""},
	} {
		for range 2 {
			if p, ok := Overlap(c.a, c.b); p != c.want || ok != (c.want != "") {
				t.Errorf("Overlap(%v, %v) = %q, %t, want %q", c.a, c.b, p, ok, c.want)
			}
			c.a, c.b = c.b, c.a
		}
	}
}

func TestAbove(t *testing.T) {
	tree := Tree{{Path: "a", Mode: dirMode}, memory("a/x", ""), {Path: "b", Mode: dirMode}, memory("c", "")}
	got := tree.Above(Tree{{Path: "a", Mode: dirMode}, memory("b", ""), memory("c", "")}, nil)
	equal(t, []string{"0644 0:0 a/x = ", "0755 0:0 b/", "0644 0:0 c = "}, short(t, got))
}

func TestFilesConflicts(t *testing.T) {
	root := disk(t, "a/x = 1", "b/x = 2", "c = 3", "d/x/y = 4")
	for _, c := range []struct {
		files []File
		dest  string
		want  [2]string
	}{
		{[]File{{"a/x", "/s/", "", ""}, {"b/x", "/s/x", "", ""}}, "/s/x", [2]string{`files[0] ("a/x")`, `files[1] ("b/x")`}},
		{[]File{{"b/*", "/s/", "", ""}, {"a", "/s", "", ""}}, "/s/x", [2]string{`files[0] ("b/x")`, `files[1] ("a/x")`}},
		{[]File{{"c", "/s", "", ""}, {"c", "/s", "app", ""}}, "/s", [2]string{`files[0] ("c")`, `files[1] ("c")`}},
		{[]File{{"c", "/s", "", ""}, {"c", "/s", "", "0600"}}, "/s", [2]string{`files[0] ("c")`, `files[1] ("c")`}},
		{[]File{{"c", "/s", "", ""}, {"a/x", "/s/x", "", ""}}, "/s", [2]string{`files[0] ("c")`, `files[1] ("a/x")`}},
		{[]File{{"a/x", "/s/x", "", ""}, {"d/x", "/s/x", "", ""}}, "/s/x", [2]string{`files[1] ("d/x")`, `files[0] ("a/x")`}},
		{[]File{{"a", "/s", "1", ""}, {"d", "/s", "2", ""}}, "/s", [2]string{`files[0] ("a")`, `files[1] ("d")`}},
	} {
		_, err := Files(FilesOptions{Root: root, Files: c.files})
		var e *ConflictError
		if !errors.As(err, &e) {
			t.Errorf("%v: error %v", c.files, err)
			continue
		}
		hinted(t, err, c.dest)
		equal(t, ConflictError{c.dest, c.want, e.Problem}, *e)
	}
}

func TestFilesLinks(t *testing.T) {
	root := disk(t, "s/f = F", "s/rel -> f", "s/up -> ../t/g", "s/dangling -> nowhere", "s/here -> .", "s/abs -> /etc/passwd", "s/own -> /srv/f",
		"s/log -> /dev/stdout", "t/g = G", "t/dir -> ../s", "one -> s/f", "dir -> t")
	base := Static(StaticOptions{})
	tree := mustFiles(t, FilesOptions{Root: root, Base: base, Files: []File{{"s", "/srv", "4", ""}}})
	equal(t, []string{"0755 4:4 srv/", "0777 4:4 srv/abs -> /etc/passwd", "0777 4:4 srv/dangling -> nowhere", "0644 4:4 srv/f = F",
		"0777 4:4 srv/here -> .", "0777 4:4 srv/log -> /dev/stdout", "0777 4:4 srv/own -> /srv/f", "0777 4:4 srv/rel -> f", "0777 4:4 srv/up -> ../t/g"},
		short(t, tree))
	// A path that is itself a link is followed, one found by a glob is kept.
	equal(t, []string{"0644 0:0 a = F", "0755 0:0 b/", "0777 0:0 b/dir -> ../s", "0644 0:0 b/g = G", "0777 0:0 dir -> t", "0777 0:0 one -> s/f"},
		short(t, mustFiles(t, FilesOptions{Root: root, Files: []File{{"one", "/a", "", ""}, {"dir", "/b", "", ""}, {"{one,di?}", "/", "", ""}}})))
	equal(t, []string{"0755 0:0 k/", "0777 0:0 k/dir -> ../s", "0644 0:0 k/g = G"},
		short(t, mustFiles(t, FilesOptions{Root: root, Files: []File{{"dir/*", "/k/", "", ""}}})))
	// `**` and `*/` do not go into links.
	equal(t, []string{"0755 0:0 t/", "0644 0:0 t/g = G"}, short(t, mustFiles(t, FilesOptions{Root: root, Files: []File{{"**/g", "/", "", ""}}})))
}

// What is a change of the disk but not of the files changes nothing.
func TestFilesSurroundings(t *testing.T) {
	lines := []string{"a/z = 1", "a/y* = 2", "a/m/k = 3", "b = 4", "a/l -> z"}
	files := []File{{"a", "/srv/", "", ""}, {"{b,a/*}", "/x/", "app", ""}}
	want := listing(t, mustFiles(t, FilesOptions{Root: disk(t, lines...), Files: files}))
	other := t.TempDir()
	for i := len(lines) - 1; i >= 0; i-- { // another order on disk
		put(t, other, lines[i])
	}
	err := filepath.WalkDir(other, func(p string, d os.DirEntry, err error) error {
		switch {
		case err != nil || d.Type()&os.ModeSymlink != 0:
			return err
		case d.IsDir():
			return os.Chmod(p, 0o700|os.ModeSetgid)
		case d.Name() == "y":
			err = os.Chmod(p, 0o700)
		default:
			err = os.Chmod(p, 0o600)
		}
		return errors.Join(err, os.Chtimes(p, time.Time{}, time.Unix(1, 0)))
	})
	if err != nil {
		t.Fatal(err)
	}
	equal(t, want, listing(t, mustFiles(t, FilesOptions{Root: other, Files: files})))
}

func TestFilesChanged(t *testing.T) {
	long := strings.Repeat("long", 1<<18)
	changes := map[string]func(p string) error{
		"longer":   func(p string) error { return os.WriteFile(p, []byte(long+"!"), 0o644) },
		"shorter":  func(p string) error { return os.Truncate(p, 7) },
		"touched":  func(p string) error { return os.Chtimes(p, time.Time{}, time.Unix(7, 0)) },
		"replaced": func(p string) error { return errors.Join(os.Remove(p), os.Mkdir(p, 0o755)) },
		"gone":     os.Remove,
	}
	for name, change := range changes {
		for _, when := range []string{"before", "while"} {
			if when == "while" && (name == "replaced" || name == "gone") {
				continue // what was opened stays what it was
			}
			t.Run(name+" "+when, func(t *testing.T) {
				root := disk(t, "dir/f = "+long)
				tree := mustFiles(t, FilesOptions{Root: root, Files: []File{{"dir/f", "/f", "", ""}}})
				if when == "before" {
					if err := change(filepath.Join(root, "dir", "f")); err != nil {
						t.Fatal(err)
					}
				}
				var closing error
				r, err := tree[0].Open()
				if when == "while" {
					if err != nil {
						t.Fatal(err)
					}
					_, err = io.ReadFull(r, make([]byte, 4096))
					if err = errors.Join(err, change(filepath.Join(root, "dir", "f"))); err != nil {
						t.Fatal(err)
					}
					_, err = io.Copy(io.Discard, r)
					closing = r.Close()
				} else {
					closing = err
				}
				for _, err := range []error{err, closing} {
					var e *ChangedError
					if !errors.As(err, &e) || e.Path != "dir/f" {
						t.Errorf("error %v", err)
					} else {
						hinted(t, err, "dir/f")
					}
				}
			})
		}
	}
}

// Reading no further than needed, then closing, is no change.
func TestFilesClosedEarly(t *testing.T) {
	tree := mustFiles(t, FilesOptions{Root: disk(t, "f = text", "none = "), Files: []File{{"*", "/", "", ""}}})
	for _, e := range tree {
		r, err := e.Open()
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestFilesDeep(t *testing.T) {
	root := t.TempDir()
	r, err := os.OpenRoot(root)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	name := strings.Repeat("n", 250)
	deep := name
	for range 14 {
		deep += "/" + name
	}
	if err := errors.Join(r.MkdirAll(deep, 0o755), r.WriteFile(deep+"/leaf", []byte("leaf"), 0o644)); err != nil {
		t.Fatal(err)
	}
	tree := mustFiles(t, FilesOptions{Root: root, Files: []File{{name, "/d", "", ""}}})
	equal(t, "leaf", content(t, tree[len(tree)-1]))
	dest := "/" + strings.Repeat("d/", 300)
	_, err = Files(FilesOptions{Root: root, Files: []File{{name, dest, "", ""}}})
	hinted(t, err, "longer than 4094 bytes")
	_, err = Files(FilesOptions{Root: root, Files: []File{{name, "/" + strings.Repeat("d/", 2100), "", ""}}})
	hinted(t, err, "longer than 4094 bytes")
}

// Random folders with odd names: what Files gives is valid, whole, and the same again.
func TestFilesRandom(t *testing.T) {
	names := []string{"a", "A", "a-b", "a b", " ", "-rf", "new\nline", "tab\t", "é", "e\u0301", "..x", ".hidden", "[x]", "{y}", "*", "q?", "a.wh.b", "$(x)",
		"trail ", "\u202eevil", strings.Repeat("n", 255), "\\", "~"}
	for seed := range uint64(40) {
		rnd := rand.New(rand.NewPCG(seed, 7))
		root, want := t.TempDir(), map[string]string{}
		for range 30 {
			var parts []string
			for range 1 + rnd.IntN(3) {
				parts = append(parts, names[rnd.IntN(len(names))])
			}
			p := strings.Join(parts, "/")
			full := filepath.Join(root, filepath.FromSlash(p))
			if os.MkdirAll(filepath.Dir(full), 0o755) != nil {
				continue // a file is in the way
			}
			text := fmt.Sprint(rnd.Uint64())
			if os.WriteFile(full, []byte(text), 0o644) == nil {
				want["srv/"+p] = text
			}
		}
		o := FilesOptions{Root: root, Files: []File{{"**", "/srv/", "", ""}}}
		tree, got := mustFiles(t, o), map[string]string{}
		for _, e := range tree {
			if !e.Mode.IsDir() {
				got[e.Path] = content(t, e)
			}
		}
		equal(t, want, got)
		equal(t, listing(t, tree), listing(t, mustFiles(t, o)))
	}
}

func benchmarkFiles(b *testing.B, n int) {
	root := b.TempDir()
	for i := range n {
		p := filepath.Join(root, "assets", fmt.Sprintf("%03d", i%1000), fmt.Sprintf("file-%07d.css", i))
		if i < 1000 {
			if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
				b.Fatal(err)
			}
		}
		if err := os.WriteFile(p, []byte("x"), 0o644); err != nil {
			b.Fatal(err)
		}
	}
	for _, source := range []string{"assets", "assets/**", "assets/**/*.css"} {
		b.Run(source, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				tree, err := Files(FilesOptions{Root: root, Files: []File{{source, "/srv/", "", ""}}})
				if err != nil || len(tree) < n {
					b.Fatal(len(tree), err)
				}
				if err := tree.Validate(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkFiles2k(b *testing.B)   { benchmarkFiles(b, 2_000) }
func BenchmarkFiles200k(b *testing.B) { benchmarkFiles(b, 200_000) }
