// SPDX-License-Identifier: MIT OR Apache-2.0

//go:build e2e && linux

package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sampan/internal/cargo"
	"sampan/internal/run"
)

// graphUnits asks the real cargo what it would compile, by its unit graph (an unstable answer, fit for a test): lines
// "name version host|target features".
func graphUnits(t *testing.T, ws *cargo.Workspace, words ...string) []string {
	t.Helper()
	c := ws.CargoCmd(append([]string{"build", "--unit-graph", "-Zunstable-options", "--target", string(cargoMusl)}, words...)...)
	c.Env = append(c.Env, "RUSTC_BOOTSTRAP=1", "CARGO_TARGET_DIR="+t.TempDir())
	out, err := run.Output(t.Context(), &run.System{}, c)
	if err != nil {
		t.Fatal(err)
	}
	var g struct {
		Units []struct {
			ID     string `json:"pkg_id"`
			Target struct {
				Kind []string `json:"kind"`
			} `json:"target"`
			Platform string   `json:"platform"`
			Mode     string   `json:"mode"`
			Features []string `json:"features"`
		} `json:"units"`
	}
	if err := json.Unmarshal(out, &g); err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, u := range g.Units {
		if u.Mode != "build" || slices.Contains(u.Target.Kind, "custom-build") {
			continue
		}
		name, version, _ := cargo.ParsePackageID(u.ID)
		lines = append(lines, graphLine(name, version, u.Platform == "", u.Features))
	}
	slices.Sort(lines)
	return slices.Compact(lines)
}

func graphLine(name, version string, host bool, features []string) string {
	where := "target"
	if host {
		where = "host"
	}
	return name + " " + version + " " + where + " " + strings.Join(slices.Sorted(slices.Values(features)), ",")
}

func graphLines(g *cargo.Graph) []string {
	var lines []string
	for _, n := range g.Nodes {
		if n.Target {
			lines = append(lines, graphLine(n.Name, n.Version, false, n.Features))
		}
		if n.Host {
			lines = append(lines, graphLine(n.Name, n.Version, true, n.Features))
		}
	}
	slices.Sort(lines)
	return slices.Compact(lines)
}

// graphEqual compares what we think is compiled with what cargo would compile.
func graphEqual(t *testing.T, ws *cargo.Workspace, o cargo.GraphOptions, words ...string) *cargo.Graph {
	t.Helper()
	o.Triple = cargoMusl
	g, err := cargo.LoadGraph(t.Context(), &run.System{}, ws, o)
	if err != nil {
		t.Fatal(err)
	}
	ours, theirs := graphLines(g), graphUnits(t, ws, words...)
	for _, l := range ours {
		if !slices.Contains(theirs, l) {
			t.Errorf("cargo does not compile: %s", l)
		}
	}
	for _, l := range theirs {
		if !slices.Contains(ours, l) {
			t.Errorf("cargo compiles as well: %s", l)
		}
	}
	for i, n := range g.Nodes {
		if chain := g.Chain(i); len(chain) == 0 || chain[0] != g.Nodes[g.Root].Spec() || chain[len(chain)-1] != n.Spec() {
			t.Errorf("%s: chain %q", n.Spec(), chain)
		}
	}
	return g
}

// TestGraphOfCrates compares the graphs of published crates with cargo's own view of their compile.
func TestGraphOfCrates(t *testing.T) {
	specs := []string{"ripgrep@15.2.0", "bat@0.26.1", "diesel_cli@2.3.14"}
	if more := os.Getenv("SAMPAN_GRAPH_CRATES"); more != "" {
		specs = strings.Fields(more)
	}
	for _, spec := range specs {
		t.Run(spec, func(t *testing.T) {
			r := &counting{}
			ws, err := cargo.FetchCrate(t.Context(), r, cargo.LoadOptions{Dir: t.TempDir(), Env: cargoEnv(), CacheDir: t.TempDir()}, spec)
			if err != nil {
				t.Fatal(err)
			}
			before := snapshot(t, ws.Root)
			o := cargo.GraphOptions{Package: ws.Current, Triple: cargoMusl}
			manifest := filepath.Join(ws.Root, "Cargo.toml")
			// As cargo install, which builds published crates, and unlike cargo build, dev-dependencies have no say.
			graphEqual(t, ws, o, "--bins", "--locked", "-Zavoid-dev-deps", "--manifest-path", manifest)
			if snapshot(t, ws.Root) != before {
				t.Error("cargo's own folder was written to")
			}
			n := len(r.calls)
			if _, err := cargo.LoadGraph(t.Context(), r, ws, o); err != nil || len(r.calls) != n {
				t.Errorf("a second time: %d calls, %v", len(r.calls)-n, err)
			}
		})
	}
}

