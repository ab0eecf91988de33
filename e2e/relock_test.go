// SPDX-License-Identifier: MIT OR Apache-2.0

//go:build e2e && linux

package e2e

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sampan/internal/cargo"
	"sampan/internal/run"
)

// TestRelockWorkspace resolves a workspace afresh whose parts lie around it, with the cache inside of it; then the copy
// is compiled with --locked.
func TestRelockWorkspace(t *testing.T) {
	dir := t.TempDir()
	cargoWrite(t, dir, "ws/Cargo.toml", "[workspace]\nmembers = [\"app\", \"../member\"]\nresolver = \"2\"\n[workspace.dependencies]\nlib = { path = \"../lib\" }\n")
	cargoWrite(t, dir, "ws/app/Cargo.toml", "[package]\nname = \"app\"\nversion = \"0.1.0\"\nedition = \"2021\"\n[dependencies]\nlib = { workspace = true }\nitoa = \"1\"\n")
	cargoWrite(t, dir, "ws/app/src/main.rs", "fn main() { lib::hello(); print!(\"{}\", include_str!(\"../near\")); }\n")
	cargoWrite(t, dir, "ws/note", "hello\n")
	cargoWrite(t, dir, "member/Cargo.toml", "[package]\nname = \"member\"\nversion = \"0.1.0\"\nedition = \"2021\"\nworkspace = \"../ws\"\n")
	cargoWrite(t, dir, "member/src/lib.rs", "")
	cargoWrite(t, dir, "lib/Cargo.toml", "[package]\nname = \"lib\"\nversion.workspace = true\nedition = \"2021\"\n[dependencies]\ndeeper = { path = \"deeper\" }\n")
	cargoWrite(t, dir, "lib/src/lib.rs", "pub fn hello() { deeper::hello() }\n")
	cargoWrite(t, dir, "lib/deeper/Cargo.toml", "[package]\nname = \"deeper\"\nversion = \"0.1.0\"\nedition = \"2021\"\n")
	cargoWrite(t, dir, "lib/deeper/src/lib.rs", "pub fn hello() {}\n")
	cargoWrite(t, dir, "Cargo.toml", "[workspace]\nmembers = [\"lib\"]\nexclude = [\"ws\", \"member\"]\n[workspace.package]\nversion = \"0.3.0\"\n")
	if err := os.Symlink("../note", filepath.Join(dir, "ws", "app", "near")); err != nil {
		t.Fatal(err)
	}
	root := filepath.Join(dir, "ws")
	Must(t, root, nil, "cargo", "update", "--quiet", "itoa", "--precise", "1.0.1")
	before := snapshot(t, dir)
	o := cargo.LoadOptions{Dir: root, Env: cargoEnv(), CacheDir: filepath.Join(root, "cache")}
	r := &counting{}
	ws, err := cargo.Load(t.Context(), r, o)
	if err != nil {
		t.Fatal(err)
	}
	first, err := cargo.Relock(t.Context(), r, ws, cargo.RelockOptions{})
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(first.Moved, func(m cargo.Moved) bool { return m.Name == "itoa" && m.From == "1.0.1" && m.To > "1.0.1" })
	if i < 0 || len(first.Moved) != 1 || first.Kept {
		t.Errorf("kept %t, moved %+v", first.Kept, first.Moved)
	}
	build := func() string {
		c := first.Workspace.CargoCmd("build", "--locked", "-p", "app", "--manifest-path", filepath.Join(first.Workspace.Root, "Cargo.toml"))
		var said strings.Builder
		c.Stderr = &said
		if err := r.System.Run(t.Context(), c); err != nil {
			t.Fatalf("%v\n%s", err, said.String())
		}
		return said.String()
	}
	build()
	n := len(r.calls)
	second, err := cargo.Relock(t.Context(), r, ws, cargo.RelockOptions{})
	if err != nil || !second.Kept || len(second.Moved) != 1 || second.Lock != first.Lock || len(r.calls) != n {
		t.Errorf("again: %+v, %d calls, %v", second, len(r.calls)-n, err)
	}
	if said := build(); strings.Contains(said, "Compiling") {
		t.Errorf("nothing changed, and cargo compiles: %s", said)
	}
	if err := os.RemoveAll(o.CacheDir); err != nil {
		t.Fatal(err)
	}
	if snapshot(t, dir) != before {
		t.Error("the workspace was written to")
	}
}

