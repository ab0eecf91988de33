// SPDX-License-Identifier: MIT OR Apache-2.0

package native

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"sampan/internal/cargo"
)

// objectsRecipe compiles a list of C files into one archive, so that a library is data. Paths have slashes and begin
// at root, a folder of the crate. In defines and written files these words are replaced: @BITS@ and @BYTES@ of a
// pointer, @VERSION@ of the library, @VERSION_NUM@ (hexadecimal, two digits for each part), @MAJOR@, @MINOR@.
type objectsRecipe struct {
	archive string // "libz.a"
	root    string
	files   []string // patterns
	except  []string // patterns for those that are left out
	amd64   []string // assembly, for x86_64 only
	defines []string // "NAME" or "NAME=value"
	others  []string // defines where the assembly is left out
	big     []string // defines for machines whose high byte comes first
	include []string // folders of headers
	flags   []string // the compiler's, beside those that all libraries get
	written []written
	headers []headers
	licence []string
	pulls   []string // libraries that the linker shall take along where nobody names them
}

// written is a file that a configure script would make.
type written struct {
	path string
	from string      // a file that it is made of, "" for none
	text string      // where from is ""
	edit [][2]string // what is replaced by what
}

// headers go to a folder of the entry, "include" or one below it.
type headers struct {
	to    string
	files []string // patterns
}

func (objectsRecipe) tools() []string { return nil }

func (r objectsRecipe) build(ctx context.Context, j *job) error {
	fill := j.words()
	for _, w := range r.written {
		if err := w.write(j, r.root, fill); err != nil {
			return err
		}
	}
	if err := r.writePulls(j); err != nil {
		return err
	}
	files, err := r.sources(j)
	if err != nil {
		return err
	}
	objects, err := r.compile(ctx, j, files, r.arguments(j, fill))
	if err != nil {
		return err
	}
	archive := filepath.Join(j.out, "lib", r.archive)
	if err := j.run(ctx, r.root, slices.Concat(j.CC.AR, []string{"rcs", archive}, objects)); err != nil {
		return err
	}
	for _, h := range r.headers {
		if err := j.install(h.to, under(r.root, h.files)...); err != nil {
			return err
		}
	}
	return j.install("licence", r.licence...)
}

func under(root string, patterns []string) (out []string) {
	for _, p := range patterns {
		out = append(out, path.Join(root, p))
	}
	return out
}

// words are what stands for itself in defines and written files.
func (j *job) words() *strings.Replacer {
	bits := 64
	if narrow(j.Triple) {
		bits = 32
	}
	version, num := j.entry.release.version, "0x"
	n := append(numbers(version), 0, 0, 0)
	for _, p := range n[:3] {
		num += fmt.Sprintf("%02x", p)
	}
	return strings.NewReplacer("@BITS@", strconv.Itoa(bits), "@BYTES@", strconv.Itoa(bits/8), "@VERSION@", version, "@VERSION_NUM@", num,
		"@MAJOR@", strconv.Itoa(n[0]), "@MINOR@", strconv.Itoa(n[1]))
}

func (w written) write(j *job, root string, fill *strings.Replacer) error {
	at := func(p string) string { return filepath.Join(j.src, filepath.FromSlash(path.Join(root, p))) }
	text := w.text
	if w.from != "" {
		data, err := os.ReadFile(at(w.from))
		if err != nil {
			return err
		}
		text = string(data)
	}
	for _, e := range w.edit {
		if !strings.Contains(text, e[0]) {
			return fmt.Errorf("%s has no %q", w.from, e[0])
		}
		text = strings.ReplaceAll(text, e[0], e[1])
	}
	if err := os.MkdirAll(filepath.Dir(at(w.path)), 0o755); err != nil {
		return err
	}
	return os.WriteFile(at(w.path), []byte(fill.Replace(text)), 0o644)
}

