// SPDX-License-Identifier: MIT OR Apache-2.0

package native

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"

	"sampan/internal/cargo"
	"sampan/internal/durable"
	"sampan/internal/run"
)

// libcxxDefines are what zig 0.17.0 itself tells its clang when it compiles C++ for musl: they stand in the place of
// libc++'s __config_site, and the library and its users must agree on them.
var libcxxDefines = []string{"-D_LIBCPP_ABI_VERSION=1", "-D_LIBCPP_ABI_NAMESPACE=__1", "-D_LIBCPP_HAS_THREADS=1", "-D_LIBCPP_HAS_MONOTONIC_CLOCK",
	"-D_LIBCPP_HAS_TERMINAL", "-D_LIBCPP_HAS_MUSL_LIBC=1", "-D_LIBCXXABI_DISABLE_VISIBILITY_ANNOTATIONS", "-D_LIBCPP_DISABLE_VISIBILITY_ANNOTATIONS",
	"-D_LIBCPP_HAS_VENDOR_AVAILABILITY_ANNOTATIONS=0", "-D_LIBCPP_HAS_FILESYSTEM=1", "-D_LIBCPP_HAS_RANDOM_DEVICE", "-D_LIBCPP_HAS_LOCALIZATION",
	"-D_LIBCPP_HAS_UNICODE", "-D_LIBCPP_HAS_WIDE_CHARACTERS", "-D_LIBCPP_HAS_NO_STD_MODULES", "-D_LIBCPP_HAS_TIME_ZONE_DATABASE",
	"-D_LIBCPP_PSTL_BACKEND_SERIAL", "-D_LIBCPP_HARDENING_MODE=_LIBCPP_HARDENING_MODE_NONE",
	"-D_LIBCPP_ASSERTION_SEMANTIC_DEFAULT=_LIBCPP_ASSERTION_SEMANTIC_IGNORE"}

// cxxLibrary is an archive of the C++ library, made of sources that zig brings.
type cxxLibrary struct {
	name string   // of the archive
	dir  string   // of the sources, in zig's library
	skip []string // sources that are not for musl, by folder or file
	args []string
	path []string // folders of headers, in zig's library
}

// cxxLibs are the two archives; exceptions are unwound by the libunwind that Rust brings.
var cxxLibs = []cxxLibrary{
	{"libc++.a", "libcxx/src", []string{"experimental/", "pstl/", "support/", "filesystem/int128_builtins.cpp"},
		[]string{"-DLIBC_NAMESPACE=__llvm_libc_common_utils", "-DLIBCXX_BUILDING_LIBCXXABI", "-D_LIBCPP_HAS_NO_PRAGMA_SYSTEM_HEADER", "-faligned-allocation"},
		[]string{"libcxx/include", "libcxxabi/include", "libcxx/src", "libcxx/libc"}},
	{"libc++abi.a", "libcxxabi/src", []string{"cxa_noexception.cpp"},
		[]string{"-D_LIBCXXABI_BUILDING_LIBRARY", "-fstrict-aliasing"},
		[]string{"libcxxabi/include", "libcxx/include", "libcxx/src"}},
}

// cxxArgs are said for both.
var cxxArgs = []string{"-O2", "-g0", "-w", "-DNDEBUG", "-D_LIBCPP_BUILDING_LIBRARY", "-fvisibility=hidden", "-fvisibility-inlines-hidden", "-nostdinc++", "-std=c++23"}

// cxxDir is where the C++ library of a compiler lies. The link driver finds it by its own path.
func cxxDir(cacheDir, id string, t cargo.Triple) string {
	return filepath.Join(cacheDir, "cxx", id, string(t))
}

// cxxZig is the id of the C++ library that belongs to zig.
const cxxZig = "zig-" + ZigVersion

// cxxLibraries tells the archives that serve -l<name>. A library of the same name in a folder on the line was put there
// on purpose and is left to the linker.
func cxxLibraries(cacheDir string, t cargo.Triple, args []string) func(string) []string {
	return func(name string) []string {
		if id, ok := strings.CutPrefix(name, hostCXX); ok {
			if f := filepath.Join(cxxDir(cacheDir, id, t), "libstdc++.a"); filepath.IsLocal(id) && exists(f) {
				return []string{f}
			}
			return nil
		}
		if !slices.Contains([]string{"c++", "stdc++", "c++abi", "supc++"}, name) || onLine(args, "lib"+name+".a") {
			return nil
		}
		dir := cxxDir(cacheDir, cxxZig, t)
		out := []string{filepath.Join(dir, "libc++.a"), filepath.Join(dir, "libc++abi.a")}
		if strings.HasSuffix(name, "abi") || name == "supc++" {
			out = out[1:]
		}
		if !exists(out[0]) {
			return nil
		}
		return out
	}
}

// onLine reports whether a folder of -L has the file.
func onLine(args []string, file string) bool {
	for i, a := range args {
		dir, ok := strings.CutPrefix(a, "-L")
		if ok && dir == "" && i+1 < len(args) {
			dir = args[i+1]
		}
		if ok && dir != "" && exists(filepath.Join(dir, file)) {
			return true
		}
	}
	return false
}

// cxxRecord lies beside the archives and is written last.
const cxxRecord = "manifest.json"

