// SPDX-License-Identifier: MIT OR Apache-2.0

package check

import (
	"path"
	"slices"
	"strings"
)

var staticCheck = Check{
	ID:    "static",
	Doc:   "The program needs no loader and no shared object: without a base, neither is in the image.",
	Level: Fail,
	Run:   checkStatic,
}

// system are libraries of the C library and the compiler: rustc asks for them, no crate does.
var system = []string{"c", "gcc_s", "m", "pthread", "dl", "rt", "util", "unwind", "resolv"}

func checkStatic(s Subject) []Finding {
	f := s.Facts
	if s.Base != nil || !isProgram(f) || f.Interp == "" && len(f.Needed) == 0 {
		return nil
	}
	var needs, crates []string
	foreign := false
	for _, soname := range f.Needed {
		text := printable(soname)
		lib := libName(soname)
		if by := askedBy(lib, s.Linked); len(by) > 0 {
			text += ", asked for by " + by[0].title()
			for _, l := range by[1:] {
				text += " and " + l.title()
			}
			crates = append(crates, printable(by[0].Crate))
		}
		foreign = foreign || !isSystem(soname, lib)
		needs = append(needs, text)
	}
	if f.Interp != "" {
		needs = append(needs, "the loader "+printable(f.Interp))
	}
	return []Finding{{
		Message: "the program is not static: it needs " + strings.Join(needs, "; ") + "; the image has no shared objects",
		Hint:    staticHint(s, foreign, crates),
	}}
}

func staticHint(s Subject, foreign bool, crates []string) string {
	switch {
	case len(crates) > 0:
		crate := crates[0]
		return "turn on a feature of " + crate + " that links statically, often called vendored, bundled or static (cargo info " + crate + " lists them)"
	case foreign:
		return "link the library statically: remove dylib= from the build script or the #[link] that asks for it"
	case len(s.Facts.Needed) == 0:
		return "link it with another linker than musl-gcc, which adds a loader to static programs: remove linker = \"musl-gcc\" from .cargo/config.toml"
	case strings.Contains(s.Triple, "-linux-musl"):
		return "remove -Ctarget-feature=-crt-static from RUSTFLAGS and .cargo/config.toml"
	}
	return "compile it statically: sampan build --target " + muslTriple(s)
}

// muslTriple is a triple to propose for a platform.
func muslTriple(s Subject) string {
	triples := map[string]string{
		"amd64": "x86_64-unknown-linux-musl", "arm64": "aarch64-unknown-linux-musl", "arm": "armv7-unknown-linux-musleabihf",
		"386": "i686-unknown-linux-musl", "riscv64": "riscv64gc-unknown-linux-musl", "ppc64le": "powerpc64le-unknown-linux-musl",
		"s390x": "s390x-unknown-linux-musl", "loong64": "loongarch64-unknown-linux-musl",
	}
	if t := triples[s.Platform.Architecture]; t != "" {
		return t
	}
	return triples["amd64"]
}

// libName gives the name that -l takes for a shared object: "z" for libz.so.1.
func libName(soname string) string {
	name := path.Base(soname)
	for i := strings.Index(name, ".so"); i >= 0; {
		if rest := name[i+len(".so"):]; rest == "" || rest[0] == '.' {
			name = name[:i]
			break
		}
		next := strings.Index(name[i+1:], ".so")
		if next < 0 {
			break
		}
		i += 1 + next
	}
	name = strings.TrimPrefix(name, "lib")
	if strings.HasPrefix(name, "c.musl-") { // Alpine's name for its C library
		return "c"
	}
	return name
}

// isSystem also knows loaders, which are shared objects that a program can need by name.
func isSystem(soname, lib string) bool {
	return slices.Contains(system, lib) || strings.HasPrefix(path.Base(soname), "ld-") || strings.HasPrefix(path.Base(soname), "ld64.")
}

// title is a crate as messages name it: "libz-sys 1.1.28".
func (l Linked) title() string {
	if l.Version == "" {
		return printable(l.Crate)
	}
	return printable(l.Crate) + " " + printable(l.Version)
}

// askedBy finds the crates that asked for a library. Those that asked for it dynamically come before those that left
// the choice to rustc and are then not named; who asked for an archive got one.
func askedBy(lib string, linked []Linked) []Linked {
	asked := map[string][]Linked{}
	for _, l := range linked {
		kinds := map[string]bool{}
		for _, spec := range l.Libs {
			if kind, name := splitLib(spec); name == lib && !kinds[kind] {
				kinds[kind] = true
				asked[kind] = append(asked[kind], l)
			}
		}
	}
	if by := asked["dylib"]; len(by) > 0 {
		return by
	}
	return asked[""]
}

// splitLib reads [KIND[:MODIFIERS]=]NAME[:RENAME] of rustc's -l. With the modifier +verbatim, NAME is a file's.
func splitLib(spec string) (kind, name string) {
	kind, name, ok := strings.Cut(spec, "=")
	if !ok {
		kind, name = "", spec
	}
	kind, modifiers, _ := strings.Cut(kind, ":")
	if old, renamed, ok := strings.Cut(name, ":"); ok {
		if name = renamed; name == "" {
			name = old
		}
	}
	if strings.Contains(modifiers, "+verbatim") {
		name = libName(name)
	}
	return kind, name
}
