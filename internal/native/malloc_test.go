// SPDX-License-Identifier: MIT OR Apache-2.0

//go:build unix

package native

import (
	"bytes"
	"context"
	"debug/elf"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sampan/internal/cargo"
	"sampan/internal/run"
)

// toolsEnv is a PATH with the programs that build scripts here are known to run.
func toolsEnv(t *testing.T) []string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"make", "perl"} {
		file(t, dir, name)
	}
	return []string{"PATH=" + dir}
}

// graphOf is a package with dependencies, all compiled for the triple.
func graphOf(deps ...cargo.Node) *cargo.Graph {
	g := &cargo.Graph{Nodes: []cargo.Node{{Name: "app", Version: "1.0.0", Target: true}}}
	for i, n := range deps {
		n.Target = !n.Host
		g.Nodes[0].Deps = append(g.Nodes[0].Deps, cargo.Edge{To: i + 1})
		g.Nodes = append(g.Nodes, n)
	}
	return g
}

func TestAllocatorOption(t *testing.T) {
	for _, c := range []struct {
		name   string
		word   string
		graph  *cargo.Graph
		triple cargo.Triple
		part   bool
		supply bool
		note   string
		err    string
	}{
		{name: "not asked for", graph: graphOf(), triple: musl},
		{name: "the system's", word: SystemAllocator, graph: graphOf(), triple: musl},
		{name: "pure Rust", word: Mimalloc, graph: graphOf(cargo.Node{Name: "itoa", Version: "1.0.0"}), triple: musl, part: true, supply: true},
		{name: "jemalloc in Rust", word: Mimalloc, graph: graphOf(cargo.Node{Name: "tikv-jemallocator", Version: "0.6.0"}), triple: musl, part: true, supply: true,
			note: "tikv-jemallocator is among the dependencies"},
		{name: "jemalloc of a build script", word: Mimalloc, graph: graphOf(cargo.Node{Name: "tikv-jemallocator", Version: "0.6.0", Host: true}), triple: musl, part: true, supply: true},
		{name: "mimalloc in Rust", word: Mimalloc, triple: musl, part: true, note: "libmimalloc-sys 0.1.40 brings an allocator that cannot stand beside mimalloc's (app → libmimalloc-sys)",
			graph: graphOf(cargo.Node{Name: "libmimalloc-sys", Version: "0.1.40"}, cargo.Node{Name: "openssl-sys", Version: "0.9.117"})},
		{name: "jemalloc as malloc", word: Mimalloc, triple: musl, part: true, note: "tikv-jemalloc-sys 0.6.0 brings an allocator",
			graph: graphOf(cargo.Node{Name: "tikv-jemalloc-sys", Version: "0.6.0", Features: []string{"unprefixed_malloc_on_supported_platforms"}}, cargo.Node{Name: "openssl-sys", Version: "0.9.117"})},
		{name: "narrow atomics", word: Mimalloc, graph: graphOf(), triple: "armv5te-unknown-linux-musleabi", err: "supply mimalloc for armv5te-unknown-linux-musleabi"},
		{name: "arm/v7", word: Mimalloc, graph: graphOf(), triple: "armv7-unknown-linux-musleabihf", part: true, supply: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, err := PartOf(c.graph, PartOptions{Triple: c.triple, Package: "app", Allocator: c.word, Env: toolsEnv(t)})
			if c.err != "" {
				e, ok := errors.AsType[*WantError](err)
				if !ok || !strings.HasPrefix(e.Error(), c.err) || !strings.Contains(e.Hint(), `allocator = "system"`) {
					t.Errorf("error %v", err)
				}
				return
			}
			if err != nil || (p != nil) != c.part {
				t.Fatalf("%+v, %v", p, err)
			}
			if p == nil {
				return
			}
			if (p.Allocator != nil) != c.supply || p.Compiler == "" {
				t.Errorf("%+v", p)
			}
			if a := p.Allocator; a != nil && (a.Name != Mimalloc || a.License != "MIT" || len(a.Checksum) != 64 || !strings.HasPrefix(a.Source, "libmimalloc-sys ")) {
				t.Errorf("supply %+v", a)
			}
			if p.Plain != (c.name != "mimalloc in Rust" && c.name != "jemalloc as malloc") {
				t.Errorf("plain is %v", p.Plain)
			}
			if notes := strings.Join(p.Notes, "\n"); !strings.Contains(notes, c.note) || (c.note == "") != (notes == "") {
				t.Errorf("notes %q", notes)
			}
		})
	}
}

