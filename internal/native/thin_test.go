// SPDX-License-Identifier: MIT OR Apache-2.0

//go:build unix

package native

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sampan/internal/cargo"
	"sampan/internal/run"
)

// TestThinCompiles: what a compiler is told for size, in C and C++, whatever a build script says.
func TestThinCompiles(t *testing.T) {
	tables := strings.Join(thinC, " ")
	for _, c := range []struct {
		name        string
		plain, plus bool
		env         string
		args        string
		want        string // those of the words that are looked at, in order
	}{
		{name: "C", args: "-Os -c a.c", want: tables + " -Os"},
		{name: "C, not thin", plain: true, env: "OPT_LEVEL=s", args: "-O3 -c a.c", want: "-O3"},
		{name: "C that is unwound", args: "-Os -fexceptions -funwind-tables -c a.c", want: tables + " -Os -fexceptions -funwind-tables"},
		{name: "C++", plus: true, args: "-Os -c a.cc", want: "-Os"},
		{name: "C++ by cc", args: "-Os -c a.cc", want: "-Os"},
		{name: "a script that knows better", env: "OPT_LEVEL=s", args: "-g -O3 -c a.c", want: tables + " -Os"},
		{name: "C++ too", plus: true, env: "OPT_LEVEL=z", args: "-O2 -c a.cc", want: "-Os"},
		{name: "small already", env: "OPT_LEVEL=z", args: "-Oz -c a.c", want: tables + " -Oz"},
		{name: "not at all", env: "OPT_LEVEL=s", args: "-O0 -c a.c", want: tables + " -O0"},
		{name: "a package that the manifest spares", env: "OPT_LEVEL=3", args: "-O3 -c a.c", want: tables + " -O3"},
		{name: "nobody's script", args: "-O2 -c a.c", want: tables + " -O2"},
	} {
		s := settings{Kind: KindZig, CC: []string{"/zig", "clang"}, CXX: []string{"/zig", "clang"}, Lib: "/zig-lib", Clang: true, Thin: !c.plain, Cache: t.TempDir(), triple: musl}
		file(t, cxxDir(s.Cache, cxxZig, musl), cxxRecord)
		m, _ := machineOf(musl)
		r := &recorder{}
		j := &compileJob{settings: s, machine: m, plus: c.plus, call: Call{Args: strings.Fields(c.args), Env: []string{c.env}, Runner: r}}
		if _, err := j.run(t.Context()); err != nil || len(r.cmds) != 1 {
			t.Fatalf("%s: %v, %d commands", c.name, err, len(r.cmds))
		}
		got := slices.DeleteFunc(slices.Clone(r.cmds[0].Args), func(a string) bool {
			return !strings.HasPrefix(a, "-O") && !strings.Contains(a, "unwind") && a != "-fexceptions"
		})
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

// TestThinDriversAreOthers: build scripts see that what they compile would come out otherwise.
func TestThinDriversAreOthers(t *testing.T) {
	dirs := map[bool]string{}
	for _, thin := range []bool{false, true} {
		o := CompilerOptions{CacheDir: "", Self: file(t, t.TempDir(), "sampan"), Triple: musl, Thin: thin}
		o.CacheDir = t.TempDir()
		c := &Compiler{Triple: musl}
		if err := ensureDrivers(o, c, settings{Kind: KindZig, CC: []string{"/zig"}, AR: []string{"/zig"}, RANLIB: []string{"/zig"}}, "zig-1"); err != nil {
			t.Fatal(err)
		}
		dirs[thin], _ = filepath.Rel(o.CacheDir, c.Dir)
		if s, ok, err := readSettings(c.CC[0], musl); err != nil || !ok || s.Thin != thin {
			t.Errorf("settings %+v, %v", s, err)
		}
	}
	if dirs[false] != filepath.Join("drivers", "zig-1", string(musl)) || dirs[true] != filepath.Join("drivers", "zig-1-thin", string(musl)) {
		t.Errorf("folders %v", dirs)
	}
}

// libc is an archive with an object that names a version, behind one of an odd size.
func libc(version string) string {
	var b strings.Builder
	b.WriteString(arMagic)
	for _, m := range [][2]string{{"a.o/", "GCC: 9.4.0\x00"}, {"version.lo/", "\x7fELF\x00 9.9.9\x00\x00" + version + "\x00GCC: 9.4.0\x00"}} {
		fmt.Fprintf(&b, "%-16s%-12s%-6s%-6s%-8s%-10d`\n%s", m[0], "0", "0", "0", "644", len(m[1]), m[1])
		if len(m[1])%2 == 1 {
			b.WriteString("\n")
		}
	}
	return b.String()
}

func TestMuslVersion(t *testing.T) {
	for _, c := range []struct {
		name, archive, want string
		relr                bool
	}{
		{"today's", libc("1.2.5"), "[1 2 5]", true},
		{"of a commit", libc("1.2.4-git-12-gabcdef"), "[1 2 4]", true},
		{"Rust's before 1.93", libc("1.2.3"), "[1 2 3]", false},
		{"old", libc("1.1.24"), "[1 1 24]", false},
		{"new", libc("1.3.0"), "[1 3 0]", true},
		{"another C library", libc("one"), "", false},
		{"another name", strings.ReplaceAll(libc("1.2.5"), "version.lo/", "versions.o/"), "", false},
		{"cut off", libc("1.2.5")[:150], "", false},
		{"a size below zero", strings.Replace(libc("1.2.5"), "11        `", "-60       `", 1), "", false},
		{"no archive", "GROUP ( libc.so )", "", false},
		{"empty", "", "", false},
	} {
		path := filepath.Join(t.TempDir(), "libc.a")
		if err := os.WriteFile(path, []byte(c.archive), 0o644); err != nil {
			t.Fatal(err)
		}
		v, err := muslVersion(path)
		if got := fmt.Sprint(v); (err != nil) != (c.want == "") || err == nil && got != c.want {
			t.Errorf("%s: %s, %v", c.name, got, err)
		}
		if readsRelr(path) != c.relr {
			t.Errorf("%s: DT_RELR is read: %v", c.name, !c.relr)
		}
	}
	if readsRelr(filepath.Join(t.TempDir(), "none")) {
		t.Error("a C library that is not there reads DT_RELR")
	}
}

func FuzzMember(f *testing.F) {
	f.Add([]byte(libc("1.2.5")), "version.lo")
	f.Fuzz(func(t *testing.T, archive []byte, name string) {
		data, err := member(bytes.NewReader(archive), name)
		if err == nil && !bytes.Contains(archive, data) {
			t.Errorf("%q is not in the archive", data)
		}
	})
}

// TestThinLinks: which words a linker gets for size, and that cargo is told.
func TestThinLinks(t *testing.T) {
	const relr, icf = "--pack-dyn-relocs=relr", "--icf=safe"
	for _, c := range []struct {
		name, linker, libc string
		triple             cargo.Triple
		thin               bool
		args               []string
		want               []string
	}{
		{"thin", lldName, libc("1.2.5"), musl, true, []string{"-static-pie"}, []string{icf, relr}},
		{"not position independent", lldName, libc("1.2.5"), musl, true, []string{"-static"}, []string{icf}},
		{"an old musl", lldName, libc("1.2.3"), musl, true, []string{"-static-pie"}, []string{icf}},
		{"the user's word counts", lldName, libc("1.2.5"), musl, true, []string{"-static-pie", "-Wl,--icf=none"}, []string{icf, relr, "--icf=none"}},
		{"not for this machine", lldName, libc("1.2.5"), "mips64-unknown-linux-muslabi64", true, []string{"-static-pie"}, []string{icf}},
		{"a shared object", lldName, libc("1.2.5"), musl, true, []string{"-shared"}, nil},
		{"a program with a loader", lldName, libc("1.2.5"), musl, true, []string{"-pie"}, nil},
		{"plain", lldName, libc("1.2.5"), musl, false, []string{"-static-pie"}, nil},
		{"GNU's linker", "ld.bfd", libc("1.2.5"), musl, true, []string{"-static-pie"}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			root := t.TempDir()
			lib := filepath.Join(root, "lib", "rustlib", string(c.triple), "lib")
			file(t, lib, "self-contained/libc.a")
			if err := os.WriteFile(filepath.Join(lib, "self-contained", "libc.a"), []byte(c.libc), 0o644); err != nil {
				t.Fatal(err)
			}
			bin := filepath.Dir(file(t, root, "lib/rustlib/host/bin/"+c.linker))
			m, _ := machineOf(c.triple)
			if c.linker != lldName {
				bin = filepath.Dir(file(t, root, "bin/"+m.cross+"-"+c.linker))
			}
			out := file(t, root, "app")
			file(t, root, "app.d")
			env := []string{"PATH=" + bin}
			if c.thin {
				env = append(env, ThinVar+"=1")
			}
			r := &recorder{}
			var errs bytes.Buffer
			_, code := Main(context.Background(), Call{Argv0: "/c/drivers/" + string(c.triple) + "/cc", Args: append(c.args, "a.o", "-L", lib, "-o", out),
				Env: env, Stdout: &bytes.Buffer{}, Stderr: &errs, Runner: r})
			if code != 0 || len(r.cmds) != 1 {
				t.Fatalf("code %d, %d commands: %s", code, len(r.cmds), errs.String())
			}
			got := slices.DeleteFunc(slices.Clone(r.cmds[0].Args), func(a string) bool { return a != relr && !strings.HasPrefix(a, "--icf=") })
			if !slices.Equal(got, c.want) {
				t.Errorf("the linker gets %q", r.cmds[0].Args)
			}
			told, err := os.ReadFile(out + ".d")
			if err != nil {
				t.Fatal(err)
			}
			if is := strings.Contains(string(told), "\n# env-dep:"+ThinVar+"=1\n"); slices.Contains(c.args, "-shared") == strings.Contains(string(told), ThinVar) || is && !c.thin {
				t.Errorf("cargo is told %q", told)
			}
		})
	}
}

// maker is perl and make: it keeps what they are told.
type maker struct{ calls []string }

func (m *maker) Run(_ context.Context, c run.Cmd) error {
	m.calls = append(m.calls, strings.Join(append([]string{filepath.Base(c.Path)}, c.Args...), " "))
	return nil
}

// TestOpenSSLWithoutWideAssembly: what is for AVX-512 alone is written first, by scripts that hear of an old compiler.
func TestOpenSSLWithoutWideAssembly(t *testing.T) {
	src := t.TempDir()
	makefile := filepath.Join(filepath.Dir(file(t, src, "openssl/Makefile")), "Makefile")
	for text, want := range map[string]string{
		"crypto/modes/aes-gcm-avx512.s: crypto/modes/asm/aes-gcm-avx512.pl \n\tperl x $@\ncrypto/bn/rsaz-avx2.s: x\ncrypto/bn/rsaz-2k-avx512.s: y\n x/crypto/aes/a-avx512.s:\ncrypto/aes/aesni-xts-avx512.s: x\ncrypto/aes/aesni-x86_64.s: x": "make -s " +
			opensslOld + " crypto/modes/aes-gcm-avx512.s crypto/aes/aesni-xts-avx512.s",
		"crypto/armv8.s: x": "",
	} {
		if err := os.WriteFile(makefile, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		m := &maker{}
		j := &job{clib: &clib{SupplyOptions: &SupplyOptions{Triple: musl, Runner: m}}, src: src, log: &buildLog{w: &bytes.Buffer{}}}
		if err := (opensslRecipe{}).narrow(t.Context(), j, "make"); err != nil || strings.Join(m.calls, "; ") != want {
			t.Errorf("%q, %v", m.calls, err)
		}
	}
	if err := os.Remove(makefile); err != nil {
		t.Fatal(err)
	}
	if err := (opensslRecipe{}).narrow(t.Context(), &job{src: src}, "make"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("without a makefile: %v", err)
	}
}
