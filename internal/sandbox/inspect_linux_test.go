// SPDX-License-Identifier: MIT OR Apache-2.0

package sandbox

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"io/fs"
	"runtime"
	"strings"
	"testing"
	"testing/fstest"

	"golang.org/x/sys/unix"
)

// program writes an ELF header, and the header of an interpreter when it is not "".
func program(m elf.Machine, interp string) []byte {
	var b bytes.Buffer
	h := elf.Header64{Type: uint16(elf.ET_EXEC), Machine: uint16(m), Version: 1, Ehsize: 64, Phentsize: 56}
	copy(h.Ident[:], "\x7fELF\x02\x01\x01")
	if interp != "" {
		h.Phoff, h.Phnum = 64, 1
	}
	_ = binary.Write(&b, binary.LittleEndian, h)
	if interp != "" {
		_ = binary.Write(&b, binary.LittleEndian, elf.Prog64{Type: uint32(elf.PT_INTERP), Off: 120, Filesz: uint64(len(interp) + 1)})
		b.WriteString(interp + "\x00")
	}
	return b.Bytes()
}

func TestInspect(t *testing.T) {
	ours := map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64}[runtime.GOARCH]
	file := func(mode fs.FileMode, b []byte) *fstest.MapFile { return &fstest.MapFile{Data: b, Mode: mode} }
	root := fstest.MapFS{
		"dynamic":    file(0o555, program(ours, "/lib/ld-x.so.1")),
		"complete":   file(0o555, program(ours, "/ld.so")),
		"ld.so":      file(0o555, nil),
		"foreign":    file(0o555, program(elf.EM_S390, "")),
		"stranger":   file(0o555, program(elf.EM_VAX, "")),
		"unmarked":   file(0o444, program(ours, "")),
		"script":     file(0o555, []byte("#! /bin/sh -e\necho\n")),
		"text":       file(0o555, []byte("hello\n")),
		"empty":      file(0o555, nil),
		"folder/sub": file(0o555, nil),
	}
	here := map[string]string{"amd64": "x86_64", "arm64": "aarch64"}[runtime.GOARCH] // in the words of the other
	for _, tt := range []struct {
		name    string
		errno   unix.Errno
		problem string
		hint    string
	}{
		{"/none", unix.ENOENT, "there is no such file in the image", ""},
		{"/folder", unix.EACCES, "it is not a file", ""},
		{"/dynamic", unix.ENOENT, "it is a dynamic program, and its interpreter /lib/ld-x.so.1 is not in the image", "build a static program: `sampan build --target"},
		{"/complete", unix.ENOENT, "no such file or directory", "build a static program"},
		{"/foreign", unix.ENOEXEC, "it is a program for s390x, and this machine is " + here, "build for this machine: `sampan run --target"},
		{"/stranger", unix.ENOEXEC, "it is a program for vax, and this machine is " + here, "build for this machine"},
		{"/unmarked", unix.EACCES, "its mode does not allow the user to execute it", ""},
		{"/script", unix.ENOENT, "it is a script, and /bin/sh is not in the image", ""},
		{"/text", unix.ENOEXEC, "it is not a program", ""},
		{"/empty", unix.ENOEXEC, "it is not a program", ""},
	} {
		e := inspect(root, tt.name, tt.errno)
		if e.Problem != tt.problem || !strings.HasPrefix(e.Hint(), tt.hint) || (tt.hint == "") != (e.Hint() == "") {
			t.Errorf("%s: %s; %q", tt.name, e.Problem, e.Hint())
		}
	}
}

func FuzzInspect(f *testing.F) {
	f.Add(program(elf.EM_X86_64, "/lib/ld"))
	f.Add(program(elf.EM_AARCH64, ""))
	f.Add([]byte("#!"))
	f.Add([]byte("#! /bin/sh"))
	f.Fuzz(func(t *testing.T, b []byte) {
		root := fstest.MapFS{"x": {Data: b, Mode: 0o555}}
		for _, errno := range []unix.Errno{unix.ENOENT, unix.ENOEXEC} {
			if e := inspect(root, "/x", errno); e.Problem == "" || len(e.Problem) > 8192 {
				t.Errorf("%d bytes", len(e.Problem))
			}
		}
	})
}
