// SPDX-License-Identifier: MIT OR Apache-2.0

package rootfs

import (
	"io/fs"
	"slices"
	"strings"
	"testing"
)

func dirs(names ...string) (out []Node) {
	for _, n := range names {
		out = append(out, Node{Path: n, Mode: dirMode})
	}
	return out
}

func plainFile(name string) Node { return Node{Path: name, Mode: 0o644, Size: 1} }

func symlink(name, to string) Node { return Node{Path: name, Mode: linkMode, Link: to} }

func lower(t *testing.T, layers ...[]Node) *Lower {
	t.Helper()
	l := &Lower{}
	for _, layer := range layers {
		if err := l.Lay(layer); err != nil {
			t.Fatal(err)
		}
	}
	return l
}

func (l *Lower) paths() string {
	var out []string
	for p := range l.nodes {
		out = append(out, p)
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

func TestLayersLieOverEachOther(t *testing.T) {
	usr := append(dirs("usr", "usr/lib"), symlink("lib", "usr/lib"), plainFile("usr/lib/a"))
	for name, c := range map[string]struct {
		layers [][]Node
		want   string
	}{
		"a whiteout":                   {[][]Node{{plainFile("a"), plainFile("b")}, {plainFile(".wh.a")}}, "b"},
		"a whiteout of a folder":       {[][]Node{append(dirs("d"), plainFile("d/a"), plainFile("da")), {plainFile(".wh.d")}}, "da"},
		"whiteouts are of lower ones":  {[][]Node{{plainFile("a")}, {plainFile("a"), plainFile(".wh.a")}}, "a"},
		"an opaque folder":             {[][]Node{append(dirs("d"), plainFile("d/a")), append(dirs("d"), plainFile("d/b"), plainFile("d/.wh..wh..opq"))}, "d d/b"},
		"a whiteout below a link":      {[][]Node{usr, {plainFile("lib/.wh.a")}}, "lib usr usr/lib"},
		"below a link to a folder":     {[][]Node{usr, {plainFile("lib/b")}}, "lib usr usr/lib usr/lib/a usr/lib/b"},
		"a folder in a link's place":   {[][]Node{usr, append(dirs("lib"), plainFile("lib/b"))}, "lib lib/b usr usr/lib usr/lib/a"},
		"a file in a folder's place":   {[][]Node{append(dirs("d"), plainFile("d/a")), {plainFile("d")}}, "d"},
		"a link does not leave":        {[][]Node{{symlink("up", "../../etc")}, append(dirs("etc"), plainFile("up/a"))}, "etc etc/a up"},
		"parents that nobody made":     {[][]Node{{plainFile("x/y/z")}}, "x x/y x/y/z"},
		"another name of a lower file": {[][]Node{{plainFile("a")}, {{Path: "b", Hard: "a"}, plainFile(".wh.a")}}, ""},
	} {
		l := &Lower{}
		var err error
		for _, layer := range c.layers {
			if err == nil {
				err = l.Lay(layer)
			}
		}
		if c.want == "" {
			if err == nil {
				t.Errorf("%s: no error", name)
			}
			continue
		}
		if got := l.paths(); err != nil || got != c.want {
			t.Errorf("%s: %q, %v, want %q", name, got, err, c.want)
		}
	}
}

func TestLowerFollowsLinks(t *testing.T) {
	one := plainFile("usr/lib/x86/libc-2.so")
	one.Offset = 512
	l := lower(t, append(dirs("usr", "usr/lib", "usr/lib/x86"), one, symlink("lib64", "/usr/lib"), symlink("usr/lib/libc.so", "x86/libc.so"),
		symlink("usr/lib/x86/libc.so", "./libc-2.so"), symlink("round", "about"), symlink("about", "round"), Node{Path: "same", Hard: "usr/lib/x86/libc-2.so"}))
	for _, p := range []string{"/lib64/libc.so", "lib64/../lib/libc.so", "/same"} {
		if n, ok := l.Find(p); !ok || n.Offset != 512 {
			t.Errorf("%s: %+v, %t", p, n, ok)
		}
	}
	for _, p := range []string{"round", "round/x", "lib64/none", "same/below"} {
		if n, ok := l.Find(p); ok {
			t.Errorf("%s: %+v", p, n)
		}
	}
	if err := l.Lay([]Node{plainFile("round/x")}); err == nil {
		t.Error("a file was laid below a circle")
	}
	if err := l.Lay([]Node{plainFile("same/x")}); err == nil {
		t.Error("a file was laid below a file")
	}
}

func TestTreesLieUponALower(t *testing.T) {
	l := lower(t, append(dirs("etc", "usr", "usr/lib", "run", "run/tmp"), plainFile("etc/passwd"), symlink("lib", "usr/lib"), symlink("tmp", "run/tmp"),
		symlink("etc/group", "/nowhere")))
	static, err := Static(StaticOptions{CA: true}).Missing(l)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range static {
		got = append(got, e.Path)
	}
	if want := "etc/nsswitch.conf etc/ssl etc/ssl/cert.pem etc/ssl/certs etc/ssl/certs/ca-certificates.crt"; strings.Join(got, " ") != want {
		t.Errorf("%q, want %q", got, want)
	}
	tree := Tree{{Path: "lib", Mode: dirMode}, {Path: "lib/new", Mode: dirMode}, {Path: "lib/new/a", Mode: 0o644}, {Path: "tmp", Mode: fs.ModeDir | 0o700}, {Path: "tmp/b", Mode: 0o644}}
	upon, err := tree.Upon(l)
	got = nil
	for _, e := range upon {
		got = append(got, e.Path)
	}
	if want := "run/tmp/b usr/lib/new usr/lib/new/a"; err != nil || strings.Join(got, " ") != want {
		t.Errorf("%q, %v, want %q", got, err, want)
	}
	for _, bad := range []Tree{{{Path: "etc", Mode: 0o644}}, {{Path: "etc/passwd", Mode: dirMode}}, {{Path: "etc/passwd/a", Mode: 0o644}}} {
		if _, err := bad.Upon(l); err == nil {
			t.Errorf("%q lies upon it", bad[0].Path)
		}
	}
	if all, err := Static(StaticOptions{CA: true}).Missing(&Lower{}); err != nil || len(all) != len(Static(StaticOptions{CA: true})) {
		t.Errorf("%d entries upon nothing, %v", len(all), err)
	}
}
