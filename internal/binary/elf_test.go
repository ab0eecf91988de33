// SPDX-License-Identifier: MIT OR Apache-2.0

package binary

import (
	"bytes"
	"debug/elf"
	enc "encoding/binary"
	"os"
	"path/filepath"
	"testing"
)

// maker writes small ELF files for tests: code at address 0x400000, one segment per call, sections behind them.
type maker struct {
	codec
	hdr      header
	osabi    elf.OSABI
	progs    []elf.ProgHeader
	sections []section
	content  [][]byte // of sections[i]; nil when it lies in a segment already
	body     []byte   // from byte 0; the tables are patched in by bytes()
	trailer  []byte
}

const base = 0x400000

func newMaker(class elf.Class, order byteOrder, machine elf.Machine, typ elf.Type) *maker {
	m := &maker{codec: codec{order, class == elf.ELFCLASS64}}
	m.hdr = header{Type: typ, Machine: machine, Version: 1, EhSize: uint16(m.headerSize()),
		PhEntSize: uint16(m.programSize()), ShEntSize: uint16(m.sectionSize())}
	m.body = make([]byte, m.headerSize()+16*m.programSize())
	m.sections, m.content = []section{{}}, [][]byte{nil}
	m.hdr.PhOff = m.headerSize()
	return m
}

// load appends data as a loaded segment with one section and gives its address.
func (m *maker) load(name string, typ elf.SectionType, flags elf.ProgFlag, data []byte) uint64 {
	for len(m.body)%16 != 0 {
		m.body = append(m.body, 0)
	}
	off := uint64(len(m.body))
	m.body = append(m.body, data...)
	p := elf.ProgHeader{Type: elf.PT_LOAD, Flags: flags, Off: off, Vaddr: base + off, Paddr: base + off,
		Filesz: uint64(len(data)), Memsz: uint64(len(data)), Align: 16}
	m.progs = append(m.progs, p)
	sf := uint64(elf.SHF_ALLOC)
	if flags&elf.PF_X != 0 {
		sf |= uint64(elf.SHF_EXECINSTR)
		m.hdr.Entry = base + off
	}
	m.add(section{Name: name, Type: typ, Flags: sf, Addr: base + off, Off: off, Size: uint64(len(data)), Addralign: 16}, nil)
	return base + off
}

// cover adds a program header of another type over the last loaded segment.
func (m *maker) cover(typ elf.ProgType) {
	p := m.progs[len(m.progs)-1]
	p.Type, p.Align = typ, 4
	m.progs = append(m.progs, p)
}

func (m *maker) add(s section, content []byte) int {
	m.sections = append(m.sections, s)
	m.content = append(m.content, content)
	return len(m.sections) - 1
}

// loose adds a section that is not loaded.
func (m *maker) loose(name string, typ elf.SectionType, content []byte) int {
	return m.add(section{Name: name, Type: typ, Addralign: 8}, content)
}

func (m *maker) note(id []byte) []byte {
	w := writer{m.codec, nil}
	w.u32(4)
	w.u32(uint32(len(id)))
	w.u32(noteBuildID)
	w.b = append(append(w.b, "GNU\x00"...), id...)
	for len(w.b)%4 != 0 {
		w.b = append(w.b, 0)
	}
	return w.b
}

// dynamic loads names and a dynamic segment with these needed objects and DF_1 flags.
func (m *maker) dynamic(flags elf.DynFlag1, needed ...string) {
	tab := newNames()
	var at []uint64
	for _, n := range needed {
		at = append(at, uint64(tab.add(n)))
	}
	addr := m.load(".dynstr", elf.SHT_STRTAB, elf.PF_R, tab.table)
	w := writer{m.codec, nil}
	for _, a := range at {
		w.word(uint64(elf.DT_NEEDED))
		w.word(a)
	}
	for _, kv := range [][2]uint64{
		{uint64(elf.DT_STRTAB), addr}, {uint64(elf.DT_STRSZ), uint64(len(tab.table))},
		{uint64(elf.DT_FLAGS_1), uint64(flags)}, {0, 0},
	} {
		w.word(kv[0])
		w.word(kv[1])
	}
	m.load(".dynamic", elf.SHT_DYNAMIC, elf.PF_R|elf.PF_W, w.b)
	m.cover(elf.PT_DYNAMIC)
	m.sections[len(m.sections)-1].Link = uint32(len(m.sections) - 2)
}

