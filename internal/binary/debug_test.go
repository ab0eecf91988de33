// SPDX-License-Identifier: MIT OR Apache-2.0

package binary

import (
	"bytes"
	"debug/elf"
	enc "encoding/binary"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
)

func debugHalf(t testing.TB, path string) (Debug, []byte) {
	t.Helper()
	var b bytes.Buffer
	d, err := WriteDebug(path, &b)
	if err != nil {
		t.Fatal(err)
	}
	if d.Size != int64(b.Len()) {
		t.Errorf("%d bytes, said %d", b.Len(), d.Size)
	}
	return d, b.Bytes()
}

func TestWriteDebugVariants(t *testing.T) {
	for _, v := range variants {
		t.Run(v.name, func(t *testing.T) {
			was := program(v.class, v.order, v.machine).bytes()
			d, is := debugHalf(t, put(t, was))
			if d.BuildID != testIDHex {
				t.Errorf("build id %q", d.BuildID)
			}
			a, err := elf.NewFile(bytes.NewReader(was))
			if err != nil {
				t.Fatal(err)
			}
			b, err := elf.NewFile(bytes.NewReader(is))
			if err != nil {
				t.Fatal(err)
			}
			compareHalves(t, a, b)
			// The half pairs by its own notes, and is no program.
			f, err := Inspect(put(t, is))
			if err != nil || f.BuildID != testIDHex || f.EntryMapped {
				t.Errorf("%+v, %v", f, err)
			}
		})
	}
}

// compareHalves checks the rows of b, the debug half of a: the same ones, with bytes where they are not loaded.
func compareHalves(t *testing.T, a, b *elf.File) {
	t.Helper()
	if len(a.Sections) != len(b.Sections) {
		t.Fatalf("%d sections, were %d", len(b.Sections), len(a.Sections))
	}
	for i, s := range a.Sections {
		got := b.Sections[i]
		if got.Name != s.Name || got.Addr != s.Addr || got.Size != s.Size || got.Link != s.Link || got.Info != s.Info || got.Flags != s.Flags {
			t.Errorf("row %d: %+v, was %+v", i, got.SectionHeader, s.SectionHeader)
		}
		if s.Type == elf.SHT_NULL {
			continue
		}
		if s.Flags&elf.SHF_ALLOC != 0 && s.Type != elf.SHT_NOTE {
			if got.Type != elf.SHT_NOBITS {
				t.Errorf("%s has type %v", s.Name, got.Type)
			}
			continue
		}
		x, err1 := s.Data()
		y, err2 := got.Data()
		if err1 != nil || err2 != nil || !bytes.Equal(x, y) || got.Type != s.Type {
			t.Errorf("%s differs (%v, %v)", s.Name, err1, err2)
		}
	}
	for i, p := range a.Progs {
		got := b.Progs[i]
		if got.Vaddr != p.Vaddr || got.Memsz != p.Memsz || got.Type != p.Type {
			t.Errorf("segment %d: %+v, was %+v", i, got.ProgHeader, p.ProgHeader)
		}
		if p.Type == elf.PT_LOAD && p.Off != 0 && got.Filesz != 0 {
			t.Errorf("segment %d has bytes", i)
		}
		if p.Type == elf.PT_NOTE {
			x, _ := io.ReadAll(p.Open())
			y, _ := io.ReadAll(got.Open())
			if !bytes.Equal(x, y) {
				t.Errorf("note segment: %x, was %x", y, x)
			}
		}
	}
}

