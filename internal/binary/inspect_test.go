// SPDX-License-Identifier: MIT OR Apache-2.0

package binary

import (
	"bytes"
	"debug/elf"
	enc "encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestInspectVariants(t *testing.T) {
	for _, v := range variants {
		t.Run(v.name, func(t *testing.T) {
			b := program(v.class, v.order, v.machine).bytes()
			got, err := Inspect(put(t, b))
			if err != nil {
				t.Fatal(err)
			}
			data := elf.ELFDATA2LSB
			if v.order == byteOrder(enc.BigEndian) {
				data = elf.ELFDATA2MSB
			}
			want := Facts{Class: v.class, Data: data, Machine: v.machine, Type: elf.ET_EXEC, Entry: got.Entry,
				EntryMapped: true, BuildID: testIDHex, HasSymtab: true, HasDebug: true, HasSections: true, Size: int64(len(b))}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
			if !got.Static() {
				t.Error("not static")
			}
			if o, err := elf.NewFile(bytes.NewReader(b)); err != nil || o.Entry != got.Entry {
				t.Errorf("debug/elf reads another file: %v", err)
			}
		})
	}
}

func TestInspectDynamic(t *testing.T) {
	for _, v := range variants {
		m := newMaker(v.class, v.order, v.machine, elf.ET_DYN)
		m.load(".interp", elf.SHT_PROGBITS, elf.PF_R, []byte("/lib/ld-musl.so.1\x00"))
		m.cover(elf.PT_INTERP)
		m.load(".text", elf.SHT_PROGBITS, elf.PF_X, make([]byte, 20))
		m.dynamic(elf.DF_1_PIE|elf.DF_1_NOW, "libz.so.1", "libc.so")
		got, err := Inspect(put(t, m.bytes()))
		if err != nil {
			t.Fatal(v.name, err)
		}
		if got.Interp != "/lib/ld-musl.so.1" || !slices.Equal(got.Needed, []string{"libz.so.1", "libc.so"}) || !got.PIE || got.Static() {
			t.Errorf("%s: %+v", v.name, got)
		}
	}
}

// The four rows of the table of "static" programs, and a shared object.
func TestStatic(t *testing.T) {
	tests := []struct {
		name   string
		typ    elf.Type
		flags  elf.DynFlag1
		interp bool
		needed []string
		want   bool
	}{
		{"loader and library", elf.ET_DYN, elf.DF_1_PIE, true, []string{"libc.so"}, false},
		{"loader alone", elf.ET_DYN, elf.DF_1_PIE, true, nil, false},
		{"library alone", elf.ET_DYN, elf.DF_1_PIE, false, []string{"libz.so.1"}, false},
		{"static-pie", elf.ET_DYN, elf.DF_1_PIE, false, nil, true},
		{"static", elf.ET_EXEC, 0, false, nil, true},
		{"shared object", elf.ET_DYN, 0, false, nil, false},
	}
	for _, c := range tests {
		m := newMaker(elf.ELFCLASS64, enc.LittleEndian, elf.EM_X86_64, c.typ)
		m.load(".text", elf.SHT_PROGBITS, elf.PF_X, make([]byte, 20))
		if c.interp {
			m.load(".interp", elf.SHT_PROGBITS, elf.PF_R, []byte("/lib/ld\x00"))
			m.cover(elf.PT_INTERP)
		}
		m.dynamic(c.flags, c.needed...)
		f, err := Inspect(put(t, m.bytes()))
		if err != nil || f.Static() != c.want {
			t.Errorf("%s: static %v, %v", c.name, f.Static(), err)
		}
	}
}

func TestInspectOwnTestProgram(t *testing.T) { // made by Go's own linker
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	o, err := elf.Open(path)
	if err != nil { // macOS, Windows
		var not *NotELFError
		if _, err := Inspect(path); !errors.As(err, &not) || not.Kind == KindUnknown {
			t.Fatalf("got %v", err)
		}
		return
	}
	defer o.Close()
	f, err := Inspect(path)
	if err != nil {
		t.Fatal(err)
	}
	needed, _ := o.DynString(elf.DT_NEEDED)
	if f.Machine != o.Machine || f.Type != o.Type || f.Entry != o.Entry || !slices.Equal(f.Needed, needed) || !f.EntryMapped {
		t.Errorf("got %+v, debug/elf says %+v, %v", f, o.FileHeader, needed)
	}
	if f.HasSymtab != (o.SectionByType(elf.SHT_SYMTAB) != nil) || f.HasDebug != (o.Section(".debug_info") != nil || o.Section(".zdebug_info") != nil) {
		t.Errorf("symbols %v, debug %v", f.HasSymtab, f.HasDebug)
	}
}

