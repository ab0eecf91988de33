// SPDX-License-Identifier: MIT OR Apache-2.0

//go:build unix

package native

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sampan/internal/cargo"
)

func names(s []Supply) (out []string) {
	for _, x := range s {
		out = append(out, x.Name+" "+x.Version)
	}
	return out
}

func TestResolve(t *testing.T) {
	graph := func(openssl string) *cargo.Graph {
		return &cargo.Graph{Nodes: []cargo.Node{{Name: "openssl-sys", Version: openssl, Target: true}, {Name: "openssl-sys", Version: "0.9.10", Host: true}}}
	}
	want := func(names ...string) (out []Want) {
		for _, n := range names {
			out = append(out, Want{Library: n, Chain: []string{"app 1.0.0", n + "-sys 1.0.0"}})
		}
		return out
	}
	for _, c := range []struct {
		name    string
		wants   []Want
		version string // of openssl-sys
		pins    map[string]string
		triple  cargo.Triple
		want    string
		err     string
		hint    string
	}{
		{"default", want("openssl"), "0.9.117", nil, musl, "openssl 3.6.3", "", ""},
		{"what is called comes first", want("libpq", "zlib", "openssl"), "0.9.117", nil, musl, "openssl 3.6.3, libpq 18.6, zlib 1.3.2", "", ""},
		{"asked for", want("openssl"), "0.9.114", map[string]string{"openssl": "4"}, musl, "openssl 4.0.3", "", ""},
		{"asked for, too new", want("openssl"), "0.9.113", map[string]string{"openssl": "4"}, musl, "", "openssl-sys 0.9.113 takes no OpenSSL 4.0.3", "cargo update -p openssl-sys@0.9.113"},
		{"of 2020", want("openssl"), "0.9.58", nil, musl, "", "takes no OpenSSL 3.6.3; versions from 0.9.64 on do (wanted by app 1.0.0 → openssl-sys 1.0.0)", "cargo update"},
		{"no such release", want("openssl"), "0.9.117", map[string]string{"openssl": "3.6.30"}, musl, "", "no release 3.6.30 is known", "3.6.3, 4.0.3"},
		{"unknown", want("udev"), "0.9.117", nil, musl, "", "not among the libraries", "sysroot ="},
		{"32 bits", want("mysqlclient"), "0.9.117", nil, "armv7-unknown-linux-musleabihf", "", "32-bit", "bring your own"},
		{"another machine's programs", want("mysqlclient"), "0.9.117", nil, "riscv64gc-unknown-linux-musl", "", "runs programs", "machine of that kind"},
		{"nothing", nil, "0.9.117", nil, musl, "", "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := ResolvePinned(c.wants, graph(c.version), c.triple, c.pins)
			if c.err != "" {
				e, ok := errors.AsType[*WantError](err)
				if !ok || !strings.Contains(e.Error(), c.err) || !strings.Contains(e.Hint(), c.hint) {
					t.Errorf("error %v", err)
				}
				return
			}
			if s := strings.Join(names(got), ", "); err != nil || s != c.want {
				t.Errorf("%s, %v", s, err)
			}
		})
	}
}

func TestDirect(t *testing.T) {
	for _, features := range [][]string{nil, {"pkg-config"}} {
		g := &cargo.Graph{Nodes: []cargo.Node{{Name: "pq-sys", Version: "0.7.2", Target: true, Features: features}}}
		s, err := Resolve([]Want{{Library: "libpq"}}, g, musl)
		if err != nil || len(s) != 2 || s[1].Direct != (features == nil) {
			t.Errorf("%q: %+v, %v", features, s, err)
		}
	}
}

// The table keeps its own rules: rows can be told apart, what is needed is a row, modules that are required exist.
func TestTable(t *testing.T) {
	modules := map[string]bool{}
	for _, l := range libraries {
		for _, m := range l.modules {
			if modules[m.name] {
				t.Errorf("module %s twice", m.name)
			}
			modules[m.name] = true
		}
	}
	seen := map[string]bool{}
	for _, l := range libraries {
		if seen[l.name] || l.title == "" || l.license == "" || l.cost == 0 || l.recipe == nil || len(l.releases) == 0 || len(l.modules) == 0 {
			t.Errorf("row %q is not whole", l.name)
		}
		seen[l.name] = true
		for _, n := range l.needs {
			if libraryOf(n) == nil {
				t.Errorf("%s needs %s, which is no row", l.name, n)
			}
		}
		for _, r := range l.releases {
			if len(r.crate.Checksum) != 64 || r.crate.Name == "" || r.version == "" || strings.Count(r.crate.Version, ".") < 2 {
				t.Errorf("%s %s: crate %+v", l.name, r.version, r.crate)
			}
			if _, meta, ok := strings.Cut(r.crate.Version, "+"); ok && !strings.HasSuffix(meta, r.version) {
				t.Errorf("%s: release %s of crate %s", l.name, r.version, r.crate.Version)
			}
		}
		for _, m := range l.modules {
			for _, q := range m.requires {
				if !modules[q] {
					t.Errorf("%s requires %s, which is no module", m.name, q)
				}
			}
		}
	}
	if got := Libraries(); len(got) != len(libraries) || got[0] != "openssl" {
		t.Errorf("Libraries() = %q", got)
	}
	for _, m := range machines {
		if slices.Contains([]string{"thumbv7neon", "aarch64_be", "riscv32gc", "powerpc64"}, m.arch) {
			continue // no images of these
		}
		if _, err := opensslTarget(cargo.Triple(m.arch + "-unknown-linux-musl")); err != nil && m.goarch != "" && !strings.HasPrefix(m.goarch, "mips") {
			t.Errorf("OpenSSL for %s: %v", m.arch, err)
		}
	}
}

