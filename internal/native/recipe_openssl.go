// SPDX-License-Identifier: MIT OR Apache-2.0

package native

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"sampan/internal/cargo"
	"sampan/internal/run"
)

// opensslRecipe builds OpenSSL by its own Configure and make. Its default folder is /etc/ssl, so a program in an image
// finds /etc/ssl/cert.pem without being told. The prefix is a constant: it is compiled in.
type opensslRecipe struct{}

func (opensslRecipe) tools() []string { return []string{"perl", "make"} }

// opensslTargets are OpenSSL's names for machines; each knows its assembly.
var opensslTargets = map[string]string{
	"x86_64": "linux-x86_64", "i586": "linux-elf", "i686": "linux-elf", "aarch64": "linux-aarch64",
	"arm": "linux-armv4", "armv5te": "linux-armv4", "armv7": "linux-armv4", "thumbv7neon": "linux-armv4",
	"riscv64gc": "linux64-riscv64", "riscv64": "linux64-riscv64", "powerpc64le": "linux-ppc64le", "s390x": "linux64-s390x",
	"loongarch64": "linux64-loongarch64", "mips": "linux-mips32", "mipsel": "linux-mips32", "powerpc": "linux-ppc",
}

// opensslOptions leave out what the Rust bindings have no door to, or what a static program cannot do: programs,
// modules loaded at run time, compression (dangerous in TLS), and the algorithms that the feature `vendored` of
// openssl-sys leaves out too, so that what compiles there compiles here.
var opensslOptions = strings.Fields(`no-shared no-module no-dso no-apps no-docs no-tests no-makedepend no-engine no-async no-comp no-zlib
	no-zlib-dynamic no-legacy no-ssl3 no-md2 no-rc5 no-weak-ssl-ciphers no-camellia no-idea no-seed`)

// opensslThin leaves out what TLS does not need and no certificate in use is made with. Multiblock is for servers that
// send much by suites of TLS 1.2 that nobody prefers.
var opensslThin = strings.Fields(`no-aria no-bf no-cast no-rc2 no-rc4 no-mdc2 no-whirlpool no-sm2 no-sm3 no-sm4 no-siv no-gost no-srp no-ec2m
	no-quic no-cmp no-ct no-rfc3779 no-ml-dsa no-slh-dsa no-lms no-argon2 no-multiblock`)

// opensslOld answers, in the place of the compiler, the scripts that write assembly when they ask for its version: with one
// that is too old for AVX-512. AES-NI does the work then: a third of 7 GB/s, where the CPU has both, for 0.7 MB less.
const opensslOld = "CC=echo clang version 6.0.0 #"

// opensslWide finds the targets for AES by AVX-512. (RSA's, in crypto/bn, is small and makes it twice as fast.)
var opensslWide = regexp.MustCompile(`(?m)^(crypto/(?:aes|modes)/\S*avx512\S*\.s):`)

func (r opensslRecipe) build(ctx context.Context, j *job) error {
	target, err := opensslTarget(j.Triple)
	if err != nil {
		return err
	}
	tool := func(name string) string { return Tool{Name: name}.Find(j.Env) }
	args := append([]string{tool("perl"), "Configure", target, "--prefix=/usr", "--libdir=lib", "--openssldir=/etc/ssl"}, opensslOptions...)
	if j.Thin {
		args = append(args, opensslThin...)
	}
	// No secure memory: with musl it fails where mlock is forbidden, as it is in containers.
	args = append(append(args, j.flagsC()...), "-DOPENSSL_NO_SECURE_MEMORY")
	cc := []string{"CC=" + shellWords(j.CC.CC), "AR=" + shellWords(j.CC.AR), "RANLIB=" + shellWords(j.ranlib()), "PERL=" + tool("perl")}
	if err := j.run(ctx, "openssl", args, cc...); err != nil {
		return err
	}
	// The library can tell how it was compiled. The compiler's path would make it another one on each machine.
	if err := j.run(ctx, "openssl", []string{tool("make"), "-s", "CC=cc", "crypto/buildinf.h"}); err != nil {
		return err
	}
	if j.Thin {
		if err := r.narrow(ctx, j, tool("make")); err != nil {
			return err
		}
	}
	if err := r.count(ctx, j, tool("make")); err != nil {
		return err
	}
	j.log.onLine = func(line string) {
		if isCompile(line) {
			j.compiled()
		}
	}
	if err := j.run(ctx, "openssl", []string{tool("make"), "-j" + strconv.Itoa(j.Jobs), "build_libs"}); err != nil {
		return err
	}
	return r.take(j)
}

func opensslTarget(t cargo.Triple) (string, error) {
	m, _ := machineOf(t)
	target, ok := opensslTargets[m.arch]
	if !ok {
		return "", errors.New("no name is known that OpenSSL has for this machine")
	}
	return target, nil
}

// narrow writes the assembly for AVX-512 before make does: as stubs, which say that there is no such CPU.
func (opensslRecipe) narrow(ctx context.Context, j *job, make string) error {
	makefile, err := os.ReadFile(filepath.Join(j.src, "openssl", "Makefile"))
	if err != nil {
		return err
	}
	var targets []string
	for _, m := range opensslWide.FindAllSubmatch(makefile, -1) {
		targets = append(targets, string(m[1]))
	}
	if len(targets) == 0 {
		return nil // another machine's
	}
	return j.run(ctx, "openssl", append([]string{make, "-s", opensslOld}, targets...))
}

// count learns how many files there are to compile.
func (opensslRecipe) count(ctx context.Context, j *job, make string) error {
	out, err := run.Output(ctx, j.Runner, run.Cmd{Path: make, Args: []string{"-n", "build_libs"}, Dir: filepath.Join(j.src, "openssl"), Env: j.env()})
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(out)) {
		if isCompile(line) {
			j.total++
		}
	}
	return nil
}

// isCompile recognises the line by which make compiles a file.
func isCompile(line string) bool { return compileLine.MatchString(line) }

var compileLine = regexp.MustCompile(` -c -o \S+\.o `)

// take installs what programs need to compile and link with it.
func (opensslRecipe) take(j *job) error {
	if err := j.install("lib", "openssl/libcrypto.a", "openssl/libssl.a"); err != nil {
		return err
	}
	if err := j.install("licence", "openssl/LICENSE.txt"); err != nil {
		return err
	}
	return errors.Join(j.install("include/openssl", "openssl/include/openssl/*.h"))
}

// ranlib is the compiler's, or its ar, which can do the same.
func (j *job) ranlib() []string {
	if len(j.CC.RANLIB) > 0 {
		return j.CC.RANLIB
	}
	return append(append([]string{}, j.CC.AR...), "s")
}

// shellWords writes a command for makefiles that hand it to a shell.
func shellWords(argv []string) string {
	words := make([]string, len(argv))
	for i, w := range argv {
		if strings.IndexFunc(w, unsafeRune) >= 0 || w == "" {
			w = "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
		}
		words[i] = w
	}
	return strings.Join(words, " ")
}

func unsafeRune(r rune) bool {
	return !strings.ContainsRune("/.-_+=:,@%", r) && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && r < 0x80
}
