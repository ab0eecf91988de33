// SPDX-License-Identifier: MIT OR Apache-2.0

package native

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"sampan/internal/cargo"
	"sampan/internal/run"
)

// Call is how a program was started, as far as a driver may look at it.
type Call struct {
	Argv0          string
	Args           []string // without argv[0]
	Env            []string
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	Runner         run.Runner
	Now            func() time.Time // for the log of calls; may be nil
}

// driver does the work of one tool for one triple and returns its exit code.
type driver func(ctx context.Context, t cargo.Triple, m machine, c Call) (int, error)

// drivers are the tools that we answer as, by the name we are called by.
var drivers = map[string]driver{
	"cc":         cc,
	"c++":        cxx,
	"ar":         archiver,
	"ranlib":     ranlib,
	"pkg-config": pkgConfig,
}

// Main is what the executable does first: when it was called by the path of a driver, <triple>/<tool>, it acts as
// that tool and returns the exit code; else it has not handled the call.
func Main(ctx context.Context, c Call) (handled bool, code int) {
	name := strings.TrimSuffix(filepath.Base(c.Argv0), exeSuffix)
	tool, ok := drivers[name]
	t := cargo.Triple(filepath.Base(filepath.Dir(c.Argv0)))
	m, known := machineOf(t)
	if !ok || !known {
		return false, 0
	}
	var began time.Time
	if c.Now != nil {
		began = c.Now()
	}
	code, err := tool(ctx, t, m, c)
	logCall(c, name, t, began, exitOf(code, err))
	if exit, ok := errors.AsType[*run.ExitError](err); ok {
		if exit.Signal != "" {
			fmt.Fprintf(c.Stderr, "sampan: error: %v\n", err)
		}
		return true, max(exit.Code, 1)
	}
	if err != nil {
		fmt.Fprintf(c.Stderr, "sampan: error: %v\n", err)
		if h, ok := errors.AsType[interface {
			error
			Hint() string
		}](err); ok {
			fmt.Fprintf(c.Stderr, "sampan: hint: %s\n", h.Hint())
		}
		return true, 1
	}
	return true, code
}

// link is the driver "cc" where no compiler stands beside it: what rustc calls.
func link(ctx context.Context, t cargo.Triple, m machine, c Call) (int, error) {
	args, response, err := expand(c.Args, os.ReadFile)
	if err != nil {
		return 0, err
	}
	r := parse(args)
	s := newSite(t, m, c.Argv0, args, c.Env)
	if r.refused != "" {
		return 0, &NoCompilerError{What: r.refused}
	}
	if !r.links() {
		return answer(r.query, s, c)
	}
	l, err := s.linker()
	if err != nil {
		return 0, err
	}
	if l.ask {
		if l, err = s.ask(ctx, c.Runner, l); err != nil {
			return 0, err
		}
	}
	r.extra = linkExtras(c.Argv0, t, args)
	r.extra.allocator = lookupEnv(c.Env, AllocatorVar)
	dir := s.selfContained()
	if lookupEnv(c.Env, ThinVar) != "" && l.lld {
		r.extra.thin = thinLink(m, r.pie, dir)
	}
	linkerArgs := append(slices.Clone(l.prefix), texts(r.build(m, dir))...)
	if response != "" {
		file := response + ".sampan"
		if linkerArgs, err = writeResponse(file, linkerArgs, len(l.prefix)); err != nil {
			return 0, err
		}
		defer os.Remove(file)
	}
	err = c.Runner.Run(ctx, run.Cmd{
		Path:       l.path,
		Args:       linkerArgs,
		Env:        linkEnv(c.Env),
		Stdout:     c.Stdout,
		Stderr:     c.Stderr,
		Foreground: true, // stays in cargo's process group, so that what ends cargo ends it
	})
	if i := slices.Index(args, "-o"); err == nil && r.output == program && i >= 0 && i+1 < len(args) {
		err = recordLink(args[i+1], c.Env)
	}
	return 0, err
}

// writeResponse hands the arguments over as a file, beside the one they came in: rustc resorts to one when a line is
// longer than the system takes, and removes that folder after the link.
// The first few stay outside: rust-lld has to know its flavour before it reads a file.
func writeResponse(file string, args []string, first int) ([]string, error) {
	if err := os.WriteFile(file, []byte(joinResponse(args[first:])), 0o600); err != nil {
		return nil, fmt.Errorf("write response file %s: %w", file, cause(err))
	}
	return append(slices.Clone(args[:first]), "@"+file), nil
}

// links reports whether there is anything to link.
func (r *request) links() bool {
	return slices.ContainsFunc(r.words, func(w word) bool { return w.input })
}

// answer tells what build scripts ask a cc. (With something to link, the question is not what it is about.)
func answer(query string, s *site, c Call) (int, error) {
	name, isFile := strings.CutPrefix(query, "-print-file-name=")
	switch {
	case query == "-dumpmachine":
		fmt.Fprintln(c.Stdout, s.triple)
	case isFile:
		// As with gcc, a file that is not there is its own answer.
		if p := filepath.Join(s.selfContained(), name); s.selfContained() != "" && exists(p) {
			name = p
		}
		fmt.Fprintln(c.Stdout, name)
	case query != "":
		fmt.Fprintf(c.Stdout, banner, s.triple)
	case slices.Contains(c.Args, "-v"):
		fmt.Fprintf(c.Stderr, banner, s.triple)
	default:
		return 0, errNoInput
	}
	return 0, nil
}

const banner = "Sampan link driver for %s (runs rust-lld, compatible with GNU linkers)\n"

var errNoInput = errors.New("link nothing: no input files")

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// linkEnvKeys are all that a linker gets to see: what it needs to start and to find room for temporary files. The rest
// (LIBRARY_PATH, LD_RUN_PATH, LLD_REPRODUCE and their like) would change the program behind cargo's back, which does
// not link again when only the environment changed.
var linkEnvKeys = []string{"PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "DYLD_FALLBACK_LIBRARY_PATH", "HOME", "TMPDIR", "TMP", "TEMP", "SYSTEMROOT"}

func linkEnv(env []string) []string {
	out := []string{"LC_ALL=C"}
	for _, kv := range env {
		if k, _, _ := strings.Cut(kv, "="); slices.Contains(linkEnvKeys, strings.ToUpper(k)) {
			out = append(out, kv)
		}
	}
	return out
}