// The headers are loaded in most programs, and a PT_PHDR names them: both stay so.
func TestWriteDebugKeepsHeadersCovered(t *testing.T) {
	for _, v := range variants {
		m := program(v.class, v.order, v.machine)
		n := uint64(len(m.progs)+2) * m.programSize()
		m.progs = append(m.progs,
			elf.ProgHeader{Type: elf.PT_PHDR, Off: m.headerSize(), Vaddr: m.headerSize(), Filesz: n, Memsz: n},
			elf.ProgHeader{Type: elf.PT_LOAD, Flags: elf.PF_R, Filesz: 1000, Memsz: 1000})
		_, is := debugHalf(t, put(t, m.bytes()))
		f, err := elf.NewFile(bytes.NewReader(is))
		if err != nil {
			t.Fatal(err)
		}
		phdr, load := f.Progs[len(f.Progs)-2], f.Progs[len(f.Progs)-1]
		if phdr.Off != m.headerSize() || phdr.Filesz != n || load.Off != 0 || load.Filesz != m.headerSize()+n {
			t.Errorf("%s: %+v, %+v", v.name, phdr.ProgHeader, load.ProgHeader)
		}
	}
}

// Two note sections under one segment stay side by side, whatever their alignment says.
func TestWriteDebugKeepsNotesTogether(t *testing.T) {
	m := newMaker(elf.ELFCLASS64, enc.LittleEndian, elf.EM_X86_64, elf.ET_EXEC)
	first := m.note([]byte{9, 9})
	m.load(".note.one", elf.SHT_NOTE, elf.PF_R, append(first, m.note(testID)...))
	m.cover(elf.PT_NOTE)
	whole := m.sections[1]
	m.sections[1].Size = uint64(len(first))
	m.add(section{Name: ".note.two", Type: elf.SHT_NOTE, Flags: whole.Flags, Addr: whole.Addr + uint64(len(first)),
		Off: whole.Off + uint64(len(first)), Size: whole.Size - uint64(len(first)), Addralign: 1024}, nil)
	m.load(".text", elf.SHT_PROGBITS, elf.PF_X, make([]byte, 20))
	m.symbols()
	_, is := debugHalf(t, put(t, m.bytes()))
	a, err := elf.NewFile(bytes.NewReader(m.bytes()))
	if err != nil {
		t.Fatal(err)
	}
	b, err := elf.NewFile(bytes.NewReader(is))
	if err != nil {
		t.Fatal(err)
	}
	compareHalves(t, a, b)
}

func TestWriteDebugOfNothing(t *testing.T) {
	_, is := stripped(t, put(t, program(elf.ELFCLASS64, enc.LittleEndian, elf.EM_X86_64).bytes()))
	var b bytes.Buffer
	if _, err := WriteDebug(put(t, is), &b); !errors.Is(err, ErrNoDebug) || b.Len() != 0 {
		t.Errorf("%v, %d bytes", err, b.Len())
	}
}

func TestWriteDebugRefusesDamage(t *testing.T) {
	for name, mess := range map[string]func(m *maker){
		"past the end": func(m *maker) { m.add(section{Name: ".b\x1b", Type: elf.SHT_PROGBITS, Off: 1 << 60, Size: 9}, nil) },
		"overlap":      func(m *maker) { m.add(section{Name: ".b\x1b", Type: elf.SHT_PROGBITS, Off: 1120, Size: 1000}, nil) },
	} {
		m := program(elf.ELFCLASS64, enc.LittleEndian, elf.EM_X86_64)
		mess(m)
		var bad *MalformedError
		if _, err := WriteDebug(put(t, m.bytes()), io.Discard); !errors.As(err, &bad) || !strings.Contains(err.Error(), name) || strings.Contains(err.Error(), "\x1b") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

type fullDisk struct{ left int }

func (w *fullDisk) Write(b []byte) (int, error) {
	if len(b) > w.left {
		return w.left, os.ErrClosed
	}
	w.left -= len(b)
	return len(b), nil
}

func TestWriteDebugPassesTheWritersError(t *testing.T) {
	path := put(t, program(elf.ELFCLASS64, enc.LittleEndian, elf.EM_X86_64).bytes())
	if _, err := WriteDebug(path, &fullDisk{100}); !errors.Is(err, os.ErrClosed) {
		t.Error(err)
	}
}
