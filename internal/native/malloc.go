// SPDX-License-Identifier: MIT OR Apache-2.0

package native

import (
	"bytes"
	"cmp"
	"context"
	"debug/elf"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"sampan/internal/cargo"
)

// The words of the allocator option. The system's is musl's own malloc.
const (
	SystemAllocator = "system"
	Mimalloc        = "mimalloc"
)

// Allocators are all words of the allocator option.
func Allocators() []string { return []string{Mimalloc, SystemAllocator} }

// AllocatorVar names the archive that takes the place of malloc, to the link driver. Cargo would not notice a variable
// of its linker's, so the driver writes it among the things that the program was made of: see recordLink.
const AllocatorVar = "SAMPAN_LINK_ALLOCATOR"

// mimallocLibrary is no row of the table: no crate looks for it, and it is no part of a sysroot, whose path would change
// with the setting and make build scripts run again.
var mimallocLibrary = library{
	name: Mimalloc, title: "mimalloc", license: "MIT", cost: 10,
	releases: []release{{version: "3.3.2",
		crate: cargo.SourceCrate{Name: "libmimalloc-sys", Version: "0.1.49", Checksum: "6a45a52f43e1c16f667ccfe4dd8c85b7f7c204fd5e3bf46c5b0db9a5c3c0b8e9"}}},
	recipe: objectsRecipe{
		archive: mimallocArchive, root: "c_src/mimalloc/v3", files: []string{"src/sampan.c"},
		// It would ask for huge pages whatever the machine's policy, and a program of 2 MB have 17: too much for small containers.
		defines: []string{"MI_LIBC_MUSL=1", "MI_DEBUG=0", "MI_BUILD_RELEASE", "MI_NO_THP"},
		flags:   []string{"-ftls-model=initial-exec", "-fvisibility=hidden", "-fno-builtin-malloc"},
		include: []string{"include", "src"},
		written: []written{{path: "src/sampan.c", text: mallocFamily}},
		licence: []string{"c_src/mimalloc/v3/LICENSE"},
	},
}

const mimallocArchive = "libmimalloc.a"

// mallocFamily is one file with all of mimalloc and the functions that musl has: those and no others, so that nothing
// else of a program's is replaced or defined twice. (mimalloc's own override has names of other systems, and C++
// operators that end the program where C++ would throw; libc++'s call malloc.) The note tells which allocator is in a
// program, stripped or not; linkers keep notes.
const mallocFamily = `#include "static.c"
#define FAMILY __attribute__((visibility("default"), used))
FAMILY void *malloc(size_t size) { return mi_malloc(size); }
FAMILY void *calloc(size_t count, size_t size) { return mi_calloc(count, size); }
FAMILY void *realloc(void *p, size_t size) { return mi_realloc(p, size); }
FAMILY void free(void *p) { mi_free(p); }
FAMILY void *reallocarray(void *p, size_t count, size_t size) { return mi_reallocarray(p, count, size); }
FAMILY void *aligned_alloc(size_t alignment, size_t size) { return mi_aligned_alloc(alignment, size); }
FAMILY void *memalign(size_t alignment, size_t size) { return mi_memalign(alignment, size); }
FAMILY int posix_memalign(void **p, size_t alignment, size_t size) { return mi_posix_memalign(p, alignment, size); }
FAMILY void *valloc(size_t size) { return mi_valloc(size); }
FAMILY size_t malloc_usable_size(void *p) { return mi_usable_size(p); }
__attribute__((section("` + allocatorNote + `"), used, aligned(4)))
static const struct { unsigned name, desc, type; char owner[8], text[16]; } sampan_allocator = { 7, 16, 1, "Sampan", "mimalloc @VERSION@" };
`

const allocatorNote = ".note.sampan.allocator"

// lacking are the machines that have no atomic operations on 64 bits (armv5te: none at all): compilers call a library for
// them that Rust does not bring.
var lacking = []string{"armv5te", "powerpc", "mips", "mipsel", "riscv32gc"}

