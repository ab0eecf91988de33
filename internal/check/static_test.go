// SPDX-License-Identifier: MIT OR Apache-2.0

package check

import "testing"

func TestStatic(t *testing.T) {
	const tail = "; the image has no shared objects"
	libz := []Linked{
		{"z-wrapper", "0.1.0", []string{"static=z"}},
		{"libz-sys", "1.1.28", []string{"dylib=z"}},
		{"other", "2.0.0", []string{"zz", "z"}},
	}
	table(t, "static", []row{
		{"static", nil, "", ""},
		{"a library that a crate asked for", func(s *Subject) { s.Facts.Needed, s.Linked = []string{"libz.so.1"}, libz },
			"the program is not static: it needs libz.so.1, asked for by libz-sys 1.1.28" + tail, "a feature of libz-sys"},
		{"two crates", func(s *Subject) {
			s.Facts.Needed = []string{"libssl.so.3", "libcrypto.so.3"}
			s.Linked = []Linked{{"openssl-sys", "0.9.117", []string{"ssl", "crypto"}}, {"mine", "", []string{"ssl"}}}
		}, "the program is not static: it needs libssl.so.3, asked for by openssl-sys 0.9.117 and mine; libcrypto.so.3, asked for by openssl-sys 0.9.117" + tail,
			"a feature of openssl-sys"},
		{"a library that nobody asked for", func(s *Subject) { s.Facts.Needed = []string{"libfoo.so"} },
			"the program is not static: it needs libfoo.so" + tail, "#[link]"},
		{"glibc", func(s *Subject) {
			s.Facts.Interp = "/lib64/ld-linux-x86-64.so.2"
			s.Facts.Needed = []string{"libgcc_s.so.1", "libc.so.6", "ld-linux-x86-64.so.2"}
		}, "the program is not static: it needs libgcc_s.so.1; libc.so.6; ld-linux-x86-64.so.2; the loader /lib64/ld-linux-x86-64.so.2" + tail,
			"sampan build --target x86_64-unknown-linux-musl"},
		{"glibc, arm64", func(s *Subject) { s.Facts.Needed, s.Platform.Architecture = []string{"libc.so.6"}, "arm64" },
			"the program is not static: it needs libc.so.6" + tail, "sampan build --target aarch64-unknown-linux-musl"},
		{"dynamic musl", func(s *Subject) {
			s.Triple, s.Facts.Interp, s.Facts.Needed = "x86_64-unknown-linux-musl", "/lib/ld-musl-x86_64.so.1", []string{"libc.musl-x86_64.so.1"}
		}, "the program is not static: it needs libc.musl-x86_64.so.1; the loader /lib/ld-musl-x86_64.so.1" + tail, "-crt-static"},
		{"loader alone", func(s *Subject) { s.Facts.Interp = "/lib/ld-musl-x86_64.so.1" },
			"the program is not static: it needs the loader /lib/ld-musl-x86_64.so.1" + tail, "musl-gcc"},
		{"hostile name", func(s *Subject) { s.Facts.Needed = []string{"lib\x1b[2Jz.so"} },
			`the program is not static: it needs "lib\x1b[2Jz.so"` + tail, "#[link]"},
	})
}

func TestLibName(t *testing.T) {
	for soname, want := range map[string]string{
		"libz.so.1": "z", "libz.so": "z", "libssl.so.1.1": "ssl", "libstdc++.so.6": "stdc++", "libfoo-1.2.so": "foo-1.2",
		"libpython3.11.so.1.0": "python3.11", "libc.musl-x86_64.so.1": "c", "/usr/lib/libz.so.1": "z", "plain": "plain",
		"lib.source.so.1": ".source", "": ".", "libx.sox.so": "x.sox",
	} {
		if got := libName(soname); got != want {
			t.Errorf("%q: %q, want %q", soname, got, want)
		}
	}
}

func TestSplitLib(t *testing.T) {
	for spec, want := range map[string][2]string{
		"z": {"", "z"}, "dylib=z": {"dylib", "z"}, "static:-bundle,+whole-archive=z": {"static", "z"},
		"dylib=a:b": {"dylib", "b"}, "dylib:+verbatim=libz.so.1": {"dylib", "z"}, "a:": {"", "a"},
	} {
		if kind, name := splitLib(spec); [2]string{kind, name} != want {
			t.Errorf("%q: %q %q, want %q", spec, kind, name, want)
		}
	}
}
