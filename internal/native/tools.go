// SPDX-License-Identifier: MIT OR Apache-2.0

package native

import (
	"bytes"
	"context"
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

// settings are what a driver has to know of the compiler behind it. They lie in a file beside it, so that a driver is the
// same whoever calls it, and whatever the environment says.
type settings struct {
	Kind    string       `json:"kind"`
	Version string       `json:"version"`
	CC      []string     `json:"cc"`
	CXX     []string     `json:"cxx,omitempty"`
	AR      []string     `json:"ar"`
	RANLIB  []string     `json:"ranlib"`
	Clang   bool         `json:"clang"`             // speaks as clang does; else as gcc
	Lib     string       `json:"lib,omitempty"`     // zig's folder of headers
	Headers []string     `json:"headers,omitempty"` // musl's, for a clang that is not zig's
	Sysroot string       `json:"sysroot,omitempty"`
	Cache   string       `json:"cache"`
	Thin    bool         `json:"thin,omitempty"` // for size
	triple  cargo.Triple // of the driver's own path
}

// settingsFile lies beside the drivers of a compiler.
const settingsFile = "compiler.json"

// toolNames are the tools that a compiler's folder has drivers for.
var toolNames = []string{"cc", "c++", "ar", "ranlib"}

// ensureDrivers makes the drivers of a compiler, <cache>/drivers/<id>/<triple>/, and fills in c. The path holds the
// compiler's name, and whether it compiles for size: build scripts run again when it changes, as they must, and not when
// another build uses another one.
func ensureDrivers(o CompilerOptions, c *Compiler, s settings, id string) error {
	if s.Thin = o.Thin; s.Thin {
		id += "-thin"
	}
	c.Dir = filepath.Join(o.CacheDir, "drivers", id, string(o.Triple))
	failed := func(err error) error { return fmt.Errorf("make compiler driver: %w", err) }
	if err := durable.MkdirAll(c.Dir); err != nil {
		return failed(err)
	}
	data, err := json.MarshalIndent(s, "", "\t")
	if err != nil {
		return failed(err)
	}
	for name, text := range map[string][]byte{settingsFile: data, toolchainFile: cmakeToolchain(c, o.Triple), probeLinkFile: []byte(probeLink)} {
		path := filepath.Join(c.Dir, name)
		if old, err := os.ReadFile(path); err == nil && bytes.Equal(old, text) {
			continue
		}
		if err := durable.WriteFile(path, text, 0o644); err != nil {
			return failed(err)
		}
	}
	for _, name := range toolNames {
		if err := ensureDriver(filepath.Join(c.Dir, name+exeSuffix), o.Self); err != nil {
			return err
		}
	}
	tool := func(name string) []string { return []string{filepath.Join(c.Dir, name+exeSuffix)} }
	c.CC, c.AR, c.RANLIB = tool("cc"), tool("ar"), tool("ranlib")
	if len(s.CXX) > 0 {
		c.CXX = tool("c++")
	}
	return nil
}

// readSettings reads the file beside a driver; there is none beside one that only links.
func readSettings(argv0 string, t cargo.Triple) (settings, bool, error) {
	data, err := os.ReadFile(filepath.Join(filepath.Dir(argv0), settingsFile))
	if errors.Is(err, os.ErrNotExist) {
		return settings{}, false, nil
	}
	s := settings{triple: t}
	if err == nil {
		err = json.Unmarshal(data, &s)
	}
	if err == nil && len(s.CC) == 0 {
		err = errors.New("names no compiler")
	}
	if err != nil {
		return s, false, fmt.Errorf("read %s beside %s: %w", settingsFile, argv0, cause(err))
	}
	return s, true, nil
}

// NoCompilerError says that a driver was told to compile, and none was prepared for it.
type NoCompilerError struct{ What string }

func (e *NoCompilerError) Error() string {
	return e.What + ": this cc links Rust programs; no C compiler was prepared beside it"
}

// Hint says who prepares one.
func (e *NoCompilerError) Hint() string {
	return "let `sampan build` start the build script: it names a compiler in CC_<triple>; or set that yourself"
}

// cc and cxx are the drivers "cc" and "c++".
func cc(ctx context.Context, t cargo.Triple, m machine, c Call) (int, error) {
	return compiler(ctx, t, m, c, false)
}

func cxx(ctx context.Context, t cargo.Triple, m machine, c Call) (int, error) {
	return compiler(ctx, t, m, c, true)
}

// compiler does what the command line asks for: compile, link, or both.
func compiler(ctx context.Context, t cargo.Triple, m machine, c Call, plus bool) (int, error) {
	s, ok, err := readSettings(c.Argv0, t)
	if err != nil {
		return 0, err
	}
	if !ok && !plus {
		return link(ctx, t, m, c)
	}
	if !ok || plus && len(s.CXX) == 0 {
		return 0, &NoCompilerError{What: "compile C++"}
	}
	j := &compileJob{settings: s, machine: m, call: c, plus: plus}
	return j.run(ctx)
}

// archiver is the driver "ar". Archives hold no times and no owners, so that equal objects give equal archives.
func archiver(ctx context.Context, t cargo.Triple, _ machine, c Call) (int, error) {
	s, ok, err := readSettings(c.Argv0, t)
	if err != nil {
		return 0, err
	}
	if !ok {
		return 0, &NoCompilerError{What: "make an archive"}
	}
	return runTool(ctx, s, c, s.AR, deterministic(c.Args))
}

// ranlib is the driver "ranlib".
func ranlib(ctx context.Context, t cargo.Triple, _ machine, c Call) (int, error) {
	s, ok, err := readSettings(c.Argv0, t)
	if err != nil {
		return 0, err
	}
	if !ok {
		return 0, &NoCompilerError{What: "index an archive"}
	}
	args := c.Args
	if len(args) > 0 && !slices.Contains(args, "--version") {
		args = append([]string{"-D"}, slices.DeleteFunc(slices.Clone(args), func(a string) bool { return a == "-U" || a == "-D" })...)
	}
	return runTool(ctx, s, c, s.RANLIB, args)
}

// deterministic puts D into ar's first word, and takes U out of it.
func deterministic(args []string) []string {
	out := slices.Clone(args)
	i := slices.IndexFunc(out, func(a string) bool { return !strings.HasPrefix(a, "--") && !strings.HasPrefix(a, "@") })
	if i < 0 {
		return out
	}
	keys := out[i]
	dash := strings.HasPrefix(keys, "-")
	keys = strings.ReplaceAll(strings.TrimPrefix(keys, "-"), "U", "")
	// Only the operations that write members know D in every ar.
	if keys == "" || strings.ContainsAny(keys, "DMVhtpx") || strings.Trim(keys, "abcdfilmNoPqrsSTuvy") != "" || !strings.ContainsAny(keys, "rqdms") {
		return args
	}
	keys += "D"
	if dash {
		keys = "-" + keys
	}
	out[i] = keys
	return out
}

// runTool starts a tool of the compiler with the driver's own streams.
func runTool(ctx context.Context, s settings, c Call, tool, args []string) (int, error) {
	if len(tool) == 0 {
		return 0, &NoCompilerError{What: "start " + filepath.Base(c.Argv0)}
	}
	return 0, c.Runner.Run(ctx, run.Cmd{Path: tool[0], Args: append(slices.Clone(tool[1:]), args...), Env: compileEnv(s, c.Env),
		Stdin: c.Stdin, Stdout: c.Stdout, Stderr: c.Stderr, Foreground: true})
}

// dropped are variables that compilers and archivers take to heart: folders of headers and libraries of this machine,
// configuration files, times.
var dropped = []string{"CPATH", "C_INCLUDE_PATH", "CPLUS_INCLUDE_PATH", "OBJC_INCLUDE_PATH", "LIBRARY_PATH", "COMPILER_PATH", "GCC_EXEC_PREFIX",
	"GCC_COMPARE_DEBUG", "DEPENDENCIES_OUTPUT", "SUNPRO_DEPENDENCIES", "SDKROOT", "CCC_OVERRIDE_OPTIONS", "CLANG_CONFIG_FILE_SYSTEM_DIR",
	"CLANG_CONFIG_FILE_USER_DIR", "MACOSX_DEPLOYMENT_TARGET", "SOURCE_DATE_EPOCH", "ZERO_AR_DATE", "LANG", "LANGUAGE", "LC_ALL", "LC_MESSAGES",
	"ZIG_GLOBAL_CACHE_DIR", "ZIG_LOCAL_CACHE_DIR", "ZIG_LIB_DIR", "NIX_CFLAGS_COMPILE", "NIX_LDFLAGS"}

// compileEnv is the environment of a compiler: the caller's, less what would change what comes out. Dates in programs
// (__DATE__) are those of 1970, whatever SOURCE_DATE_EPOCH is: cargo does not compile anew when it changes.
func compileEnv(s settings, env []string) []string {
	out := make([]string, 0, len(env)+5)
	for _, kv := range env {
		if k, _, _ := strings.Cut(kv, "="); !slices.Contains(dropped, k) {
			out = append(out, kv)
		}
	}
	cache := filepath.Join(s.Cache, "zig", "cache")
	return append(out, "SOURCE_DATE_EPOCH=0", "ZERO_AR_DATE=1", "LC_ALL=C", "ZIG_GLOBAL_CACHE_DIR="+cache, "ZIG_LOCAL_CACHE_DIR="+cache)
}
