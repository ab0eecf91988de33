// SPDX-License-Identifier: MIT OR Apache-2.0

package binary

import (
	"bytes"
	"debug/elf"
	enc "encoding/binary"
	"io"
)

// Bounds of what is read and kept. A file that exceeds them is no program that a linker made.
const (
	maxPrograms = 64 << 10                   // bytes of the program header table; the kernel refuses more
	maxSections = int(elf.SHN_LORESERVE) - 1 // rows; more would need extended numbering
	maxNames    = 4 << 20                    // bytes of the section name table
	maxName     = 255                        // bytes of one section's name that are kept
	maxPath     = 4096                       // bytes of PT_INTERP and of one soname, as the kernel's PATH_MAX
	maxDynamic  = 1 << 20                    // bytes of PT_DYNAMIC
	maxNeeded   = 4096                       // DT_NEEDED entries
	maxNotes    = 4 << 20                    // bytes of notes, together
)

// file is what was read of an ELF file.
type file struct {
	codec
	ident    [elf.EI_NIDENT]byte
	hdr      header
	progs    []elf.ProgHeader
	sections []section // row 0, the null section, included
	shstrndx int       // row of the section name table, 0 for none
	oddNames string    // why the section names could not be read, "" when they could
	facts    Facts
}

// parse reads the headers and tables of an ELF file of size bytes.
func parse(r io.ReaderAt, size int64) (*file, error) {
	e := &file{}
	e.facts.Size = size
	if err := e.readHeader(r); err != nil {
		return nil, err
	}
	if e.facts.Type != elf.ET_EXEC && e.facts.Type != elf.ET_DYN {
		return e, nil
	}
	for _, read := range []func(io.ReaderAt) error{
		e.readPrograms, e.readSections, e.readNames, e.readInterp, e.readDynamic, e.readBuildID,
	} {
		if err := read(r); err != nil {
			return nil, err
		}
	}
	e.digest()
	return e, nil
}

// inFile tells whether n bytes from off lie in the file.
func (e *file) inFile(off, n uint64) bool {
	size := uint64(e.facts.Size)
	return off <= size && n <= size-off
}

func (e *file) readHeader(r io.ReaderAt) error {
	head := make([]byte, 512)
	n, err := r.ReadAt(head, 0)
	if err != nil && err != io.EOF {
		return err
	}
	head = head[:n]
	if !bytes.HasPrefix(head, []byte(elf.ELFMAG)) {
		return &NotELFError{Kind: kindOf(head)}
	}
	if n < elf.EI_NIDENT {
		return malformed("%d bytes are too few for a header", n)
	}
	copy(e.ident[:], head)
	f := &e.facts
	f.Class, f.Data, f.OSABI = elf.Class(head[elf.EI_CLASS]), elf.Data(head[elf.EI_DATA]), elf.OSABI(head[elf.EI_OSABI])
	switch f.Class {
	case elf.ELFCLASS32, elf.ELFCLASS64:
		e.wide = f.Class == elf.ELFCLASS64
	default:
		return malformed("class %d is neither 32 nor 64 bit", f.Class)
	}
	switch f.Data {
	case elf.ELFDATA2LSB:
		e.order = enc.LittleEndian
	case elf.ELFDATA2MSB:
		e.order = enc.BigEndian
	default:
		return malformed("byte order %d is unknown", f.Data)
	}
	if v := head[elf.EI_VERSION]; v != byte(elf.EV_CURRENT) {
		return malformed("version %d is unknown", v)
	}
	if uint64(n) < e.headerSize() {
		return malformed("%d bytes are too few for a header", n)
	}
	e.hdr = (&cursor{e.codec, head[elf.EI_NIDENT:]}).header()
	f.Machine, f.Type, f.Entry = e.hdr.Machine, e.hdr.Type, e.hdr.Entry
	return nil
}

func (e *file) readPrograms(r io.ReaderAt) error {
	n := uint64(e.hdr.PhNum)
	if n == 0 || e.hdr.PhOff == 0 {
		return malformed("it has no program headers")
	}
	if uint64(e.hdr.PhEntSize) != e.programSize() {
		return malformed("a program header has %d bytes, not %d", e.hdr.PhEntSize, e.programSize())
	}
	if n*e.programSize() > maxPrograms {
		return malformed("%d program headers are more than the kernel accepts", n)
	}
	if !e.inFile(e.hdr.PhOff, n*e.programSize()) {
		return malformed("the program headers at byte %d reach past the end of the file (%d bytes)", e.hdr.PhOff, e.facts.Size)
	}
	b, err := readAt(r, e.hdr.PhOff, n*e.programSize())
	if err != nil {
		return err
	}
	c := &cursor{e.codec, b}
	e.progs = make([]elf.ProgHeader, n)
	loads := 0
	for i := range e.progs {
		p := c.program()
		e.progs[i] = p
		if p.Type != elf.PT_LOAD {
			continue
		}
		loads++
		if p.Filesz > p.Memsz || p.Vaddr+p.Memsz < p.Vaddr {
			return malformed("segment %d has %d bytes in the file, %d in memory", i, p.Filesz, p.Memsz)
		}
		if p.Filesz > 0 && !e.inFile(p.Off, p.Filesz) { // zeroed memory may have any offset
			return malformed("segment %d (%d bytes at byte %d) reaches past the end of the file (%d bytes)", i, p.Filesz, p.Off, e.facts.Size)
		}
	}
	if loads == 0 {
		return malformed("it has no segment to load")
	}
	return nil
}