// TestLargePages: jemalloc writes the page size of the machine that compiles into the program.
func TestLargePages(t *testing.T) {
	for triple, want := range map[cargo.Triple]string{
		"aarch64-unknown-linux-musl":     "AARCH64_UNKNOWN_LINUX_MUSL_JEMALLOC_SYS_WITH_LG_PAGE=16",
		"powerpc64le-unknown-linux-musl": "POWERPC64LE_UNKNOWN_LINUX_MUSL_JEMALLOC_SYS_WITH_LG_PAGE=16",
		musl:                             "",
	} {
		cc := cargo.Node{Name: "cc", Version: "1.0.0", Host: true}
		g := graphOf(cargo.Node{Name: "tikv-jemalloc-sys", Version: "0.6.0", BuildScript: true, Deps: []cargo.Edge{{To: 2, Build: true}}}, cc)
		p, err := PartOf(g, PartOptions{Triple: triple, Package: "app", Env: toolsEnv(t)})
		if err != nil || p == nil {
			t.Fatalf("%s: %+v, %v", triple, p, err)
		}
		if got := strings.Join(p.Env, " "); got != want {
			t.Errorf("%s: %q", triple, got)
		}
	}
}

// TestLinkWithAllocator: the archive stands before everything that could ask for malloc, in programs only, and cargo is
// told, whatever the setting.
func TestLinkWithAllocator(t *testing.T) {
	dir := t.TempDir()
	lld := file(t, dir, "bin/ld.lld")
	out, archive := filepath.Join(dir, "app-1"), `/c\d/libmimalloc.a`
	const before = "app-1: src/main.rs\n\n# env-dep:CARGO_PKG_NAME=app\n"
	for _, c := range []struct {
		name, value string
		args        []string
		fail        error
		linked      bool
		added       string
	}{
		{name: "mimalloc", value: archive, args: []string{"-static-pie"}, linked: true, added: "\n# env-dep:" + AllocatorVar + `=/c\\d/libmimalloc.a` + "\n# env-dep:" + ThinVar + "\n"},
		{name: "the system's", args: []string{"-static-pie"}, added: "\n# env-dep:" + AllocatorVar + "\n# env-dep:" + ThinVar + "\n"},
		{name: "a shared object", value: archive, args: []string{"-shared"}},
		{name: "a link that fails", value: archive, args: []string{"-static"}, linked: true, fail: &run.ExitError{Path: lld, Code: 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := os.WriteFile(out+".d", []byte(before), 0o644); err != nil {
				t.Fatal(err)
			}
			r := &recorder{err: c.fail}
			env := []string{"PATH=" + filepath.Dir(lld)}
			if c.value != "" {
				env = append(env, AllocatorVar+"="+c.value)
			}
			_, code := Main(context.Background(), Call{Argv0: "/c/drivers/" + string(musl) + "/cc", Args: append(c.args, "first.o", "-lc", "-o", out),
				Env: env, Stdout: &bytes.Buffer{}, Stderr: &bytes.Buffer{}, Runner: r})
			if (code != 0) != (c.fail != nil) || len(r.cmds) != 1 {
				t.Fatalf("code %d, %d commands", code, len(r.cmds))
			}
			args := r.cmds[0].Args
			at := slices.Index(args, c.value)
			if (at > 0) != c.linked || c.linked && (args[at-1] != "--whole-archive" || args[at+1] != "--no-whole-archive" || at > slices.Index(args, "first.o")) {
				t.Errorf("arguments %q", args)
			}
			if slices.ContainsFunc(r.cmds[0].Env, func(kv string) bool { return strings.HasPrefix(kv, AllocatorVar) }) {
				t.Error("the linker sees the variable")
			}
			if got, err := os.ReadFile(out + ".d"); err != nil || string(got) != before+c.added {
				t.Errorf("cargo is told %q, %v", got, err)
			}
		})
	}
	if err := recordLink(filepath.Join(dir, "alone"), nil); err != nil || exists(filepath.Join(dir, "alone.d")) {
		t.Errorf("a link that cargo knows nothing of: %v", err)
	}
}

