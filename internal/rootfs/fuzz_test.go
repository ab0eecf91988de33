// SPDX-License-Identifier: MIT OR Apache-2.0

package rootfs

import (
	"errors"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"
)

func FuzzLookupUser(f *testing.F) {
	for _, s := range []string{"", "0", "1000:1000", "nobody", "app:root", "1:2:3", "-1", "2147483648", "007", "\xff:\x00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		uid, gid, err := LookupUser(s)
		if err != nil {
			var e *UserError
			if !errors.As(err, &e) || e.Value != s || uid != 0 || gid != 0 {
				t.Fatalf("%d, %d, %v", uid, gid, err)
			}
			return
		}
		if uid < 0 || gid < 0 || uid > maxID || gid > maxID {
			t.Fatalf("%d:%d is out of range", uid, gid)
		}
		again, group, err := LookupUser(strconv.Itoa(uid) + ":" + strconv.Itoa(gid))
		if err != nil || again != uid || group != gid {
			t.Fatalf("%d:%d does not read back: %d:%d, %v", uid, gid, again, group, err)
		}
	})
}

// FuzzFile puts any row over a folder that lies beside a secret: what comes of it is an error that names the row, or a
// valid tree without the secret.
func FuzzFile(f *testing.F) {
	for _, s := range []File{{"a/*", "/srv/", "app", "0644"}, {"{a,b}/**", "/", "", ""}, {"../secret", "/x", "", ""}, {"out/*", "/x/", "0:0", "4755"},
		{`\[x\]`, "/x", "", ""}, {"**/../**", "/x/", "", ""}, {"[{]x[}]", "/x/", "", ""}, {"{a,{b,..}}/x", "/.wh.x/", "", ""}, {".", "/x", "", ""},
		{"a//./b/", "//x//", "", "0o7"}, {"l", "/etc/../..", "nobody:0", ""}, {"/etc", "/etc/passwd/x", "", ""}, {"**", "/tmp", "", ""}} {
		f.Add(s.Source, s.Destination, s.Owner, s.Mode)
	}
	top := disk(f, "secret = canary", "root/a/x.css = x", "root/a/b/y = y", "root/b/z* = z", "root/l -> a/x.css", "root/[x] = x", "root/out -> ..")
	base := Static(StaticOptions{})
	f.Fuzz(func(t *testing.T, source, dest, owner, mode string) {
		tree, err := Files(FilesOptions{Root: filepath.Join(top, "root"), Base: base, Files: []File{{source, dest, owner, mode}}})
		if err != nil {
			var file *FileError
			var conflict *ConflictError
			if !errors.As(err, &file) && !errors.As(err, &conflict) || tree != nil {
				t.Fatalf("%v, %v", tree, err)
			}
			if !utf8.ValidString(err.Error()) || strings.ContainsAny(err.Error(), "\x00\x1b\n") {
				t.Fatalf("error text is not escaped: %q", err)
			}
			return
		}
		if err := tree.Validate(); err != nil {
			t.Fatal(err)
		}
		for _, e := range tree {
			if e.Open != nil && content(t, e) == "canary" {
				t.Fatalf("%q is the secret", e.Path)
			}
		}
	})
}
