// SPDX-License-Identifier: MIT OR Apache-2.0

package binary

import (
	"bytes"
	"debug/elf"
	"encoding/hex"
	"io"
)

// readInterp reads PT_INTERP, by the kernel's own rules (2 to 4096 bytes, ended by a zero byte; the first one counts).
func (e *file) readInterp(r io.ReaderAt) error {
	for _, p := range e.progs {
		if p.Type != elf.PT_INTERP {
			continue
		}
		if p.Filesz == 0 {
			return malformed("the loader's path has no bytes, as in the debug half of a program")
		}
		if p.Filesz < 2 || p.Filesz > maxPath || !e.inFile(p.Off, p.Filesz) {
			return malformed("the loader's path (%d bytes at byte %d) is not in the file or has no sensible length", p.Filesz, p.Off)
		}
		b, err := readAt(r, p.Off, p.Filesz)
		if err != nil {
			return err
		}
		name, _, ok := bytes.Cut(b, []byte{0})
		if !ok || len(name) == 0 || b[len(b)-1] != 0 {
			return malformed("the loader's path is empty or has no end")
		}
		e.facts.Interp = string(name)
		return nil
	}
	return nil
}

// dynamic is what is read of PT_DYNAMIC.
type dynamic struct {
	needed         []uint64 // offsets of names in the string table
	strtab, strsz  uint64   // virtual address and bytes of the string table
	flags1         uint64
	hasTab, hasLen bool
}

// readDynamic reads PT_DYNAMIC as a loader does: through addresses, never through sections.
func (e *file) readDynamic(r io.ReaderAt) error {
	var seg *elf.ProgHeader
	for i := range e.progs {
		if e.progs[i].Type != elf.PT_DYNAMIC {
			continue
		}
		if seg != nil {
			return malformed("it has two dynamic segments")
		}
		seg = &e.progs[i]
	}
	if seg == nil || seg.Filesz == 0 { // none in a debug half
		return nil
	}
	if seg.Filesz > maxDynamic || !e.inFile(seg.Off, seg.Filesz) {
		return malformed("the dynamic segment (%d bytes at byte %d) is too large or reaches past the end of the file", seg.Filesz, seg.Off)
	}
	b, err := readAt(r, seg.Off, seg.Filesz)
	if err != nil {
		return err
	}
	d, err := e.scanDynamic(b)
	if err != nil {
		return err
	}
	e.facts.PIE = e.facts.Type == elf.ET_DYN && elf.DynFlag1(d.flags1)&elf.DF_1_PIE != 0
	return e.readNeeded(r, d)
}

func (e *file) scanDynamic(b []byte) (dynamic, error) {
	var d dynamic
	c := &cursor{e.codec, b}
	for uint64(len(c.b)) >= e.dynamicSize() {
		tag, val := elf.DynTag(c.word()), c.word()
		switch tag {
		case elf.DT_NULL:
			return d, nil
		case elf.DT_NEEDED:
			if len(d.needed) == maxNeeded {
				return d, malformed("it needs more than %d shared objects", maxNeeded)
			}
			d.needed = append(d.needed, val)
		case elf.DT_STRTAB:
			d.strtab, d.hasTab = val, true
		case elf.DT_STRSZ:
			d.strsz, d.hasLen = val, true
		case elf.DT_FLAGS_1:
			d.flags1 = val
		}
	}
	return d, nil
}

func (e *file) readNeeded(r io.ReaderAt, d dynamic) error {
	if len(d.needed) == 0 {
		return nil
	}
	off, n, ok := e.mapped(d.strtab)
	if !ok || !d.hasTab {
		return malformed("it needs shared objects, but their names are not in the file")
	}
	if d.hasLen {
		n = min(n, d.strsz)
	}
	for _, at := range d.needed {
		if at >= n {
			return malformed("the name of a shared object it needs lies outside the table of names")
		}
		b, err := readAt(r, off+at, min(n-at, maxPath))
		if err != nil {
			return err
		}
		name, ok := stringAt(b, 0)
		if !ok {
			return malformed("the name of a shared object it needs has no end")
		}
		e.facts.Needed = append(e.facts.Needed, name)
	}
	return nil
}

// mapped finds the file offset of a virtual address, and how many bytes of its segment follow in the file.
func (e *file) mapped(addr uint64) (off, n uint64, ok bool) {
	for _, p := range e.progs {
		if p.Type == elf.PT_LOAD && addr >= p.Vaddr && addr-p.Vaddr < p.Filesz {
			return p.Off + (addr - p.Vaddr), p.Filesz - (addr - p.Vaddr), true
		}
	}
	return 0, 0, false
}

// noteBuildID is NT_GNU_BUILD_ID.
const noteBuildID = 3

// readBuildID looks into the note segments, then into the note sections (a debug half has only these, sometimes).
func (e *file) readBuildID(r io.ReaderAt) error {
	left := uint64(maxNotes)
	look := func(off, n, align uint64) error {
		if e.facts.BuildID != "" || n == 0 || n > left || !e.inFile(off, n) {
			return nil
		}
		left -= n
		b, err := readAt(r, off, n)
		if err != nil {
			return err
		}
		e.facts.BuildID = e.buildID(b, align)
		return nil
	}
	for _, p := range e.progs {
		if p.Type == elf.PT_NOTE {
			if err := look(p.Off, p.Filesz, p.Align); err != nil {
				return err
			}
		}
	}
	for _, s := range e.sections {
		if s.Type == elf.SHT_NOTE {
			if err := look(s.Off, s.Size, s.Addralign); err != nil {
				return err
			}
		}
	}
	return nil
}

// buildID walks over notes (gABI, "Note Section"). Fields are 4 bytes in both classes; each step takes 12 or more.
func (e *file) buildID(b []byte, align uint64) string {
	if align != 8 {
		align = 4
	}
	up := func(n uint64) uint64 { return (n + align - 1) &^ (align - 1) }
	for len(b) >= 12 {
		namesz, descsz := uint64(e.order.Uint32(b)), uint64(e.order.Uint32(b[4:]))
		kind := e.order.Uint32(b[8:])
		desc := up(12 + namesz)
		next := up(desc + descsz)
		size := uint64(len(b))
		if desc > size || descsz > size-desc {
			return ""
		}
		if kind == noteBuildID && string(b[12:12+namesz]) == "GNU\x00" && descsz >= 2 && descsz <= 64 {
			return hex.EncodeToString(b[desc : desc+descsz])
		}
		b = b[min(next, size):]
	}
	return ""
}

// DebugPath is where debuggers look for the debug half of the program with that build id, below a debug-file directory:
// ".build-id/ab/cdef….debug". It is "" for what is no build id of at least two bytes in lower-case hex.
func DebugPath(buildID string) string {
	id, err := hex.DecodeString(buildID)
	if err != nil || len(id) < 2 || hex.EncodeToString(id) != buildID {
		return ""
	}
	return ".build-id/" + buildID[:2] + "/" + buildID[2:] + ".debug"
}