// replacement decides what the allocator option means for a graph: what is supplied, and what there is to say of it.
func (v *view) replacement(word string) (*Supply, []string, error) {
	if word == "" || word == SystemAllocator {
		return nil, nil, nil
	}
	l := &mimallocLibrary
	if slices.Contains(lacking, arch(v.t)) {
		return nil, nil, &WantError{Want: Want{Library: l.name}, Triple: v.t, Reason: "its atomic operations need a library that is not there on this machine",
			Way: "allocator = \"" + SystemAllocator + "\" for this platform"}
	}
	for i := range v.g.Nodes {
		if n := &v.g.Nodes[i]; n.Target && definesMalloc(n) {
			return nil, []string{fmt.Sprintf("%s brings an allocator that cannot stand beside %s's (%s): the setting allocator changes nothing here",
				n.Spec(), l.title, Arrow(v.g.Chain(i)))}, nil
		}
	}
	var notes []string
	if a := v.allocator(); len(a.Crates) > 0 {
		notes = append(notes, fmt.Sprintf("%s is among the dependencies: where it is the #[global_allocator] it stays so for Rust, and %s serves C and C++",
			a.Crates[0].Crate, l.title))
	}
	r := l.releases[0]
	return &Supply{Name: l.name, Version: r.version, License: l.license, Source: r.crate.Name + " " + r.crate.Version, Checksum: r.crate.Checksum}, notes, nil
}

// definesMalloc reports whether a crate links functions of the same names: mimalloc itself, or one that takes malloc's.
func definesMalloc(n *cargo.Node) bool {
	return n.Links == Mimalloc || strings.HasPrefix(n.Name, "libmimalloc") ||
		hasAny(n, []string{"unprefixed_malloc_on_supported_platforms", "override_allocator_on_supported_platforms"})
}

// EnsureAllocator has an allocator in the cache and returns the archive, for AllocatorVar. Its errors are those of
// EnsureSysroot.
func EnsureAllocator(ctx context.Context, o SupplyOptions, s Supply) (archive string, err error) {
	if err := o.settle(); err != nil {
		return "", err
	}
	l := &mimallocLibrary
	i := slices.IndexFunc(l.releases, func(r release) bool { return r.version == s.Version && r.crate.Checksum == s.Checksum })
	if s.Name != l.name || i < 0 {
		return "", &WantError{Want: Want{Library: s.Name}, Triple: o.Triple, Reason: "no release " + s.Version + " is known", Way: "allocator = \"" + SystemAllocator + "\""}
	}
	c := &clib{SupplyOptions: &o, dir: filepath.Join(o.CacheDir, "clib")}
	e := newEntry(l, l.releases[i], &o, nil)
	return filepath.Join(e.dir, "lib", mimallocArchive), c.ensure(ctx, e)
}

// recordLink tells cargo what a program was linked with beside its arguments: as env!() would, in the file of the
// program's dependencies that rustc has written before, beside the program. Cargo then links it anew when a variable of
// LinkVars says something else, and nothing but it. (Format: rustc's dep-info, lines "# env-dep:NAME=VALUE", less "=VALUE" for a
// variable that is not set; backslashes are doubled.)
func recordLink(output string, env []string) error {
	f, err := os.OpenFile(output+".d", os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return nil // not a link of cargo's, or of a cargo that asks for no such file and links always
	}
	var lines strings.Builder
	for _, name := range LinkVars() {
		lines.WriteString("\n# env-dep:" + name)
		if v := lookupEnv(env, name); v != "" {
			lines.WriteString("=" + strings.ReplaceAll(v, `\`, `\\`))
		}
	}
	_, err = f.WriteString(lines.String() + "\n")
	return cmp.Or(err, f.Close())
}

// LinkedAllocator reads from a program which allocator was put into it, "mimalloc 3.3.2", or "" for none.
func LinkedAllocator(program string) (string, error) {
	f, err := elf.Open(program)
	if err != nil {
		return "", err
	}
	defer f.Close()
	s := f.Section(allocatorNote)
	if s == nil || s.Size < noteHeader || s.Size > 1<<10 {
		return "", nil
	}
	note, err := s.Data()
	if err != nil {
		return "", err
	}
	name, desc := int(f.ByteOrder.Uint32(note)), int(f.ByteOrder.Uint32(note[4:]))
	from := noteHeader + (name+3)&^3
	if name < 0 || desc < 0 || from+desc > len(note) {
		return "", fmt.Errorf("read %s: %s is not whole", program, allocatorNote)
	}
	return string(bytes.TrimRight(note[from:from+desc], "\x00")), nil
}

// noteHeader is the size of a note's numbers (gABI, "Note Section"), in bytes.
const noteHeader = 3 * 4
