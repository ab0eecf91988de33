// SPDX-License-Identifier: MIT OR Apache-2.0

package binary

import (
	"bytes"
	"debug/elf"
	enc "encoding/binary"
	"errors"
	"io"
	"runtime"
	"testing"
)

// seeds are good files of all shapes, and what is known to be nasty.
func seeds(f *testing.F) {
	for _, v := range variants {
		m := program(v.class, v.order, v.machine)
		f.Add(m.bytes())
		m.dynamic(elf.DF_1_PIE, "libz.so.1", "libc.so.6")
		m.load(".interp", elf.SHT_PROGBITS, elf.PF_R, []byte("/lib/ld.so\x00"))
		m.cover(elf.PT_INTERP)
		m.hdr.Type = elf.ET_DYN
		f.Add(m.bytes())
		m.sections = m.sections[:1]
		f.Add(m.bytes())
	}
	m := program(elf.ELFCLASS64, enc.LittleEndian, elf.EM_X86_64)
	b := m.bytes()
	enc.LittleEndian.PutUint16(b[60:], 0) // extended numbering
	f.Add(bytes.Clone(b))
	enc.LittleEndian.PutUint64(b[enc.LittleEndian.Uint64(b[40:])+32:], 1<<32)
	f.Add(b)
	m.progs = append(m.progs, m.progs[0], m.progs[2]) // overlapping segments
	f.Add(m.bytes())
	m.trailer = []byte("PK\x03\x04")
	f.Add(m.bytes())
	f.Add([]byte("#!/bin/sh\n"))
	f.Add([]byte("\x7fELF"))
	f.Add([]byte{})
}

// typed checks that an error is one that a caller can tell from others.
func typed(t *testing.T, err error) {
	t.Helper()
	var not *NotELFError
	var bad *MalformedError
	if !errors.As(err, &not) && !errors.As(err, &bad) {
		t.Fatalf("%T %v", err, err)
	}
}

func FuzzInspect(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := parse(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			typed(t, err)
			return
		}
		if e.facts.Static() && (e.facts.Interp != "" || len(e.facts.Needed) > 0) {
			t.Fatalf("%+v", e.facts)
		}
		if DebugPath(e.facts.BuildID) == "" && len(e.facts.BuildID) > 2 {
			t.Fatalf("build id %q", e.facts.BuildID)
		}
		// Where debug/elf reads a file too, both say the same.
		o, err := elf.NewFile(bytes.NewReader(b))
		if err != nil {
			return
		}
		if o.Class != e.facts.Class || o.Machine != e.facts.Machine || o.Type != e.facts.Type || o.Entry != e.facts.Entry {
			t.Fatalf("%+v, debug/elf says %+v", e.facts, o.FileHeader)
		}
	})
}

// render reads parts out of b.
func render(t *testing.T, b []byte, p parts) []byte {
	t.Helper()
	if p.size > 4*int64(len(b))+1<<20 {
		t.Fatalf("%d bytes planned of %d", p.size, len(b))
	}
	var out []byte
	for _, q := range p.list {
		switch {
		case q.data != nil:
			out = append(out, q.data...)
		case q.off < 0:
			out = append(out, make([]byte, q.n)...)
		default:
			out = append(out, b[q.off:q.off+q.n]...)
		}
	}
	if int64(len(out)) != p.size {
		t.Fatalf("%d bytes, planned %d", len(out), p.size)
	}
	return out
}

// FuzzStrip: what strip makes of a file that it takes is a file with the same facts, the same segments, byte for byte,
// and nothing left to strip; and the debug half is a file that can be read.
func FuzzStrip(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := parse(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			return
		}
		p, reason, err := e.strip(bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		if reason == "" {
			checkStripped(t, e, b, render(t, b, p))
		}
		if e.facts.Type != elf.ET_EXEC && e.facts.Type != elf.ET_DYN {
			return
		}
		half, err := e.debugHalf()
		if err != nil {
			typed(t, err)
			return
		}
		out := render(t, b, half)
		h, err := parse(bytes.NewReader(out), int64(len(out)))
		if err != nil {
			var bad *MalformedError // its PT_INTERP has no bytes, as in GNU's
			if !errors.As(err, &bad) || e.facts.Interp == "" {
				t.Fatal(err)
			}
			return
		}
		if len(h.sections) != len(e.sections) || h.facts.HasSymtab != e.facts.HasSymtab {
			t.Fatalf("%+v of %+v", h.facts, e.facts)
		}
	})
}

func checkStripped(t *testing.T, e *file, was, is []byte) {
	t.Helper()
	s, err := parse(bytes.NewReader(is), int64(len(is)))
	if err != nil {
		t.Fatal(err)
	}
	was0, is0 := e.facts, s.facts
	if is0.HasSymtab && !was0.HasSymtab || is0.HasDebug && !was0.HasDebug || is0.HasSections && !was0.HasSections {
		t.Fatalf("%+v of %+v", is0, was0)
	}
	if is0.Entry != was0.Entry || is0.PIE != was0.PIE || is0.Interp != was0.Interp || len(is0.Needed) != len(was0.Needed) || is0.ExecStack != was0.ExecStack {
		t.Fatalf("%+v of %+v", is0, was0)
	}
	for i, p := range e.progs {
		if s.progs[i] != p {
			t.Fatalf("segment %d: %+v, was %+v", i, s.progs[i], p)
		}
		if p.Filesz == 0 || p.Type == elf.PT_NULL || p.Type == elf.PT_GNU_STACK {
			continue
		}
		from, to := max(p.Off, e.headerSize()), max(p.Off+p.Filesz, e.headerSize())
		if !bytes.Equal(is[from:to], was[from:to]) {
			t.Fatalf("segment %d changed", i)
		}
	}
	again, reason, err := s.strip(bytes.NewReader(is))
	if err != nil || reason != "" || !bytes.Equal(render(t, is, again), is) {
		t.Fatalf("second strip: %q, %v", reason, err)
	}
}

// hostile says it has everything, everywhere, and is 2^62 bytes long.
type hostile struct{ head []byte }

func (h hostile) ReadAt(b []byte, off int64) (int, error) {
	for i := range b {
		b[i] = 0x41
	}
	if off < int64(len(h.head)) {
		copy(b, h.head[off:])
	}
	if off > 1<<62-int64(len(b)) {
		return 0, io.EOF
	}
	return len(b), nil
}

// A file of any claimed size costs a bounded number of bytes.
func TestHostileSizesStaySmall(t *testing.T) {
	m := newMaker(elf.ELFCLASS64, enc.LittleEndian, elf.EM_X86_64, elf.ET_DYN)
	m.progs = append(m.progs, elf.ProgHeader{Type: elf.PT_LOAD, Flags: elf.PF_X, Filesz: 1 << 61, Memsz: 1 << 61})
	for range 1100 { // notes without an end
		m.progs = append(m.progs, elf.ProgHeader{Type: elf.PT_NOTE, Off: 1 << 30, Filesz: 1 << 20})
	}
	m.body = make([]byte, 1<<17)
	head := m.bytes()
	enc.LittleEndian.PutUint64(head[40:], 1<<40)  // e_shoff
	enc.LittleEndian.PutUint16(head[60:], 0xfeff) // e_shnum
	enc.LittleEndian.PutUint16(head[62:], 0x00ff) // e_shstrndx
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	e, err := parse(hostile{head}, 1<<62)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := e.strip(hostile{head}); err != nil {
		t.Fatal(err)
	}
	if _, err := e.debugHalf(); err == nil {
		t.Error("made a debug half of it")
	}
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > 64<<20 {
		t.Errorf("%d bytes allocated", n)
	}
}
