// SPDX-License-Identifier: MIT OR Apache-2.0

package native

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"sampan/internal/cargo"
	"sampan/internal/run"
)

// linker is the program that does the work.
type linker struct {
	path   string
	prefix []string // what it wants to hear first
	cc     bool     // a compiler driver, not a linker
}

// LinkerError says that there is no linker for a triple.
type LinkerError struct {
	Triple cargo.Triple
	Cross  string // the GNU cross compiler that would do too; "" for the host's own architecture
}

func (e *LinkerError) Error() string {
	return "find linker for " + string(e.Triple) + ": the toolchain has no rust-lld, and PATH has neither ld.lld nor " + e.compiler()
}

func (e *LinkerError) compiler() string {
	if e.Cross != "" {
		return e.Cross + "-gcc"
	}
	return "cc"
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

// linker finds rust-lld, else the newest ld.lld, else the cc of the machine that is linked for.
func (s *site) linker() (linker, error) {
	if p, ok := s.rustLLD(); ok {
		return linker{path: p, prefix: []string{"-flavor", "gnu"}}, nil
	}
	if p, ok := s.systemLLD(); ok {
		return linker{path: p}, nil
	}
	names := []string{s.machine.cross + "-gcc"}
	cross := s.machine.cross
	if runtime.GOOS == "linux" && s.machine.goarch == runtime.GOARCH {
		names, cross = []string{"cc", "gcc", "clang"}, ""
	}
	for _, name := range names {
		if p, err := run.LookPath(name, s.env); err == nil && s.usable(p) {
			return linker{path: p, cc: true}, nil
		}
	}
	return linker{}, &LinkerError{Triple: s.triple, Cross: cross}
}

// rustLLD prefers the one that rustc itself points to by PATH: a sysroot may hold those of several hosts.
func (s *site) rustLLD() (string, bool) {
	const name = "rust-lld"
	if s.sysroot == "" {
		return "", false
	}
	found, err := filepath.Glob(filepath.Join(globEscape(s.sysroot), "lib", "rustlib", "*", "bin", name+exeSuffix))
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

var versionedLLD = regexp.MustCompile(`^ld\.lld-([0-9]{1,4})$`)

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
			m := versionedLLD.FindStringSubmatch(e.Name())
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

// usable refuses ourselves, when our folder is in PATH, and musl-gcc under another name: it links any position
// independent program against musl's loader.
func (s *site) usable(path string) bool {
	real, err := filepath.EvalSymlinks(path)
	if err != nil || strings.HasSuffix(filepath.Base(real), "musl-gcc") {
		return false
	}
	a, errA := os.Stat(path)
	b, errB := os.Stat(s.self)
	return errors.Join(errA, errB) != nil || !os.SameFile(a, b)
}

// globEscape makes a folder's name mean itself in a pattern.
func globEscape(s string) string {
	if runtime.GOOS == "windows" {
		return s // the backslash parts folders there, and no sysroot has a "[" in its name
	}
	return regexp.MustCompile(`[\\*?\[]`).ReplaceAllString(s, `\$0`)
}

// FindLinker reports whether there is a linker for t, before anything is compiled: a *LinkerError when there is none.
// sysroot is rustc's, env the environment that cargo will run in.
func FindLinker(t cargo.Triple, sysroot string, env []string) error {
	m, ok := machineOf(t)
	if !ok {
		return nil // the host's cc is rustc's to find
	}
	s := newSite(t, m, "", nil, env)
	s.sysroot = sysroot
	_, err := s.linker()
	return err
}
