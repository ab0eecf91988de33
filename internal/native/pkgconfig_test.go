// SPDX-License-Identifier: MIT OR Apache-2.0

//go:build unix

package native

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// pcTree writes .pc files of two libraries of ours, and one as others write them.
func pcTree(t *testing.T) (dir string) {
	t.Helper()
	root := filepath.Join(t.TempDir(), "my [sys] root")
	cc := CC{Stdlib: []string{"c++", "c++abi"}, StdlibDir: "/opt/c plus plus"}
	for _, l := range []library{
		{releases: []release{{version: "3.6.3"}}, modules: []module{
			{name: "libcrypto", about: "cryptography", libs: []string{"crypto"}},
			{name: "libssl", about: "TLS", libs: []string{"ssl"}, requires: []string{"libcrypto"}},
			{name: "openssl", about: "both", requires: []string{"libssl", "libcrypto"}}}},
		{releases: []release{{version: "1.2"}}, modules: []module{
			{name: "zee", about: "zee", libs: []string{"z"}},
			{name: "plus", about: "C++", libs: []string{"plus"}, include: "plus", cxx: true, requires: []string{"zee", "openssl"}}}},
	} {
		e := &entry{library: &l, release: l.releases[0]}
		if err := e.pkgConfigFiles(root, cc); err != nil {
			t.Fatal(err)
		}
	}
	dir = filepath.Join(root, "lib", "pkgconfig")
	for name, text := range map[string]string{
		"theirs.pc": "# a comment\nprefix=/usr\nexec_prefix=${prefix}\nlibdir=${exec_prefix}/lib\nname=the  irs\nName: Theirs\nVersion: 2.10~rc1\n" +
			"Description: costs $$5 # not this\nRequires.private: zee >= 1.0,\\\n openssl\nLibs: -L${libdir} \"-lthe irs\" -pthread\nLibs.private: -lm -lz\nCflags: -DX=\\\"y\\\" -I${prefix}/include\n",
		"loop.pc":  "Name: Loop\nVersion: 1\nRequires: loop\n",
		"stale.pc": "Name: Stale\nVersion: 1\nRequires: zee >= 9\n",
		"lost.pc":  "Name: Lost\nVersion: 1\nRequires: nowhere\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestPkgConfigDriver(t *testing.T) {
	dir := pcTree(t)
	root := filepath.Dir(filepath.Dir(dir))
	esc := strings.NewReplacer(" ", `\ `, "[", `\[`, "]", `\]`).Replace(root)
	const notFound = "No package 'nowhere' found"
	for _, c := range []struct {
		args string
		code int
		out  string // whole; "" is nothing
		err  string // a part
	}{
		{"--version", 0, "0.29.2\n", ""},
		{"--atleast-pkgconfig-version=0.24", 0, "", ""},
		{"--atleast-pkgconfig-version 1.0", 1, "", "this is pkg-config 0.29.2"},
		{"--exists openssl", 0, "", ""},
		{"--exists nowhere", 1, "", ""},
		{"--exists --print-errors nowhere", 1, "", notFound},
		{"--print-errors --short-errors --exists nowhere", 1, "", notFound},
		{"--libs nowhere", 1, "", notFound},
		{"--libs --silence-errors nowhere", 1, "", ""},
		{"--modversion libssl openssl", 0, "3.6.3\n3.6.3\n", ""},
		{"--libs --cflags openssl", 0, "-L" + esc + "/lib -lssl -lcrypto -I" + esc + "/include\n", ""},
		{"--static --libs libssl", 0, "-L" + esc + "/lib -lssl -lcrypto\n", ""},
		{"--libs-only-l libssl zee", 0, "-lssl -lcrypto -lz\n", ""},
		{"--libs-only-L zee", 0, "-L" + esc + "/lib\n", ""},
		{"--cflags-only-I plus", 0, "-I" + esc + "/include/plus -I" + esc + "/include\n", ""},
		{"--libs plus", 0, "-L" + esc + `/lib -L/opt/c\ plus\ plus -lplus -lc++ -lc++abi -lz -lssl -lcrypto` + "\n", ""},
		{"--libs theirs", 0, "-L" + esc + `/lib -lthe\ irs -pthread -lm -lz -lssl -lcrypto` + "\n", ""},
		{"--cflags theirs", 0, `-DX=\"y\" -I` + esc + "/include\n", ""},
		{"--variable=prefix theirs", 0, root + "\n", ""},
		{"--variable libdir theirs", 0, root + "/lib\n", ""},
		{"--variable=none theirs", 0, "\n", ""},
		{"--define-variable=prefix=/x --variable=prefix theirs", 0, "/x\n", ""},
		{"--libs libssl >= 3.6 zee", 0, "-L" + esc + "/lib -lssl -lcrypto -lz\n", ""},
		{"--exists libssl>=3.6.3 libssl<4", 0, "", ""},
		{"--exists --print-errors libssl >= 4", 1, "", "Requested 'libssl >= 4' but version of libssl is 3.6.3"},
		{"--exists --print-errors libssl != 3.6.3", 1, "", "Requested"},
		{"--atleast-version=3.7 libssl", 1, "", ""},
		{"--atleast-version=3.6 libssl", 0, "", ""},
		{"--exact-version=3.6.3 libssl", 0, "", ""},
		{"--max-version=3.6.2 libssl", 1, "", ""},
		{"--libs stale", 1, "", "Requested 'zee >= 9' but version of zee is 1.2"},
		{"--libs lost", 1, "", "Package 'nowhere', required by 'lost', not found"},
		{"--libs loop", 1, "", "requires itself"},
		{"--libs", 1, "", "Must specify package names"},
		{"--frobnicate zee", 1, "", "Unknown option --frobnicate"},
		{"--exists zee >=", 1, "", "not understood"},
		{"--libs ../pkgconfig/zee", 1, "", "No package"},
		{"--print-requires theirs", 0, "zee >= 1.0\nopenssl\n", ""},
	} {
		var out, errs bytes.Buffer
		handled, code := Main(context.Background(), Call{Argv0: "/d/" + string(musl) + "/pkg-config", Args: strings.Fields(c.args),
			Env: []string{"PKG_CONFIG_LIBDIR_x86_64_unknown_linux_musl=" + dir}, Stdout: &out, Stderr: &errs, Runner: &recorder{}})
		if !handled || code != c.code || out.String() != c.out || !strings.Contains(errs.String(), c.err) || c.err == "" && errs.Len() > 0 {
			t.Errorf("pkg-config %s = %d\n%s%swant %d\n%s%s", c.args, code, out.String(), errs.String(), c.code, c.out, c.err)
		}
	}
}

// The machine's own libraries are out of reach: variables that name no triple, or another one, lead nowhere.
func TestPkgConfigLooksNowhereElse(t *testing.T) {
	dir := pcTree(t)
	for _, c := range []struct {
		env  string
		code int
	}{
		{"PKG_CONFIG_PATH=", 1}, {"PKG_CONFIG_LIBDIR=", 1}, {"PKG_CONFIG_PATH_aarch64_unknown_linux_musl=", 1},
		{"PKG_CONFIG_PATH_x86_64-unknown-linux-musl=", 0}, {"PKG_CONFIG_LIBDIR_x86_64-unknown-linux-musl=", 0},
	} {
		var out, errs bytes.Buffer
		_, code := Main(context.Background(), Call{Argv0: "/d/" + string(musl) + "/pkg-config", Args: []string{"--libs", "zee"},
			Env: []string{c.env + dir, "PATH=/usr/bin"}, Stdout: &out, Stderr: &errs, Runner: &recorder{}})
		if code != c.code {
			t.Errorf("%s: %d, %s", c.env, code, out.String())
		}
		if code == 1 && !strings.Contains(errs.String(), "the pkg-config for x86_64-unknown-linux-musl") {
			t.Errorf("%s: %s", c.env, errs.String())
		}
	}
}

func TestPkgConfigListsAll(t *testing.T) {
	dir := pcTree(t)
	var out bytes.Buffer
	Main(context.Background(), Call{Argv0: "/d/" + string(musl) + "/pkg-config", Args: []string{"--list-all"},
		Env: []string{"PKG_CONFIG_LIBDIR_x86_64_unknown_linux_musl=" + dir}, Stdout: &out, Stderr: &out, Runner: &recorder{}})
	if lines := strings.Split(strings.TrimSpace(out.String()), "\n"); len(lines) != 9 || !strings.Contains(out.String(), "Theirs - costs $5\n") {
		t.Errorf("%d lines: %s", len(lines), out.String())
	}
}

func TestCompareVersions(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{
		{"1.2", "1.2", 0}, {"1.2", "1.10", -1}, {"1.2.0", "1.2", 1}, {"1.02", "1.2", 0}, {"2.0a", "2.0", 1}, {"2.0a", "2.0.1", -1},
		{"1.0rc1", "1.0rc2", -1}, {"3.6.3", "4", -1}, {"", "1", -1}, {"1_2", "1.2", 0}, {"99999999999999999999", "100000000000000000000", -1},
	} {
		if got := compareVersions(c.a, c.b); got != c.want {
			t.Errorf("compare %q %q = %d", c.a, c.b, got)
		}
		if got := compareVersions(c.b, c.a); got != -c.want {
			t.Errorf("compare %q %q = %d", c.b, c.a, got)
		}
	}
}
