// SPDX-License-Identifier: MIT OR Apache-2.0

// Package binary reads ELF files, parts them from their debug symbols.
//
// It promises three things. Any bytes may be given to it: the reader never panics, and what it reads and keeps is
// bounded (a section table of at most 65,279 rows, a program header table of at most 64 KiB, as the kernel has it;
// a few MiB of strings and notes), however large the file says its tables are. Files are never read whole: a stripped
// program and a debug half are plans (ranges of the source file and a few literal bytes), streamed when they are read,
// so that memory is the same for 1 MB and 1 GiB. And the same file gives the same bytes.
//
// It refuses to guess. Where a layout is so odd that cutting it could break the program, for example when data that
// belongs to no section was appended, Strip keeps the file whole and says why in Program.Reason.
//
//	p, err := binary.Strip("target/x86_64-unknown-linux-musl/release/web")
//	if err != nil { … }
//	r, err := p.Open() // gives p.Size bytes
package binary

import (
	"debug/elf"
	"io"
	"io/fs"
	"os"
)

// Facts is what an ELF file's headers say of it. Names are those of the System V gABI; for files that are no linked
// program (ET_REL, ET_CORE) only Class, Data, OSABI, Machine, Type, Entry and Size are filled in.
type Facts struct {
	Class   elf.Class   // 32 or 64 bit
	Data    elf.Data    // byte order
	OSABI   elf.OSABI   // ELFOSABI_NONE or ELFOSABI_LINUX for Linux programs
	Machine elf.Machine // instruction set
	Type    elf.Type    // ET_EXEC, ET_DYN, ET_REL, ET_CORE, …
	PIE     bool        // ET_DYN with DF_1_PIE: a program; without it, a shared object
	Interp  string      // PT_INTERP: the loader that the kernel starts instead, "" for none
	Needed  []string    // DT_NEEDED: shared objects that the loader must find, in the file's order
	Entry   uint64      // virtual address of the first instruction

	EntryMapped bool // Entry lies in bytes of the file that are mapped executable
	ExecStack   bool // the kernel is asked for an executable stack (or defaults to one for this machine)
	RELRO       bool // has PT_GNU_RELRO

	BuildID     string // NT_GNU_BUILD_ID (2 to 64 bytes) in lower-case hex, "" for none; DebugPath takes it
	HasSymtab   bool   // has a symbol table (SHT_SYMTAB) that strip would remove
	HasDebug    bool   // has DWARF sections (.debug_*, .zdebug_*) that strip would remove
	HasSections bool   // has a section table
	Size        int64  // bytes of the file
}

// Static tells whether the kernel alone can start the program: no loader, no shared objects, and a program it is.
func (f Facts) Static() bool {
	return f.Interp == "" && len(f.Needed) == 0 && (f.Type == elf.ET_EXEC || f.PIE)
}

// Inspect reads the facts of the ELF file at path. Errors are *NotELFError, *MalformedError or those of the file system.
func Inspect(path string) (Facts, error) {
	f, e, err := open(path)
	if err != nil {
		return Facts{}, err
	}
	defer f.Close()
	return e.facts, nil
}

// open opens path and reads its tables; the caller closes the file.
func open(path string) (*source, *file, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, nil, readError(path, err)
	}
	if !info.Mode().IsRegular() { // opening a FIFO would wait for ever
		return nil, nil, &NotELFError{Path: path, Kind: modeKind(info.Mode())}
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, readError(path, err)
	}
	info, err = f.Stat()
	if err != nil {
		f.Close()
		return nil, nil, readError(path, err)
	}
	e, err := parse(f, info.Size())
	if err != nil {
		f.Close()
		return nil, nil, located(path, err)
	}
	return &source{File: f, path: path, info: info}, e, nil
}

// source is an open file and what it looked like when it was opened.
type source struct {
	*os.File
	path string
	info fs.FileInfo
}

// modeKind names what is not a regular file.
func modeKind(m fs.FileMode) string {
	switch {
	case m.IsDir():
		return KindFolder
	case m&fs.ModeNamedPipe != 0:
		return KindPipe
	case m&fs.ModeSocket != 0:
		return KindSocket
	case m&fs.ModeDevice != 0:
		return KindDevice
	}
	return KindUnknown
}

// readAt fills a new slice of n bytes from off. The caller has checked n against a limit and against the file's size.
func readAt(r io.ReaderAt, off, n uint64) ([]byte, error) {
	b := make([]byte, n)
	k, err := r.ReadAt(b, int64(off))
	if uint64(k) == n {
		return b, nil
	}
	if err == nil || err == io.EOF {
		return nil, malformed("it ends at byte %d while it is read", off+uint64(k))
	}
	return nil, err
}