// TestGraphOfMember has a workspace that lays every trap there is: features that other members, other platforms, build
// scripts, proc macros and dev-dependencies switch on.
func TestGraphOfMember(t *testing.T) {
	for name, tc := range map[string]struct {
		resolver string
		o        cargo.GraphOptions
		words    []string
	}{
		"resolver 2":          {resolver: "2"},
		"resolver 1":          {resolver: "1"},
		"resolver 3":          {resolver: "3"},
		"no default features": {resolver: "2", o: cargo.GraphOptions{NoDefaultFeatures: true}, words: []string{"--no-default-features"}},
		"all features":        {resolver: "2", o: cargo.GraphOptions{AllFeatures: true}, words: []string{"--all-features"}},
		"all features, 1":     {resolver: "1", o: cargo.GraphOptions{AllFeatures: true}, words: []string{"--all-features"}},
		"features":            {resolver: "2", o: cargo.GraphOptions{Features: []string{"app/weak", "renamed"}}, words: []string{"--features", "app/weak,renamed"}},
		"features, 1":         {resolver: "1", o: cargo.GraphOptions{Features: []string{"weak renamed"}}, words: []string{"--features", "weak renamed"}},
		"feature of a dependency": {resolver: "2", o: cargo.GraphOptions{Features: []string{"leaf/third"}},
			words: []string{"--features", "leaf/third"}},
		"examples":    {resolver: "2", o: cargo.GraphOptions{Examples: true}, words: []string{"--example", "show"}},
		"examples, 1": {resolver: "1", o: cargo.GraphOptions{Examples: true}, words: []string{"--example", "show"}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := graphWorkspace(t, tc.resolver)
			Must(t, dir, nil, "cargo", "generate-lockfile", "--offline")
			ws, err := cargo.Load(t.Context(), &run.System{}, cargo.LoadOptions{Dir: dir, Env: cargoEnv(), CacheDir: t.TempDir()})
			if err != nil {
				t.Fatal(err)
			}
			tc.o.Package, tc.o.Locked = "app", true
			words := append([]string{"--locked", "-p", "app", "--manifest-path", filepath.Join(dir, "app", "Cargo.toml")}, tc.words...)
			if !tc.o.Examples {
				words = append(words, "--bins")
			}
			graphEqual(t, ws, tc.o, words...)
		})
	}
}

// TestGraphOfLonePackage has the first resolver join features from a crate that only another system compiles.
func TestGraphOfLonePackage(t *testing.T) {
	for name, resolver := range map[string]string{"resolver 1": "resolver = \"1\"\n", "edition 2021": ""} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			pkg := func(name, text string) {
				cargoWrite(t, dir, name+"/Cargo.toml", "[package]\nname = \""+name+"\"\nversion = \"0.1.0\"\nedition = \"2021\"\n"+text)
				cargoWrite(t, dir, name+"/src/lib.rs", "")
			}
			pkg("app", resolver+"[dependencies]\nleaf = { path = \"../leaf\" }\n[target.'cfg(windows)'.dependencies]\nwin = { path = \"../win\" }\n")
			pkg("win", "[dependencies]\nleaf = { path = \"../leaf\", features = [\"by-win\"] }\n")
			pkg("leaf", "[features]\nby-win = [\"dep:more\"]\n[dependencies]\nmore = { path = \"../more\", optional = true }\n")
			pkg("more", "")
			cargoWrite(t, dir, "app/src/main.rs", "fn main() {}\n")
			Must(t, filepath.Join(dir, "app"), nil, "cargo", "generate-lockfile", "--offline")
			ws, err := cargo.Load(t.Context(), &run.System{}, cargo.LoadOptions{Dir: filepath.Join(dir, "app"), Env: cargoEnv(), CacheDir: t.TempDir()})
			if err != nil {
				t.Fatal(err)
			}
			g := graphEqual(t, ws, cargo.GraphOptions{Package: "app", Locked: true}, "--locked", "--bins")
			if joined := len(g.Find("more")) > 0; joined != (resolver != "") {
				t.Errorf("more is compiled: %t", joined)
			}
		})
	}
}

