// SPDX-License-Identifier: MIT OR Apache-2.0

package sandbox

import (
	"bufio"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// inspect finds out, from the image's root, why a program did not start. The kernel says "no such file" about the
// program as well as about the interpreter that it names, so the file itself is asked.
func inspect(root fs.FS, program string, cause error) *StartError {
	e := &StartError{Problem: cause.Error(), Err: cause}
	name := strings.Trim(program, "/")
	info, err := fs.Stat(root, name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		e.Problem = "there is no such file in the image"
		return e
	case err != nil:
		return e
	case !info.Mode().IsRegular():
		e.Problem = "it is not a file"
		return e
	case errors.Is(cause, unix.EACCES) && info.Mode().Perm()&0o100 == 0:
		e.Problem = "its mode does not allow the user to execute it"
		return e
	}
	f, err := root.Open(name)
	if err != nil {
		return e
	}
	defer f.Close() //nolint:errcheck // only read
	r, ok := f.(io.ReaderAt)
	if !ok {
		return e
	}
	if x, err := elf.NewFile(r); err == nil {
		inspectELF(e, root, x, cause)
	} else {
		inspectText(e, root, f, cause)
	}
	return e
}

// machines are Go's names for the machines that Linux programs are made for, and uname's.
var machines = map[elf.Machine]struct{ goarch, uname string }{
	elf.EM_X86_64:    {"amd64", "x86_64"},
	elf.EM_AARCH64:   {"arm64", "aarch64"},
	elf.EM_386:       {"386", "i686"},
	elf.EM_ARM:       {"arm", "arm"},
	elf.EM_RISCV:     {"riscv64", "riscv64"},
	elf.EM_PPC64:     {"ppc64le", "powerpc64"},
	elf.EM_S390:      {"s390x", "s390x"},
	elf.EM_LOONGARCH: {"loong64", "loongarch64"},
	elf.EM_MIPS:      {"mips", "mips"},
}

func inspectELF(e *StartError, root fs.FS, x *elf.File, cause error) {
	if m := machines[x.Machine]; errors.Is(cause, unix.ENOEXEC) && m.goarch != runtime.GOARCH {
		e.Machine = m.uname
		if e.Machine == "" {
			e.Machine = strings.ToLower(strings.TrimPrefix(x.Machine.String(), "EM_"))
		}
		e.Problem = fmt.Sprintf("it is a program for %s, and this machine is %s", e.Machine, ours())
		return
	}
	for _, p := range x.Progs {
		if p.Type != elf.PT_INTERP || p.Filesz > 4096 {
			continue
		}
		b := make([]byte, p.Filesz)
		if _, err := p.ReadAt(b, 0); err != nil {
			return
		}
		e.Interp = strings.TrimRight(string(b), "\x00")
		if _, err := fs.Stat(root, strings.Trim(e.Interp, "/")); errors.Is(err, fs.ErrNotExist) {
			e.Problem = fmt.Sprintf("it is a dynamic program, and its interpreter %s is not in the image", e.Interp)
		}
		return
	}
}

// ours is this machine's name, in the same words.
func ours() string {
	for _, m := range machines {
		if m.goarch == runtime.GOARCH {
			return m.uname
		}
	}
	return runtime.GOARCH
}

func inspectText(e *StartError, root fs.FS, r io.Reader, cause error) {
	line, _ := bufio.NewReader(io.LimitReader(r, 256)).ReadString('\n')
	if words := strings.Fields(strings.TrimPrefix(line, "#!")); strings.HasPrefix(line, "#!") && len(words) > 0 {
		if _, err := fs.Stat(root, strings.Trim(words[0], "/")); errors.Is(err, fs.ErrNotExist) {
			e.Problem = fmt.Sprintf("it is a script, and %s is not in the image", words[0])
		}
		return
	}
	if errors.Is(cause, unix.ENOEXEC) {
		e.Problem = "it is not a program"
	}
}
