// SPDX-License-Identifier: MIT OR Apache-2.0

package binary

import (
	"cmp"
	"debug/elf"
	"io"
	"math"
	"slices"
	"strings"
)

// Strip plans the program without symbols and debug information. All bytes that program headers name stay where they
// are; behind them come the sections that are kept though they are not loaded (.dep-v0, and others that neither
// debuggers nor linkers own), the names, and a fresh section table.
//
// A file that cannot be cut safely is planned whole, with a Reason: one with data behind its last section (programs
// that unpack themselves read it there), with damaged sections, or that is no linked program.
func Strip(path string) (*Program, error) {
	src, e, err := open(path)
	if err != nil {
		return nil, err
	}
	defer src.Close()
	p, reason, err := e.strip(src)
	if err != nil {
		return nil, located(path, err)
	}
	if reason != "" {
		return whole(src, e, reason), nil
	}
	prog := whole(src, e, "")
	if p.size < e.facts.Size { // else there was nothing left to strip
		prog = newProgram(src, e, p, "")
	}
	prog.Stripped = true
	return prog, nil
}

// strip plans the stripped file, or says why it should stay whole.
func (e *file) strip(r io.ReaderAt) (p parts, reason string, err error) {
	if e.facts.Type != elf.ET_EXEC && e.facts.Type != elf.ET_DYN {
		return p, "it is not a linked program", nil
	}
	end, reason := e.loadedEnd()
	if reason != "" {
		return p, reason, nil
	}
	if reason, err = e.trailer(r, end); reason != "" || err != nil {
		return p, reason, err
	}
	if len(e.sections) <= 1 {
		h := e.hdr
		h.ShOff, h.ShNum, h.ShStrNdx = 0, 0, 0
		p.literal(e.encodeHeader(h))
		p.copy(e.headerSize(), end-e.headerSize())
		return p, "", nil
	}
	if e.oddNames != "" {
		return p, e.oddNames, nil
	}
	rows := e.kept()
	if reason = e.oddSections(rows, end); reason != "" {
		return p, reason, nil
	}
	if p = e.assemble(rows, end); !e.fits(p) {
		return p, "it is too large for a 32-bit file", nil
	}
	return p, "", nil
}

// fits tells whether all offsets of the new file can be written down.
func (e *file) fits(p parts) bool { return e.wide || p.size <= math.MaxUint32 }

// loadedEnd is the end of the part of the file that stays as it is: the header, the program headers, all segments.
func (e *file) loadedEnd() (end uint64, reason string) {
	end = max(e.headerSize(), e.hdr.PhOff+uint64(len(e.progs))*e.programSize())
	if e.hdr.PhOff < e.headerSize() {
		return 0, "its program headers overlap its header"
	}
	for _, p := range e.progs {
		if p.Filesz == 0 || p.Type == elf.PT_NULL || p.Type == elf.PT_GNU_STACK {
			continue
		}
		if !e.inFile(p.Off, p.Filesz) {
			return 0, "a segment that is not loaded reaches past the end of the file"
		}
		if p.Type != elf.PT_LOAD && p.Off < e.headerSize() { // what it says would change with the header
			return 0, "a segment lies in its header"
		}
		end = max(end, p.Off+p.Filesz)
	}
	return end, ""
}

// trailer looks for data behind all that the tables name. Zero bytes are padding.
func (e *file) trailer(r io.ReaderAt, end uint64) (reason string, err error) {
	if n := uint64(len(e.sections)); n > 0 {
		end = max(end, e.hdr.ShOff+n*e.sectionSize())
	}
	for _, s := range e.sections {
		if s.Type != elf.SHT_NOBITS && s.Type != elf.SHT_NULL && e.inFile(s.Off, s.Size) {
			end = max(end, s.Off+s.Size)
		}
	}
	rest := uint64(e.facts.Size) - end
	const padding = 64 << 10
	b, err := readAt(r, end, min(rest, padding))
	if err != nil {
		return "", err
	}
	if rest > padding || slices.ContainsFunc(b, func(c byte) bool { return c != 0 }) {
		return "data is appended to it, which it may read when it runs", nil
	}
	return "", nil
}

// isDebug tells sections with debug information (DWARF, stabs and indices over them) from others.
func isDebug(s section) bool {
	if s.Flags&uint64(elf.SHF_ALLOC) != 0 {
		return false // .debug_gdb_scripts of Rust's debug builds, for one
	}
	for _, prefix := range []string{".debug_", ".zdebug_", ".stab", ".gdb_index", ".gnu.debuglto_", ".gnu.linkonce.wi."} {
		if strings.HasPrefix(s.Name, prefix) {
			return true
		}
	}
	return s.Name == ".debug" || s.Name == ".line"
}

