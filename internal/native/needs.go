// SPDX-License-Identifier: MIT OR Apache-2.0

package native

import (
	"cmp"
	"slices"
	"strings"

	"sampan/internal/cargo"
)

// Needs is what the compile of a package for a triple needs beside Rust, as its graph tells it. It is plain data.
type Needs struct {
	C       bool    `json:"c"`       // something is compiled by a C compiler for the triple
	CXX     bool    `json:"c++"`     // and by a C++ compiler, so that a C++ runtime is linked
	Bindgen bool    `json:"bindgen"` // headers of the triple's libc are read by libclang
	By      []Cause `json:"by"`      // the crates that make it so

	Libraries []Want    `json:"libraries"` // that crates would look for on the system, and Sampan supplies
	Tools     []Tool    `json:"tools"`     // programs of this machine that build scripts run
	Refused   []Refusal `json:"refused"`   // what cannot be linked statically
	Loaders   []Cause   `json:"loaders"`   // crates that load shared objects when the program runs, which a static one cannot

	TLS       TLS       `json:"tls"`
	Allocator Allocator `json:"allocator"`
	Zones     []Cause   `json:"zones"`              // crates that read the time zones of /usr/share/zoneinfo
	OldLibc   *Cause    `json:"old-libc,omitempty"` // a libc crate that calls open64 and its kin, which musl 1.2.5 does not have
}

// Cause is a crate that makes something necessary.
type Cause struct {
	Crate   string   `json:"crate"`
	Version string   `json:"version"`
	Chain   []string `json:"chain"` // how the package comes by it: "name 1.0.0" each, the package first
}

// Want is a library that a crate would look for on the system. Library is its name in the table of libraries.
type Want struct {
	Library string   `json:"library"`
	Crate   string   `json:"crate"`
	Version string   `json:"version"`
	Chain   []string `json:"chain"`
}

// Compiler reports whether a C compiler for the triple is needed at all: for crates, for libraries that are supplied, or
// for the headers that bindgen reads.
func (n *Needs) Compiler() bool { return n.C || n.CXX || n.Bindgen || len(n.Libraries) > 0 }

// Aliases reports whether open64 and its kin must be supplied at link time: musl has them no more since 1.2.5, which
// Rust brings since 1.93.
func (n *Needs) Aliases(tc cargo.Toolchain) bool { return n.OldLibc != nil && tc.AtLeast(1, 93) }

// Arrow writes a chain without its versions: "a → b → openssl-sys".
func Arrow(chain []string) string {
	names := make([]string, len(chain))
	for i, c := range chain {
		names[i], _, _ = strings.Cut(c, " ")
	}
	return strings.Join(names, " → ")
}

// NeedsOf reads from a graph what its compile for t needs. It is pure.
func NeedsOf(g *cargo.Graph, t cargo.Triple) Needs {
	v := &view{g: g, t: t}
	n := Needs{By: []Cause{}, Libraries: []Want{}, Tools: []Tool{}, Refused: []Refusal{}, Loaders: []Cause{}, Zones: []Cause{}}
	v.compilers(&n)
	v.libraries(&n)
	v.loaders(&n)
	v.tools(&n)
	n.TLS = v.tls()
	n.Allocator = v.allocator()
	n.Zones = append(n.Zones, v.zones()...)
	n.OldLibc = v.oldLibc()
	return n
}

// view is a graph as seen for one triple.
type view struct {
	g *cargo.Graph
	t cargo.Triple
}

func (v *view) cause(i int) Cause {
	n := &v.g.Nodes[i]
	return Cause{Crate: n.Name, Version: n.Version, Chain: v.g.Chain(i)}
}

// target lists the crates compiled for the triple that are called one of the names, in the graph's order.
func (v *view) target(names ...string) (out []int) {
	for i := range v.g.Nodes {
		if n := &v.g.Nodes[i]; n.Target && slices.Contains(names, n.Name) {
			out = append(out, i)
		}
	}
	return out
}

// has reports whether a crate of that name is in the graph, for the triple or the host.
func (v *view) has(names ...string) bool {
	return slices.ContainsFunc(v.g.Nodes, func(n cargo.Node) bool { return slices.Contains(names, n.Name) })
}

// hasAny reports whether a crate is compiled with one of the features.
func hasAny(n *cargo.Node, features []string) bool { return slices.ContainsFunc(features, n.Has) }

// script lists the crates that a crate's build script is made of: its build-dependencies and what they link in turn.
// What the build scripts of those do is their own business.
func (v *view) script(i int) map[string]bool {
	found := map[string]bool{}
	var add func(int)
	seen := map[int]bool{}
	add = func(at int) {
		n := &v.g.Nodes[at]
		if seen[at] || slices.Contains(aside, n.Name) {
			return
		}
		seen[at], found[n.Name] = true, true
		for _, e := range n.Deps {
			if !e.Build {
				add(e.To)
			}
		}
	}
	if v.g.Nodes[i].BuildScript {
		for _, e := range v.g.Nodes[i].Deps {
			if e.Build {
				add(e.To)
			}
		}
	}
	return found
}