func TestLibraryEnv(t *testing.T) {
	own := t.TempDir()
	file(t, own, "lib/libssl.a")
	file(t, own, "lib/libcrypto.a")
	const upper, under = "X86_64_UNKNOWN_LINUX_MUSL", "x86_64_unknown_linux_musl"
	base := []string{"PKG_CONFIG_" + under + "=/d/pkg-config"}
	ssl := []string{upper + "_OPENSSL_DIR=/s", upper + "_OPENSSL_STATIC=1", upper + "_OPENSSL_NO_VENDOR=1"}
	libdir := "PKG_CONFIG_LIBDIR_" + under + "=/s/lib/pkgconfig"
	for _, c := range []struct {
		name  string
		s     Sysroot
		user  []string
		want  []string
		notes []string // parts
	}{
		{"nothing", Sysroot{}, nil, append(slices.Clone(base), "LIBZ_SYS_STATIC=1"), nil},
		{"openssl", Sysroot{Dir: "/s", Supplies: []Supply{{Name: "openssl"}}}, nil, slices.Concat(base, []string{libdir}, ssl, []string{"LIBZ_SYS_STATIC=1"}), nil},
		{"zlib", Sysroot{Dir: "/s", Supplies: []Supply{{Name: "zlib"}}}, nil, append(slices.Clone(base), libdir), nil},
		{"libpq by its folder", Sysroot{Dir: "/s", Supplies: []Supply{{Name: "libpq", Direct: true}}}, nil,
			append(slices.Clone(base), libdir, "PQ_LIB_DIR_"+upper+"=/s/lib", "LIBZ_SYS_STATIC=1"), nil},
		{"own", Sysroot{own: own}, nil, append(slices.Clone(base), "PKG_CONFIG_LIBDIR_"+under+"="+filepath.Join(own, "lib/pkgconfig")+":"+filepath.Join(own, "share/pkgconfig"),
			upper+"_OPENSSL_DIR="+own, upper+"_OPENSSL_STATIC=1", upper+"_OPENSSL_NO_VENDOR=1", "LIBZ_SYS_STATIC=1"), nil},
		{"the user's win", Sysroot{Dir: "/s", Supplies: []Supply{{Name: "openssl"}}},
			[]string{upper + "_OPENSSL_LIB_DIR=/mine", "PKG_CONFIG_" + string(musl) + "=/mine/pkg-config", "PKG_CONFIG_LIBDIR_" + under + "=/mine", "LIBZ_SYS_STATIC=1"}, nil,
			[]string{"PKG_CONFIG_" + string(musl) + " is set and wins", "PKG_CONFIG_LIBDIR_" + under + " is set", upper + "_OPENSSL_LIB_DIR is set"}},
		{"what names no target is the host's", Sysroot{Dir: "/s", Supplies: []Supply{{Name: "openssl"}}}, []string{"OPENSSL_DIR=/usr", "PKG_CONFIG_PATH=/usr/lib/pkgconfig"},
			slices.Concat(base, []string{libdir}, ssl, []string{"LIBZ_SYS_STATIC=1"}), []string{"OPENSSL_DIR names no target"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.s.triple, c.s.pkg = musl, "/d/pkg-config"
			vars, notes := c.s.Env(c.user)
			if !slices.Equal(vars, c.want) {
				t.Errorf("got  %q\nwant %q", vars, c.want)
			}
			if len(notes) != len(c.notes) {
				t.Fatalf("notes %q", notes)
			}
			for i, n := range c.notes {
				if !strings.Contains(notes[i], n) {
					t.Errorf("note %q, want %q", notes[i], n)
				}
			}
		})
	}
}
