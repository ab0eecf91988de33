// SPDX-License-Identifier: MIT OR Apache-2.0

package binary

import (
	"debug/elf"
	enc "encoding/binary"
	"io"
	"os"
	"runtime"
	"testing"
)

// A program of 128 MiB (a hole, on most file systems: half of it loaded, half debug information) costs no more memory than
// a small one.
func TestLargeFilesStream(t *testing.T) {
	const half = 64 << 20
	m := program(elf.ELFCLASS64, enc.LittleEndian, elf.EM_X86_64)
	m.progs = append(m.progs, elf.ProgHeader{Type: elf.PT_LOAD, Off: 64 << 10, Vaddr: 1 << 32, Filesz: half, Memsz: half, Align: 4096})
	m.add(section{Name: ".rodata", Type: elf.SHT_PROGBITS, Flags: uint64(elf.SHF_ALLOC), Addr: 1 << 32, Off: 64 << 10, Size: half}, nil)
	m.add(section{Name: ".debug_str", Type: elf.SHT_PROGBITS, Off: 64<<10 + half, Size: half}, nil)
	path := put(t, m.bytes())
	if err := os.Truncate(path, 64<<10+2*half); err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	p, err := Strip(path)
	if err != nil || !p.Stripped || p.Reason != "" || p.Size < half || p.Size > half+128<<10 {
		t.Fatalf("%+v, %v", p, err)
	}
	r, err := p.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, r, make([]byte, 256<<10)); err != nil || n != p.Size {
		t.Errorf("%d bytes, %v", n, err)
	}
	if d, err := WriteDebug(path, io.Discard); err != nil || d.Size < half || d.Size > half+128<<10 {
		t.Errorf("%+v, %v", d, err)
	}
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > 2<<20 {
		t.Errorf("%d bytes allocated", n)
	}
}
