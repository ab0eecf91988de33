// SPDX-License-Identifier: MIT OR Apache-2.0

package binary

import (
	"debug/elf"
	"io"
	"slices"
	"strings"
)

// Bounds of what is read about versions of symbols.
const (
	maxVersions = 4096 // records of one table
	maxSearch   = 64   // folders of DT_RUNPATH
)

// Links is what a loader wants to know of a program or a shared object: what it needs, and what it gives.
type Links struct {
	Class    elf.Class           `json:"class"`
	Machine  elf.Machine         `json:"machine"`
	Interp   string              `json:"interp,omitempty"`
	Needed   []string            `json:"needed,omitempty"`   // DT_NEEDED
	RunPath  []string            `json:"runpath,omitempty"`  // DT_RUNPATH, else DT_RPATH, in parts
	Provides []string            `json:"provides,omitempty"` // versions that it defines (.gnu.version_d), such as GLIBC_2.34
	Wants    map[string][]string `json:"wants,omitempty"`    // versions that it needs (.gnu.version_r), by shared object; weak ones are left out
}

// InspectLinks reads the links of the ELF file at path. Errors are those of Inspect.
func InspectLinks(path string) (Links, error) {
	f, e, err := open(path)
	if err != nil {
		return Links{}, err
	}
	defer f.Close()
	l, err := e.links(f)
	if err != nil {
		return l, located(path, err)
	}
	return l, nil
}

// ReadLinks reads the links of an ELF file of size bytes. Errors are *NotELFError, *MalformedError or those of r.
func ReadLinks(r io.ReaderAt, size int64) (Links, error) {
	e, err := parse(r, size)
	if err != nil {
		return Links{}, err
	}
	return e.links(r)
}

// versionTables is where the dynamic segment says that names, folders and versions are.
type versionTables struct {
	strtab, strsz        uint64
	runpath, rpath       uint64
	verdef, verdefnum    uint64
	verneed, verneednum  uint64
	hasRunpath, hasRpath bool
}

func (e *file) links(r io.ReaderAt) (Links, error) {
	f := e.facts
	l := Links{Class: f.Class, Machine: f.Machine, Interp: f.Interp, Needed: f.Needed}
	t, err := e.versionTables(r)
	if err != nil || t.strtab == 0 {
		return l, err
	}
	off, n, ok := e.mapped(t.strtab)
	if !ok {
		return l, malformed("the names of what it links with are not in the file")
	}
	n = min(n, t.strsz, maxNames)
	names, err := readAt(r, off, n)
	if err != nil {
		return l, err
	}
	name := func(at uint64) string {
		if at >= uint64(len(names)) {
			return ""
		}
		s, _ := stringAt(names, at)
		return s
	}
	switch {
	case t.hasRunpath:
		l.RunPath = searchPath(name(t.runpath))
	case t.hasRpath:
		l.RunPath = searchPath(name(t.rpath))
	}
	if l.Provides, err = e.definitions(r, t, name); err != nil {
		return l, err
	}
	l.Wants, err = e.requirements(r, t, name)
	return l, err
}

func searchPath(s string) []string {
	parts := slices.DeleteFunc(strings.Split(s, ":"), func(p string) bool { return p == "" })
	return parts[:min(len(parts), maxSearch)]
}

func (e *file) versionTables(r io.ReaderAt) (t versionTables, err error) {
	i := slices.IndexFunc(e.progs, func(p elf.ProgHeader) bool { return p.Type == elf.PT_DYNAMIC })
	if i < 0 || e.progs[i].Filesz == 0 {
		return t, nil
	}
	b, err := readAt(r, e.progs[i].Off, e.progs[i].Filesz) // parse has checked its bounds
	if err != nil {
		return t, err
	}
	places := map[elf.DynTag]*uint64{elf.DT_STRTAB: &t.strtab, elf.DT_STRSZ: &t.strsz, elf.DT_RUNPATH: &t.runpath, elf.DT_RPATH: &t.rpath,
		elf.DT_VERDEF: &t.verdef, elf.DT_VERDEFNUM: &t.verdefnum, elf.DT_VERNEED: &t.verneed, elf.DT_VERNEEDNUM: &t.verneednum}
	for c := (&cursor{e.codec, b}); uint64(len(c.b)) >= e.dynamicSize(); {
		tag, val := elf.DynTag(c.word()), c.word()
		if tag == elf.DT_NULL {
			break
		}
		if place := places[tag]; place != nil {
			*place = val
		}
		t.hasRunpath = t.hasRunpath || tag == elf.DT_RUNPATH
		t.hasRpath = t.hasRpath || tag == elf.DT_RPATH
	}
	return t, nil
}

// table reads what lies at an address, as far as the file and a sensible size go.
func (e *file) table(r io.ReaderAt, addr uint64) ([]byte, error) {
	off, n, ok := e.mapped(addr)
	if !ok {
		return nil, malformed("its table of versions is not in the file")
	}
	return readAt(r, off, min(n, maxDynamic))
}

func errVersions() error { return malformed("its table of versions leads out of itself") }

// definitions walks over .gnu.version_d (Linux Standard Base, "Symbol Versioning", Version Definitions). Both classes
// have the same records: 20 bytes, then names of 8.
func (e *file) definitions(r io.ReaderAt, t versionTables, name func(uint64) string) (out []string, err error) {
	if t.verdef == 0 || t.verdefnum == 0 {
		return nil, nil
	}
	b, err := e.table(r, t.verdef)
	if err != nil {
		return nil, err
	}
	for range min(t.verdefnum, maxVersions) {
		if len(b) < 20 {
			return nil, errVersions()
		}
		aux, next := uint64(e.order.Uint32(b[12:])), uint64(e.order.Uint32(b[16:]))
		if aux+8 > uint64(len(b)) {
			return nil, errVersions()
		}
		if v := name(uint64(e.order.Uint32(b[aux:]))); v != "" {
			out = append(out, v)
		}
		if next == 0 {
			break
		}
		if next > uint64(len(b)) {
			return nil, errVersions()
		}
		b = b[next:]
	}
	return out, nil
}

// weakVersion marks a version that may be missing (VER_FLG_WEAK).
const weakVersion = 2

// requirements walks over .gnu.version_r (the same, Version Requirements): records of 16 bytes, each with others of 16.
func (e *file) requirements(r io.ReaderAt, t versionTables, name func(uint64) string) (map[string][]string, error) {
	if t.verneed == 0 || t.verneednum == 0 {
		return nil, nil
	}
	b, err := e.table(r, t.verneed)
	if err != nil {
		return nil, err
	}
	out, left := map[string][]string{}, maxVersions
	for range min(t.verneednum, maxVersions) {
		if len(b) < 16 {
			return nil, errVersions()
		}
		count, lib := int(e.order.Uint16(b[2:])), name(uint64(e.order.Uint32(b[4:])))
		aux, next := uint64(e.order.Uint32(b[8:])), uint64(e.order.Uint32(b[12:]))
		for range count {
			if left--; left < 0 || aux+16 > uint64(len(b)) {
				return nil, errVersions()
			}
			a := b[aux:]
			if v := name(uint64(e.order.Uint32(a[8:]))); v != "" && e.order.Uint16(a[4:])&weakVersion == 0 {
				out[lib] = append(out[lib], v)
			}
			step := uint64(e.order.Uint32(a[12:]))
			if step == 0 {
				break
			}
			aux += step
		}
		if next == 0 {
			break
		}
		if next > uint64(len(b)) {
			return nil, errVersions()
		}
		b = b[next:]
	}
	return out, nil
}