// graphWorkspace writes the workspace of traps. Everything hangs on leaf, whose features say who asked.
func graphWorkspace(t *testing.T, resolver string) string {
	dir := t.TempDir()
	pkg := func(name, text string) {
		cargoWrite(t, dir, name+"/Cargo.toml", "[package]\nname = \""+name+"\"\nversion = \"0.1.0\"\nedition = \"2021\"\n"+text)
		cargoWrite(t, dir, name+"/src/lib.rs", "")
	}
	cargoWrite(t, dir, "Cargo.toml", "[workspace]\nmembers = [\"app\", \"other\"]\nresolver = \""+resolver+"\"\n")
	pkg("leaf", "[features]\ndefault = [\"first\"]\nfirst = []\nsecond = []\nthird = [\"maybe?/on\"]\nby-other = [\"dep:maybe\"]\n"+
		"by-windows = []\nby-build = []\nby-macro = []\nby-dev = []\nby-weak = []\nby-host = []\n[dependencies]\nmaybe = { path = \"../maybe\", optional = true }\n")
	pkg("maybe", "[features]\non = []\n")
	pkg("mid", "[features]\nextra = [\"leaf/second\"]\n[dependencies]\nleaf = { path = \"../leaf\", default-features = false }\n")
	pkg("tool", "[dependencies]\nleaf = { path = \"../leaf\", features = [\"by-build\"] }\n"+
		"[target.'cfg(target_env = \"gnu\")'.dependencies]\nmid = { path = \"../mid\" }\n")
	pkg("derive", "[lib]\nproc-macro = true\n[dependencies]\nleaf = { path = \"../leaf\", features = [\"by-macro\"] }\n")
	pkg("unused", "")
	pkg("gone", "[build-dependencies]\nunused = { path = \"../unused\" }\n")
	pkg("other", "[dependencies]\nleaf = { path = \"../leaf\", features = [\"by-other\"] }\n")
	pkg("app", `
[features]
default = ["base"]
base = ["mid"]
weak = ["opt?/weakly"]
renamed = ["dep:alias", "alias/weakly"]
own = ["opt/weakly"]
[dependencies]
leaf = { path = "../leaf" }
mid = { path = "../mid", features = ["extra"], optional = true }
opt = { path = "../opt", optional = true }
alias = { package = "opt2", path = "../opt2", optional = true }
derive = { path = "../derive" }
gone = { path = "../gone" }
[build-dependencies]
tool = { path = "../tool" }
[target.'cfg(target_env = "gnu")'.build-dependencies]
hostonly = { path = "../hostonly" }
[target.'cfg(windows)'.dependencies]
leaf = { path = "../leaf", features = ["by-windows"] }
[dev-dependencies]
leaf = { path = "../leaf", features = ["by-dev"] }
devonly = { path = "../devonly" }
`)
	for _, name := range []string{"opt", "opt2"} {
		pkg(name, "[features]\nweakly = [\"leaf/by-weak\"]\n[dependencies]\nleaf = { path = \"../leaf\", default-features = false }\n")
	}
	pkg("hostonly", "[dependencies]\nleaf = { path = \"../leaf\", features = [\"by-host\"] }\n")
	pkg("devonly", "[dependencies]\nopt = { path = \"../opt\" }\n")
	cargoWrite(t, dir, "app/src/main.rs", "fn main() {}\n")
	cargoWrite(t, dir, "app/build.rs", "fn main() {}\n")
	cargoWrite(t, dir, "app/examples/show.rs", "fn main() {}\n")
	return dir
}