// symbols adds .symtab and .strtab.
func (m *maker) symbols() {
	i := m.loose(".symtab", elf.SHT_SYMTAB, make([]byte, m.pick(32, 48)))
	m.sections[i].Link, m.sections[i].Info, m.sections[i].Entsize = uint32(i+1), 1, m.pick(16, 24)
	m.loose(".strtab", elf.SHT_STRTAB, []byte("\x00main\x00"))
}

// bytes gives the file.
func (m *maker) bytes() []byte {
	w := writer{m.codec, nil}
	for _, p := range m.progs {
		w.program(p)
	}
	b := bytes.Clone(m.body)
	copy(b[m.hdr.PhOff:], w.b)
	h := m.hdr
	h.PhNum = uint16(len(m.progs))
	if len(m.sections) > 1 {
		b = m.appendSections(b, &h)
	}
	id := make([]byte, elf.EI_NIDENT)
	copy(id, elf.ELFMAG)
	id[elf.EI_CLASS], id[elf.EI_DATA], id[elf.EI_VERSION] = byte(elf.ELFCLASS32), byte(elf.ELFDATA2LSB), 1
	id[elf.EI_OSABI] = byte(m.osabi)
	if m.wide {
		id[elf.EI_CLASS] = byte(elf.ELFCLASS64)
	}
	if m.order == byteOrder(enc.BigEndian) {
		id[elf.EI_DATA] = byte(elf.ELFDATA2MSB)
	}
	hw := writer{m.codec, id}
	hw.header(h)
	copy(b, hw.b)
	return append(b, m.trailer...)
}

func (m *maker) appendSections(b []byte, h *header) []byte {
	tab := newNames()
	table := append([]section(nil), m.sections...)
	for i := range table {
		table[i].NameOff = tab.add(table[i].Name)
		if m.content[i] == nil {
			continue
		}
		for len(b)%8 != 0 {
			b = append(b, 0)
		}
		table[i].Off, table[i].Size = uint64(len(b)), uint64(len(m.content[i]))
		b = append(b, m.content[i]...)
	}
	table = append(table, section{NameOff: tab.add(".shstrtab"), Type: elf.SHT_STRTAB})
	last := &table[len(table)-1]
	last.Off, last.Size = uint64(len(b)), uint64(len(tab.table))
	b = append(b, tab.table...)
	for len(b)%8 != 0 {
		b = append(b, 0)
	}
	h.ShOff, h.ShNum, h.ShStrNdx = uint64(len(b)), uint16(len(table)), uint16(len(table)-1)
	sw := writer{m.codec, b}
	for _, s := range table {
		sw.section(s)
	}
	return sw.b
}

var testID = []byte{0xab, 0xcd, 0xef, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17}

const testIDHex = "abcdef0102030405060708090a0b0c0d0e0f1011"

// program is a static program with build id, symbols, debug information, a comment and the audit section.
func program(class elf.Class, order byteOrder, machine elf.Machine) *maker {
	m := newMaker(class, order, machine, elf.ET_EXEC)
	m.load(".note.gnu.build-id", elf.SHT_NOTE, elf.PF_R, m.note(testID))
	m.cover(elf.PT_NOTE)
	m.load(".text", elf.SHT_PROGBITS, elf.PF_R|elf.PF_X, bytes.Repeat([]byte{0x90}, 100))
	m.progs = append(m.progs, elf.ProgHeader{Type: elf.PT_GNU_STACK, Flags: elf.PF_R | elf.PF_W})
	m.loose(".comment", elf.SHT_PROGBITS, []byte("rustc\x00"))
	m.loose(".debug_info", elf.SHT_PROGBITS, bytes.Repeat([]byte("debug"), 100))
	m.loose(".dep-v0", elf.SHT_PROGBITS, []byte("not really zlib"))
	m.loose(".debug_line", elf.SHT_PROGBITS, bytes.Repeat([]byte("line"), 100))
	m.symbols()
	return m
}

// variants are the four shapes of ELF.
var variants = []struct {
	name    string
	class   elf.Class
	order   byteOrder
	machine elf.Machine
}{
	{"64-little", elf.ELFCLASS64, enc.LittleEndian, elf.EM_X86_64},
	{"64-big", elf.ELFCLASS64, enc.BigEndian, elf.EM_S390},
	{"32-little", elf.ELFCLASS32, enc.LittleEndian, elf.EM_ARM},
	{"32-big", elf.ELFCLASS32, enc.BigEndian, elf.EM_PPC},
}

// put writes a file and gives its path.
func put(t testing.TB, b []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(path, b, 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}
