// SPDX-License-Identifier: MIT OR Apache-2.0

package native

import (
	"bytes"
	"context"
	"crypto/sha256"
	"debug/elf"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"sampan/internal/cargo"
	"sampan/internal/durable"
	"sampan/internal/run"
)

// prober looks what a compiler makes, before anything is compiled by it.
type prober struct {
	cacheDir string
	runner   run.Runner
	env      []string
}

// GlibcObjectsError says that a compiler makes objects that no musl program can be linked of.
type GlibcObjectsError struct {
	Compiler string
	Triple   cargo.Triple
	Symbols  []string // of glibc's, that its objects ask for
	Machine  string   // what its objects are for, when that is not the triple's architecture
}

func (e *GlibcObjectsError) Error() string {
	if e.Machine != "" {
		return fmt.Sprintf("check C compiler %s: it makes objects for %s, not for %s", e.Compiler, e.Machine, e.Triple)
	}
	return fmt.Sprintf("check C compiler %s: it compiles for glibc, not for musl: its objects ask for %s", e.Compiler, strings.Join(e.Symbols, ", "))
}

// Hint says how to come by another.
func (e *GlibcObjectsError) Hint() string {
	return "unset CC_" + strings.ReplaceAll(string(e.Triple), "-", "_") + " for the pinned compiler, or name one for musl, such as " +
		ctargetOf(e.Triple).gnu[0] + "-linux-" + muslEnv(e.Triple) + "-gcc"
}

// probeSource calls what headers of glibc turn into names of their own: checked functions, those of C99 and C23,
// versions of stat.
const probeSource = `#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <sys/stat.h>
int probe(int fd, char *to, const char *from, unsigned long n, fd_set *set) {
	char text[16];
	struct stat st;
	int i = 0;
	FD_SET(fd, set);
	memcpy(text, from, n);
	strcpy(to, text);
	sscanf(from, "%d", &i);
	fprintf(stderr, "%s %ld", text, strtol(from, 0, 10));
	return stat(from, &st) + sprintf(text, "%s", from) + i;
}
`

// probed is what is known of a compiler, valid while its file stays as it is.
type probed struct {
	Path    string   `json:"path"`
	Size    int64    `json:"size"`
	Time    int64    `json:"time"` // of modification, ns since 1970
	Version string   `json:"version"`
	Symbols []string `json:"symbols"`
	Machine string   `json:"machine"`
}

// version is the first line that a compiler says of itself.
func (p prober) version(ctx context.Context, path string) (string, error) {
	out, err := run.Output(ctx, p.runner, run.Cmd{Path: path, Args: []string{"--version"}, Env: p.env})
	if err != nil {
		return "", err
	}
	line, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	return line, nil
}

// probe compiles a small file and reads what the object asks for: a *GlibcObjectsError when that is glibc's.
func (p prober) probe(ctx context.Context, t cargo.Triple, words []string) (version string, err error) {
	path, err := run.LookPath(words[0], p.env)
	if err != nil {
		return "", err
	}
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	flags := p.flags(t, words)
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %q %q %q", t, path, words, flags))
	kept := filepath.Join(p.cacheDir, "probe", hex.EncodeToString(sum[:12])+".json")
	a := probed{}
	if data, readErr := os.ReadFile(kept); readErr != nil || json.Unmarshal(data, &a) != nil || a.Path != path || a.Size != info.Size() || a.Time != info.ModTime().UnixNano() {
		if a, err = p.ask(ctx, t, words, flags); err != nil {
			return "", err
		}
		a.Path, a.Size, a.Time = path, info.Size(), info.ModTime().UnixNano()
		if data, err := json.Marshal(a); err == nil && durable.MkdirAll(filepath.Dir(kept)) == nil {
			_ = durable.WriteFile(kept, data, 0o644) // else it is asked again
		}
	}
	if len(a.Symbols) > 0 || a.Machine != "" {
		return a.Version, &GlibcObjectsError{Compiler: strings.Join(words, " "), Triple: t, Symbols: a.Symbols, Machine: a.Machine}
	}
	return a.Version, nil
}