// readSections reads the section table. The kernel never looks at it, so a file may lack one; a table that should be
// there and lies past the end of the file is what a copy that was cut short looks like.
func (e *file) readSections(r io.ReaderAt) error {
	h := e.hdr
	if h.ShOff == 0 || (h.ShNum == 0 && !e.inFile(h.ShOff, e.sectionSize())) {
		return nil // the second is what packers leave behind
	}
	if uint64(h.ShEntSize) != e.sectionSize() {
		if h.ShNum == 0 {
			return nil
		}
		return malformed("a section header has %d bytes, not %d", h.ShEntSize, e.sectionSize())
	}
	n, names := uint64(h.ShNum), uint64(h.ShStrNdx)
	if !e.inFile(h.ShOff, e.sectionSize()*max(n, 1)) {
		return malformed("the section table at byte %d reaches past the end of the file (%d bytes)", h.ShOff, e.facts.Size)
	}
	if n == 0 || names == uint64(elf.SHN_XINDEX) { // extended numbering: row 0 has the numbers
		b, err := readAt(r, h.ShOff, e.sectionSize())
		if err != nil {
			return err
		}
		zero := (&cursor{e.codec, b}).section()
		if n == 0 {
			n = zero.Size
		}
		if names == uint64(elf.SHN_XINDEX) {
			names = uint64(zero.Link)
		}
	}
	if n > uint64(maxSections) {
		return malformed("it says it has %d sections; programs have at most %d", n, maxSections)
	}
	if !e.inFile(h.ShOff, n*e.sectionSize()) {
		return malformed("the section table at byte %d reaches past the end of the file (%d bytes)", h.ShOff, e.facts.Size)
	}
	b, err := readAt(r, h.ShOff, n*e.sectionSize())
	if err != nil {
		return err
	}
	c := &cursor{e.codec, b}
	e.sections = make([]section, n)
	for i := range e.sections {
		e.sections[i] = c.section()
	}
	if names < n {
		e.shstrndx = int(names)
	} else {
		e.oddNames = "its table of section names is not there"
	}
	return nil
}

// readNames gives sections their names. Bad ones are no reason to refuse a program, only to leave its sections alone.
func (e *file) readNames(r io.ReaderAt) error {
	if len(e.sections) <= 1 || e.oddNames != "" {
		return nil
	}
	t := e.sections[e.shstrndx]
	switch {
	case e.shstrndx == 0:
		e.oddNames = "its sections have no names"
		return nil
	case t.Type != elf.SHT_STRTAB || !e.inFile(t.Off, t.Size):
		e.oddNames = "its table of section names is damaged"
		return nil
	case t.Size > maxNames:
		e.oddNames = "its table of section names is too large"
		return nil
	}
	b, err := readAt(r, t.Off, t.Size)
	if err != nil {
		return err
	}
	for i := range e.sections {
		name, ok := stringAt(b, uint64(e.sections[i].NameOff))
		if !ok || len(name) > maxName {
			e.oddNames = "a name of a section is damaged"
			return nil
		}
		e.sections[i].Name = name
	}
	return nil
}

// stringAt reads the zero-terminated string at off.
func stringAt(table []byte, off uint64) (string, bool) {
	if off == 0 && len(table) == 0 {
		return "", true
	}
	if off >= uint64(len(table)) {
		return "", false
	}
	s, _, ok := bytes.Cut(table[off:min(uint64(len(table)), off+maxPath)], []byte{0})
	return string(s), ok
}

// digest fills in the facts that follow from the tables alone.
func (e *file) digest() {
	f := &e.facts
	f.HasSections = len(e.sections) > 1
	stack := false
	code := f.Entry
	if f.Machine == elf.EM_ARM {
		code &^= 1 // Thumb
	}
	for _, p := range e.progs {
		switch p.Type {
		case elf.PT_GNU_STACK:
			stack = true
			f.ExecStack = f.ExecStack || p.Flags&elf.PF_X != 0
		case elf.PT_GNU_RELRO:
			f.RELRO = true
		case elf.PT_LOAD:
			if p.Flags&elf.PF_X != 0 && code >= p.Vaddr && code-p.Vaddr < p.Filesz {
				f.EntryMapped = true
			}
		}
	}
	if !stack && (f.Machine == elf.EM_386 || f.Machine == elf.EM_ARM) {
		f.ExecStack = true // the kernel's default where nothing is said
	}
	for _, s := range e.sections {
		loaded := s.Flags&uint64(elf.SHF_ALLOC) != 0
		f.HasSymtab = f.HasSymtab || s.Type == elf.SHT_SYMTAB && s.Size > 0 && !loaded
		f.HasDebug = f.HasDebug || isDebug(s) && s.Size > 0 && s.Type != elf.SHT_NOBITS
	}
}
