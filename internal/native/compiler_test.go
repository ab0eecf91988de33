// SPDX-License-Identifier: MIT OR Apache-2.0

//go:build unix

package native

import (
	"bytes"
	"context"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"sampan/internal/run"
)

// fakeHost is a machine with some programs: each is a function of its arguments.
type fakeHost struct {
	dir   string
	tools map[string]func(c run.Cmd) error
	calls []string
}

func newFakeHost(t *testing.T, tools map[string]func(c run.Cmd) error) *fakeHost {
	h := &fakeHost{dir: t.TempDir(), tools: tools}
	for name := range tools {
		file(t, h.dir, name)
	}
	return h
}

func (h *fakeHost) Run(_ context.Context, c run.Cmd) error {
	name := filepath.Base(c.Path)
	h.calls = append(h.calls, name)
	return h.tools[name](c)
}

// failing is a program that says something and fails.
func failing(name, says string) func(run.Cmd) error {
	return func(c run.Cmd) error {
		fmt.Fprint(c.Stderr, says)
		return &run.ExitError{Path: name, Code: 1}
	}
}

// compilerOf asks for the compiler of a fake machine.
func (h *fakeHost) compiler(t *testing.T, o CompilerOptions) (*Compiler, error) {
	t.Helper()
	o.Runner, o.Triple, o.Env = h, musl, append(o.Env, "PATH="+h.dir)
	if o.CacheDir == "" {
		o.CacheDir = t.TempDir()
	}
	o.Self = file(t, h.dir, "sampan")
	return EnsureCompiler(t.Context(), o)
}

// TestNoCompiler: each way in which the pinned compiler cannot be had is told apart, with what to type.
func TestNoCompiler(t *testing.T) {
	type tools = map[string]func(run.Cmd) error
	lies := func(c run.Cmd) error {
		w, _ := wheelFor(runtime.GOOS, runtime.GOARCH)
		i := slices.Index(c.Args, "--dest")
		return errors.Join(os.MkdirAll(c.Args[i+1], 0o755), os.WriteFile(filepath.Join(c.Args[i+1], w.file), []byte("not zig"), 0o644))
	}
	for name, tc := range map[string]struct {
		tools   tools
		refuses bool // --no-install
		want    CompilerReason
		says    []string // in the error
		hint    string
	}{
		"no client":       {nil, false, NoClient, []string{"neither pip nor uv is in PATH"}, "apt-get install python3-pip"},
		"a python alone":  {tools{"python3": failing("python3", "/usr/bin/python3: No module named pip\n")}, false, NotFetched, []string{"No module named pip"}, "--cc host"},
		"not allowed":     {tools{"pip3": lies}, true, NotAllowed, []string{"must not be fetched"}, "run once without --no-install"},
		"other bytes":     {tools{"pip3": lies}, false, BadHash, []string{"not the pinned ones"}, "use one that can be trusted"},
		"pip sees it too": {tools{"pip3": failing("pip3", "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.\n")}, false, BadHash, nil, "trusted"},
		"no network": {tools{"pip3": failing("pip3", "WARNING: Retrying\nERROR: Could not find a version\n\nERROR: No matching distribution found for ziglang==0.17.0\n")},
			false, NotFetched, []string{"pip3: ", "No matching distribution found"}, "PIP_INDEX_URL, HTTPS_PROXY"},
	} {
		t.Run(name, func(t *testing.T) {
			cache := t.TempDir()
			h := newFakeHost(t, tc.tools)
			_, err := h.compiler(t, CompilerOptions{CacheDir: cache, Install: !tc.refuses})
			e, ok := errors.AsType[*CompilerError](err)
			if !ok || e.Reason != tc.want || !strings.Contains(e.Hint(), tc.hint) {
				t.Fatalf("%v; hint %q", err, e.Hint())
			}
			for _, w := range tc.says {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("%q does not say %q", err, w)
				}
			}
			if left, _ := filepath.Glob(filepath.Join(cache, "zig", "*", "*")); len(left) > 0 {
				t.Errorf("left behind %q", left)
			}
			if tc.refuses && len(h.calls) > 0 {
				t.Errorf("started %q", h.calls)
			}
		})
	}
}