func TestExecStack(t *testing.T) {
	for _, c := range []struct {
		machine elf.Machine
		flags   []elf.ProgFlag
		want    bool
	}{
		{elf.EM_X86_64, nil, false},
		{elf.EM_386, nil, true},
		{elf.EM_X86_64, []elf.ProgFlag{elf.PF_R | elf.PF_W}, false},
		{elf.EM_386, []elf.ProgFlag{elf.PF_R | elf.PF_W}, false},
		{elf.EM_X86_64, []elf.ProgFlag{elf.PF_R | elf.PF_W | elf.PF_X}, true},
	} {
		m := newMaker(elf.ELFCLASS64, enc.LittleEndian, c.machine, elf.ET_EXEC)
		m.load(".text", elf.SHT_PROGBITS, elf.PF_X, make([]byte, 20))
		for _, f := range c.flags {
			m.progs = append(m.progs, elf.ProgHeader{Type: elf.PT_GNU_STACK, Flags: f})
		}
		if e, err := parse(bytes.NewReader(m.bytes()), int64(len(m.bytes()))); err != nil || e.facts.ExecStack != c.want {
			t.Errorf("%v %v: %v", c.machine, c.flags, err)
		}
	}
}

func TestNotELF(t *testing.T) {
	for want, content := range map[string]string{
		KindEmpty: "", KindScript: "#!/bin/sh\nexec ./x\n", KindPE: "MZ\x90\x00", KindMachO: "\xcf\xfa\xed\xfe\x07",
		KindWasm: "\x00asm\x01", KindArchive: "!<arch>\nfoo", KindText: "hällo wörld\n", KindUnknown: "\x01\x02\x03",
	} {
		_, err := Inspect(put(t, []byte(content)))
		var not *NotELFError
		if !errors.As(err, &not) || not.Kind != want || not.Path == "" || not.Hint() == "" {
			t.Errorf("%q: %v, want kind %s", content, err, want)
		}
	}
	dir := t.TempDir()
	var not *NotELFError
	if _, err := Inspect(dir); !errors.As(err, &not) || not.Kind != KindFolder {
		t.Errorf("folder: %v", err)
	}
	gone := filepath.Join(dir, "gone")
	_, err := Inspect(gone)
	if !errors.Is(err, os.ErrNotExist) || strings.Count(err.Error(), gone) != 1 {
		t.Errorf("missing file: %v", err)
	}
	if text := (&NotELFError{Path: "x", Kind: KindScript}); text.Error() != "read program x: it is a script, not a compiled program" ||
		text.Hint() != "pass the compiled program, not a script" {
		t.Error(text, text.Hint())
	}
}

// Each row breaks one thing of a good file; the message must name it.
func TestMalformed(t *testing.T) {
	type breaker func(m *maker, b []byte) []byte
	le := enc.LittleEndian
	tests := map[string]struct {
		mess breaker
		want string
	}{
		"cut in the identification": {func(_ *maker, b []byte) []byte { return b[:7] }, "too few"},
		"cut in the header":         {func(_ *maker, b []byte) []byte { return b[:40] }, "too few"},
		"class 9":                   {func(_ *maker, b []byte) []byte { b[4] = 9; return b }, "class"},
		"byte order 3":              {func(_ *maker, b []byte) []byte { b[5] = 3; return b }, "byte order"},
		"version 2":                 {func(_ *maker, b []byte) []byte { b[6] = 2; return b }, "version"},
		"no program headers":        {func(_ *maker, b []byte) []byte { le.PutUint16(b[56:], 0); return b }, "no program headers"},
		"65535 program headers":     {func(_ *maker, b []byte) []byte { le.PutUint16(b[56:], 0xffff); return b }, "kernel"},
		"program headers far away":  {func(_ *maker, b []byte) []byte { le.PutUint64(b[32:], 1<<63); return b }, "past the end"},
		"program headers of 32 B":   {func(_ *maker, b []byte) []byte { le.PutUint16(b[54:], 32); return b }, "32 bytes"},
		"section headers of 40 B":   {func(_ *maker, b []byte) []byte { le.PutUint16(b[58:], 40); return b }, "40 bytes"},
		"cut in a segment":          {func(_ *maker, b []byte) []byte { return b[:1050] }, "past the end"},
		"cut in the section table":  {func(_ *maker, b []byte) []byte { return b[:len(b)-1] }, "past the end"},
		"segment of 2^63 bytes":     {func(_ *maker, b []byte) []byte { le.PutUint64(b[64+32:], 1<<63); return b }, "in memory"},
		"2^32 sections": {func(m *maker, b []byte) []byte {
			le.PutUint16(b[60:], 0)
			le.PutUint64(b[le.Uint64(b[40:])+32:], 1<<32)
			return b
		}, "4294967296 sections"},
	}
	for name, c := range tests {
		m := program(elf.ELFCLASS64, le, elf.EM_X86_64)
		_, err := Inspect(put(t, c.mess(m, m.bytes())))
		var bad *MalformedError
		if !errors.As(err, &bad) || bad.Path == "" || !strings.Contains(bad.Error(), c.want) || bad.Hint() == "" {
			t.Errorf("%s: %v, want …%s…", name, err, c.want)
		}
	}
}

