// SPDX-License-Identifier: MIT OR Apache-2.0

package native

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"sampan/internal/durable"
	"sampan/internal/run"
)

// hostCXX begins the name by which crates are told to link the C++ library of a host's compiler; the compiler's id
// follows. A plain stdc++ could be anyone's.
const hostCXX = "stdc++-"

// hostCompiler is a compiler of this machine for musl.
type hostCompiler struct {
	name, path string
	prefix     string // of the tools that belong to it: "x86_64-linux-musl-"
	clang      bool
	headers    []string // musl's, that it has to be told
}

// ensureHost finds a compiler of this machine, looks what it makes, and puts drivers before it.
func ensureHost(ctx context.Context, o CompilerOptions, m machine) (*Compiler, error) {
	h, ok := findHost(o, m)
	if !ok {
		return nil, &CompilerError{Reason: NoHost, Triple: o.Triple}
	}
	p := prober{cacheDir: o.CacheDir, runner: o.Runner, env: o.Env}
	version, err := p.version(ctx, h.path)
	if err != nil {
		return nil, &CompilerError{Reason: Unusable, Triple: o.Triple, Detail: h.path, Err: err}
	}
	sum := sha256.Sum256([]byte(h.path + "\n" + version))
	id := "host-" + hex.EncodeToString(sum[:4])
	s := settings{Kind: KindHost, Version: version, CC: []string{h.path}, Clang: h.clang, Sysroot: o.Sysroot, Cache: o.CacheDir}
	s.AR, s.RANLIB = hostArchiver(o.Env, h.prefix, "ar"), hostArchiver(o.Env, h.prefix, "ranlib")
	if len(s.AR) == 0 || len(s.RANLIB) == 0 {
		return nil, &CompilerError{Reason: NoHost, Triple: o.Triple, Detail: "it has a compiler, but neither " + h.prefix + "ar nor llvm-ar"}
	}
	c := &Compiler{Kind: KindHost, Name: h.name, Version: version, Triple: o.Triple, cacheDir: o.CacheDir, headers: h.headers}
	if h.prefix != "" {
		if plus, err := run.LookPath(h.prefix+"g++", o.Env); err == nil {
			s.CXX, c.cxxName = []string{plus}, hostCXX+id
		}
	}
	if o.NeedCXX && len(s.CXX) == 0 {
		return nil, &CompilerError{Reason: NoCXX, Triple: o.Triple, Detail: h.name + " comes without"}
	}
	if len(h.headers) > 0 {
		s.Headers = append(h.headers, kernelHeaders(filepath.Join(o.CacheDir, "drivers", id, string(o.Triple), "kernel"), m))
		c.headers = s.Headers
	}
	if err := ensureDrivers(o, c, s, id); err != nil {
		return nil, err
	}
	if _, err := p.probe(ctx, o.Triple, c.CC); err != nil {
		return nil, err
	}
	if o.NeedCXX {
		err = hostCXXLibrary(ctx, o, s, id)
	}
	return c, err
}

// findHost looks for compilers by the names that they usually have.
func findHost(o CompilerOptions, m machine) (hostCompiler, bool) {
	t := ctargetOf(o.Triple)
	for _, arch := range t.gnu {
		for _, vendor := range []string{"-linux-", "-alpine-linux-", "-unknown-linux-"} {
			prefix := arch + vendor + muslEnv(o.Triple) + "-"
			if p, err := run.LookPath(prefix+"gcc", o.Env); err == nil {
				return hostCompiler{name: prefix + "gcc", path: p, prefix: prefix}, true
			}
		}
	}
	if p, err := run.LookPath("clang", o.Env); err == nil {
		for _, arch := range t.gnu {
			for _, dir := range []string{"/usr/include/" + arch + "-linux-" + muslEnv(o.Triple), "/usr/" + arch + "-linux-" + muslEnv(o.Triple) + "/include"} {
				if exists(filepath.Join(dir, "stdio.h")) {
					return hostCompiler{name: "clang", path: p, clang: true, headers: []string{dir}}, true
				}
			}
		}
	}
	if m.goarch == "amd64" && runtime.GOARCH == "amd64" && runtime.GOOS == "linux" {
		if p, err := run.LookPath("musl-gcc", o.Env); err == nil {
			return hostCompiler{name: "musl-gcc", path: p}, true
		}
	}
	return hostCompiler{}, false
}

// hostArchiver finds the archiver that belongs to a compiler, else LLVM's, which knows every kind of object, else, on
// Linux, the host's own.
func hostArchiver(env []string, prefix, tool string) []string {
	names := []string{prefix + tool, "llvm-" + tool}
	if prefix == "" {
		names = names[1:]
	}
	if runtime.GOOS == "linux" {
		names = append(names, tool)
	}
	for _, n := range names {
		if p, err := run.LookPath(n, env); err == nil {
			return []string{p}
		}
	}
	return nil
}

// kernelHeaders makes a folder with the headers of Linux alone: where they lie, those of glibc lie too.
func kernelHeaders(dir string, m machine) string {
	if os.MkdirAll(dir, 0o755) != nil {
		return dir
	}
	for name, places := range map[string][]string{
		"linux":       {"/usr/include/linux"},
		"asm-generic": {"/usr/include/asm-generic"},
		"asm":         {"/usr/include/" + m.cross + "/asm", "/usr/" + m.cross + "/include/asm"},
	} {
		for _, p := range places {
			if exists(p) && !exists(filepath.Join(dir, name)) {
				_ = os.Symlink(p, filepath.Join(dir, name)) // a header that is missing then is named by the compiler
			}
		}
	}
	return dir
}

// hostCXXLibrary copies the C++ library of a host's compiler to where the link driver finds it.
func hostCXXLibrary(ctx context.Context, o CompilerOptions, s settings, id string) error {
	out, err := run.Output(ctx, o.Runner, run.Cmd{Path: s.CXX[0], Args: []string{"-print-file-name=libstdc++.a"}, Env: o.Env})
	from := strings.TrimSpace(string(out))
	if err != nil || !filepath.IsAbs(from) || !exists(from) {
		return &CompilerError{Reason: NoCXX, Triple: o.Triple, Detail: s.CXX[0] + " has no libstdc++.a"}
	}
	dir := cxxDir(o.CacheDir, id, o.Triple)
	if err := durable.MkdirAll(dir); err != nil {
		return err
	}
	return durable.Copy(from, filepath.Join(dir, "libstdc++.a"), 0o644)
}