// ensureCXXLibraries makes the C++ library of zig for a triple, once.
func ensureCXXLibraries(ctx context.Context, o CompilerOptions, c *Compiler, zigLib string) error {
	dir := cxxDir(o.CacheDir, cxxZig, o.Triple)
	if cxxIntact(dir) {
		return nil
	}
	failed := func(err error) error { return fmt.Errorf("make C++ library for %s: %w", o.Triple, err) }
	parent := filepath.Dir(dir)
	if err := durable.MkdirAll(parent); err != nil {
		return failed(err)
	}
	unlock, err := durable.Lock(ctx, filepath.Join(parent, string(o.Triple)+".lock"))
	if err != nil {
		return failed(err)
	}
	defer unlock()
	if cxxIntact(dir) {
		return nil
	}
	temp := filepath.Join(parent, ".new-"+string(o.Triple)) // ours while we hold the lock
	if err := errors.Join(os.RemoveAll(temp), os.MkdirAll(temp, 0o755)); err != nil {
		return failed(err)
	}
	defer os.RemoveAll(temp)
	o.Say(fmt.Sprintf("compiling the C++ library for %s, once (about half a minute)", o.Triple))
	sums := map[string]string{}
	for _, lib := range cxxLibs {
		if err := (&cxxJob{o, c, zigLib}).make(ctx, lib, temp); err != nil {
			return failed(err)
		}
		if sums[lib.name], err = hashFile(filepath.Join(temp, lib.name)); err != nil {
			return failed(err)
		}
	}
	if err := durable.SyncTree(temp); err != nil {
		return failed(err)
	}
	data, err := json.Marshal(sums)
	if err != nil {
		return failed(err)
	}
	if err := durable.WriteFile(filepath.Join(temp, cxxRecord), data, 0o644); err != nil {
		return failed(err)
	}
	if err := errors.Join(os.RemoveAll(dir), os.Rename(temp, dir)); err != nil {
		return failed(err)
	}
	return durable.SyncDir(parent)
}

// ensureCXX makes the C++ library when the first C++ is compiled for it: what a crate's build script compiles is not to
// be told from its dependencies, and cmake tries a C++ compiler for projects that have no C++. Nothing is said of it:
// what a compiler says on stderr means to those who try out flags that it did not like them.
func (j *compileJob) ensureCXX(ctx context.Context, line ccLine) error {
	s := j.settings
	compiles := len(line.sources) > 0 && (slices.Contains(line.args, "-c") || !line.stops)
	// The sources of the library itself are compiled with -nostdinc++, by this driver too.
	if s.Kind != KindZig || !compiles || !j.plus && !hasCXX(line.args) || slices.Contains(line.args, "-nostdinc++") ||
		exists(filepath.Join(cxxDir(s.Cache, cxxZig, s.triple), cxxRecord)) {
		return nil
	}
	dir := filepath.Dir(j.call.Argv0)
	c := &Compiler{CXX: []string{filepath.Join(dir, "c++"+exeSuffix)}, AR: []string{filepath.Join(dir, "ar"+exeSuffix)}}
	o := CompilerOptions{CacheDir: s.Cache, Triple: s.triple, Env: linkEnv(j.call.Env), Runner: j.call.Runner, Say: func(string) {}}
	return ensureCXXLibraries(ctx, o, c, s.Lib)
}

// cxxIntact reports whether the archives are there with the bytes that they were made with.
func cxxIntact(dir string) bool {
	data, err := os.ReadFile(filepath.Join(dir, cxxRecord))
	sums := map[string]string{}
	if err != nil || json.Unmarshal(data, &sums) != nil {
		return false
	}
	for _, lib := range cxxLibs {
		if sum, err := hashFile(filepath.Join(dir, lib.name)); err != nil || sum != sums[lib.name] {
			return false
		}
	}
	return true
}

// cxxJob makes the archives.
type cxxJob struct {
	o   CompilerOptions
	c   *Compiler
	lib string // zig's library
}

// make compiles one archive into dir, as many sources at once as there are cores.
func (j *cxxJob) make(ctx context.Context, lib cxxLibrary, dir string) error {
	o, c := j.o, j.c
	sources, err := cxxSources(filepath.Join(j.lib, filepath.FromSlash(lib.dir)), lib.skip)
	if err != nil {
		return err
	}
	common := slices.Concat(cxxArgs, libcxxDefines, lib.args)
	for _, p := range lib.path {
		common = append(common, "-I", filepath.Join(j.lib, filepath.FromSlash(p)))
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	objects, next := make([]string, len(sources)), make(chan int)
	var crew sync.WaitGroup
	for range runtime.NumCPU() {
		crew.Go(func() {
			for i := range next {
				args := append(slices.Clone(common), "-c", sources[i], "-o", objects[i])
				cmd := run.Cmd{Path: c.CXX[0], Args: slices.Concat(c.CXX[1:], args), Env: linkEnv(o.Env)}
				if _, err := run.Output(ctx, o.Runner, cmd); err != nil {
					cancel(err)
				}
			}
		})
	}
	for i := range sources {
		objects[i] = filepath.Join(dir, lib.name+"-"+strconv.Itoa(i)+".o")
		next <- i
	}
	close(next)
	crew.Wait()
	if err := context.Cause(ctx); err != nil {
		return err
	}
	_, err = run.Output(ctx, o.Runner, run.Cmd{Path: c.AR[0], Args: slices.Concat(c.AR[1:], []string{"rcs", filepath.Join(dir, lib.name)}, objects), Env: o.Env})
	for _, obj := range objects {
		err = cmp.Or(err, os.Remove(obj))
	}
	return err
}

// cxxSources are the sources in a folder, sorted.
func cxxSources(dir string, skip []string) ([]string, error) {
	var out []string
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(name) != ".cpp" {
			return err
		}
		rel, err := filepath.Rel(dir, name)
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(skip, func(p string) bool { return strings.HasPrefix(filepath.ToSlash(rel), p) }) {
			out = append(out, name)
		}
		return nil
	})
	slices.Sort(out)
	return out, err
}