// TestRelockCrate is the article's example, whose lock file is too old for the Rust at hand.
func TestRelockCrate(t *testing.T) {
	r := &run.System{}
	ws, err := cargo.FetchCrate(t.Context(), r, cargo.LoadOptions{Dir: t.TempDir(), Env: cargoEnv(), CacheDir: t.TempDir()}, "rmq_monitor@0.2.6")
	if err != nil {
		t.Fatal(err)
	}
	before := snapshot(t, ws.Root)
	out, err := cargo.Relock(t.Context(), r, ws, cargo.RelockOptions{})
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(out.Moved, func(m cargo.Moved) bool { return m.Name == "wasm-bindgen" && m.From == "0.2.84" && m.To != "" })
	if i < 0 || out.Workspace.Current != "rmq_monitor" || out.Workspace.Published() {
		t.Errorf("%+v", out)
	}
	if snapshot(t, ws.Root) != before {
		t.Error("cargo's own folder was written to")
	}
	g, err := cargo.LoadGraph(t.Context(), r, out.Workspace, cargo.GraphOptions{Package: "rmq_monitor", Triple: cargoMusl, Locked: true})
	if err != nil || len(g.Linking("openssl")) != 1 {
		t.Fatalf("%v", err)
	}
}

// TestRelockLone has a package that is no workspace, and the cache inside of another one's folder.
func TestRelockLone(t *testing.T) {
	dir := t.TempDir()
	cargoWrite(t, dir, "app/Cargo.toml", "[package]\nname = \"app\"\nversion = \"0.1.0\"\nedition = \"2021\"\n")
	cargoWrite(t, dir, "app/src/main.rs", "fn main() {}\n")
	cargoWrite(t, dir, "other/Cargo.toml", "[workspace]\n")
	r := &run.System{}
	ws, err := cargo.Load(t.Context(), r, cargo.LoadOptions{Dir: filepath.Join(dir, "app"), Env: cargoEnv(), CacheDir: filepath.Join(dir, "other", "cache")})
	if err != nil {
		t.Fatal(err)
	}
	out, err := cargo.Relock(t.Context(), r, ws, cargo.RelockOptions{})
	if err != nil || out.Moved != nil || !out.Workspace.Lock.Exists || out.Workspace.Current != "app" {
		t.Fatalf("%+v %v", out, err)
	}
	if _, err := os.Stat(filepath.Join(dir, "app", "Cargo.lock")); err == nil {
		t.Error("a lock file was written beside the sources")
	}
}

// TestBroken compiles a release of wasm-bindgen that refuses the Rust of today, as rmq_monitor 0.2.6 has it.
func TestBroken(t *testing.T) {
	dir := t.TempDir()
	cargoWrite(t, dir, "Cargo.toml", "[package]\nname = \"app\"\nversion = \"0.1.0\"\nedition = \"2021\"\n[dependencies]\nwasm-bindgen = \"0.2.84\"\n")
	cargoWrite(t, dir, "src/main.rs", "fn main() {}\n")
	Must(t, dir, nil, "cargo", "update", "--quiet", "wasm-bindgen", "--precise", "0.2.84")
	r := &run.System{}
	ws, err := cargo.Load(t.Context(), r, cargo.LoadOptions{Dir: dir, Env: cargoEnv(), CacheDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	g, err := cargo.LoadGraph(t.Context(), r, ws, cargo.GraphOptions{Package: "app", Triple: cargoMusl, Locked: true})
	if err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	c := ws.CargoCmd("build", "--locked", "--target", string(cargoMusl))
	c.Stderr = &said
	if err := r.Run(t.Context(), c); err == nil {
		t.Skip("this Rust compiles it")
	}
	before := snapshot(t, dir)
	e := cargo.Broken(said.String(), ws, g)
	if e == nil || e.Why != cargo.RefusesRust || e.Works != "0.2.88" || strings.Join(e.Chain, " ") != "app 0.1.0 wasm-bindgen 0.2.84" {
		t.Fatalf("%+v of\n%s", e, said.String())
	}
	if err := e.Renew(t.Context(), r, ws); err != nil || !strings.HasPrefix(e.Newest, "0.2.") || snapshot(t, dir) != before {
		t.Errorf("%v, %v", e, err)
	}
	t.Log(e, "|", e.Hint())
}
