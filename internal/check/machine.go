// SPDX-License-Identifier: MIT OR Apache-2.0

package check

import (
	"debug/elf"
	"fmt"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"sampan/internal/binary"
)

var machineCheck = Check{
	ID:    "machine",
	Doc:   "The program's class, machine and byte order are those of the image's platform, and its system is Linux.",
	Level: Fail,
	Run:   checkMachine,
}

// machines is what ELF calls the architectures of OCI images (the names are Go's GOARCH).
var machines = []struct {
	arch, variant string // variant: what PlatformOf answers; any is accepted
	class         elf.Class
	data          elf.Data
	machine       elf.Machine
}{
	{"amd64", "", elf.ELFCLASS64, elf.ELFDATA2LSB, elf.EM_X86_64},
	{"arm64", "", elf.ELFCLASS64, elf.ELFDATA2LSB, elf.EM_AARCH64},
	{"arm", "v7", elf.ELFCLASS32, elf.ELFDATA2LSB, elf.EM_ARM},
	{"386", "", elf.ELFCLASS32, elf.ELFDATA2LSB, elf.EM_386},
	{"riscv64", "", elf.ELFCLASS64, elf.ELFDATA2LSB, elf.EM_RISCV},
	{"ppc64le", "", elf.ELFCLASS64, elf.ELFDATA2LSB, elf.EM_PPC64},
	{"s390x", "", elf.ELFCLASS64, elf.ELFDATA2MSB, elf.EM_S390},
	{"loong64", "", elf.ELFCLASS64, elf.ELFDATA2LSB, elf.EM_LOONGARCH},
}

// PlatformOf tells which platform a program is for, as its headers say it. They do not tell 32-bit ARM's variants apart:
// the answer is v7, the one that Rust's armv7 triples and most images mean. It is false for other systems and machines.
func PlatformOf(f binary.Facts) (v1.Platform, bool) {
	if !isLinux(f.OSABI) {
		return v1.Platform{}, false
	}
	for _, m := range machines {
		if f.Class == m.class && f.Data == m.data && f.Machine == m.machine {
			return v1.Platform{OS: "linux", Architecture: m.arch, Variant: m.variant}, true
		}
	}
	return v1.Platform{}, false
}

// isLinux: compilers leave ELFOSABI_NONE, or write ELFOSABI_LINUX where GNU extensions are used.
func isLinux(abi elf.OSABI) bool { return abi == elf.ELFOSABI_NONE || abi == elf.ELFOSABI_LINUX }

func checkMachine(s Subject) []Finding {
	want := s.Platform
	hint := "pass the program for " + want.String()
	if s.Triple != "" {
		hint = "compile it again: sampan build --target " + s.Triple
	}
	if !isLinux(s.Facts.OSABI) {
		return []Finding{{Message: fmt.Sprintf("the program is for another system (%s), not for Linux", s.Facts.OSABI), Hint: hint}}
	}
	got, known := PlatformOf(s.Facts)
	if known && want.OS == got.OS && want.Architecture == got.Architecture {
		return nil
	}
	what := got.String()
	if !known {
		f := s.Facts
		what = fmt.Sprintf("a machine that no image can name (%s, %s, %s)", f.Machine, f.Class, f.Data)
	} else if s.Triple == "" {
		hint += ", or ask for " + platform(got)
	}
	return []Finding{{Message: fmt.Sprintf("the program is for %s, and the image is for %s", what, want), Hint: hint}}
}

// platform names one that only its architecture is known of.
func platform(p v1.Platform) string { return p.OS + "/" + p.Architecture }
