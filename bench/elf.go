// SPDX-License-Identifier: MIT OR Apache-2.0

//go:build linux

package main

import (
	"bufio"
	"bytes"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"runtime"
)

const (
	elfBase  = 0x400000 // where the program is loaded
	elfAlign = 0x10000  // the largest page of amd64 and arm64; the payload starts at this offset of the file
	blockLen = 64 << 10 // synthetic payload is made of blocks, each from its own seed
)

// exits holds, for each machine, the code of a program that ends with 0.
var exits = map[string]struct {
	machine elf.Machine
	code    []byte
}{
	"amd64": {elf.EM_X86_64, []byte{0x31, 0xff, 0xb8, 60, 0, 0, 0, 0x0f, 0x05}},                         // xor edi,edi; mov eax,60; syscall
	"arm64": {elf.EM_AARCH64, []byte{0, 0, 0x80, 0xd2, 0xa8, 0x0b, 0x80, 0xd2, 0x01, 0x00, 0x00, 0xd4}}, // mov x0,0; mov x8,93; svc 0
}

// writeStatic writes a static executable that runs and ends with 0. Its read-only data is payload, size bytes, at
// offset elfAlign. It has sections and no symbols, so that stripping it changes next to nothing and every tool packs
// the same bytes.
func writeStatic(path string, size int64, payload io.Reader) error {
	exit, ok := exits[runtime.GOARCH]
	if !ok {
		return fmt.Errorf("write %s: no code for %s", path, runtime.GOARCH)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o755)
	if err != nil {
		return err
	}
	defer f.Close()
	w := bufio.NewWriterSize(f, 1<<20)
	head := elfHead(exit.machine, exit.code, uint64(size))
	w.Write(head)
	if n, err := io.CopyN(w, payload, size); err != nil {
		return fmt.Errorf("write %s: payload ended after %d bytes: %w", path, n, err)
	}
	w.Write(elfTail(uint64(len(exit.code)), uint64(size)))
	if err := w.Flush(); err != nil {
		return err
	}
	return f.Close()
}

const (
	headerLen  = 64 + 3*56 // ELF header and three program headers; the code follows them
	namesTable = "\x00.text\x00.rodata\x00.shstrtab\x00"
)

// elfHead is all that stands before the payload.
func elfHead(machine elf.Machine, code []byte, size uint64) []byte {
	var b bytes.Buffer
	put := func(v any) { binary.Write(&b, binary.LittleEndian, v) } // a bytes.Buffer takes everything
	put(elf.Header64{
		Ident: [16]byte{0x7f, 'E', 'L', 'F', byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), byte(elf.EV_CURRENT)},
		Type:  uint16(elf.ET_EXEC), Machine: uint16(machine), Version: uint32(elf.EV_CURRENT),
		Entry: elfBase + headerLen, Phoff: 64, Shoff: sectionsAt(size),
		Ehsize: 64, Phentsize: 56, Phnum: 3, Shentsize: 64, Shnum: 4, Shstrndx: 3,
	})
	text := headerLen + uint64(len(code))
	put(elf.Prog64{Type: uint32(elf.PT_LOAD), Flags: uint32(elf.PF_R | elf.PF_X), Vaddr: elfBase, Paddr: elfBase, Filesz: text, Memsz: text, Align: elfAlign})
	put(elf.Prog64{Type: uint32(elf.PT_LOAD), Flags: uint32(elf.PF_R), Off: elfAlign, Vaddr: elfBase + elfAlign, Paddr: elfBase + elfAlign, Filesz: size, Memsz: size, Align: elfAlign})
	put(elf.Prog64{Type: uint32(elf.PT_GNU_STACK), Flags: uint32(elf.PF_R | elf.PF_W), Align: 16})
	b.Write(code)
	return append(b.Bytes(), make([]byte, elfAlign-b.Len())...)
}

// elfTail is all that stands after the payload: names and headers of the sections.
func elfTail(code, size uint64) []byte {
	var b bytes.Buffer
	b.WriteString(namesTable)
	b.Write(make([]byte, sectionsAt(size)-elfAlign-size-uint64(len(namesTable))))
	for _, s := range []elf.Section64{
		{},
		{Name: 1, Type: uint32(elf.SHT_PROGBITS), Flags: uint64(elf.SHF_ALLOC | elf.SHF_EXECINSTR), Addr: elfBase + headerLen, Off: headerLen, Size: code, Addralign: 4},
		{Name: 7, Type: uint32(elf.SHT_PROGBITS), Flags: uint64(elf.SHF_ALLOC), Addr: elfBase + elfAlign, Off: elfAlign, Size: size, Addralign: 16},
		{Name: 15, Type: uint32(elf.SHT_STRTAB), Off: elfAlign + size, Size: uint64(len(namesTable)), Addralign: 1},
	} {
		binary.Write(&b, binary.LittleEndian, s)
	}
	return b.Bytes()
}

// sectionsAt is where the section headers start: after the names, on a multiple of 8.
func sectionsAt(size uint64) uint64 {
	return (elfAlign + size + uint64(len(namesTable)) + 7) &^ 7
}

// synthetic reads as an endless mix of blocks that look like machine code and blocks that look like text; the same
// seed gives the same bytes. It compresses about as well as a real program does.
type synthetic struct {
	seed, block uint64
	left        []byte
	buf         [blockLen]byte
	codes       [][]byte
	words       []string
}

func newSynthetic(seed uint64) *synthetic {
	r := rand.New(rand.NewPCG(seed, 0))
	s := &synthetic{seed: seed}
	for range 1024 { // instructions: three to nine fixed bytes
		code := make([]byte, 3+r.IntN(7))
		for i := range code {
			code[i] = byte(r.Uint32())
		}
		s.codes = append(s.codes, code)
	}
	for range 4096 {
		word := make([]byte, 2+r.IntN(9))
		for i := range word {
			word[i] = byte('a' + r.IntN(26))
		}
		s.words = append(s.words, string(word)+" ")
	}
	return s
}

func (s *synthetic) Read(p []byte) (int, error) {
	if len(s.left) == 0 {
		s.fill()
	}
	n := copy(p, s.left)
	s.left = s.left[n:]
	return n, nil
}

func (s *synthetic) fill() {
	s.block++
	r := rand.New(rand.NewPCG(s.seed, s.block))
	b := s.buf[:0]
	isCode := r.IntN(10) < 7
	for len(b) < blockLen {
		bits := r.Uint64()
		// The cube of an even choice prefers the front of a table, as real code and text prefer some words.
		u := float64(bits>>40) / (1 << 24)
		if isCode {
			b = append(b, s.codes[int(u*u*u*float64(len(s.codes)))]...)
			switch bits % 8 {
			case 0: // a far address or constant
				b = append(b, byte(bits>>8), byte(bits>>16), byte(bits>>24), 0)
			case 1, 2: // a near one
				b = append(b, byte(bits>>8)&0x3f)
			}
		} else {
			b = append(b, s.words[int(u*u*u*float64(len(s.words)))]...)
		}
		if len(b) > blockLen-16 { // the last bytes, without growing the buffer
			b = append(b, make([]byte, blockLen-len(b))...)
		}
	}
	s.left = b
}
