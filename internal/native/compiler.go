// SPDX-License-Identifier: MIT OR Apache-2.0

package native

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"sampan/internal/cargo"
	"sampan/internal/run"
)

// Kinds of compilers. Which one made a program is part of what the program is: they make different bytes.
const (
	KindZig  = "zig"  // the pinned one
	KindHost = "host" // found on this machine
	KindUser = "user" // named by the user's CC_<triple>
)

// Compiler compiles C and C++ for one triple.
type Compiler struct {
	Kind    string       `json:"kind"`
	Name    string       `json:"name"`    // "zig", "x86_64-linux-musl-gcc", "clang", …
	Version string       `json:"version"` // "0.17.0"; of a host's compiler the first line that it says of itself
	Triple  cargo.Triple `json:"triple"`

	// Commands, with words of their own behind where they need some. Our drivers, but for KindUser. CXX is empty when
	// there is none.
	CC     []string `json:"-"`
	CXX    []string `json:"-"`
	AR     []string `json:"-"`
	RANLIB []string `json:"-"`

	Dir    string `json:"-"` // folder of our drivers for this compiler and triple; "" for KindUser
	Notice string `json:"-"` // what differs from what the user may expect; "" for nothing

	headers  []string // folders of the C library's headers, for those who read headers without the compiler
	builtins string   // folder of the compiler's own headers
	cxxName  string   // of the C++ library, as crates are told to link it; "" when there is none
	cacheDir string
}

// CompilerOptions say what is wanted and where things are.
type CompilerOptions struct {
	CacheDir string // ours
	Self     string // absolute path of our executable
	Triple   cargo.Triple
	Sysroot  string   // rustc's, for programs that a build script links; "" when not known
	Env      []string // that cargo will run in
	Runner   run.Runner
	Install  bool   // zig may be fetched
	Kind     string // KindZig and nothing else, KindHost and nothing else, or "" for what there is, zig first
	NeedCXX  bool
	Thin     bool         // small rather than fast
	Say      func(string) // one line for the user; may be nil
}

// EnsureCompiler finds the compiler for a triple, brings it where it is not there, and makes the drivers that build
// scripts call. The order: what the user named by CC_<triple>, the pinned zig (in PATH, in our cache, from the package
// index), the host's compilers. Errors are *CompilerError, *GlibcObjectsError or the context's.
func EnsureCompiler(ctx context.Context, o CompilerOptions) (*Compiler, error) {
	if o.Say == nil {
		o.Say = func(string) {}
	}
	m, ok := machineOf(o.Triple)
	if !ok {
		return nil, &CompilerError{Reason: NoTriple, Triple: o.Triple}
	}
	if name, value := userCompiler(o.Env, o.Triple, "CC"); value != "" {
		return ensureUser(ctx, o, name, value)
	}
	if o.Kind == KindHost {
		return ensureHost(ctx, o, m)
	}
	z, err := ensureZig(ctx, o)
	if err == nil {
		return ensureZigDrivers(ctx, o, m, z)
	}
	if o.Kind == KindZig || ctx.Err() != nil {
		return nil, err
	}
	c, hostErr := ensureHost(ctx, o, m)
	if hostErr != nil {
		return nil, err // zig is what to install; that the host has nothing either is no news
	}
	c.Notice = fmt.Sprintf("the pinned compiler, zig %s, is not here (%v): C is compiled by %s, which makes other bytes", ZigVersion, err, c.Name)
	return c, nil
}

// ensureZigDrivers makes the drivers that stand before zig.
func ensureZigDrivers(ctx context.Context, o CompilerOptions, m machine, z zigHome) (*Compiler, error) {
	s := settings{Kind: KindZig, Version: z.version, CC: []string{z.exe, "clang"}, CXX: []string{z.exe, "clang", "--driver-mode=g++"},
		AR: []string{z.exe, "ar"}, RANLIB: []string{z.exe, "ranlib"}, Lib: z.lib, Sysroot: o.Sysroot, Clang: true, Cache: o.CacheDir}
	c := &Compiler{Kind: KindZig, Name: "zig", Version: z.version, Triple: o.Triple, cxxName: "c++", cacheDir: o.CacheDir}
	c.headers, c.builtins = zigHeaders(z.lib, o.Triple), filepath.Join(z.lib, "include")
	if err := ensureDrivers(o, c, s, "zig-"+z.version); err != nil {
		return nil, err
	}
	if o.NeedCXX {
		if err := ensureCXXLibraries(ctx, o, c, z.lib); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// userNames are the variables by which a user names a tool for a triple, in the order that the crate cc asks for them.
func userNames(t cargo.Triple, tool string) []string {
	return []string{tool + "_" + string(t), tool + "_" + strings.ReplaceAll(string(t), "-", "_"), "TARGET_" + tool}
}

// userCompiler finds the user's own word for a tool.
func userCompiler(env []string, t cargo.Triple, tool string) (name, value string) {
	for _, name := range userNames(t, tool) {
		if v := lookupEnv(env, name); strings.TrimSpace(v) != "" {
			return name, v
		}
	}
	return "", ""
}

// lookupEnv is the last value of a variable, "" when there is none.
func lookupEnv(env []string, name string) string {
	for i := len(env) - 1; i >= 0; i-- {
		if v, ok := strings.CutPrefix(env[i], name+"="); ok {
			return v
		}
	}
	return ""
}

// ensureUser takes what the user named. It is probed, since one for glibc is the commonest mistake.
func ensureUser(ctx context.Context, o CompilerOptions, name, value string) (*Compiler, error) {
	words := strings.Fields(value)
	if _, err := run.LookPath(value, o.Env); err == nil {
		words = []string{value} // a path with a space in it
	}
	if _, err := run.LookPath(words[0], o.Env); err != nil {
		return nil, &CompilerError{Reason: NoUser, Triple: o.Triple, Detail: name + "=" + value}
	}
	c := &Compiler{Kind: KindUser, Name: filepath.Base(words[0]), Triple: o.Triple, CC: words, cacheDir: o.CacheDir}
	for tool, to := range map[string]*[]string{"CXX": &c.CXX, "AR": &c.AR, "RANLIB": &c.RANLIB} {
		_, v := userCompiler(o.Env, o.Triple, tool)
		*to = strings.Fields(v)
	}
	if o.Kind != "" {
		c.Notice = fmt.Sprintf("%s=%s is set and wins over --cc %s", name, value, o.Kind)
	} else {
		c.Notice = fmt.Sprintf("C is compiled by %s, as %s says: its bytes are not those of zig %s", value, name, ZigVersion)
	}
	p := prober{cacheDir: o.CacheDir, runner: o.Runner, env: o.Env}
	version, err := p.probe(ctx, o.Triple, words)
	c.Version = version
	return c, err
}