func TestEnsureAllocator(t *testing.T) {
	b := newBench(t)
	old := mimallocLibrary
	t.Cleanup(func() { mimallocLibrary = old })
	mimallocLibrary.releases = []release{{version: "3.3.2", crate: crateOf(t, b.o.Cargo.Dir, "mimalloc-src",
		map[string]string{"c_src/mimalloc/v3/src/static.c": "static", "c_src/mimalloc/v3/LICENSE": "MIT"})}}
	supply := Supply{Name: Mimalloc, Version: "3.3.2", Checksum: mimallocLibrary.releases[0].crate.Checksum}
	archive, err := EnsureAllocator(t.Context(), b.o, supply)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(archive)
	if err != nil || strings.Count(string(text), "-c src/sampan.c") != 1 || !strings.Contains(string(text), "-fno-builtin-malloc") {
		t.Errorf("archive %q, %v", text, err)
	}
	again, err := EnsureAllocator(t.Context(), b.o, supply)
	if err != nil || again != archive || b.cc.compiles != 1 {
		t.Errorf("again %s, %v after %d compiles", again, err, b.cc.compiles)
	}
	b.o.Thin = true
	if thin, err := EnsureAllocator(t.Context(), b.o, supply); err != nil || thin == archive {
		t.Errorf("thin %s, %v", thin, err)
	}
	supply.Checksum = "0"
	if _, err := EnsureAllocator(t.Context(), b.o, supply); err == nil {
		t.Error("an unknown release is supplied")
	}
}

