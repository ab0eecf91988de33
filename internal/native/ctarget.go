// SPDX-License-Identifier: MIT OR Apache-2.0

package native

import (
	"path/filepath"
	"slices"
	"strings"

	"sampan/internal/cargo"
)

// ctarget is what a C compiler has to know of an architecture.
type ctarget struct {
	arch   string   // as in machine
	clang  string   // first word of clang's triple
	musl   string   // architecture in the names of zig's folders of musl's headers
	linux  string   // the same for Linux's headers
	flags  []string // baseline, the same as that of Rust's std, where clang's default is another
	cmake  string   // CMAKE_SYSTEM_PROCESSOR
	gnu    []string // architectures in the names of cross compilers, <arch>-linux-musl-gcc
	family string   // what clang's own triples of this architecture begin with
}

// ctargets has a row for each architecture of machines that zig has musl's headers for.
var ctargets = []ctarget{
	{"x86_64", "x86_64", "x86_64", "x86", nil, "x86_64", []string{"x86_64"}, "x86_64"},
	{"i586", "i586", "x86", "x86", nil, "i586", []string{"i586"}, "i"},
	{"i686", "i686", "x86", "x86", nil, "i686", []string{"i686"}, "i"},
	{"aarch64", "aarch64", "aarch64", "aarch64", nil, "aarch64", []string{"aarch64"}, "a"},
	{"aarch64_be", "aarch64_be", "aarch64", "aarch64", nil, "aarch64_be", []string{"aarch64_be"}, "aarch64_be"},
	{"arm", "arm", "arm", "arm", []string{"-march=armv6", "-marm", "-mfpu=vfpv2"}, "arm", []string{"armv6", "arm"}, "arm"},
	{"armv5te", "armv5te", "arm", "arm", []string{"-marm"}, "armv5te", []string{"arm"}, "arm"},
	{"armv7", "armv7", "arm", "arm", []string{"-march=armv7-a", "-mfpu=vfpv3-d16"}, "armv7", []string{"armv7l", "armv7", "arm"}, "arm"},
	{"thumbv7neon", "armv7", "arm", "arm", []string{"-march=armv7-a", "-mfpu=neon-vfpv4", "-mthumb"}, "armv7", []string{"armv7l", "arm"}, "arm"},
	{"riscv64gc", "riscv64", "riscv64", "riscv", []string{"-march=rv64gc", "-mabi=lp64d"}, "riscv64", []string{"riscv64"}, "riscv64"},
	{"riscv64", "riscv64", "riscv64", "riscv", []string{"-march=rv64gc", "-mabi=lp64d"}, "riscv64", []string{"riscv64"}, "riscv64"},
	{"riscv32gc", "riscv32", "riscv32", "riscv", []string{"-march=rv32gc", "-mabi=ilp32d"}, "riscv32", []string{"riscv32"}, "riscv32"},
	{"loongarch64", "loongarch64", "loongarch64", "loongarch", nil, "loongarch64", []string{"loongarch64"}, "loongarch64"},
	{"powerpc", "powerpc", "powerpc", "powerpc", nil, "ppc", []string{"powerpc"}, "p"},
	{"powerpc64", "powerpc64", "powerpc64", "powerpc", nil, "ppc64", []string{"powerpc64"}, "p"},
	{"powerpc64le", "powerpc64le", "powerpc64", "powerpc", nil, "ppc64le", []string{"powerpc64le"}, "p"},
	{"s390x", "s390x", "s390x", "s390x", nil, "s390x", []string{"s390x"}, "s"},
	{"mips", "mips", "mips", "mips", nil, "mips", []string{"mips"}, "mips"},
	{"mipsel", "mipsel", "mips", "mips", nil, "mipsel", []string{"mipsel"}, "mips"},
	{"mips64", "mips64", "mips64", "mips", nil, "mips64", []string{"mips64"}, "mips"},
	{"mips64el", "mips64el", "mips64", "mips", nil, "mips64el", []string{"mips64el"}, "mips"},
	{"hexagon", "hexagon", "hexagon", "hexagon", nil, "hexagon", []string{"hexagon"}, "hexagon"},
}

// ctargetOf finds the row of a musl triple.
func ctargetOf(t cargo.Triple) ctarget {
	arch, _, _ := strings.Cut(string(t), "-")
	i := slices.IndexFunc(ctargets, func(c ctarget) bool { return c.arch == arch })
	if i < 0 {
		return ctarget{arch: arch, clang: arch, musl: arch, linux: arch, cmake: arch, gnu: []string{arch}, family: arch}
	}
	return ctargets[i]
}

// muslEnv is the last word of a triple: musl, musleabihf.
func muslEnv(t cargo.Triple) string {
	return string(t)[strings.LastIndex(string(t), "-")+1:]
}

// clangTriple is how clang calls a musl triple. It does not know all of Rust's words for architectures.
func clangTriple(t cargo.Triple) string {
	return ctargetOf(t).clang + "-unknown-linux-" + muslEnv(t)
}

// zigHeaders are the folders with the headers of musl and of Linux for a triple in zig's library, in order.
func zigHeaders(lib string, t cargo.Triple) []string {
	c := ctargetOf(t)
	dir := filepath.Join(lib, "libc", "include")
	return []string{filepath.Join(dir, c.musl+"-linux-musl"), filepath.Join(dir, "generic-musl"),
		filepath.Join(dir, c.linux+"-linux-any"), filepath.Join(dir, "any-linux-any")}
}

// sameTarget reports whether a --target that someone gives to the compiler means the triple that this one is for. Another
// one (bpf, wasm32, the host) is left to them.
func sameTarget(t cargo.Triple, given string) bool {
	given = strings.ToLower(given)
	return strings.Contains(given, "linux") && strings.HasPrefix(given, ctargetOf(t).family)
}
