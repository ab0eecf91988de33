// SPDX-License-Identifier: MIT OR Apache-2.0

package check

import (
	"debug/elf"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"sampan/internal/binary"
	"sampan/internal/rootfs"
)

// Below is the base that an image is built upon.
type Below struct {
	Files  *rootfs.Lower
	Search []string                               // folders that its loader's configuration names
	Links  func(rootfs.Node) (binary.Links, bool) // of a shared object of it
}

var baseCheck = Check{
	ID:    "base",
	Doc:   "The loader and the shared objects that a dynamic program needs are in the base, with the versions of symbols that it was linked with.",
	Level: Fail,
	Run:   checkBase,
}

// multiarch are the folders that Debian's loaders look into by themselves.
var multiarch = map[elf.Machine]string{
	elf.EM_X86_64: "x86_64-linux-gnu", elf.EM_AARCH64: "aarch64-linux-gnu", elf.EM_ARM: "arm-linux-gnueabihf", elf.EM_386: "i386-linux-gnu",
	elf.EM_RISCV: "riscv64-linux-gnu", elf.EM_PPC64: "powerpc64le-linux-gnu", elf.EM_S390: "s390x-linux-gnu", elf.EM_LOONGARCH: "loongarch64-linux-gnu",
}

func checkBase(s Subject) []Finding {
	f := s.Facts
	if s.Base == nil || !isProgram(f) || f.Interp == "" && len(f.Needed) == 0 {
		return nil
	}
	if n, ok := s.Base.Files.Find(f.Interp); f.Interp == "" || !ok || !n.Mode.IsRegular() {
		return []Finding{{
			Message: fmt.Sprintf("the program needs the loader %s, which is not in the base", printable(f.Interp)),
			Hint:    "take a base with it, such as Debian's for glibc; or compile statically: sampan build --target " + muslTriple(s),
		}}
	}
	w := &loading{s: s, found: map[string]binary.Links{}}
	w.load(s.Links, path.Dir(s.Entrypath()), "the program")
	var out []Finding
	if len(w.missing) > 0 {
		out = append(out, Finding{Message: "shared objects are not in the base: " + strings.Join(w.missing, "; "),
			Hint: "take a base with them, link them statically, or add them: --file SRC:/usr/lib/"})
	}
	if len(w.older) > 0 {
		out = append(out, Finding{Message: "the base is too old: " + strings.Join(w.older, "; "),
			Hint: "take a newer base, or compile statically: sampan build --target " + muslTriple(s)})
	}
	return out
}

// Entrypath is where the program is in its image, as far as the entrypoint tells.
func (s Subject) Entrypath() string {
	if len(s.Entrypoint) > 0 && path.IsAbs(s.Entrypoint[0]) {
		return s.Entrypoint[0]
	}
	return "/" + s.Name
}

// loading walks over what a loader would load.
type loading struct {
	s              Subject
	found          map[string]binary.Links
	missing, older []string
}

// load loads what an object in a folder needs. Objects are few, and each is loaded once.
func (w *loading) load(of binary.Links, dir, who string) {
	musl := strings.HasPrefix(path.Base(w.s.Facts.Interp), "ld-musl-")
	for _, soname := range of.Needed {
		lib, known := w.found[soname]
		if !known {
			name := soname
			if musl && (soname == "libc.so" || strings.HasPrefix(soname, "libc.musl-")) || soname == path.Base(w.s.Facts.Interp) {
				name = w.s.Facts.Interp // the loader is that library, too
			}
			n, links, ok := w.search(name, of, dir)
			if !ok && w.added(soname) {
				continue
			}
			if !ok {
				if text := fmt.Sprintf("%s, needed by %s", printable(soname), who); !slices.Contains(w.missing, text) {
					w.missing = append(w.missing, text)
				}
				continue
			}
			lib, w.found[soname] = links, links
			w.load(links, "/"+path.Dir(n.Path), printable(soname))
		}
		w.versions(of.Wants[soname], lib, soname, who)
	}
}

// versions compares what is wanted of a library with what it gives. One that names no versions is not asked for any.
func (w *loading) versions(wanted []string, lib binary.Links, soname, who string) {
	if len(lib.Provides) == 0 {
		return
	}
	var lacking []string
	for _, v := range wanted {
		if !slices.Contains(lib.Provides, v) {
			lacking = append(lacking, printable(v))
		}
	}
	if len(lacking) == 0 {
		return
	}
	slices.SortFunc(lacking, compareVersions)
	text := fmt.Sprintf("%s needs %s of %s", who, strings.Join(lacking, ", "), printable(soname))
	if newest := newestLike(lacking[0], lib.Provides); newest != "" {
		text += ", which has no more than " + printable(newest)
	}
	w.older = append(w.older, text)
}

// search looks where glibc's loader does (ld.so(8)), less its cache and the environment.
func (w *loading) search(name string, of binary.Links, dir string) (rootfs.Node, binary.Links, bool) {
	var places []string
	if strings.Contains(name, "/") {
		places = []string{name}
	} else {
		for _, p := range w.folders(of, dir) {
			places = append(places, p+"/"+name)
		}
	}
	for _, p := range places {
		n, ok := w.s.Base.Files.Find(p)
		if !ok || !n.Mode.IsRegular() {
			continue
		}
		l, ok := w.s.Base.Links(n)
		if ok && l.Machine == w.s.Facts.Machine && l.Class == w.s.Facts.Class {
			return n, l, true
		}
	}
	return rootfs.Node{}, binary.Links{}, false
}

func (w *loading) folders(of binary.Links, dir string) (out []string) {
	origin := strings.NewReplacer("${ORIGIN}", dir, "$ORIGIN", dir, "${LIB}", "lib", "$LIB", "lib")
	for _, p := range append(slices.Clone(of.RunPath), w.s.Links.RunPath...) {
		if p = origin.Replace(p); path.IsAbs(p) {
			out = append(out, p)
		}
	}
	out = append(out, w.s.Base.Search...)
	if m := multiarch[w.s.Facts.Machine]; m != "" {
		out = append(out, "/lib/"+m, "/usr/lib/"+m)
	}
	return append(out, "/lib64", "/usr/lib64", "/lib", "/usr/lib", "/usr/local/lib")
}

// added tells whether files of the image itself hold the library: what it needs in turn is not looked at.
func (w *loading) added(soname string) bool {
	for _, t := range w.s.Trees {
		for _, e := range t {
			if path.Base(e.Path) == soname && !e.Mode.IsDir() {
				return true
			}
		}
	}
	return false
}

// newestLike gives the newest version with the same word before its number: GLIBC_2.36 for GLIBC_2.38.
func newestLike(v string, provided []string) (newest string) {
	word, _ := splitVersion(v)
	for _, p := range provided {
		if other, numbers := splitVersion(p); other == word && len(numbers) > 0 && (newest == "" || compareVersions(p, newest) > 0) {
			newest = p
		}
	}
	return newest
}

func compareVersions(a, b string) int {
	wa, na := splitVersion(a)
	wb, nb := splitVersion(b)
	if c := strings.Compare(wa, wb); c != 0 {
		return c
	}
	return slices.Compare(na, nb)
}

// splitVersion parts GLIBC_2.38 into its word and its numbers; those of GLIBC_PRIVATE are none.
func splitVersion(v string) (word string, numbers []int) {
	word, rest, _ := strings.Cut(v, "_")
	for part := range strings.SplitSeq(rest, ".") {
		n, err := strconv.Atoi(part)
		if err != nil {
			return word, nil
		}
		numbers = append(numbers, n)
	}
	return word, numbers
}