// TestHalfAZigIsNotTrusted: what a kill leaves of a fetch is not a compiler.
func TestHalfAZigIsNotTrusted(t *testing.T) {
	for name, files := range map[string][]string{"no manifest": {"zig", "lib/include/stddef.h"}, "no bytes": {"zig", "lib/include/stddef.h", zigManifest}} {
		t.Run(name, func(t *testing.T) {
			cache := t.TempDir()
			dir := zigDir(cache)
			for _, f := range files {
				file(t, dir, f)
			}
			file(t, filepath.Dir(dir), zigNew+"1234/download/part.whl")
			h := newFakeHost(t, map[string]func(run.Cmd) error{"pip3": failing("pip3", "no network\n")})
			_, err := h.compiler(t, CompilerOptions{CacheDir: cache})
			if e, ok := errors.AsType[*CompilerError](err); !ok || e.Reason != NotAllowed || !strings.Contains(e.Detail, "damaged") {
				t.Errorf("may not be fetched: %v", err)
			}
			_, err = h.compiler(t, CompilerOptions{CacheDir: cache, Install: true})
			if e, ok := errors.AsType[*CompilerError](err); !ok || e.Reason != NotFetched {
				t.Errorf("may be fetched: %v", err)
			}
			if left, _ := filepath.Glob(filepath.Join(cache, "zig", zigNew+"*")); len(left) > 0 {
				t.Errorf("left behind %q", left)
			}
		})
	}
}

// object is an ELF object that asks for functions.
func object(m elf.Machine, names ...string) []byte {
	var symbols, text bytes.Buffer
	text.WriteByte(0)
	symbols.Write(make([]byte, elf.Sym64Size))
	for _, n := range names {
		_ = binary.Write(&symbols, binary.LittleEndian, elf.Sym64{Name: uint32(text.Len()), Info: elf.ST_INFO(elf.STB_GLOBAL, elf.STT_NOTYPE)})
		text.WriteString(n + "\x00")
	}
	sectionNames := "\x00.symtab\x00.strtab\x00"
	at := func(n int) uint64 { return uint64(64 + n) }
	sections := []elf.Section64{{},
		{Name: 1, Type: uint32(elf.SHT_SYMTAB), Off: at(0), Size: uint64(symbols.Len()), Link: 2, Info: 1, Addralign: 8, Entsize: elf.Sym64Size},
		{Name: 9, Type: uint32(elf.SHT_STRTAB), Off: at(symbols.Len()), Size: uint64(text.Len()), Addralign: 1},
		{Name: 9, Type: uint32(elf.SHT_STRTAB), Off: at(symbols.Len() + text.Len()), Size: uint64(len(sectionNames)), Addralign: 1}}
	var out bytes.Buffer
	head := elf.Header64{Type: uint16(elf.ET_REL), Machine: uint16(m), Version: 1, Shoff: at(symbols.Len() + text.Len() + len(sectionNames)), Ehsize: 64,
		Shentsize: 64, Shnum: uint16(len(sections)), Shstrndx: 3}
	copy(head.Ident[:], "\x7fELF\x02\x01\x01")
	_ = binary.Write(&out, binary.LittleEndian, head)
	out.Write(symbols.Bytes())
	out.Write(text.Bytes())
	out.WriteString(sectionNames)
	_ = binary.Write(&out, binary.LittleEndian, sections)
	return out.Bytes()
}

// compiling is a compiler that makes such an object.
func compiling(m elf.Machine, names ...string) func(run.Cmd) error {
	return func(c run.Cmd) error {
		i := slices.Index(c.Args, "-o")
		if i < 0 {
			_, err := fmt.Fprintln(c.Stdout, "cc (Debian) 12.2.0\nCopyright")
			return err
		}
		return os.WriteFile(c.Args[i+1], object(m, names...), 0o644)
	}
}

