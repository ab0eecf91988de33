// SPDX-License-Identifier: MIT OR Apache-2.0

package check

import (
	"debug/elf"
	"io/fs"
	"strings"
	"testing"

	"sampan/internal/binary"
	"sampan/internal/rootfs"
)

// under is a base with libraries, by path; each gives what its Links say.
func under(t *testing.T, libs map[string]binary.Links, links map[string]string, search ...string) *Below {
	t.Helper()
	var nodes []rootfs.Node
	at := map[int64]binary.Links{}
	for p, l := range libs {
		l.Class, l.Machine = elf.ELFCLASS64, max(l.Machine, elf.EM_X86_64)
		offset := int64(len(nodes) + 1)
		at[offset] = l
		nodes = append(nodes, rootfs.Node{Path: p, Mode: 0o755, Size: 1, Offset: offset})
	}
	for p, to := range links {
		nodes = append(nodes, rootfs.Node{Path: p, Mode: fs.ModeSymlink | 0o777, Link: to})
	}
	l := &rootfs.Lower{}
	if err := l.Lay(nodes); err != nil {
		t.Fatal(err)
	}
	return &Below{Files: l, Search: search, Links: func(n rootfs.Node) (binary.Links, bool) { links, ok := at[n.Offset]; return links, ok }}
}

func TestBase(t *testing.T) {
	const loader = "/lib64/ld-linux-x86-64.so.2"
	glibc := binary.Links{Provides: []string{"GLIBC_2.2.5", "GLIBC_2.17", "GLIBC_2.36", "GLIBC_PRIVATE"}}
	debian := func(more map[string]binary.Links) map[string]binary.Links {
		out := map[string]binary.Links{"usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2": {}, "usr/lib/x86_64-linux-gnu/libc.so.6": glibc}
		for k, v := range more {
			out[k] = v
		}
		return out
	}
	merged := map[string]string{"lib": "usr/lib", "lib64": "usr/lib64", "usr/lib64/ld-linux-x86-64.so.2": "/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2"}
	wants := func(v ...string) binary.Links {
		return binary.Links{Needed: []string{"libc.so.6"}, Wants: map[string][]string{"libc.so.6": v}}
	}
	for name, c := range map[string]struct {
		base  *Below
		links binary.Links
		want  string // in what is found; "" for nothing
	}{
		"all there":              {under(t, debian(nil), merged), wants("GLIBC_2.2.5", "GLIBC_2.36"), ""},
		"no loader":              {under(t, nil, nil), wants(), "the loader " + loader},
		"a newer glibc":          {under(t, debian(nil), merged), wants("GLIBC_2.38", "GLIBC_2.17", "GLIBC_2.39"), "the program needs GLIBC_2.38, GLIBC_2.39 of libc.so.6, which has no more than GLIBC_2.36"},
		"a library":              {under(t, debian(nil), merged), binary.Links{Needed: []string{"libz.so.1"}}, "libz.so.1, needed by the program"},
		"a library of a library": {under(t, debian(map[string]binary.Links{"usr/lib/libz.so.1": {Needed: []string{"liby.so"}}}), merged), binary.Links{Needed: []string{"libz.so.1"}}, "liby.so, needed by libz.so.1"},
		"a folder that ld.so.conf names": {under(t, debian(map[string]binary.Links{"opt/z/libz.so.1": {}}), merged, "/opt/z"),
			binary.Links{Needed: []string{"libz.so.1"}}, ""},
		"beside the program":  {under(t, debian(map[string]binary.Links{"srv/lib/libz.so.1": {}}), merged), binary.Links{Needed: []string{"libz.so.1"}, RunPath: []string{"$ORIGIN/lib"}}, ""},
		"for another machine": {under(t, debian(map[string]binary.Links{"usr/lib/libz.so.1": {Machine: elf.EM_AARCH64}}), merged), binary.Links{Needed: []string{"libz.so.1"}}, "libz.so.1"},
		"the loader by name":  {under(t, debian(nil), merged), binary.Links{Needed: []string{"ld-linux-x86-64.so.2"}}, ""},
		"two need each other": {under(t, debian(map[string]binary.Links{"lib/a.so": {Needed: []string{"b.so"}}, "lib/b.so": {Needed: []string{"a.so"}}}), nil),
			binary.Links{Needed: []string{"a.so"}}, "the loader"},
	} {
		s := Subject{Name: "app", Entrypoint: []string{"/srv/app"}, Base: c.base, Links: c.links,
			Facts: binary.Facts{Type: elf.ET_DYN, PIE: true, Class: elf.ELFCLASS64, Machine: elf.EM_X86_64, Interp: loader, Needed: c.links.Needed}}
		var got []string
		for _, f := range append(checkBase(s), checkStatic(s)...) {
			if f.Hint == "" {
				t.Errorf("%s: no hint: %s", name, f.Message)
			}
			got = append(got, f.Message)
		}
		if text := strings.Join(got, "; "); c.want == "" && text != "" || !strings.Contains(text, c.want) {
			t.Errorf("%s: %q, want %q", name, text, c.want)
		}
	}
}

func TestMuslUponABase(t *testing.T) {
	s := Subject{Name: "app", Base: under(t, map[string]binary.Links{"lib/ld-musl-x86_64.so.1": {}}, nil), Links: binary.Links{Needed: []string{"libc.so"}},
		Facts: binary.Facts{Type: elf.ET_DYN, PIE: true, Class: elf.ELFCLASS64, Machine: elf.EM_X86_64, Interp: "/lib/ld-musl-x86_64.so.1", Needed: []string{"libc.so"}}}
	if found := checkBase(s); len(found) > 0 {
		t.Error(found)
	}
	s.Links.Needed = []string{"libgcc_s.so.1"}
	if found := checkBase(s); len(found) != 1 {
		t.Error(found)
	}
}
