// SPDX-License-Identifier: MIT OR Apache-2.0

package native

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"

	"sampan/internal/cargo"
	"sampan/internal/run"
)

// linker is the program that does the work.
type linker struct {
	path   string
	prefix []string // what it wants to hear first
	ask    bool     // a compiler driver, which has to be asked for its linker
	lld    bool     // LLVM's, or Rust's of it
}

// LinkerError says that there is no linker for a triple.
type LinkerError struct {
	Triple cargo.Triple
	Cross  string // prefix of the GNU tools that would do too; "" for the host's own
}

func (e *LinkerError) Error() string {
	prefix := e.Cross
	if prefix != "" {
		prefix += "-"
	}
	return "find linker for " + string(e.Triple) + ": the toolchain has no rust-lld, and PATH has neither ld.lld nor " + prefix + "ld"
}

// Hint names the package, which has the same name nearly everywhere.
func (e *LinkerError) Hint() string {
	return "install lld: `apt-get install lld`, `dnf install lld`, `apk add lld`, `pacman -S lld`, `brew install lld`; or use a toolchain of rustup, which brings rust-lld"
}

// site is where a link takes place: what the command line and PATH tell of it.
type site struct {
	triple  cargo.Triple
	machine machine
	self    string // path we were called by
	env     []string
	path    []string // folders of PATH
	sysroot string   // of the rustc that called; "" when it cannot be told
}

func newSite(t cargo.Triple, m machine, self string, args, env []string) *site {
	s := &site{triple: t, machine: m, self: self, env: env}
	for _, kv := range env {
		if v, ok := strings.CutPrefix(kv, "PATH="); ok {
			s.path = filepath.SplitList(v)
		}
	}
	s.sysroot = sysrootOf(t, args, s.path)
	return s
}

// sysrootOf finds rustc's sysroot: the parent of lib/rustlib/<triple>/lib, where start files and std lie, in an
// argument; else that of lib/rustlib/<host>/bin, which rustc puts first in PATH.
func sysrootOf(t cargo.Triple, args, path []string) string {
	for _, a := range args {
		if root, _, ok := strings.Cut(filepath.ToSlash(a), "/lib/rustlib/"+string(t)+"/lib"); ok {
			return filepath.FromSlash(strings.TrimPrefix(root, "-L"))
		}
	}
	for _, dir := range path {
		if root, rest, ok := strings.Cut(filepath.ToSlash(dir), "/lib/rustlib/"); ok && strings.HasSuffix(rest, "/bin") {
			return filepath.FromSlash(root)
		}
	}
	return ""
}

// selfContained is the folder of Rust's own start files and libc, "" when there is none.
func (s *site) selfContained() string {
	dir := filepath.Join(s.sysroot, "lib", "rustlib", string(s.triple), "lib", "self-contained")
	if _, err := os.Stat(filepath.Join(dir, "libc.a")); s.sysroot == "" || err != nil {
		return ""
	}
	return dir
}

// linker finds rust-lld, else the newest ld.lld, else the GNU linker for the machine, in PATH or behind its cc.
//
// cc itself is not let near the link: it would look for libraries in the host's folders as well, find those of glibc
// there, and take them.
func (s *site) linker() (linker, error) {
	if p, ok := s.rustLLD(); ok {
		return linker{path: p, prefix: []string{"-flavor", "gnu"}, lld: true}, nil
	}
	if p, ok := s.systemLLD(); ok {
		return linker{path: p, lld: true}, nil
	}
	cross := s.machine.cross + "-"
	linkers, compilers := []string{cross + "ld.bfd", cross + "ld"}, []string{cross + "gcc"}
	if runtime.GOOS == "linux" && s.machine.goarch == runtime.GOARCH {
		linkers, compilers, cross = append(linkers, "ld.bfd", "ld"), append(compilers, "cc", "gcc", "clang"), ""
	}
	for _, name := range linkers {
		if p, err := run.LookPath(name, s.env); err == nil {
			return linker{path: p, prefix: ownFoldersOnly}, nil
		}
	}
	for _, name := range compilers {
		if p, err := run.LookPath(name, s.env); err == nil && !s.ourselves(p) {
			return linker{path: p, prefix: ownFoldersOnly, ask: true}, nil
		}
	}
	return linker{}, &LinkerError{Triple: s.triple, Cross: strings.TrimSuffix(cross, "-")}
}