// flags are what a build script would add: the user's CFLAGS for the triple and, for a clang, the target.
func (p prober) flags(t cargo.Triple, words []string) []string {
	_, flags := userCompiler(p.env, t, "CFLAGS")
	out := strings.Fields(flags)
	if strings.Contains(filepath.Base(words[len(words)-1]), "clang") {
		out = append([]string{"--target=" + clangTriple(t)}, out...)
	}
	return out
}

// ask compiles.
func (p prober) ask(ctx context.Context, t cargo.Triple, words, flags []string) (probed, error) {
	a := probed{}
	unusable := func(err error) (probed, error) {
		if ctx.Err() != nil {
			return a, ctx.Err()
		}
		return a, &CompilerError{Reason: Unusable, Triple: t, Detail: strings.Join(words, " "), Err: err}
	}
	dir, err := os.MkdirTemp("", "sampan-probe-")
	if err != nil {
		return a, err
	}
	defer os.RemoveAll(dir)
	source, object := filepath.Join(dir, "probe.c"), filepath.Join(dir, "probe.o")
	if err := os.WriteFile(source, []byte(probeSource), 0o644); err != nil {
		return a, err
	}
	version, err := run.Output(ctx, p.runner, run.Cmd{Path: words[0], Args: append(slices.Clone(words[1:]), "--version"), Env: p.env})
	if err == nil { // some have no such option
		line, _, _ := strings.Cut(strings.TrimSpace(string(version)), "\n")
		a.Version = line
	}
	args := slices.Concat(words[1:], flags, []string{"-O2", "-U_FORTIFY_SOURCE", "-D_FORTIFY_SOURCE=2", "-c", source, "-o", object})
	if _, err := run.Output(ctx, p.runner, run.Cmd{Path: words[0], Args: args, Env: p.env, Dir: dir}); err != nil {
		return unusable(err)
	}
	data, err := os.ReadFile(object)
	if err != nil {
		return unusable(err)
	}
	a.Symbols, a.Machine, err = glibcOf(data, t)
	if err != nil {
		return unusable(err)
	}
	return a, nil
}

// elfMachines are the machines of ELF objects, by Go's names of architectures.
var elfMachines = map[string]elf.Machine{"amd64": elf.EM_X86_64, "386": elf.EM_386, "arm64": elf.EM_AARCH64, "arm": elf.EM_ARM, "riscv64": elf.EM_RISCV,
	"ppc64": elf.EM_PPC64, "ppc64le": elf.EM_PPC64, "s390x": elf.EM_S390, "loong64": elf.EM_LOONGARCH}

// glibcOf finds the names in an object that only glibc has, and the machine that it is for when that is another.
func glibcOf(object []byte, t cargo.Triple) (symbols []string, machineName string, err error) {
	f, err := elf.NewFile(bytes.NewReader(object))
	if err != nil {
		return nil, "something that is not Linux", nil
	}
	m, _ := machineOf(t)
	if want, ok := elfMachines[m.goarch]; ok && f.Machine != want {
		return nil, f.Machine.String(), nil
	}
	list, err := f.Symbols()
	if err != nil && !errors.Is(err, elf.ErrNoSymbols) {
		return nil, "", err
	}
	for _, s := range list {
		if s.Section == elf.SHN_UNDEF && glibcName(s.Name) {
			symbols = append(symbols, s.Name)
		}
	}
	slices.Sort(symbols)
	return slices.Compact(symbols), "", nil
}

// glibcName reports whether a function is one that glibc's headers put in the place of another, and musl lacks.
func glibcName(name string) bool {
	return strings.HasPrefix(name, "__") && strings.HasSuffix(name, "_chk") || strings.HasPrefix(name, "__isoc99_") || strings.HasPrefix(name, "__isoc23_") ||
		slices.Contains([]string{"__xstat", "__lxstat", "__fxstat", "__xstat64", "__lxstat64", "__fxstat64", "__fdelt_warn", "__libc_single_threaded"}, name)
}
