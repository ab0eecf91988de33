// SPDX-License-Identifier: MIT OR Apache-2.0

package binary

import (
	"bytes"
	"debug/elf"
	enc "encoding/binary"
	"errors"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// contents reads a program and checks its promised size.
func contents(t testing.TB, p *Program) []byte {
	t.Helper()
	r, err := p.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	if int64(len(b)) != p.Size {
		t.Fatalf("%d bytes, promised %d", len(b), p.Size)
	}
	return b
}

func stripped(t testing.TB, path string) (*Program, []byte) {
	t.Helper()
	p, err := Strip(path)
	if err != nil {
		t.Fatal(err)
	}
	return p, contents(t, p)
}

func sectionNames(t testing.TB, b []byte) []string {
	t.Helper()
	f, err := elf.NewFile(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, s := range f.Sections {
		names = append(names, s.Name)
	}
	return names
}

// sameLoad checks that every segment has the bytes it had, at its place.
func sameLoad(t testing.TB, was, is []byte) {
	t.Helper()
	a, err := elf.NewFile(bytes.NewReader(was))
	if err != nil {
		t.Fatal(err)
	}
	b, err := elf.NewFile(bytes.NewReader(is))
	if err != nil {
		t.Fatal(err)
	}
	if len(a.Progs) != len(b.Progs) {
		t.Fatalf("%d segments, were %d", len(b.Progs), len(a.Progs))
	}
	header := uint64(64)
	for i, p := range a.Progs {
		if p.ProgHeader != b.Progs[i].ProgHeader {
			t.Errorf("segment %d: %+v, was %+v", i, b.Progs[i].ProgHeader, p.ProgHeader)
		}
		if p.Filesz == 0 {
			continue
		}
		from, to := max(p.Off, header), max(p.Off+p.Filesz, header)
		if !bytes.Equal(was[from:to], is[from:to]) {
			t.Errorf("segment %d changed", i)
		}
	}
}

func TestStripVariants(t *testing.T) {
	for _, v := range variants {
		t.Run(v.name, func(t *testing.T) {
			was := program(v.class, v.order, v.machine).bytes()
			p, is := stripped(t, put(t, was))
			if !p.Stripped || p.Reason != "" || !p.Facts.HasDebug {
				t.Errorf("stripped %v, reason %q", p.Stripped, p.Reason)
			}
			want := []string{"", ".note.gnu.build-id", ".text", ".dep-v0", ".shstrtab"}
			if diff := cmp.Diff(want, sectionNames(t, is)); diff != "" {
				t.Error(diff)
			}
			sameLoad(t, was, is)
			f, err := elf.NewFile(bytes.NewReader(is))
			if err != nil {
				t.Fatal(err)
			}
			if audit, err := f.Section(".dep-v0").Data(); err != nil || string(audit) != "not really zlib" {
				t.Errorf(".dep-v0: %q, %v", audit, err)
			}
			facts, err := Inspect(put(t, is))
			if err != nil || facts.BuildID != testIDHex || facts.HasSymtab || facts.HasDebug {
				t.Errorf("%+v, %v", facts, err)
			}
		})
	}
}

func TestStripTwiceIsStripOnce(t *testing.T) {
	for _, v := range variants {
		_, once := stripped(t, put(t, program(v.class, v.order, v.machine).bytes()))
		p, twice := stripped(t, put(t, once))
		if !bytes.Equal(once, twice) || !p.Stripped {
			t.Errorf("%s: %d bytes, then %d", v.name, len(once), len(twice))
		}
	}
}

func TestStripOwnTestProgram(t *testing.T) {
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS != "linux" {
		if _, err := Strip(path); err == nil {
			t.Fatal("stripped what is no ELF file")
		}
		return
	}
	was, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	p, is := stripped(t, path)
	if p.Reason != "" || len(is) > len(was) {
		t.Fatalf("%d bytes of %d, reason %q", len(is), len(was), p.Reason)
	}
	sameLoad(t, was, is)
	if slices.ContainsFunc(sectionNames(t, is), func(n string) bool { return strings.Contains(n, "debug") || n == ".symtab" }) {
		t.Error(sectionNames(t, is))
	}
}

// Rows of the new table refer to rows of the new table.
func TestStripRelinks(t *testing.T) {
	m := newMaker(elf.ELFCLASS64, enc.LittleEndian, elf.EM_X86_64, elf.ET_DYN)
	m.loose(".debug_abbrev", elf.SHT_PROGBITS, []byte("in front: rows move"))
	m.load(".text", elf.SHT_PROGBITS, elf.PF_X, make([]byte, 32))
	text := len(m.sections) - 1
	m.dynamic(elf.DF_1_PIE)
	m.load(".rela.plt", elf.SHT_RELA, elf.PF_R, make([]byte, 24))
	plt := &m.sections[len(m.sections)-1]
	plt.Flags |= uint64(elf.SHF_INFO_LINK)
	plt.Info, plt.Link = uint32(text), uint32(len(m.sections)+1) // the symbol table, which goes
	m.loose(".mine", elf.SHT_PROGBITS+0x60000000, []byte("kept"))
	m.symbols()
	m.sections[len(m.sections)-3].Link = uint32(len(m.sections)) // names of its own, next
	m.loose(".minestr", elf.SHT_STRTAB, []byte("\x00own\x00"))
	_, is := stripped(t, put(t, m.bytes()))
	f, err := elf.NewFile(bytes.NewReader(is))
	if err != nil {
		t.Fatal(err)
	}
	index := map[string]uint32{}
	for i, s := range f.Sections {
		index[s.Name] = uint32(i)
	}
	if got := f.Section(".dynamic").Link; got != index[".dynstr"] {
		t.Errorf(".dynamic links %d, want %d", got, index[".dynstr"])
	}
	if s := f.Section(".rela.plt"); s.Info != index[".text"] || s.Link != 0 {
		t.Errorf(".rela.plt has info %d, link %d", s.Info, s.Link)
	}
	if s := f.Section(".mine"); s.Link != index[".minestr"] || index[".minestr"] == 0 {
		t.Errorf(".mine links %d, want %d", s.Link, index[".minestr"])
	}
}

func TestStripWithoutSections(t *testing.T) {
	m := program(elf.ELFCLASS64, enc.LittleEndian, elf.EM_X86_64)
	m.sections = m.sections[:1]
	was := m.bytes()
	p, is := stripped(t, put(t, was))
	if !bytes.Equal(was, is) || !p.Stripped || p.Reason != "" {
		t.Errorf("stripped %v, reason %q, %d bytes of %d", p.Stripped, p.Reason, len(is), len(was))
	}
	// Zeros behind the last segment are padding.
	m.trailer = make([]byte, 5000)
	if p, is := stripped(t, put(t, m.bytes())); !bytes.Equal(was, is) || !p.Stripped {
		t.Errorf("padding kept: reason %q, %d bytes", p.Reason, len(is))
	}
}

// What cannot be cut safely goes into the image whole, and the reason is told.
func TestStripKeepsOddFilesWhole(t *testing.T) {
	tests := map[string]struct {
		mess func(m *maker)
		want string
	}{
		"appended data":       {func(m *maker) { m.trailer = []byte("PK\x03\x04") }, "appended"},
		"much appended":       {func(m *maker) { m.trailer = make([]byte, 1<<20) }, "appended"},
		"half in a segment":   {func(m *maker) { m.sections[2].Size += 8 }, "half in a segment"},
		"overlapping":         {func(m *maker) { m.add(section{Name: ".b", Type: elf.SHT_PROGBITS, Off: 1120, Size: 1000}, nil) }, "overlap"},
		"section out of file": {func(m *maker) { m.add(section{Name: ".b", Type: elf.SHT_PROGBITS, Off: 1 << 60, Size: 9}, nil) }, "past the end"},
		"wild note segment": {func(m *maker) {
			m.progs = append(m.progs, elf.ProgHeader{Type: elf.PT_NOTE, Off: 1 << 60, Filesz: 9})
		}, "not loaded"},
		"note in the header": {func(m *maker) {
			m.progs = append(m.progs, elf.ProgHeader{Type: elf.PT_NOTE, Off: 40, Filesz: 30})
		}, "in its header"},
		"object file": {func(m *maker) { m.hdr.Type = elf.ET_REL }, "not a linked program"},
	}
	for name, c := range tests {
		m := program(elf.ELFCLASS64, enc.LittleEndian, elf.EM_X86_64)
		c.mess(m)
		was := m.bytes()
		p, is := stripped(t, put(t, was))
		if p.Stripped || !strings.Contains(p.Reason, c.want) || !bytes.Equal(was, is) {
			t.Errorf("%s: stripped %v, reason %q, want …%s…", name, p.Stripped, p.Reason, c.want)
		}
	}
}

// A segment that is all zeros in memory has no bytes in the file; its offset may lie past the end of what is left.
func TestStripWithBssAlone(t *testing.T) {
	m := program(elf.ELFCLASS64, enc.LittleEndian, elf.EM_X86_64)
	was := int64(len(m.bytes()))
	m.progs = append(m.progs, elf.ProgHeader{Type: elf.PT_LOAD, Off: uint64(was + 5000), Vaddr: 1 << 30, Memsz: 1 << 20, Align: 4096})
	p, is := stripped(t, put(t, m.bytes()))
	if !p.Stripped || p.Size >= was {
		t.Errorf("%d bytes of %d, reason %q", p.Size, was, p.Reason)
	}
	sameLoad(t, m.bytes(), is)
}

// A loaded symbol table is the program's own.
func TestStripKeepsLoadedSymbols(t *testing.T) {
	m := newMaker(elf.ELFCLASS64, enc.LittleEndian, elf.EM_X86_64, elf.ET_EXEC)
	m.load(".text", elf.SHT_PROGBITS, elf.PF_X, make([]byte, 32))
	m.load(".symtab", elf.SHT_SYMTAB, elf.PF_R, make([]byte, 48))
	m.loose(".comment", elf.SHT_PROGBITS, []byte("rustc"))
	p, is := stripped(t, put(t, m.bytes()))
	if p.Facts.HasSymtab || !slices.Contains(sectionNames(t, is), ".symtab") {
		t.Errorf("%+v, %v", p.Facts, sectionNames(t, is))
	}
}

func TestStripWithBadNames(t *testing.T) {
	good := program(elf.ELFCLASS64, enc.LittleEndian, elf.EM_X86_64).bytes()
	table := enc.LittleEndian.Uint64(good[40:])
	for name, mess := range map[string]func(b []byte){
		"no table of names":    func(b []byte) { enc.LittleEndian.PutUint16(b[62:], 0) },
		"table of names gone":  func(b []byte) { enc.LittleEndian.PutUint16(b[62:], 200) },
		"name far away":        func(b []byte) { enc.LittleEndian.PutUint32(b[table+64:], 1<<31) },
		"names without an end": func(b []byte) { b[bytes.Index(b, []byte(".shstrtab"))+9] = 'x' },
	} {
		b := bytes.Clone(good)
		mess(b)
		p, is := stripped(t, put(t, b))
		if p.Stripped || p.Reason == "" || !bytes.Equal(b, is) {
			t.Errorf("%s: stripped %v, reason %q", name, p.Stripped, p.Reason)
		}
	}
}

func TestWhole(t *testing.T) {
	was := program(elf.ELFCLASS64, enc.LittleEndian, elf.EM_X86_64).bytes()
	p, err := Whole(put(t, was))
	if err != nil || p.Stripped || !bytes.Equal(contents(t, p), was) {
		t.Errorf("%+v, %v", p, err)
	}
	if _, err := Whole(put(t, []byte("#!/bin/sh"))); err == nil {
		t.Error("took a script")
	}
}

func TestReaderObeysReader(t *testing.T) {
	p, want := stripped(t, put(t, program(elf.ELFCLASS32, enc.BigEndian, elf.EM_PPC).bytes()))
	r, err := p.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if err := iotest.TestReader(r, want); err != nil {
		t.Error(err)
	}
}

// A reader of exactly Size bytes, as tar writers are, must learn of a change too.
func TestOpenTellsOfChanges(t *testing.T) {
	path := put(t, program(elf.ELFCLASS64, enc.LittleEndian, elf.EM_X86_64).bytes())
	p, _ := stripped(t, path)
	var changed *ChangedError

	r, err := p.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := io.CopyN(io.Discard, r, p.Size-1); err != nil {
		t.Fatal(err)
	}
	later := time.Unix(2000000000, 0)
	if err := os.Chtimes(path, later, later); err != nil {
		t.Fatal(err)
	}
	if _, err := io.CopyN(io.Discard, r, 1); !errors.As(err, &changed) || changed.Hint() == "" {
		t.Errorf("last byte: %v", err)
	}
	if _, err := p.Open(); !errors.As(err, &changed) || changed.Path != path {
		t.Errorf("open after a change: %v", err)
	}
	if err := os.Truncate(path, 300); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Open(); !errors.As(err, &changed) {
		t.Errorf("open after a cut: %v", err)
	}
}
