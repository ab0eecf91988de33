// SPDX-License-Identifier: MIT OR Apache-2.0

package check

import (
	"debug/elf"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"sampan/internal/binary"
)

func TestMachine(t *testing.T) {
	table(t, "machine", []row{
		{"right", nil, "", ""},
		{"GNU extensions", func(s *Subject) { s.Facts.OSABI = elf.ELFOSABI_LINUX }, "", ""},
		{"other machine", func(s *Subject) { s.Facts.Machine = elf.EM_AARCH64 },
			"the program is for linux/arm64, and the image is for linux/amd64", "pass the program for linux/amd64, or ask for linux/arm64"},
		{"other machine, compiled", func(s *Subject) { s.Facts.Machine = elf.EM_AARCH64; s.Triple = "x86_64-unknown-linux-musl" },
			"the program is for linux/arm64, and the image is for linux/amd64", "--target x86_64-unknown-linux-musl"},
		{"other class", func(s *Subject) { s.Facts.Class = elf.ELFCLASS32 },
			"the program is for a machine that no image can name (EM_X86_64, ELFCLASS32, ELFDATA2LSB), and the image is for linux/amd64", "linux/amd64"},
		{"other byte order", func(s *Subject) {
			s.Facts.Machine, s.Facts.Data = elf.EM_PPC64, elf.ELFDATA2MSB
			s.Platform.Architecture = "ppc64le"
		}, "the program is for a machine that no image can name (EM_PPC64, ELFCLASS64, ELFDATA2MSB), and the image is for linux/ppc64le", "linux/ppc64le"},
		{"other system", func(s *Subject) { s.Facts.OSABI = elf.ELFOSABI_FREEBSD },
			"the program is for another system (ELFOSABI_FREEBSD), not for Linux", "linux/amd64"},
		{"image for another system", func(s *Subject) { s.Platform.OS = "windows" },
			"the program is for linux/amd64, and the image is for windows/amd64", "windows/amd64"},
	})
}

// Each platform takes its own machine, in any variant, and no other's.
func TestMachineOfEachPlatform(t *testing.T) {
	for _, m := range machines {
		f := binary.Facts{Class: m.class, Data: m.data, Machine: m.machine}
		got, ok := PlatformOf(f)
		if want := (v1.Platform{OS: "linux", Architecture: m.arch, Variant: m.variant}); !ok || !got.Equals(want) {
			t.Errorf("%v: %v", want, got)
		}
		for _, other := range machines {
			s := Subject{Facts: f, Platform: v1.Platform{OS: "linux", Architecture: other.arch, Variant: "v6"}}
			if found := checkMachine(s); (len(found) == 0) != (m.arch == other.arch) {
				t.Errorf("%s in an image for %s: %v", m.arch, other.arch, found)
			}
		}
	}
	if p, ok := PlatformOf(binary.Facts{Class: elf.ELFCLASS32, Data: elf.ELFDATA2LSB, Machine: elf.EM_X86_64}); ok {
		t.Errorf("x32 is %v", p)
	}
	if p, ok := PlatformOf(binary.Facts{OSABI: elf.ELFOSABI_OPENBSD, Class: elf.ELFCLASS64, Data: elf.ELFDATA2LSB, Machine: elf.EM_X86_64}); ok {
		t.Errorf("OpenBSD is %v", p)
	}
}

func TestKind(t *testing.T) {
	table(t, "kind", []row{
		{"static-pie", nil, "", ""},
		{"static", func(s *Subject) { s.Facts.Type, s.Facts.PIE = elf.ET_EXEC, false }, "", ""},
		{"dynamic, by an old linker", func(s *Subject) { s.Facts.PIE, s.Facts.Interp = false, "/lib/ld.so" }, "", ""},
		{"shared object", func(s *Subject) { s.Facts.PIE = false }, "the file is a shared object (a library), not a program", "[[bin]]"},
		{"object file", func(s *Subject) { s.Facts.Type = elf.ET_REL }, "the file is an object file, not a linked program", "[[bin]]"},
		{"core dump", func(s *Subject) { s.Facts.Type = elf.ET_CORE }, "the file is a core dump, not a program", "[[bin]]"},
		{"nothing", func(s *Subject) { s.Facts.Type = elf.ET_NONE }, "the file is no program (its type is ET_NONE)", "[[bin]]"},
	})
}

// A library is told to be one, once: not also that it is not static, and has no entry.
func TestSharedObjectGivesOneFinding(t *testing.T) {
	got := Run(good(func(s *Subject) {
		s.Facts.PIE, s.Facts.Needed, s.Facts.Entry, s.Facts.EntryMapped, s.Facts.ExecStack = false, []string{"libc.so.6"}, 0, false, true
	}))
	if len(got) != 1 || got[0].ID != "kind" {
		t.Errorf("%+v", got)
	}
}

func TestEntry(t *testing.T) {
	table(t, "entry", []row{
		{"in its code", nil, "", ""},
		{"none", func(s *Subject) { s.Facts.Entry, s.Facts.EntryMapped = 0, false }, "the program has no entry point", "-nostartfiles"},
		{"outside", func(s *Subject) { s.Facts.EntryMapped = false }, "the program has its entry point (0x1000) outside of its code", "again"},
		{"debug half", func(s *Subject) { s.Facts.EntryMapped, s.Facts.HasDebug = false, true },
			"the file has debug information only, not the code that it belongs to", ".debug"},
	})
}

func TestExecStack(t *testing.T) {
	table(t, "exec-stack", []row{
		{"not executable", nil, "", ""},
		{"executable", func(s *Subject) { s.Facts.ExecStack = true },
			"the program asks for an executable stack, which makes attacks easier and which some systems refuse; an assembly file without a .note.GNU-stack section is the usual cause",
			"noexecstack"},
	})
}