// isKept tells whether a section is in the stripped file. String tables of sections that are not loaded are added later.
func (e *file) isKept(i int) bool {
	s := e.sections[i]
	switch {
	case i == 0 || s.Type == elf.SHT_NULL:
		return false
	case s.Flags&uint64(elf.SHF_ALLOC) != 0:
		return true
	case isDebug(s), s.Name == ".comment", s.Name == ".llvm_addrsig", strings.HasPrefix(s.Name, ".gnu.build.attributes"):
		return false
	}
	switch s.Type {
	case elf.SHT_SYMTAB, elf.SHT_SYMTAB_SHNDX, elf.SHT_STRTAB, elf.SHT_GROUP, elf.SHT_REL, elf.SHT_RELA, elf.SHT_NOBITS:
		return false
	}
	return true
}

// kept lists the rows of the old section table that stay, in their order.
func (e *file) kept() []int {
	keep := make([]bool, len(e.sections))
	for i := range e.sections {
		keep[i] = e.isKept(i)
	}
	for i, s := range e.sections { // names that a kept, not loaded section refers to
		l := int(s.Link)
		if e.isKept(i) && s.Flags&uint64(elf.SHF_ALLOC) == 0 && l < len(keep) && l != e.shstrndx && e.sections[l].Type == elf.SHT_STRTAB {
			keep[l] = true
		}
	}
	var rows []int
	for i, k := range keep {
		if k {
			rows = append(rows, i)
		}
	}
	return rows
}

// oddSections says what is wrong with kept sections: each must have its bytes to itself, all in front of end or all behind.
func (e *file) oddSections(rows []int, end uint64) string {
	if len(rows)+2 > maxSections {
		return "it has too many sections"
	}
	var behind []section
	for _, i := range rows {
		s := e.sections[i]
		switch {
		case s.Type == elf.SHT_NOBITS || s.Size == 0:
		case !e.inFile(s.Off, s.Size):
			return "section " + quoted(s.Name) + " reaches past the end of the file"
		case s.Off < end && s.Off+s.Size > end:
			return "section " + quoted(s.Name) + " lies half in a segment"
		case s.Off >= end:
			behind = append(behind, s)
		}
	}
	return overlapping(behind)
}

// overlapping says which sections share bytes. Without this, 65,000 rows over the same gigabyte would become 65 TB.
func overlapping(list []section) string {
	slices.SortStableFunc(list, func(a, b section) int { return cmp.Compare(a.Off, b.Off) })
	for i := 1; i < len(list); i++ {
		if before := list[i-1]; before.Off+before.Size > list[i].Off {
			return "sections " + quoted(before.Name) + " and " + quoted(list[i].Name) + " overlap"
		}
	}
	return ""
}

// assemble lays the stripped file out.
func (e *file) assemble(rows []int, end uint64) parts {
	var p parts
	index := make(map[uint32]uint32, len(rows)) // old row to new row
	for n, i := range rows {
		index[uint32(i)] = uint32(n + 1)
	}
	p.literal(make([]byte, e.headerSize())) // patched below
	p.copy(e.headerSize(), end-e.headerSize())
	names := newNames()
	table := []section{{}}
	for _, i := range rows {
		s := e.sections[i]
		s.NameOff = names.add(s.Name)
		s.Link, s.Info = index[s.Link], relinked(&s, index)
		if s.Type != elf.SHT_NOBITS && s.Size > 0 && s.Off >= end {
			p.align(s.Addralign)
			off := uint64(p.size)
			p.copy(s.Off, s.Size)
			s.Off = off
		}
		table = append(table, s)
	}
	own := section{NameOff: names.add(".shstrtab"), Type: elf.SHT_STRTAB, Off: uint64(p.size), Size: uint64(len(names.table)), Addralign: 1}
	table = append(table, own)
	p.literal(names.table)
	p.align(8)
	h := e.hdr
	h.ShOff, h.ShEntSize = uint64(p.size), uint16(e.sectionSize())
	h.ShNum, h.ShStrNdx = uint16(len(table)), uint16(len(table)-1)
	p.literal(e.encodeSections(table))
	p.list[0].data = e.encodeHeader(h)
	return p
}

// relinked is sh_info in the new table. It is a row's number in relocation sections and where SHF_INFO_LINK says so.
func relinked(s *section, index map[uint32]uint32) uint32 {
	link := s.Flags&uint64(elf.SHF_INFO_LINK) != 0
	if !link && s.Type != elf.SHT_REL && s.Type != elf.SHT_RELA {
		return s.Info
	}
	to := index[s.Info]
	if to == 0 {
		s.Flags &^= uint64(elf.SHF_INFO_LINK)
	}
	return to
}

func (e *file) encodeHeader(h header) []byte {
	w := writer{e.codec, append([]byte(nil), e.ident[:]...)}
	w.header(h)
	return w.b
}

func (e *file) encodeSections(table []section) []byte {
	w := writer{e.codec, make([]byte, 0, uint64(len(table))*e.sectionSize())}
	for _, s := range table {
		w.section(s)
	}
	return w.b
}

// names is a string table under construction.
type names struct {
	table []byte
	seen  map[string]uint32
}

func newNames() *names { return &names{table: []byte{0}, seen: map[string]uint32{"": 0}} }

func (n *names) add(s string) uint32 {
	if off, ok := n.seen[s]; ok {
		return off
	}
	off := uint32(len(n.table))
	n.table = append(append(n.table, s...), 0)
	n.seen[s] = off
	return off
}