// sources lists the files to compile, sorted, relative to root.
func (r objectsRecipe) sources(j *job) ([]string, error) {
	base := filepath.Join(j.src, filepath.FromSlash(r.root))
	patterns := r.files
	if m, _ := machineOf(j.Triple); m.goarch == "amd64" {
		patterns = slices.Concat(patterns, r.amd64)
	}
	var out []string
	for _, p := range patterns {
		found, err := filepath.Glob(filepath.Join(globEscape(base), filepath.FromSlash(p)))
		if err != nil {
			return nil, err
		}
		if len(found) == 0 {
			return nil, fmt.Errorf("the source has no %s", path.Join(r.root, p))
		}
		for _, f := range found {
			rel, err := filepath.Rel(base, f)
			if err != nil {
				return nil, err
			}
			rel = filepath.ToSlash(rel)
			if !slices.ContainsFunc(r.except, func(e string) bool { ok, err := path.Match(e, rel); return ok && err == nil }) {
				out = append(out, rel)
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

// arguments are the compiler's, for all files. Everything is named relative to root, so that nothing of this machine
// is in the objects.
func (r objectsRecipe) arguments(j *job, fill *strings.Replacer) []string {
	out := append(append(j.flagsC(), "-w", "-DNDEBUG"), r.flags...)
	defines := r.defines
	m, _ := machineOf(j.Triple)
	if m.goarch != "amd64" {
		defines = slices.Concat(defines, r.others)
	}
	if highFirst(j.Triple) {
		defines = slices.Concat(defines, r.big)
	}
	for _, d := range defines {
		out = append(out, "-D"+fill.Replace(d))
	}
	for _, d := range r.include {
		out = append(out, "-I"+filepath.FromSlash(d))
	}
	for _, dir := range j.includes() {
		out = append(out, "-I"+dir)
	}
	if len(r.pulls) > 0 {
		out = append(out, "-include", pullsHeader)
	}
	return out
}

// pullsHeader is read before every file. It makes the objects name the libraries that they call, which lld looks for
// where it looks for all: some crates name the first library only.
const pullsHeader = "sampan-pulls.h"

func (r objectsRecipe) writePulls(j *job) error {
	var b strings.Builder
	for _, l := range r.pulls {
		fmt.Fprintf(&b, "#pragma comment(lib, %q)\n", l)
	}
	if b.Len() == 0 {
		return nil
	}
	return os.WriteFile(filepath.Join(j.src, filepath.FromSlash(r.root), pullsHeader), []byte(b.String()), 0o644)
}

// includes are the headers of the libraries that this one calls, and of those that they call.
func (j *job) includes() (out []string) {
	var add func(*entry)
	add = func(e *entry) {
		for _, d := range e.deps {
			if dir := filepath.Join(d.dir, "include"); !slices.Contains(out, dir) {
				out = append(out, dir)
			}
			add(d)
		}
	}
	add(j.entry)
	return out
}

func highFirst(t cargo.Triple) bool {
	m, _ := machineOf(t)
	return slices.Contains([]string{"s390x", "powerpc", "powerpc64", "mips", "aarch64_be"}, m.arch)
}

// compile compiles files, several at once, and returns the objects in the files' order.
func (r objectsRecipe) compile(ctx context.Context, j *job, files, args []string) ([]string, error) {
	dir := filepath.Join(filepath.Dir(j.src), "obj")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	j.total = len(files)
	objects, errs := make([]string, len(files)), make([]error, len(files))
	next := make(chan int)
	var wg sync.WaitGroup
	for range min(j.Jobs, len(files)) {
		wg.Go(func() {
			for i := range next {
				argv := slices.Concat(j.CC.CC, args, []string{"-c", filepath.FromSlash(files[i]), "-o", objects[i]})
				if errs[i] = j.run(ctx, r.root, argv); errs[i] != nil {
					stop() // the others would fail the same way
					continue
				}
				j.compiled()
			}
		})
	}
	for i, f := range files {
		objects[i] = filepath.Join(dir, strings.NewReplacer("/", "-", ".c", "", ".S", "").Replace(f)+".o")
		next <- i
	}
	close(next)
	wg.Wait()
	for i, err := range errs {
		if err != nil && !errors.Is(err, context.Canceled) {
			return nil, fmt.Errorf("compile %s: %w", files[i], err)
		}
	}
	return objects, errors.Join(errs...)
}