func TestMalformedDynamic(t *testing.T) {
	tests := map[string]func(m *maker){
		"empty loader": func(m *maker) {
			m.load(".interp", elf.SHT_PROGBITS, elf.PF_R, []byte{0, 0})
			m.cover(elf.PT_INTERP)
		},
		"loader without end": func(m *maker) {
			m.load(".interp", elf.SHT_PROGBITS, elf.PF_R, []byte("/lib/ld"))
			m.cover(elf.PT_INTERP)
		},
		"loader of no bytes": func(m *maker) {
			m.progs = append(m.progs, elf.ProgHeader{Type: elf.PT_INTERP})
		},
		"two dynamic segments": func(m *maker) { m.dynamic(0); m.dynamic(0) },
		"name far away": func(m *maker) {
			m.dynamic(0, "libz.so.1")
			m.order.PutUint64(m.body[m.progs[len(m.progs)-1].Off+8:], 1<<40)
		},
		"names nowhere": func(m *maker) {
			m.dynamic(0, "libz.so.1")
			m.order.PutUint64(m.body[m.progs[len(m.progs)-1].Off+24:], 1<<40)
		},
		"name without end": func(m *maker) {
			m.dynamic(0, "libz.so.1")
			dyn := m.progs[len(m.progs)-1]
			m.order.PutUint64(m.body[dyn.Off+40:], 5) // DT_STRSZ in the middle of the name
		},
		"5000 needed": func(m *maker) { m.dynamic(0, slices.Repeat([]string{"libz.so.1"}, 5000)...) },
	}
	for name, mess := range tests {
		m := newMaker(elf.ELFCLASS64, enc.LittleEndian, elf.EM_X86_64, elf.ET_DYN)
		m.load(".text", elf.SHT_PROGBITS, elf.PF_X, make([]byte, 20))
		mess(m)
		var bad *MalformedError
		if f, err := Inspect(put(t, m.bytes())); !errors.As(err, &bad) {
			t.Errorf("%s: %+v, %v", name, f, err)
		}
	}
}

func TestObjectFilesAndCores(t *testing.T) { // only their headers are read
	for _, typ := range []elf.Type{elf.ET_REL, elf.ET_CORE, elf.ET_NONE} {
		m := newMaker(elf.ELFCLASS64, enc.LittleEndian, elf.EM_X86_64, typ)
		m.hdr.ShOff, m.hdr.ShNum = 1<<60, 3
		f, err := Inspect(put(t, m.bytes()))
		if err != nil || f.Type != typ || f.Static() {
			t.Errorf("%v: %+v, %v", typ, f, err)
		}
	}
}

func TestBuildIDWalksOverOtherNotes(t *testing.T) {
	m := newMaker(elf.ELFCLASS64, enc.LittleEndian, elf.EM_X86_64, elf.ET_EXEC)
	other := writer{m.codec, nil}
	other.u32(4)
	other.u32(3)
	other.u32(1)
	other.b = append(other.b, "GNU\x00abc\x00"...)
	m.load(".note", elf.SHT_NOTE, elf.PF_R, append(other.b, m.note(testID)...))
	m.cover(elf.PT_NOTE)
	m.load(".text", elf.SHT_PROGBITS, elf.PF_X, make([]byte, 20))
	if f, err := Inspect(put(t, m.bytes())); err != nil || f.BuildID != testIDHex {
		t.Errorf("got %q, %v", f.BuildID, err)
	}
	// A note that says it has 4 GiB of name ends the walk.
	m.body[m.progs[0].Off+3] = 0xff
	if f, err := Inspect(put(t, m.bytes())); err != nil || f.BuildID != "" {
		t.Errorf("got %q, %v", f.BuildID, err)
	}
}

func TestDebugPath(t *testing.T) {
	for id, want := range map[string]string{
		testIDHex: ".build-id/ab/cdef0102030405060708090a0b0c0d0e0f1011.debug",
		"":        "", "ab": "", "../../etc": "", "ABCD": "", "abc": "", "abcd": ".build-id/ab/cd.debug",
	} {
		if got := DebugPath(id); got != want {
			t.Errorf("%q: %q, want %q", id, got, want)
		}
	}
}
