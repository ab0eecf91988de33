// SPDX-License-Identifier: MIT OR Apache-2.0

package native

import (
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"sampan/internal/cargo"
	"sampan/internal/run"
)

// Tool is a program, or a library, of this machine that a build script wants.
type Tool struct {
	Name string `json:"name"` // as it is called: "protoc", "libclang"
	Cause
	Sure bool   `json:"sure"`          // without it the compile fails for certain
	For  string `json:"for,omitempty"` // the library of the table whose making runs it, which the cache may have; "" for a build script
}

// Packages are the packages that bring a tool.
type Packages struct {
	Debian, Fedora, Alpine, Arch, Homebrew string
}

// hostTool is one row of the table of tools.
type hostTool struct {
	name     string
	programs []string // any of them serves
	variable string   // of the environment, naming the program instead
	packages Packages
	pc       string // a library: the name of its pkg-config file
}

var hostTools = []hostTool{
	{name: "protoc", variable: "PROTOC", packages: Packages{"protobuf-compiler", "protobuf-compiler", "protoc", "protobuf", "protobuf"}},
	{name: "cmake", variable: "CMAKE", packages: Packages{"cmake", "cmake", "cmake", "cmake", "cmake"}},
	{name: "perl", variable: "OPENSSL_SRC_PERL", packages: Packages{"perl", "perl", "perl", "perl", "perl"}},
	{name: "make", programs: []string{"make", "gmake"}, variable: "MAKE", packages: Packages{"make", "make", "make", "make", "make"}},
	{name: "nasm", packages: Packages{"nasm", "nasm", "nasm", "nasm", "nasm"}},
	{name: "libclang", variable: "LIBCLANG_PATH", packages: Packages{"libclang-dev", "clang-devel", "clang-libclang", "clang", "llvm"}},
	{name: "go", packages: Packages{"golang-go", "golang", "go", "go", "go"}},
	{name: "python3", programs: []string{"python3", "python"}, packages: Packages{"python3", "python3", "python3", "python", "python"}},
	{name: "bash", packages: Packages{"bash", "bash", "bash", "bash", "bash"}},
	{name: "c++", programs: []string{"c++", "g++", "clang++"}, packages: Packages{"g++", "gcc-c++", "g++", "gcc", "gcc"}},
	{name: "capnp", packages: Packages{"capnproto", "capnproto", "capnproto", "capnproto", "capnp"}},
	{name: "llvm-config", packages: Packages{"llvm-dev", "llvm-devel", "llvm-dev", "llvm", "llvm"}},
	{name: "openssl", pc: "openssl", packages: Packages{"libssl-dev", "openssl-devel", "openssl-dev", "openssl", "openssl"}},
	{name: "sqlite3", pc: "sqlite3", packages: Packages{"libsqlite3-dev", "sqlite-devel", "sqlite-dev", "sqlite", "sqlite"}},
	{name: "libpq", pc: "libpq", packages: Packages{"libpq-dev", "libpq-devel", "libpq-dev", "postgresql-libs", "libpq"}},
	{name: "dbus", pc: "dbus-1", packages: Packages{"libdbus-1-dev", "dbus-devel", "dbus-dev", "dbus", "dbus"}},
}

// hostLibraries are crates that, linked into a build script or a proc macro, look for a library of this machine, with
// the features that spare it.
var hostLibraries = []struct {
	crate, tool string
	unless      []string
}{
	{"openssl-sys", "openssl", []string{"vendored"}},
	{"libsqlite3-sys", "sqlite3", sqliteBundled},
	{"pq-sys", "libpq", []string{"bundled", "bundled_without_openssl"}},
	{"libdbus-sys", "dbus", []string{"vendored"}},
}

// runs is a row for each crate that makes a build script run a tool: one that the script is made of (helper), or the
// crate with the script itself.
type runs struct {
	helper, crate string
	tools         []string
	needs, unless []string // features of the crate with the script
	spared        []string // crates that, anywhere in the graph, do the tool's work
	arch          string   // only for this architecture
	unsure        bool     // the crate may do without
}

var protocs = []string{"protoc-bin-vendored", "protobuf-src", "protox"}

