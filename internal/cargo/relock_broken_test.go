// SPDX-License-Identifier: MIT OR Apache-2.0

package cargo

import (
	"context"
	"io"
	"slices"
	"strings"
	"testing"

	"sampan/internal/run"
)

const wasmSaid = `   Compiling wasm-bindgen v0.2.84
error: older versions of the ` + "`wasm-bindgen`" + ` crate are incompatible with current versions of Rust; please update to ` + "`wasm-bindgen`" + ` v0.2.88

error: could not compile ` + "`wasm-bindgen`" + ` (lib) due to 1 previous error
`

// brokenGraph is app → mid → each crate.
func brokenGraph(specs ...string) *Graph {
	g := &Graph{Nodes: []Node{{Name: "app", Version: "1.0.0", Target: true, Deps: []Edge{{To: 1}}}, {Name: "mid", Version: "2.0.0", Target: true, Source: "registry+x"}}}
	for _, s := range specs {
		name, version, _ := strings.Cut(s, " ")
		g.Nodes[1].Deps = append(g.Nodes[1].Deps, Edge{To: len(g.Nodes)})
		g.Nodes = append(g.Nodes, Node{Name: name, Version: version, Target: true, Source: "registry+x"})
	}
	return g
}

func TestBroken(t *testing.T) {
	failed := func(name, why string) string {
		return "   Compiling " + name + " v0.3.20\nerror[E0282]: " + why + "\nerror: could not compile `" + name + "` (lib) due to 1 previous error\n"
	}
	local := brokenGraph("dep 0.3.20")
	local.Nodes[2].Source = ""
	for name, tc := range map[string]struct {
		said       string
		g          *Graph
		want, hint string
	}{
		"it says so itself": {wasmSaid, brokenGraph("wasm-bindgen 0.2.84"),
			"compile wasm-bindgen 0.2.84: it refuses this Rust (1.95.0); pulled in by app 1.0.0 → mid 2.0.0 → wasm-bindgen 0.2.84; 0.2.88 and later work",
			"cargo update -p wasm-bindgen@0.2.84, or resolve everything afresh, in a copy: --ignore-lock"},
		"no graph": {wasmSaid, nil, "compile wasm-bindgen 0.2.84: it refuses this Rust (1.95.0); 0.2.88 and later work", "--ignore-lock"},
		"known, two versions": {strings.Replace(failed("time", "type annotations needed for `Box<_>`"), "Compiling", "Checking", 1), brokenGraph("time 0.1.40", "time 0.3.20"),
			"compile time 0.3.20: it refuses this Rust (1.95.0); pulled in by app 1.0.0 → mid 2.0.0 → time 0.3.20; 0.3.35 and later work", "-p time@0.3.20"},
		"two versions, the one that began": {failed("dep", "x"), brokenGraph("dep 0.2.0", "dep 0.3.20"),
			"compile dep 0.3.20: it does not compile; pulled in by app 1.0.0 → mid 2.0.0 → dep 0.3.20", "not made for this target"},
		"known, one version": {failed("time", "type annotations needed for `Box<_>`"), brokenGraph("time 0.3.20"),
			"compile time 0.3.20: it refuses this Rust (1.95.0); pulled in by app 1.0.0 → mid 2.0.0 → time 0.3.20; 0.3.35 and later work", "-p time@0.3.20"},
		"known, repaired already": {failed("time", "type annotations needed for `Box<_>`"), brokenGraph("time 0.3.36"),
			"compile time 0.3.36: it does not compile; pulled in by app 1.0.0 → mid 2.0.0 → time 0.3.36", "not made for this target"},
		"for another reason": {failed("dep", "no such thing"), nil, "compile dep 0.3.20: it does not compile", "not made for this target"},
		"cargo refuses": {"error: rustc 1.95.0 is not supported by the following packages:\n  dep@0.3.20 requires rustc 1.99\nEither upgrade rustc", brokenGraph("dep 0.3.19", "dep 0.3.20"),
			"compile dep 0.3.20: it needs a newer Rust (1.95.0): 1.99 or later; pulled in by app 1.0.0 → mid 2.0.0 → dep 0.3.20", "rustup update, or "},
		"the user's own":   {failed("app", "mismatched types"), brokenGraph(), "", ""},
		"a path":           {failed("dep", "mismatched types"), local, "", ""},
		"a path, no graph": {strings.Replace(failed("dep", "x"), "v0.3.20", "v0.3.20 (/w/dep)", 1), nil, "", ""},
		"something else":   {"error: linking with `cc` failed\n", brokenGraph(), "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			e := Broken(tc.said, &Workspace{Root: "/w", Toolchain: Toolchain{Release: "1.95.0"}}, tc.g)
			if tc.want == "" {
				if e != nil {
					t.Errorf("%v", e)
				}
				return
			}
			if e == nil || e.Error() != tc.want || !strings.Contains(e.Hint(), tc.hint) {
				t.Errorf("got  %v\nwant %s", e, tc.want)
			}
		})
	}
	published := &Workspace{Root: "/c/registry/src/x/app-1.0.0", Config: Config{CargoHome: "/c"}}
	if e := Broken(wasmSaid, published, nil); !e.Published || strings.Contains(e.Hint(), "cargo update") {
		t.Errorf("%v: %s", e, e.Hint())
	}
}

func TestBrokenNeedsRust(t *testing.T) {
	w := newWorld(t)
	w.write("dep/Cargo.toml", "[package]\nname = \"dep\"\nrust-version = \"1.96\"\n")
	g := brokenGraph("dep 0.3.20")
	g.Nodes[2].Manifest = w.path("dep/Cargo.toml")
	said := "error: could not compile `dep` (lib) due to 1 previous error\n"
	for release, want := range map[string]string{"1.95.0": NeedsRust, "1.96.0": NotCompiled, "1.100.0": NotCompiled} {
		if e := Broken(said, &Workspace{Root: "/w", Toolchain: Toolchain{Release: release}}, g); e.Why != want {
			t.Errorf("%s: %v", release, e)
		}
	}
}

func TestRenew(t *testing.T) {
	w := newWorld(t)
	ws, _, _ := w.load(w.options())
	var call run.Cmd
	said := "    Updating crates.io index\n     Locking 3 packages to latest compatible versions\n    Updating wasm-bindgen v0.2.84 -> v0.2.106 (available: v0.3.0)\n" +
		"    Updating wasm-bindgen-macro v0.2.84 -> v0.2.107\nwarning: aborting update due to dry run\n"
	w.on = func(c run.Cmd) (string, bool) {
		call = c
		_, _ = io.WriteString(c.Stderr, said)
		return "", true
	}
	e := Broken(wasmSaid, ws, nil)
	if err := e.Renew(context.Background(), w, ws); err != nil || e.Newest != "0.2.106" || !strings.HasSuffix(e.Error(), "0.2.88 and later work, the newest is 0.2.106") {
		t.Errorf("%v %v", e, err)
	}
	if !slices.Contains(call.Args, "--dry-run") || !slices.Contains(call.Args, "wasm-bindgen@0.2.84") {
		t.Errorf("%q", call.Args)
	}
	w.on, e.Newest = nil, ""
	w.fail["cargo"] = "error: no network\n"
	if err := e.Renew(context.Background(), w, ws); err != nil || e.Newest != "" {
		t.Errorf("%v %v", e, err)
	}
}
