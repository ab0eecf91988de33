// SPDX-License-Identifier: MIT OR Apache-2.0

package binary

import (
	"debug/elf"
	"io"
)

// Debug is what WriteDebug wrote.
type Debug struct {
	BuildID string // lower-case hex, "" for none: debuggers then find the file only by its name
	Size    int64  // bytes written
}

// WriteDebug writes the debug half of the program at path: the same section table, with the bytes of symbols, debug
// information and notes, and without those of what is loaded (SHT_NOBITS, as objcopy --only-keep-debug leaves it).
// Debuggers pair it with the stripped program by the build id, see DebugPath. ErrNoDebug, wrapped, says that the program
// has nothing of the kind. What was written before an error is of no use.
func WriteDebug(path string, w io.Writer) (Debug, error) {
	src, e, err := open(path)
	if err != nil {
		return Debug{}, err
	}
	defer src.Close()
	if !e.facts.HasSymtab && !e.facts.HasDebug {
		return Debug{}, &fileError{path, ErrNoDebug}
	}
	p, err := e.debugHalf()
	if err != nil {
		return Debug{}, located(path, err)
	}
	buf := make([]byte, 256<<10)
	n, err := io.CopyBuffer(struct{ io.Writer }{w}, &reader{src: src, parts: p.list}, buf)
	if err != nil {
		return Debug{}, err // the reader's errors name the file, the writer's are the caller's own
	}
	return Debug{BuildID: e.facts.BuildID, Size: n}, nil
}

// debugHalf lays the debug half out. Rows of the section table keep their numbers, so that nothing is linked anew.
func (e *file) debugHalf() (parts, error) {
	var p parts
	if e.oddNames != "" {
		return p, malformed("%s", e.oddNames)
	}
	if err := e.checkDebug(); err != nil {
		return p, err
	}
	p.literal(make([]byte, e.headerSize())) // both patched below
	p.literal(make([]byte, uint64(len(e.progs))*e.programSize()))
	table := make([]section, len(e.sections))
	last := 0 // the loaded note section before
	for i, s := range e.sections {
		if i == 0 { // numbers of extended numbering, if any, are not needed again
			continue
		}
		switch {
		case s.Type == elf.SHT_NULL:
		case !hasDebugBytes(s):
			s.Type, s.Off = elf.SHT_NOBITS, uint64(p.size)
		default:
			e.alignNote(&p, table, last, i)
			if s.Flags&uint64(elf.SHF_ALLOC) != 0 {
				last = i
			}
			off := uint64(p.size)
			p.copy(s.Off, s.Size)
			s.Off = off
		}
		table[i] = s
	}
	p.align(8)
	h := e.hdr
	h.PhOff, h.ShOff, h.ShEntSize = e.headerSize(), uint64(p.size), uint16(e.sectionSize())
	h.ShNum, h.ShStrNdx = uint16(len(table)), uint16(e.shstrndx)
	p.literal(e.encodeSections(table))
	if !e.fits(p) {
		return p, malformed("its debug information is too large for a 32-bit file")
	}
	p.list[0].data = e.encodeHeader(h)
	p.list[1].data = e.debugPrograms(table)
	return p, nil
}

// hasDebugBytes tells whether a section's bytes are in the debug half.
func hasDebugBytes(s section) bool {
	alloc := s.Flags&uint64(elf.SHF_ALLOC) != 0
	return s.Type != elf.SHT_NULL && s.Type != elf.SHT_NOBITS && (!alloc || s.Type == elf.SHT_NOTE)
}

// checkDebug refuses sections whose bytes are not in the file, or not their own.
func (e *file) checkDebug() error {
	var list []section
	for i, s := range e.sections {
		if i == 0 || !hasDebugBytes(s) || s.Size == 0 {
			continue
		}
		if !e.inFile(s.Off, s.Size) {
			return malformed("section %s reaches past the end of the file", quoted(s.Name))
		}
		list = append(list, s)
	}
	if reason := overlapping(list); reason != "" {
		return malformed("%s", reason)
	}
	return nil
}

// alignNote pads for row i. Loaded notes that lie side by side stay so: one note segment spans them.
func (e *file) alignNote(p *parts, table []section, last, i int) {
	s, before := e.sections[i], e.sections[last]
	if last > 0 && s.Flags&uint64(elf.SHF_ALLOC) != 0 && s.Off >= before.Off {
		gap := int64(s.Off-before.Off) + int64(table[last].Off) - p.size
		if gap >= 0 && gap < maxAlign {
			p.zeros(gap)
			return
		}
	}
	p.align(s.Addralign)
}

// debugPrograms is the program header table of the debug half: addresses and sizes in memory stay (debuggers place
// sections by them), bytes in the file are none, but for notes and the headers.
func (e *file) debugPrograms(table []section) []byte {
	headers := uint64(len(e.progs)) * e.programSize()
	w := writer{e.codec, nil}
	for _, p := range e.progs {
		off, filesz := uint64(0), uint64(0)
		switch {
		case p.Type == elf.PT_NOTE || p.Type == elf.PT_GNU_PROPERTY:
			off, filesz = e.movedNotes(p, table)
		case p.Type == elf.PT_PHDR && p.Off == e.hdr.PhOff && p.Filesz == headers:
			off, filesz = e.headerSize(), headers
		case p.Type == elf.PT_LOAD && p.Off == 0 && e.hdr.PhOff == e.headerSize():
			filesz = min(p.Filesz, e.headerSize()+headers) // covers PT_PHDR, as it should
		}
		p.Off, p.Filesz = off, filesz
		w.program(p)
	}
	return w.b
}

// movedNotes finds where the notes of a segment went.
func (e *file) movedNotes(p elf.ProgHeader, table []section) (off, n uint64) {
	for i, s := range e.sections {
		if s.Type != elf.SHT_NOTE || s.Flags&uint64(elf.SHF_ALLOC) == 0 || s.Size == 0 || s.Off < p.Off {
			continue
		}
		if s.Off-p.Off > p.Filesz || s.Size > p.Filesz-(s.Off-p.Off) {
			continue
		}
		if n == 0 {
			if s.Off != p.Off {
				return 0, 0
			}
			off = table[i].Off
		}
		if table[i].Off-off != s.Off-p.Off { // not side by side any more
			return off, n
		}
		n = s.Off - p.Off + s.Size
	}
	return off, n
}