var runners = []runs{
	{helper: "prost-build", tools: []string{"protoc"}, spared: protocs},
	{helper: "tonic-build", tools: []string{"protoc"}, spared: protocs},
	{helper: "grpcio-compiler", tools: []string{"protoc"}, spared: protocs},
	{helper: "protoc-rust", tools: []string{"protoc"}, spared: protocs},
	{helper: "capnpc", tools: []string{"capnp"}},
	{helper: "cmake", tools: []string{"cmake"}},
	{helper: "openssl-src", tools: []string{"perl", "make"}},
	{helper: "autotools", tools: []string{"make"}},
	{helper: "nasm-rs", tools: []string{"nasm"}, arch: "x86_64", unsure: true},
	{helper: "bindgen", tools: []string{"libclang"}},
	{helper: "clang-sys", tools: []string{"libclang"}},
	{crate: "rav1e", tools: []string{"nasm"}, needs: []string{"asm"}, arch: "x86_64"},
	{crate: "rdkafka-sys", tools: []string{"bash", "python3", "make", "c++"}, unless: []string{"cmake-build", "cmake_build", "dynamic-linking", "dynamic_linking"}},
	{crate: "aws-lc-fips-sys", tools: []string{"cmake", "go", "perl"}},
	{crate: "tikv-jemalloc-sys", tools: []string{"make"}},
	{crate: "jemalloc-sys", tools: []string{"make"}},
	{crate: "libsodium-sys", tools: []string{"make"}},
	{crate: "libsodium-sys-stable", tools: []string{"make"}},
	{crate: "sasl2-sys", tools: []string{"make"}, needs: []string{"vendored"}},
	{crate: "krb5-src", tools: []string{"make"}},
	{crate: "libffi-sys", tools: []string{"make"}, unless: []string{"system"}},
	{crate: "luajit-src", tools: []string{"make"}},
	{crate: "llvm-sys", tools: []string{"llvm-config"}},
}

// idle are scripts that have a helper and do without it unless a feature is on.
var idle = map[string]struct {
	helper string
	needs  []string
}{
	"aws-lc-sys": {"cmake", []string{"fips", "bindgen", "ssl"}}, // it drives the C compiler itself
	"pprof":      {"prost-build", []string{"protobuf-codec"}},   // it ships what protoc made
}

// tools finds what build scripts run on this machine.
func (v *view) tools(n *Needs) {
	for i := range v.g.Nodes {
		node := &v.g.Nodes[i]
		var script map[string]bool
		if node.BuildScript && !silent(node) {
			script = v.script(i)
		}
		for _, r := range runners {
			if r.helper != "" && !script[r.helper] || r.crate != "" && r.crate != node.Name || v.spares(node, r) {
				continue
			}
			for _, tool := range r.tools {
				n.tool(tool, v.cause(i), !r.unsure)
			}
		}
		for _, l := range hostLibraries {
			if node.Name == l.crate && node.Host && !hasAny(node, l.unless) {
				n.tool(l.tool, v.cause(i), false)
			}
		}
	}
	for _, w := range n.Libraries {
		n.makers(w.Library, Cause{w.Crate, w.Version, w.Chain})
	}
	slices.SortStableFunc(n.Tools, func(a, b Tool) int { return strings.Compare(a.Name, b.Name) })
}

func (v *view) spares(n *cargo.Node, r runs) bool {
	if i, ok := idle[n.Name]; ok && i.helper == r.helper && !hasAny(n, i.needs) {
		return true
	}
	return r.needs != nil && !hasAny(n, r.needs) || hasAny(n, r.unless) || r.arch != "" && r.arch != arch(v.t) ||
		r.spared != nil && v.has(r.spared...)
}

// makers adds the tools that it takes to make a library and those that it calls.
func (n *Needs) makers(library string, by Cause) {
	l := libraryOf(library)
	if l == nil {
		return
	}
	for _, name := range l.recipe.tools() {
		if !slices.ContainsFunc(n.Tools, func(t Tool) bool { return t.Name == name && (t.For == library || t.For == "" && t.Sure) }) {
			n.Tools = append(n.Tools, Tool{Name: name, Cause: by, Sure: true, For: library})
		}
	}
	for _, needed := range l.needs {
		n.makers(needed, by)
	}
}

// tool adds a tool once, for the first crate that wants it for certain.
func (n *Needs) tool(name string, by Cause, sure bool) {
	for i := range n.Tools {
		if t := &n.Tools[i]; t.Name == name {
			if sure && !t.Sure {
				t.Cause, t.Sure = by, true
			}
			return
		}
	}
	n.Tools = append(n.Tools, Tool{Name: name, Cause: by, Sure: sure})
}

func rowOf(tool string) hostTool {
	i := slices.IndexFunc(hostTools, func(h hostTool) bool { return h.name == tool })
	if i < 0 {
		return hostTool{name: tool}
	}
	return hostTools[i]
}

