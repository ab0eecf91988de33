// SPDX-License-Identifier: MIT OR Apache-2.0

// Package native knows which compiler, link driver and static C libraries a crate needs for its target, and brings them.
//
// For the musl triples the linker is Sampan itself: a link to our executable, named cc, lies at a path that stays
// the same from day to day (cargo's fingerprints hold it), and is what cargo is given as target.<triple>.linker.
// Called by that name, Main reads a command line as cc would, and runs rust-lld with Rust's own start files. What
// it makes depends on its arguments, on the linker it finds, and on two variables of its environment, which it tells cargo
// of (LinkVars).
//
// For a gnu triple, the fallback where no musl std can be had, nothing of this is used: the start files and libc.a
// of a static glibc program are the host's, and so is the cc that knows where they lie.
package native

import (
	"slices"
	"strings"

	"sampan/internal/cargo"
)

// machine is what a linker has to know of an architecture.
type machine struct {
	arch      string // first word of the triple, up to the "-"
	emulation string // of ELF linkers: -m
	loader    string // architecture in the name of musl's dynamic loader
	goarch    string // as Go names it; "" where Go does not run
	cross     string // prefix of GNU cross tools
}

// machines has one row for each architecture that Rust has a musl target for (riscv64 is Alpine's word).
var machines = []machine{
	{"x86_64", "elf_x86_64", "x86_64", "amd64", "x86_64-linux-gnu"},
	{"i586", "elf_i386", "i386", "386", "i686-linux-gnu"},
	{"i686", "elf_i386", "i386", "386", "i686-linux-gnu"},
	{"aarch64", "aarch64linux", "aarch64", "arm64", "aarch64-linux-gnu"},
	{"aarch64_be", "aarch64linuxb", "aarch64_be", "", "aarch64_be-linux-gnu"},
	{"arm", "armelf_linux_eabi", "arm", "arm", "arm-linux-gnueabi"},
	{"armv5te", "armelf_linux_eabi", "arm", "arm", "arm-linux-gnueabi"},
	{"armv7", "armelf_linux_eabi", "arm", "arm", "arm-linux-gnueabi"},
	{"thumbv7neon", "armelf_linux_eabi", "arm", "arm", "arm-linux-gnueabi"},
	{"riscv64gc", "elf64lriscv", "riscv64", "riscv64", "riscv64-linux-gnu"},
	{"riscv64", "elf64lriscv", "riscv64", "riscv64", "riscv64-linux-gnu"},
	{"riscv32gc", "elf32lriscv", "riscv32", "", "riscv32-linux-gnu"},
	{"loongarch64", "elf64loongarch", "loongarch64", "loong64", "loongarch64-linux-gnu"},
	{"powerpc", "elf32ppclinux", "powerpc", "", "powerpc-linux-gnu"},
	{"powerpc64", "elf64ppc", "powerpc64", "ppc64", "powerpc64-linux-gnu"},
	{"powerpc64le", "elf64lppc", "powerpc64le", "ppc64le", "powerpc64le-linux-gnu"},
	{"s390x", "elf64_s390", "s390x", "s390x", "s390x-linux-gnu"},
	{"mips", "elf32btsmip", "mips", "mips", "mips-linux-gnu"},
	{"mipsel", "elf32ltsmip", "mipsel", "mipsle", "mipsel-linux-gnu"},
	{"mips64", "elf64btsmip", "mips64", "mips64", "mips64-linux-gnuabi64"},
	{"mips64el", "elf64ltsmip", "mips64el", "mips64le", "mips64el-linux-gnuabi64"},
	{"hexagon", "hexagonelf", "hexagon", "", "hexagon-linux-gnu"},
}

// machineOf finds the row of a musl triple.
func machineOf(t cargo.Triple) (machine, bool) {
	arch, rest, _ := strings.Cut(string(t), "-")
	_, env, linux := strings.Cut(rest, "linux-")
	if !linux || !strings.HasPrefix(env, "musl") {
		return machine{}, false
	}
	i := slices.IndexFunc(machines, func(m machine) bool { return m.arch == arch })
	if i < 0 {
		return machine{}, false
	}
	m := machines[i]
	if strings.HasSuffix(env, "hf") {
		m.loader += "hf"
		m.cross += "hf"
	}
	return m, true
}

// Links reports whether our own driver links programs for t: for every musl triple. For any other one cargo's
// choice of linker stays, which is the host's cc.
func Links(t cargo.Triple) bool {
	_, ok := machineOf(t)
	return ok
}