// aside are crates of build scripts that hold a C compiler for other systems only.
var aside = []string{"embed-resource", "winres", "winresource", "tauri-winres", "static_vcruntime"}

// compilers decides whether C is compiled, by the crates that build scripts use for it.
func (v *view) compilers(n *Needs) {
	for i := range v.g.Nodes {
		node := &v.g.Nodes[i]
		if !node.Target || silent(node) {
			continue
		}
		script := v.script(i)
		c := anyOf(script, "cc", "gcc", "cmake", "autotools", "cxx-build", "cpp_build", "nasm-rs", "meson", "meson-next", "openssl-src")
		plus := anyOf(script, "cxx-build", "cpp_build") || slices.Contains(plusPlus, node.Name)
		bindgen := anyOf(script, "bindgen", "clang-sys")
		if !c && !plus && !bindgen {
			continue
		}
		n.C, n.CXX, n.Bindgen = n.C || c || plus, n.CXX || plus, n.Bindgen || bindgen
		n.By = append(n.By, v.cause(i))
	}
}

func anyOf(set map[string]bool, names ...string) bool {
	return slices.ContainsFunc(names, func(s string) bool { return set[s] })
}

// plusPlus are crates whose build scripts compile C++, which their dependencies do not tell.
var plusPlus = []string{
	"link-cplusplus", "librocksdb-sys", "rdkafka-sys", "mysqlclient-src", "snmalloc-sys", "zeromq-src", "zmq-sys", "esaxx-rs",
	"sentencepiece-sys", "leveldb-sys", "grpcio-sys", "llama-cpp-sys-2", "llama-cpp-sys-4", "whisper-rs-sys", "libduckdb-sys",
	"faiss-sys", "simdjson-sys", "vectorscan-rs-sys", "hyperscan-sys", "basis-universal-sys", "shaderc-sys", "spirv_cross",
	"spirv-tools-sys", "harfbuzz-sys", "freetype-sys", "v8", "skia-bindings", "webrtc-audio-processing-sys", "geos-src",
	"gdal-src", "proj-sys", "z3-sys", "mozjs_sys", "mozjs", "wabt-sys", "binaryen-sys", "clipper-sys", "clipper2c-sys",
	"tracy-client-sys", "oboe-sys", "osqp-sys", "highs-sys", "cadical", "minisat", "librealsense2-sys", "msquic", "re2",
	"tflitec", "ngt-sys", "usearch", "libdatachannel-sys", "datachannel-sys", "astc-encoder", "intel_tex_2",
}

// mute is a crate that has a C compiler among its build-dependencies and yet compiles nothing for Linux.
type mute struct {
	crate  string
	unless []string // features that make it compile after all
	when   []string // it is mute only with one of these; nil: always
}

var mutes = []mute{
	{crate: "backtrace"}, // cc is for Android
	{crate: "stacker"},   // its C is for Windows; psm counts by itself
	{crate: "wayland-backend", unless: []string{"log"}},
	{crate: "blake3", when: []string{"pure"}},
}

func silent(n *cargo.Node) bool {
	i := slices.IndexFunc(mutes, func(m mute) bool { return m.crate == n.Name })
	if i < 0 {
		return false
	}
	m := mutes[i]
	return !hasAny(n, m.unless) && (m.when == nil || hasAny(n, m.when))
}

// arch is the first word of a triple.
func arch(t cargo.Triple) string {
	a, _, _ := strings.Cut(string(t), "-")
	return a
}

// oldLibc finds a libc crate from before 0.2.146, which calls open64, fstat64 and their kin where it runs on musl.
func (v *view) oldLibc() *Cause {
	if !v.t.Musl() {
		return nil
	}
	for _, i := range v.target("libc") {
		if older(v.g.Nodes[i].Version, "0.2.146") {
			c := v.cause(i)
			return &c
		}
	}
	return nil
}

// older compares the numbers of two versions; what follows them does not count.
func older(a, b string) bool {
	return slices.CompareFunc(numbers(a), numbers(b), cmp.Compare[int]) < 0
}

func numbers(version string) []int {
	version, _, _ = strings.Cut(version, "+")
	version, _, _ = strings.Cut(version, "-")
	out := []int{}
	for _, part := range strings.Split(version, ".") {
		n := 0
		for _, r := range part {
			if r < '0' || r > '9' {
				break
			}
			n = min(n*10+int(r-'0'), 1<<30)
		}
		out = append(out, n)
	}
	return out
}

// zones finds the crates that want to know the local time or other zones from files.
func (v *view) zones() (out []Cause) {
	for i := range v.g.Nodes {
		n := &v.g.Nodes[i]
		if !n.Target {
			continue
		}
		reads := false
		switch n.Name {
		case "chrono":
			reads = n.Has("clock")
		case "time":
			reads = n.Has("local-offset")
		case "jiff":
			reads = n.Has("tzdb-zoneinfo") && !n.Has("tzdb-bundle-always")
		case "tzfile", "tz-rs", "localtime", "zoneinfo_compiled":
			reads = true
		}
		if reads {
			out = append(out, v.cause(i))
		}
	}
	return out
}