// TestTheUsersCompiler: it wins, which is said, and one for glibc is named before anything is compiled by it.
func TestTheUsersCompiler(t *testing.T) {
	const cc = "CC_x86_64_unknown_linux_musl"
	h := newFakeHost(t, map[string]func(run.Cmd) error{
		"gcc":      compiling(elf.EM_X86_64, "memcpy", "__memcpy_chk", "__isoc99_sscanf", "__memcpy_chk"),
		"arm-gcc":  compiling(elf.EM_AARCH64, "memcpy"),
		"musl-gcc": compiling(elf.EM_X86_64, "memcpy", "strcpy", "__stack_chk_fail"),
		"broken":   failing("broken", "segmentation fault\n"),
	})
	_, err := h.compiler(t, CompilerOptions{Env: []string{cc + "=gcc -m64"}})
	g, ok := errors.AsType[*GlibcObjectsError](err)
	if !ok || !slices.Equal(g.Symbols, []string{"__isoc99_sscanf", "__memcpy_chk"}) || !strings.Contains(err.Error(), "check C compiler gcc -m64: it compiles for glibc") ||
		!strings.Contains(g.Hint(), "unset "+cc) {
		t.Errorf("for glibc: %v", err)
	}
	_, err = h.compiler(t, CompilerOptions{Env: []string{cc + "=arm-gcc"}})
	if g, ok := errors.AsType[*GlibcObjectsError](err); !ok || g.Machine != "EM_AARCH64" || !strings.Contains(err.Error(), "not for "+string(musl)) {
		t.Errorf("for another machine: %v", err)
	}
	for value, want := range map[string]CompilerReason{"no-such-cc": NoUser, "broken": Unusable} {
		_, err = h.compiler(t, CompilerOptions{Env: []string{cc + "=" + value}})
		if e, ok := errors.AsType[*CompilerError](err); !ok || e.Reason != want || !strings.Contains(err.Error(), value) {
			t.Errorf("%s: %v", value, err)
		}
	}
	cache := t.TempDir()
	for kind, says := range map[string]string{"": "as " + cc + " says: its bytes are not those of zig", KindZig: cc + "=musl-gcc is set and wins over --cc zig"} {
		c, err := h.compiler(t, CompilerOptions{CacheDir: cache, Kind: kind, Env: []string{cc + "=musl-gcc", "AR_" + string(musl) + "=my-ar"}})
		if err != nil || c.Kind != KindUser || c.Version != "cc (Debian) 12.2.0" || !slices.Equal(c.AR, []string{"my-ar"}) || !strings.Contains(c.Notice, says) {
			t.Fatalf("%q: %+v, %v", kind, c, err)
		}
		if vars, _ := c.Env(nil); len(vars) > 0 {
			t.Errorf("the user's own variables are overridden: %q", vars)
		}
	}
	if n := len(h.calls); n != 4*2 { // --version and a compile, for each that can be started; what it said is kept
		t.Errorf("%d calls: %q", n, h.calls)
	}
}

// TestVariablesOfTheUser: next to the pinned compiler, a variable of the user's for one of its tools wins and is told.
func TestVariablesOfTheUser(t *testing.T) {
	c := &Compiler{Kind: KindZig, Name: "zig", Triple: musl, CC: []string{"/d/cc"}, CXX: []string{"/d/c++"}, AR: []string{"/d/ar"}, cxxName: "c++", Dir: "/d"}
	vars, notes := c.Env([]string{"AR_x86_64_unknown_linux_musl=my-ar", "CXX_" + string(musl) + "=my-c++", "CC=gcc", "AR=gcc-ar"})
	if slices.ContainsFunc(vars, func(v string) bool { return strings.HasPrefix(v, "AR") || strings.HasPrefix(v, "CXX_") }) ||
		!slices.Contains(vars, "CC_x86_64_unknown_linux_musl=/d/cc") || slices.ContainsFunc(vars, func(v string) bool { return !strings.Contains(v, "x86_64_unknown_linux_musl=") }) {
		t.Errorf("variables %q", vars)
	}
	want := []string{"CXX_x86_64-unknown-linux-musl=my-c++ is set and wins over zig", "AR_x86_64_unknown_linux_musl=my-ar is set and wins over zig"}
	if !slices.Equal(notes, want) {
		t.Errorf("notes %q", notes)
	}
}