// elfWith writes an ELF file of 64 bits with one section.
func elfWith(t *testing.T, name string, data []byte) string {
	t.Helper()
	names := "\x00" + name + "\x00.shstrtab\x00"
	at := uint64(binary.Size(elf.Header64{}))
	sections := []elf.Section64{{},
		{Name: 1, Type: uint32(elf.SHT_NOTE), Off: at, Size: uint64(len(data))},
		{Name: uint32(len(name) + 2), Type: uint32(elf.SHT_STRTAB), Off: at + uint64(len(data)), Size: uint64(len(names))}}
	h := elf.Header64{Type: uint16(elf.ET_EXEC), Machine: uint16(elf.EM_X86_64), Version: 1, Shoff: at + uint64(len(data)+len(names)),
		Ehsize: uint16(at), Shentsize: uint16(binary.Size(elf.Section64{})), Shnum: 3, Shstrndx: 2}
	copy(h.Ident[:], elf.ELFMAG+"\x02\x01\x01")
	var b bytes.Buffer
	for _, part := range []any{h, data, []byte(names), sections} {
		if err := binary.Write(&b, binary.LittleEndian, part); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(path, b.Bytes(), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestLinkedAllocator(t *testing.T) {
	note := func(name, desc uint32, rest string) []byte {
		return append(binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(nil, name), desc), 1), rest...)
	}
	for _, c := range []struct {
		section string
		data    []byte
		want    string
		fails   bool
	}{
		{allocatorNote, note(7, 16, "Sampan\x00\x00mimalloc 3.3.2\x00\x00"), "mimalloc 3.3.2", false},
		{".note.other", note(7, 16, "Sampan\x00\x00mimalloc 3.3.2\x00\x00"), "", false},
		{allocatorNote, note(7, 17, "Sampan\x00\x00mimalloc 3.3.2\x00\x00"), "", true},
		{allocatorNote, note(1<<32-1, 1<<32-1, ""), "", true},
		{allocatorNote, []byte("short"), "", false},
	} {
		got, err := LinkedAllocator(elfWith(t, c.section, c.data))
		if got != c.want || (err != nil) != c.fails {
			t.Errorf("%s %q: %q, %v", c.section, c.data, got, err)
		}
	}
	if _, err := LinkedAllocator("/dev/null"); err == nil {
		t.Error("what is no program has an allocator")
	}
}

// TestAtomicsStayInline: helpers for atomic operations on ARM are a library's, which not every link has.
func TestAtomicsStayInline(t *testing.T) {
	for triple, want := range map[cargo.Triple]bool{"aarch64-unknown-linux-musl": true, musl: false} {
		s := settings{Kind: KindZig, CC: []string{"/zig", "clang"}, Lib: "/zig-lib", Clang: true, triple: triple}
		m, _ := machineOf(triple)
		r := &recorder{}
		j := &compileJob{settings: s, machine: m, call: Call{Args: []string{"-moutline-atomics", "-c", "a.c"}, Runner: r}}
		if _, err := j.run(t.Context()); err != nil || len(r.cmds) != 1 {
			t.Fatalf("%s: %v, %d commands", triple, err, len(r.cmds))
		}
		args := r.cmds[0].Args
		if at := slices.Index(args, "-mno-outline-atomics"); (at > slices.Index(args, "a.c")) != want {
			t.Errorf("%s: %q", triple, args)
		}
	}
}

// TestProbesLinkWithoutRust: programs that configure scripts link take parts of compiler-builtins along which name Rust's
// unwinder; the script beside the driver stands in for it.
func TestProbesLinkWithoutRust(t *testing.T) {
	const triple = "aarch64-unknown-linux-musl"
	root := t.TempDir()
	lib := filepath.Join(root, "lib", "rustlib", triple, "lib")
	file(t, lib, "self-contained/libc.a")
	lld := file(t, root, "lib/rustlib/host/bin/"+lldName)
	o := CompilerOptions{CacheDir: t.TempDir(), Self: file(t, root, "sampan"), Triple: triple}
	c := &Compiler{Triple: triple}
	s := settings{Kind: KindZig, CC: []string{"/zig", "clang"}, AR: []string{"/zig", "ar"}, RANLIB: []string{"/zig", "ranlib"}, Clang: true, Lib: "/zig-lib", Sysroot: root}
	if err := ensureDrivers(o, c, s, "zig-1"); err != nil {
		t.Fatal(err)
	}
	r := &recorder{}
	if handled, code, _, errs := call(c.CC[0], r, "", "conftest.o", "-o", "conftest"); !handled || code != 0 {
		t.Fatalf("code %d: %s", code, errs)
	}
	script := filepath.Join(c.Dir, probeLinkFile)
	if len(r.cmds) != 1 || r.cmds[0].Path != lld || !slices.Contains(r.cmds[0].Args, script) {
		t.Errorf("commands %+v", r.cmds)
	}
	if text, err := os.ReadFile(script); err != nil || !strings.Contains(string(text), "PROVIDE(rust_eh_personality") {
		t.Errorf("script %q, %v", text, err)
	}
}

// TestSurveyOfAllocator: doctor tells as the build decides, and that it takes a compiler.
func TestSurveyOfAllocator(t *testing.T) {
	g := graphOf(cargo.Node{Name: "rayon", Version: "1.0.0"})
	for _, c := range []struct {
		word           string
		triple         cargo.Triple
		slow, supplied bool
		without        int
	}{
		{"", musl, true, false, 0},
		{Mimalloc, musl, false, true, 0},
		{Mimalloc, "armv5te-unknown-linux-musleabi", false, false, 1}, // no platform of an image,
	} {
		s, err := SurveyOf(t.Context(), g, SurveyOptions{PartOptions: PartOptions{Triple: c.triple, Package: "app", Env: toolsEnv(t), Allocator: c.word}, CacheDir: t.TempDir(), Runner: &recorder{}})
		if err != nil {
			t.Fatal(err)
		}
		a := s.Needs.Allocator
		if a.Slow != c.slow || (a.Supplied != nil) != c.supplied || len(s.Without) != c.without || (s.Compiler != nil) != c.supplied {
			t.Errorf("%q on %s: %+v, compiler %v, without %v", c.word, c.triple, a, s.Compiler, s.Without)
		}
	}
}
