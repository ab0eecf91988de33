// SPDX-License-Identifier: MIT OR Apache-2.0

package rootfs

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Rows that are refused by their letters: nothing on disk is looked at.
func TestFileRefused(t *testing.T) {
	for _, c := range []struct {
		file  File
		field string
		text  string
	}{
		{File{"", "/x", "", ""}, "source", "is empty"},
		{File{"/etc/passwd", "/x", "", ""}, "source", "is absolute"},
		{File{"../x", "/x", "", ""}, "source", `".."`},
		{File{"a/../b", "/x", "", ""}, "source", `".."`},
		{File{"a/..", "/x", "", ""}, "source", `".."`},
		{File{`\.\./x`, "/x", "", ""}, "source", `".."`},
		{File{"{a,..}/x", "/x/", "", ""}, "source", `".."`},
		{File{"{a,/etc}/x", "/x/", "", ""}, "source", "is absolute"},
		{File{"a/{b/.,c}./x", "/x/", "", ""}, "source", `".."`},
		{File{"a\x00b", "/x", "", ""}, "source", "NUL"},
		{File{"a\xff", "/x", "", ""}, "source", "UTF-8"},
		{File{"[a", "/x/", "", ""}, "source", "sound glob"},
		{File{"{a", "/x/", "", ""}, "source", "sound glob"},
		{File{`a\`, "/x/", "", ""}, "source", "sound glob"},
		{File{strings.Repeat("{a,b}", 20), "/x/", "", ""}, "source", "256 paths"},
		{File{"a", "", "", ""}, "destination", "is empty"},
		{File{"a", "x/", "", ""}, "destination", "is not absolute"},
		{File{"a", "/x/../../y", "", ""}, "destination", `".."`},
		{File{"a", "/..", "", ""}, "destination", `".."`},
		{File{"a", "/x\x00", "", ""}, "destination", "NUL"},
		{File{"a", "/x\xff", "", ""}, "destination", "UTF-8"},
		{File{"a", "/x/.wh.y/z", "", ""}, "destination", ".wh."},
		{File{"a", "/.wh..wh..opq", "", ""}, "destination", ".wh."},
		{File{"a", "/" + strings.Repeat("x", 256), "", ""}, "destination", "255 bytes"},
		{File{"a", strings.Repeat("/xxx", 1024), "", ""}, "destination", "4094 bytes"},
		{File{"a/*", "/x", "", ""}, "destination", "must end in a slash"},
		{File{"{a}", "/x", "", ""}, "destination", "must end in a slash"},
		{File{"a", "/x", "alice", ""}, "owner", "no user"},
		{File{"a", "/x", "0:-1", ""}, "owner", "no group"},
		{File{"a", "/x", ":", ""}, "owner", "user is empty"},
		{File{"a", "/x", "", "rwx"}, "mode", "octal"},
		{File{"a", "/x", "", "0888"}, "mode", "octal"},
		{File{"a", "/x", "", "10644"}, "mode", "octal"},
		{File{"a", "/x", "", "7"}, "mode", "octal"},
		{File{"a", "/x", "", "-644"}, "mode", "octal"},
		{File{"a", "/x", "", "+644"}, "mode", "octal"},
		{File{"a", "/x", "", "0_644"}, "mode", "octal"},
		{File{"a", "/x", "", "4755"}, "mode", "setuid or setgid"},
		{File{"a", "/x", "", "02755"}, "mode", "octal"},
		{File{"a", "/x", "", "2755"}, "mode", "setuid or setgid"},
	} {
		_, err := Files(FilesOptions{Root: "does not exist", Files: []File{{"a", "/a", "", ""}, c.file}})
		var e *FileError
		if !errors.As(err, &e) || e.Index != 1 || e.Field != c.field {
			t.Errorf("%q: error %v", c.file, err)
			continue
		}
		hinted(t, err, c.text)
		if strings.ContainsAny(err.Error(), "\x00\n") || strings.Contains(err.Error(), "\xff") {
			t.Errorf("%q: error text is not escaped: %q", c.file, err)
		}
	}
}

// Things on disk that are refused, each alone in a folder and named by a glob, by its folder, and by itself.
func TestDiskRefused(t *testing.T) {
	for _, c := range []struct {
		line, path string
		text       string
		byItself   string // the same when empty
	}{
		{"x/out -> ../../secret", "x/out", "leaves the folder", ""},
		{"x/out -> ../../../../../../etc/passwd", "x/out", "leaves the", "leaves the folder"},
		{"x/abs -> /usr/lib/nothing-of-the-image", "x/abs", "which is not in the image", "leaves the folder"},
		{"x/loop -> loop", "x/loop", "in a circle", ""},
		{"x/.wh.gone = text", "x/.wh.gone", ".wh.", ""},
		{"x/.wh..wh..opq = text", "x/.wh..wh..opq", ".wh.", ""},
		{"x/.wh.dir/", "x/.wh.dir", ".wh.", ""},
	} {
		root := disk(t, c.line)
		for _, source := range []string{"x", "x/*", "**", c.path} {
			text := c.text
			if source == c.path && c.byItself != "" {
				text = c.byItself
			}
			_, err := Files(FilesOptions{Root: root, Files: []File{{source, "/a/b/", "", ""}}})
			var e *FileError
			if !errors.As(err, &e) || e.Field != "source" || e.Value != c.path {
				t.Errorf("%s by %s: error %v", c.line, source, err)
				continue
			}
			hinted(t, err, text)
		}
	}
}

func TestLinkLeavesImage(t *testing.T) {
	root := disk(t, "a/b/c/l -> ../../x", "a/x = x")
	mustFiles(t, FilesOptions{Root: root, Files: []File{{"a/b/c/l", "/", "", ""}}}) // followed
	_, err := Files(FilesOptions{Root: root, Files: []File{{"a/b/c/*", "/s/", "", ""}}})
	hinted(t, err, "leaves the image's root")
	mustFiles(t, FilesOptions{Root: root, Files: []File{{"a/b/c/*", "/s/t/", "", ""}}})
}

func TestSourceBehindLink(t *testing.T) {
	outside := disk(t, "secret = canary")
	root := disk(t, "ok = ok", "abs -> "+filepath.ToSlash(outside), "rel -> ../"+filepath.Base(outside))
	for _, source := range []string{"abs/secret", "rel/secret", "abs", "rel", "abs/*", "rel/**", "{abs,rel}/secret", "abs/**/s*"} {
		tree, err := Files(FilesOptions{Root: root, Files: []File{{source, "/s/", "", ""}}})
		if err == nil {
			t.Errorf("%s: %q", source, short(t, tree))
		} else {
			hinted(t, err, "copy files[0].source")
		}
	}
}

func TestMatchesNothing(t *testing.T) {
	root := disk(t, "a/b = b", "pages/[id].html = x")
	for _, source := range []string{"c", "a/c", "a/b/c", "c/**", "a/*.css", "**/z", "{c,d}", "*/*/*", "pages/[id].html", "a/b/", "a/*/", "a/b/**"} {
		_, err := Files(FilesOptions{Root: root, Files: []File{{source, "/s/", "", ""}}})
		var e *FileError
		if !errors.As(err, &e) {
			t.Errorf("%s: error %v", source, err)
			continue
		}
		hinted(t, err, "files[0].source")
	}
	_, err := Files(FilesOptions{Root: filepath.Join(root, "gone"), Files: []File{{"a", "/s/", "", ""}}})
	if !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}

func TestSetuid(t *testing.T) {
	root := disk(t, "s* = text")
	if err := os.Chmod(filepath.Join(root, "s"), 0o755|fs.ModeSetuid); err != nil {
		t.Fatal(err)
	}
	_, err := Files(FilesOptions{Root: root, Files: []File{{"s", "/s", "", ""}}})
	hinted(t, err, "setuid")
	equal(t, []string{"4755 0:0 s = text"}, short(t, mustFiles(t, FilesOptions{Root: root, AllowSetuid: true, Files: []File{{"s", "/s", "", ""}}})))
	equal(t, []string{"0755 0:0 s = text"}, short(t, mustFiles(t, FilesOptions{Root: root, Files: []File{{"s", "/s", "", "0755"}}})))
	equal(t, []string{"6711 0:0 s = text"}, short(t, mustFiles(t, FilesOptions{Root: root, AllowSetuid: true, Files: []File{{"s", "/s", "", "6711"}}})))
}

func TestValidateRefuses(t *testing.T) {
	file := func(p string) Entry { return memory(p, "") }
	link := func(p, to string) Entry { return Entry{Path: p, Mode: linkMode, Link: to} }
	with := func(e Entry, f func(*Entry)) Entry { f(&e); return e }
	for name, tree := range map[string]Tree{
		"empty": {file("")}, "root": {file(".")}, "slash": {file("/a")}, "trailing": {file("a/")}, "twice slash": {file("a//b")},
		"up": {file("../a")}, "up inside": {file("a/../b")}, "NUL": {file("a\x00")}, "not UTF-8": {file("a\xff")},
		"whiteout": {file("a/.wh.b")}, "opaque": {file(".wh..wh..opq")}, "order": {file("b"), file("a")}, "double": {file("a"), file("a")},
		"below file": {file("a"), file("a/b")}, "below file, apart": {file("a"), file("a-b"), file("a/b/c")}, "below link": {link("a", "b"), file("a/b")},
		"long": {file(strings.Repeat("a/", 2100) + "a")}, "long name": {file(strings.Repeat("a", 256))},
		"FIFO":   {with(file("a"), func(e *Entry) { e.Mode |= fs.ModeNamedPipe })},
		"device": {with(file("a"), func(e *Entry) { e.Mode |= fs.ModeDevice | fs.ModeCharDevice })},
		"socket": {with(file("a"), func(e *Entry) { e.Mode |= fs.ModeSocket })},
		"both":   {{Path: "a", Mode: fs.ModeDir | fs.ModeSymlink, Link: "b"}},
		"uid":    {with(file("a"), func(e *Entry) { e.UID = -1 })}, "gid": {with(file("a"), func(e *Entry) { e.GID = 1 << 31 })},
		"size": {with(file("a"), func(e *Entry) { e.Size = -1 })}, "closed": {{Path: "a", Mode: 0o644}},
		"dir with size": {{Path: "a", Mode: dirMode, Size: 1}}, "dir with content": {with(file("a"), func(e *Entry) { e.Mode = dirMode })},
		"link with content": {with(file("a"), func(e *Entry) { e.Mode, e.Link = linkMode, "b" })}, "file with link": {with(file("a"), func(e *Entry) { e.Link = "b" })},
		"link to nothing": {link("a", "")}, "link out": {link("a/b", "../../c")}, "link out and back": {link("a", "b/../../a")}, "link NUL": {link("a", "b\x00")},
		"link not UTF-8": {link("a", "\xff")}, "long link": {link("a", strings.Repeat("a/", 2100))},
	} {
		var e *TreeError
		if err := tree.Validate(); !errors.As(err, &e) {
			t.Errorf("%s: %v", name, err)
		}
	}
	ok := Tree{{Path: "a", Mode: dirMode}, file("a-b"), file("a/b"), link("a/c", "../a/b"), link("a/d", "/anywhere"),
		{Path: "t", Mode: fs.ModeDir | fs.ModeSticky | 0o777}}
	if err := ok.Validate(); err != nil {
		t.Error(err)
	}
}
