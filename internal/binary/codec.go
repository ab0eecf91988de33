// SPDX-License-Identifier: MIT OR Apache-2.0

package binary

import (
	"debug/elf"
	enc "encoding/binary"
)

// byteOrder is LittleEndian or BigEndian of encoding/binary.
type byteOrder interface {
	enc.ByteOrder
	enc.AppendByteOrder
}

// codec reads and writes the tables of one class and byte order (gABI, "ELF Header", "Sections", "Program Header").
type codec struct {
	order byteOrder
	wide  bool // ELFCLASS64
}

func (c codec) pick(narrow, wide uint64) uint64 {
	if c.wide {
		return wide
	}
	return narrow
}

func (c codec) headerSize() uint64  { return c.pick(52, 64) }
func (c codec) programSize() uint64 { return c.pick(32, 56) }
func (c codec) sectionSize() uint64 { return c.pick(40, 64) }
func (c codec) dynamicSize() uint64 { return c.pick(8, 16) }

// header is the ELF header without the identification bytes.
type header struct {
	Type      elf.Type
	Machine   elf.Machine
	Version   uint32
	Entry     uint64
	PhOff     uint64
	ShOff     uint64
	Flags     uint32
	EhSize    uint16
	PhEntSize uint16
	PhNum     uint16
	ShEntSize uint16
	ShNum     uint16
	ShStrNdx  uint16
}

// section is one row of the section table. Name is filled in later, from the string table.
type section struct {
	Name      string
	NameOff   uint32
	Type      elf.SectionType
	Flags     uint64 // elf.SHF_…
	Addr      uint64
	Off       uint64
	Size      uint64
	Link      uint32
	Info      uint32
	Addralign uint64
	Entsize   uint64
}

// cursor walks over a table that is long enough.
type cursor struct {
	codec
	b []byte
}

func (c *cursor) u16() uint16 {
	v := c.order.Uint16(c.b)
	c.b = c.b[2:]
	return v
}

func (c *cursor) u32() uint32 {
	v := c.order.Uint32(c.b)
	c.b = c.b[4:]
	return v
}

// word is an address, an offset or a size: 4 or 8 bytes.
func (c *cursor) word() uint64 {
	if !c.wide {
		return uint64(c.u32())
	}
	v := c.order.Uint64(c.b)
	c.b = c.b[8:]
	return v
}

func (c *cursor) header() header {
	return header{
		Type: elf.Type(c.u16()), Machine: elf.Machine(c.u16()), Version: c.u32(),
		Entry: c.word(), PhOff: c.word(), ShOff: c.word(), Flags: c.u32(),
		EhSize: c.u16(), PhEntSize: c.u16(), PhNum: c.u16(),
		ShEntSize: c.u16(), ShNum: c.u16(), ShStrNdx: c.u16(),
	}
}

func (c *cursor) program() elf.ProgHeader {
	var p elf.ProgHeader
	p.Type = elf.ProgType(c.u32())
	if c.wide {
		p.Flags = elf.ProgFlag(c.u32())
	}
	p.Off, p.Vaddr, p.Paddr, p.Filesz, p.Memsz = c.word(), c.word(), c.word(), c.word(), c.word()
	if !c.wide {
		p.Flags = elf.ProgFlag(c.u32())
	}
	p.Align = c.word()
	return p
}

func (c *cursor) section() section {
	return section{
		NameOff: c.u32(), Type: elf.SectionType(c.u32()), Flags: c.word(),
		Addr: c.word(), Off: c.word(), Size: c.word(), Link: c.u32(), Info: c.u32(),
		Addralign: c.word(), Entsize: c.word(),
	}
}

// writer appends to a table. A word that was read from a 32-bit file, or bounded by one, fits into 4 bytes again.
type writer struct {
	codec
	b []byte
}

func (w *writer) u16(v uint16) { w.b = w.order.AppendUint16(w.b, v) }
func (w *writer) u32(v uint32) { w.b = w.order.AppendUint32(w.b, v) }

func (w *writer) word(v uint64) {
	if !w.wide {
		w.u32(uint32(v))
		return
	}
	w.b = w.order.AppendUint64(w.b, v)
}

func (w *writer) header(h header) {
	w.u16(uint16(h.Type))
	w.u16(uint16(h.Machine))
	w.u32(h.Version)
	w.word(h.Entry)
	w.word(h.PhOff)
	w.word(h.ShOff)
	w.u32(h.Flags)
	for _, v := range []uint16{h.EhSize, h.PhEntSize, h.PhNum, h.ShEntSize, h.ShNum, h.ShStrNdx} {
		w.u16(v)
	}
}

func (w *writer) program(p elf.ProgHeader) {
	w.u32(uint32(p.Type))
	if w.wide {
		w.u32(uint32(p.Flags))
	}
	for _, v := range []uint64{p.Off, p.Vaddr, p.Paddr, p.Filesz, p.Memsz} {
		w.word(v)
	}
	if !w.wide {
		w.u32(uint32(p.Flags))
	}
	w.word(p.Align)
}

func (w *writer) section(s section) {
	w.u32(s.NameOff)
	w.u32(uint32(s.Type))
	w.word(s.Flags)
	w.word(s.Addr)
	w.word(s.Off)
	w.word(s.Size)
	w.u32(s.Link)
	w.u32(s.Info)
	w.word(s.Addralign)
	w.word(s.Entsize)
}
