// SPDX-License-Identifier: MIT OR Apache-2.0

package native

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"sampan/internal/run"
)

// compileAndLink makes a program of sources, as configure scripts and cmake do to find out what works: each source
// becomes an object in a temporary folder, and the link is that of Rust programs, so that what a test program is told to
// have the real one has too.
func (j *compileJob) compileAndLink(ctx context.Context, l ccLine) (int, error) {
	temp, err := os.MkdirTemp("", "sampan-cc-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(temp)
	linked := slices.Clone(l.args)
	common := withoutInputs(l)
	for i, src := range l.sources {
		object := filepath.Join(temp, strconv.Itoa(i)+".o")
		args := slices.Clone(common)
		if src.language != "" {
			args = append(args, "-x", src.language)
		}
		if code, err := j.compile(ctx, append(args, "-c", l.args[src.at], "-o", object)); err != nil || code != 0 {
			return code, err
		}
		linked[src.at] = object
	}
	return j.link(ctx, linked)
}

// withoutInputs are the words of a line that are about compiling: no inputs, no output, no languages.
func withoutInputs(l ccLine) []string {
	var out []string
	for i := 0; i < len(l.args); i++ {
		a := l.args[i]
		switch {
		case slices.Contains(l.inputs, i):
		case a == "-o" || a == "--output" || a == "-x":
			i++
		case strings.HasPrefix(a, "-o") && len(a) > 2, strings.HasPrefix(a, "-x") && len(a) > 2:
		case takesValue(a) && i+1 < len(l.args):
			out = append(out, a, l.args[i+1])
			i++
		default:
			out = append(out, a)
		}
	}
	return out
}

// errNoStartFiles says that a program cannot be linked for want of Rust's own start files and libc.
var errNoStartFiles = errors.New("link: the toolchain's start files and libc for this triple were not found (lib/rustlib/<triple>/lib/self-contained)")

// link makes a program, static unless told otherwise: one for configure runs on the machine that has no musl.
func (j *compileJob) link(ctx context.Context, args []string) (int, error) {
	s := newSite(j.settings.triple, j.machine, j.call.Argv0, nil, j.call.Env)
	if rustc := lookupEnv(j.call.Env, "RUSTC"); s.selfContained() == "" && filepath.IsAbs(rustc) {
		s.sysroot = filepath.Dir(filepath.Dir(rustc))
	}
	if s.selfContained() == "" {
		s.sysroot = j.settings.Sysroot
	}
	dir := s.selfContained()
	if dir == "" {
		return 0, errNoStartFiles
	}
	r := parse(args)
	if r.output == program && !slices.Contains(args, "-pie") {
		r.static = true
	}
	if !slices.Contains(args, "-o") && r.output != relocatable {
		r.add("-o", "a.out")
	}
	if j.plus && !r.noDefault {
		r.add("-lc++")
	}
	r.extra = extras{builtins: builtinsOf(dir), aliases: filepath.Join(filepath.Dir(j.call.Argv0), probeLinkFile), cxx: cxxLibraries(j.settings.Cache, j.settings.triple, args)}
	l, err := s.linker()
	if err != nil {
		return 0, err
	}
	if l.ask {
		if l, err = s.ask(ctx, j.call.Runner, l); err != nil {
			return 0, err
		}
	}
	words := texts(r.build(j.machine, dir))
	linkerArgs := append(slices.Clone(l.prefix), words...)
	if j.response {
		file := filepath.Join(os.TempDir(), "sampan-link-"+strconv.Itoa(os.Getpid())+".rsp")
		if linkerArgs, err = writeResponse(file, linkerArgs, len(l.prefix)); err != nil {
			return 0, err
		}
		defer os.Remove(file)
	}
	return 0, j.call.Runner.Run(ctx, run.Cmd{Path: l.path, Args: linkerArgs, Env: linkEnv(j.call.Env), Stdout: j.call.Stdout, Stderr: j.call.Stderr, Foreground: true})
}

// probeLink is a linker script for programs without Rust in them. Parts of compiler-builtins (on ARM those for long double,
// which printf takes along) name the function that unwinds Rust's frames, of which there are none.
const probeLink = "PROVIDE(rust_eh_personality = 0);\n"

// probeLinkFile lies beside the drivers of a compiler.
const probeLinkFile = "link.ld"

// builtinsOf is the archive with what compilers call without being asked, __udivti3 and its like: Rust's own, beside its
// libc. "" when it is not there.
func builtinsOf(selfContained string) string {
	found, err := filepath.Glob(filepath.Join(globEscape(filepath.Dir(selfContained)), "libcompiler_builtins-*.rlib"))
	if err != nil || len(found) == 0 {
		return ""
	}
	return found[0]
}