// Find looks for the tool in an environment: the program or the file that serves, "" when there is none.
func (t Tool) Find(env []string) string {
	row := rowOf(t.Name)
	switch {
	case row.name == "libclang":
		return findLibclang(env)
	case row.pc != "":
		return findPC(row.pc, env)
	}
	if v := variable(env, row.variable); v != "" {
		p, err := run.LookPath(v, env)
		if err != nil {
			return ""
		}
		return p
	}
	programs := row.programs
	if programs == nil {
		programs = []string{row.name}
	}
	for _, name := range programs {
		if p, err := run.LookPath(name, env); err == nil {
			return p
		}
	}
	return ""
}

// Absent says that the tool is not here, and who misses it.
func (t Tool) Absent() string {
	s := t.Name + " is not on this machine, and " + t.Crate + " " + t.Version
	switch {
	case t.For != "":
		return s + " wants " + t.For + ", which is made with it"
	case !t.Sure:
		return s + " may want it"
	}
	return s + " runs it"
}

// Packages are the packages that bring the tool.
func (t Tool) Packages() Packages { return rowOf(t.Name).packages }

// Missing lists the tools of a Needs that an environment does not have.
func (n *Needs) Missing(env []string) (out []Tool) {
	for _, t := range n.Tools {
		if t.Find(env) == "" {
			out = append(out, t)
		}
	}
	return out
}

// Install is the line to type that installs tools, for the package manager that is there; for all, where it cannot be told.
func Install(tools []Tool, env []string) string {
	managers := []struct {
		program, line string
		name          func(Packages) string
	}{
		{"apt-get", "apt-get install", func(p Packages) string { return p.Debian }},
		{"dnf", "dnf install", func(p Packages) string { return p.Fedora }},
		{"apk", "apk add", func(p Packages) string { return p.Alpine }},
		{"pacman", "pacman -S", func(p Packages) string { return p.Arch }},
		{"brew", "brew install", func(p Packages) string { return p.Homebrew }},
	}
	var lines []string
	for _, m := range managers {
		words := []string{m.line}
		for _, t := range tools {
			if name := m.name(t.Packages()); !slices.Contains(words, name) {
				words = append(words, name)
			}
		}
		line := strings.Join(words, " ")
		if _, err := run.LookPath(m.program, env); err == nil {
			return line
		}
		lines = append(lines, "`"+line+"`")
	}
	return strings.Join(lines, ", ")
}

// variable reads a variable of an environment, of which the last one counts.
func variable(env []string, name string) string {
	for _, e := range slices.Backward(env) {
		if k, v, ok := strings.Cut(e, "="); ok && k == name && name != "" {
			return v
		}
	}
	return ""
}

// findLibclang looks where clang-sys does: LIBCLANG_PATH, beside llvm-config, and where systems keep it.
func findLibclang(env []string) string {
	places := []string{"/usr/lib/llvm*/lib*", "/usr/lib/llvm/*/lib*", "/usr/local/llvm*/lib*", "/usr/lib*", "/usr/lib/*-linux-*",
		"/usr/local/lib*", "/opt/homebrew/opt/llvm/lib", "/usr/local/opt/llvm/lib", "/Library/Developer/CommandLineTools/usr/lib"}
	if p := variable(env, "LIBCLANG_PATH"); p != "" {
		if info, err := os.Stat(p); err == nil && info.Mode().IsRegular() {
			return p
		}
		places = []string{globEscape(p)}
	} else if p, err := run.LookPath("llvm-config", env); err == nil {
		places = append(places, globEscape(filepath.Join(filepath.Dir(filepath.Dir(p)), "lib")))
	}
	return firstFile(places, "libclang.so", "libclang-*.so*", "libclang.so.*", "libclang.dylib", "libclang.dll")
}

// findPC looks for a library's pkg-config file where this machine's pkg-config does.
func findPC(name string, env []string) string {
	var places []string
	for _, key := range []string{"PKG_CONFIG_PATH", "PKG_CONFIG_LIBDIR"} {
		for _, dir := range filepath.SplitList(variable(env, key)) {
			places = append(places, globEscape(dir))
		}
	}
	places = append(places, "/usr/lib*/pkgconfig", "/usr/lib/*/pkgconfig", "/usr/share/pkgconfig", "/usr/local/lib*/pkgconfig",
		"/opt/homebrew/lib/pkgconfig", "/opt/homebrew/opt/*/lib/pkgconfig", "/usr/local/opt/*/lib/pkgconfig")
	return firstFile(places, name+".pc")
}

func firstFile(places []string, names ...string) string {
	for _, place := range places {
		for _, name := range names {
			found, err := filepath.Glob(filepath.Join(place, name))
			if err == nil && len(found) > 0 && (runtime.GOOS != "windows" || filepath.IsAbs(found[0])) {
				return found[0]
			}
		}
	}
	return ""
}