// ownFoldersOnly keeps a GNU linker to the folders on its command line. lld has no others.
var ownFoldersOnly = []string{"-nostdlib"}

// ask asks a compiler driver for its linker.
func (s *site) ask(ctx context.Context, r run.Runner, l linker) (linker, error) {
	out, err := run.Output(ctx, r, run.Cmd{Path: l.path, Args: []string{"-print-prog-name=ld"}, Env: linkEnv(s.env), Foreground: true})
	if err != nil {
		return linker{}, err
	}
	path, err := run.LookPath(strings.TrimSpace(string(out)), s.env)
	if err != nil {
		return linker{}, &LinkerError{Triple: s.triple}
	}
	return linker{path: path, prefix: l.prefix}, nil
}

// lldName is the linker that rustup's toolchains bring.
const lldName = "rust-lld"

// rustLLD prefers the one that rustc itself points to by PATH: a sysroot may hold those of several hosts.
func (s *site) rustLLD() (string, bool) {
	if s.sysroot == "" {
		return "", false
	}
	found, err := filepath.Glob(filepath.Join(globEscape(s.sysroot), "lib", "rustlib", "*", "bin", lldName+exeSuffix))
	if err != nil || len(found) == 0 {
		return "", false
	}
	slices.Sort(found)
	for _, p := range found {
		if slices.Contains(s.path, filepath.Dir(p)) {
			return p, true
		}
	}
	return found[0], true
}

var versionedLLD = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^ld\.lld-([0-9]{1,4})$`) })

// systemLLD finds the newest ld.lld-NN, else ld.lld. The newest, since it must read what rustc's LLVM writes.
func (s *site) systemLLD() (string, bool) {
	best, version := "", -1
	for _, dir := range s.path {
		if !filepath.IsAbs(dir) {
			continue
		}
		entries, err := os.ReadDir(dir)
		if err != nil {
			continue
		}
		for _, e := range entries {
			m := versionedLLD().FindStringSubmatch(e.Name())
			if m == nil {
				continue
			}
			if v, err := strconv.Atoi(m[1]); err == nil && v > version {
				if p, err := run.LookPath(filepath.Join(dir, e.Name()), s.env); err == nil {
					best, version = p, v
				}
			}
		}
	}
	if best != "" {
		return best, true
	}
	p, err := run.LookPath("ld.lld", s.env)
	return p, err == nil
}

// ourselves is about our own folder in PATH: we would ask ourselves without end.
func (s *site) ourselves(path string) bool {
	a, errA := os.Stat(path)
	b, errB := os.Stat(s.self)
	return errors.Join(errA, errB) == nil && os.SameFile(a, b)
}

// globEscape makes a folder's name mean itself in a pattern.
func globEscape(s string) string {
	if runtime.GOOS == "windows" {
		return s // the backslash parts folders there, and no sysroot has a "[" in its name
	}
	return regexp.MustCompile(`[\\*?\[]`).ReplaceAllString(s, `\$0`)
}

// FindLinker finds the linker for t, before anything is compiled: a *LinkerError when there is none. env is the
// environment that cargo will run in. The path is "" where linking is not ours.
func FindLinker(t cargo.Triple, tools cargo.Toolchain, env []string) (path string, err error) {
	m, ok := machineOf(t)
	if !ok {
		return "", nil // the host's cc is rustc's to find
	}
	// Nearly always it is the host's rust-lld, and one look spares the search through folders.
	if own := tools.RustLLD(); own != "" {
		return own, nil
	}
	s := newSite(t, m, "", nil, env)
	s.sysroot = tools.Sysroot
	l, err := s.linker()
	return l.path, err
}
