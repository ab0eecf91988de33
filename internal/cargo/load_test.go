// SPDX-License-Identifier: MIT OR Apache-2.0

package cargo

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"sampan/internal/run"
)

func TestLoadDescribes(t *testing.T) {
	w := newWorld(t)
	w.write("up/ws/Cargo.lock", "version = 4\n")
	o := w.options()
	o.Dir = w.path("up/ws/crates/one/src")
	ws, cargo, rustc := w.load(o)
	if cargo != 1 || rustc != 2 {
		t.Errorf("%d cargo and %d rustc calls, want 1 and 2", cargo, rustc)
	}
	if ws.Root != w.root || ws.TargetDir != filepath.Join(w.root, "target") || ws.Current != "one" || ws.Metadata != nil {
		t.Errorf("root %q, target %q, current %q, metadata %s", ws.Root, ws.TargetDir, ws.Current, ws.Metadata)
	}
	if !slices.Equal(ws.Default, []string{"one", "two"}) || !ws.Lock.Exists || ws.Lock.Path != w.path("up/ws/Cargo.lock") {
		t.Errorf("default %q, lock %+v", ws.Default, ws.Lock)
	}
	p := ws.Packages[0]
	if want := []Bin{{Name: "one"}, {Name: "show", Example: true}}; !cmp.Equal(p.Bins, want) {
		t.Errorf("bins %+v, want %+v", p.Bins, want)
	}
	if want := []string{"bin", "example", "lib"}; !cmp.Equal(p.Kinds, want) {
		t.Errorf("kinds %q, want %q", p.Kinds, want)
	}
	if want := []string{"a", "b"}; !cmp.Equal(p.Features, want) || string(p.Metadata) != `{"sampan":{"user":"1:1"}}` {
		t.Errorf("features %q, metadata %s", p.Features, p.Metadata)
	}
	want := Toolchain{
		Cargo: []string{"cargo"}, Rustc: w.path("bin/rustc"), Release: "1.95.0", Commit: "59807616e1",
		Host: "x86_64-unknown-linux-gnu", Sysroot: w.path("sysroot"), LLVM: "22.1.2",
	}
	if d := cmp.Diff(want, ws.Toolchain); d != "" {
		t.Error(d)
	}
}

func TestLoadKeeps(t *testing.T) {
	w := newWorld(t)
	first, _, _ := w.load(w.options())
	second, cargo, rustc := w.load(w.options())
	if cargo+rustc != 0 {
		t.Fatalf("unchanged workspace: %d cargo and %d rustc calls", cargo, rustc)
	}
	if d := cmp.Diff(first, second, cmpopts.IgnoreUnexported(Workspace{})); d != "" {
		t.Errorf("the kept answer differs:\n%s", d)
	}
	w.write("up/ws/Cargo.lock", "version = 4\n")
	third, cargo, rustc := w.load(w.options())
	if cargo+rustc != 0 || !third.Lock.Exists {
		t.Errorf("a lock file appeared: %d calls, exists %t; want none, and the truth", cargo+rustc, third.Lock.Exists)
	}
	o := w.options()
	o.CacheDir = ""
	if _, cargo, rustc = w.load(o); cargo != 1 || rustc != 2 {
		t.Errorf("without a cache: %d and %d calls", cargo, rustc)
	}
}

type change = func(*world, *LoadOptions)

func renames(from, to string) change {
	return func(w *world, _ *LoadOptions) {
		if err := os.Rename(w.path(from), w.path(to)); err != nil {
			w.t.Fatal(err)
		}
	}
}

func writes(name, text string) change {
	return func(w *world, _ *LoadOptions) { w.write(name, text) }
}

// sets adds a variable; "$" in it is the world's folder.
func sets(kv string) change {
	return func(w *world, o *LoadOptions) { o.Env = w.env(strings.ReplaceAll(kv, "$", w.dir)) }
}

// noticed are the changes, with how often cargo and rustc must be asked after each.
var noticed = map[string]struct {
	change       change
	cargo, rustc int
}{
	"root manifest":               {writes("up/ws/Cargo.toml", "[workspace]\nmembers = [\"crates/*\"]\nresolver = \"2\"\n"), 1, 0},
	"member manifest":             {writes("up/ws/crates/two/Cargo.toml", "[package]\nname = \"two\"\nversion = \"0.1.1\"\n"), 1, 0},
	"new member by glob":          {func(w *world, _ *LoadOptions) { w.member("three") }, 1, 0},
	"member gone":                 {renames("up/ws/crates/two", "up/two"), 1, 0},
	"manifest above":              {writes("up/Cargo.toml", "[workspace]\n"), 1, 0},
	"main.rs gone":                {renames("up/ws/crates/one/src/main.rs", "up/ws/crates/one/src/other.rs"), 1, 0},
	"lib.rs appears":              {writes("up/ws/crates/one/src/lib.rs", ""), 1, 0},
	"build.rs appears":            {writes("up/ws/crates/one/build.rs", ""), 1, 0},
	"bin appears":                 {writes("up/ws/crates/two/src/bin/extra.rs", ""), 1, 0},
	"bin folder gets its main.rs": {writes("up/ws/crates/two/src/bin/dir/main.rs", ""), 1, 0},
	"example appears":             {writes("up/ws/crates/two/examples/more.rs", ""), 1, 0},
	"source changes":              {writes("up/ws/crates/two/src/main.rs", "fn main() { loop {} }"), 0, 0},
	"module appears":              {writes("up/ws/crates/two/src/module.rs", ""), 0, 0},
	"config in the workspace":     {writes("up/ws/.cargo/config.toml", "[build]\njobs = 1\n"), 1, 0},
	"config in the old name":      {writes("up/ws/.cargo/config", "[build]\njobs = 1\n"), 1, 0},
	"config above":                {writes(".cargo/config.toml", "[build]\njobs = 1\n"), 1, 0},
	"config of the user":          {writes("home/.cargo/config.toml", "[build]\njobs = 1\n"), 1, 0},
	"config's include changes":    {writes("up/ws/more.toml", "[build]\njobs = 2\n"), 1, 0},
	"toolchain file":              {writes("up/rust-toolchain.toml", "[toolchain]\nchannel = \"stable\"\n"), 1, 2},
	"old toolchain file":          {writes("up/ws/rust-toolchain", "stable\n"), 1, 2},
	"rustup settings":             {writes("home/.rustup/settings.toml", "default_toolchain = \"x\"\n"), 1, 2},
	"rustup gets a toolchain":     {writes("home/.rustup/toolchains/new/x", ""), 1, 2},
	"cargo is another":            {writes("bin/cargo", "#!/bin/true or so\n"), 1, 0},
	"rustc is another":            {writes("bin/rustc", "#!/bin/true or so\n"), 0, 2},
	"toolchain updated in place":  {writes("sysroot/lib/rustlib/multirust-channel-manifest.toml", "x"), 0, 2},
	"CARGO_TARGET_DIR":            {sets("CARGO_TARGET_DIR=$/t"), 1, 2},
	"CARGO_BUILD_RUSTC":           {sets("CARGO_BUILD_RUSTC=$/sysroot/bin/rustc"), 1, 2},
	"RUSTUP_TOOLCHAIN":            {sets("RUSTUP_TOOLCHAIN=nightly"), 1, 2},
	"CARGO_HOME":                  {sets("CARGO_HOME=$/elsewhere"), 1, 2},
	"irrelevant variable":         {sets("LANG=C"), 0, 0},
	"token":                       {sets("CARGO_REGISTRIES_MINE_TOKEN=secret"), 0, 0},
	"RUSTFLAGS":                   {sets("RUSTFLAGS=--cfg x"), 0, 0},
	"+toolchain":                  {func(_ *world, o *LoadOptions) { o.Cargo = []string{"cargo", "+nightly"} }, 1, 2},
	"--config":                    {func(_ *world, o *LoadOptions) { o.Config = []string{"build.jobs=1"} }, 1, 0},
	"-Z":                          {func(_ *world, o *LoadOptions) { o.Unstable = []string{"unstable-options"} }, 1, 0},
	"--target-dir":                {func(_ *world, o *LoadOptions) { o.TargetDir = "t" }, 1, 0},
	"--manifest-path":             {func(_ *world, o *LoadOptions) { o.Manifest = "crates/one/Cargo.toml" }, 1, 0},
	"folder":                      {func(w *world, o *LoadOptions) { o.Dir = w.path("up/ws/crates/one") }, 1, 0},
	"--offline":                   {func(_ *world, o *LoadOptions) { o.Offline = true }, 0, 0},
}

// TestLoadNotices changes each thing that cargo's answer depends on, and wants it asked again, once.
func TestLoadNotices(t *testing.T) {
	for name, tc := range noticed {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			if name == "config's include changes" {
				w.write("up/ws/.cargo/config.toml", "include = [{path = \"../more.toml\", optional = true}]\n")
			}
			if err := os.Chmod(w.path("sysroot/bin/rustc"), 0o755); err != nil {
				t.Fatal(err)
			}
			w.load(w.options())
			o := w.options()
			tc.change(w, &o)
			for _, name := range []string{"bin/cargo", "bin/rustc"} {
				if err := os.Chmod(w.path(name), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			_, cargo, rustc := w.load(o)
			if cargo != tc.cargo || rustc != tc.rustc {
				t.Errorf("%d cargo and %d rustc calls, want %d and %d", cargo, rustc, tc.cargo, tc.rustc)
			}
			if _, cargo, rustc = w.load(o); cargo+rustc != 0 {
				t.Errorf("asked again: %d cargo and %d rustc calls", cargo, rustc)
			}
		})
	}
}

// TestLoadNoticesLink moves a toolchain that is linked to rustup.
func TestLoadNoticesLink(t *testing.T) {
	w := newWorld(t)
	w.write("home/.rustup/settings.toml", "default_toolchain = \"mine\"\n")
	w.write("home/.rustup/toolchains/other/x", "")
	link := w.path("home/.rustup/toolchains/mine")
	if err := os.Symlink(w.path("sysroot"), link); err != nil {
		t.Fatal(err)
	}
	w.load(w.options())
	if err := errors.Join(os.Remove(link), os.Symlink(w.path("sysroot2"), link)); err != nil {
		t.Fatal(err)
	}
	if _, cargo, rustc := w.load(w.options()); cargo != 1 || rustc != 2 {
		t.Errorf("%d cargo and %d rustc calls, want 1 and 2", cargo, rustc)
	}
}

// TestLoadSharesToolchain loads a second workspace: rustc need not say again who it is.
func TestLoadSharesToolchain(t *testing.T) {
	w := newWorld(t)
	w.load(w.options())
	o := w.options()
	o.Dir = w.path("up/ws/crates/one")
	if _, cargo, rustc := w.load(o); cargo != 1 || rustc != 0 {
		t.Errorf("%d cargo and %d rustc calls, want 1 and 0", cargo, rustc)
	}
	w.write("home/.rustup/settings.toml", "[overrides]\n\"/x\" = \"nightly\"\n")
	w.load(w.options())
	if _, _, rustc := w.load(o); rustc != 2 {
		t.Errorf("with overrides by folder: %d rustc calls, want 2", rustc)
	}
}

func TestLoadWords(t *testing.T) {
	w := newWorld(t)
	o := w.options()
	o.Cargo = []string{w.path("bin/cargo"), "+nightly"}
	o.Config, o.Unstable, o.TargetDir, o.Offline = []string{"build.jobs=1", "net.offline=true"}, []string{"x"}, "t", true
	ws, _, _ := w.load(o)
	want := []string{
		"+nightly", "metadata", "--no-deps", "--format-version", "1", "--color", "never", "--manifest-path", w.path("up/ws/Cargo.toml"),
		"--config", "build.jobs=1", "--config", "net.offline=true", "-Z", "x", "--offline",
	}
	if d := cmp.Diff(want, w.calls[0].Args); d != "" {
		t.Error(d)
	}
	if ws.TargetDir != w.path("up/ws/t") {
		t.Errorf("target folder %q", ws.TargetDir)
	}
	if v := environ(w.calls[1].Env).value("RUSTUP_TOOLCHAIN"); v != "nightly" {
		t.Errorf("rustc is asked with RUSTUP_TOOLCHAIN=%q", v)
	}
	if c := ws.CargoCmd("build"); c.Path != o.Cargo[0] || !slices.Equal(c.Args, []string{"+nightly", "build"}) || c.Dir != w.root {
		t.Errorf("cargo command %+v", c)
	}
}

func TestLoadErrors(t *testing.T) {
	for name, tc := range map[string]struct {
		prepare func(*world, *LoadOptions)
		want    any // pointer to the wanted type
		text    string
		hint    string
	}{
		"no manifest":        {func(w *world, o *LoadOptions) { o.Dir = w.dir }, new(*NoManifestError), "no Cargo.toml in", "cargo new"},
		"manifest path":      {func(_ *world, o *LoadOptions) { o.Manifest = "x/Cargo.toml" }, new(*NoManifestError), "no manifest at", "--manifest-path"},
		"no cargo":           {func(w *world, _ *LoadOptions) { _ = os.Remove(w.path("bin/cargo")) }, new(*MissingToolError), "find cargo", "install Rust"},
		"no rustc":           {func(w *world, _ *LoadOptions) { _ = os.Remove(w.path("bin/rustc")) }, new(*MissingToolError), "find rustc", "install Rust"},
		"RUSTC is not there": {func(w *world, o *LoadOptions) { o.Env = w.env("RUSTC=tools/rustc") }, new(*MissingToolError), "tools/rustc", "see that RUSTC"},
		"broken manifest": {func(w *world, _ *LoadOptions) {
			w.fail["cargo"] = "warning: x\nerror: failed to parse manifest at `/x/Cargo.toml`\n\nCaused by:\n  no targets specified\n"
		}, new(*ManifestError), "read workspace: failed to parse manifest at `/x/Cargo.toml`\n\nCaused by:\n  no targets", ""},
		"toolchain missing": {func(w *world, _ *LoadOptions) {
			w.fail["cargo"] = "error: toolchain '1.80.0-x86_64-unknown-linux-gnu' is not installed\nhelp: run\n\nStack backtrace:\n   0: x\n"
		}, new(*ToolchainError), "toolchain '1.80.0-x86_64-unknown-linux-gnu' is not installed", "rustup toolchain install 1.80.0-x86_64-unknown-linux-gnu"},
		"no default toolchain": {func(w *world, _ *LoadOptions) {
			w.fail["rustc"] = "error: rustup could not choose a version of rustc to run, because one wasn't specified explicitly, and no default is configured.\n"
		}, new(*ToolchainError), "rustup could not choose", "rustup default stable"},
		"no rustup": {func(w *world, o *LoadOptions) {
			o.Cargo = []string{"cargo", "+nightly"}
			w.fail["cargo"] = "error: no such command: `+nightly`\n\nhelp: invoke `cargo` through `rustup`\n"
		}, new(*ToolchainError), "takes no +nightly", "do without +nightly, or install rustup"},
		"config is no TOML":   {func(w *world, _ *LoadOptions) { w.write("up/ws/.cargo/config.toml", "[build]\nrustflags = [\n") }, new(*ConfigError), "config.toml:", ""},
		"--config is no TOML": {func(_ *world, o *LoadOptions) { o.Config = []string{"nonsense"} }, new(*ConfigError), "--config nonsense", ""},
		"include is missing":  {func(w *world, _ *LoadOptions) { w.write("up/ws/.cargo/config.toml", "include = [\"x.toml\"]\n") }, new(*ConfigError), "x.toml", ""},
		"include of itself":   {func(w *world, _ *LoadOptions) { w.write("up/ws/.cargo/config.toml", "include = [\"config.toml\"]\n") }, new(*ConfigError), "include each other", ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			o := w.options()
			tc.prepare(w, &o)
			_, err := Load(context.Background(), w, o)
			if err == nil || !errors.As(err, tc.want) {
				t.Fatalf("error %T %v, want %T", err, err, tc.want)
			}
			if !strings.Contains(err.Error(), tc.text) || strings.Contains(err.Error(), "backtrace") {
				t.Errorf("error %q does not tell of %q", err, tc.text)
			}
			hint := ""
			var h interface{ Hint() string }
			if errors.As(err, &h) {
				hint = h.Hint()
			}
			if !strings.Contains(hint, tc.hint) {
				t.Errorf("hint %q, want %q", hint, tc.hint)
			}
		})
	}
}

func TestLoadCancelled(t *testing.T) {
	w := newWorld(t)
	_, err := Load(context.Background(), runnerFunc(func(context.Context, run.Cmd) error { return context.Canceled }), w.options())
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

type runnerFunc func(context.Context, run.Cmd) error

func (f runnerFunc) Run(ctx context.Context, c run.Cmd) error { return f(ctx, c) }

func TestLoadThroughLink(t *testing.T) {
	w := newWorld(t)
	if err := os.Symlink(w.root, w.path("link")); err != nil {
		t.Fatal(err)
	}
	o := w.options()
	o.Dir = w.path("link/crates/two")
	if ws, _, _ := w.load(o); ws.Current != "two" {
		t.Errorf("current package %q", ws.Current)
	}
	o.Dir, o.Manifest = w.dir, "link/crates/two/Cargo.toml"
	if ws, _, _ := w.load(o); ws.Current != "two" {
		t.Errorf("current package %q", ws.Current)
	}
}

func TestMetadataRefuses(t *testing.T) {
	for _, text := range []string{
		"", "x", "{}", `{"workspace_root":"x","target_directory":"/t"}`,
		`{"workspace_root":"/x","target_directory":"/t","workspace_members":["a"]}`,
		`{"workspace_root":"/x","target_directory":"/t","workspace_members":["a"],"packages":[{"id":"a","name":"","manifest_path":"/Cargo.toml"}]}`,
		`{"workspace_root":"/x","target_directory":"/t","workspace_members":["a"],"packages":[{"id":"a","name":"a","manifest_path":"Cargo.toml"}]}`,
	} {
		if ws, err := parseMetadata([]byte(text)); err == nil {
			t.Errorf("%s: %+v", text, ws)
		}
	}
}

func FuzzMetadata(f *testing.F) {
	f.Add([]byte(`{"packages":[{"id":"a","name":"a","version":"1.0.0","manifest_path":"/x/Cargo.toml","targets":[{"kind":["bin"],"crate_types":["bin"],"name":"a"}]}],"workspace_members":["a"],"workspace_root":"/x","target_directory":"/x/target","metadata":null}`))
	f.Add([]byte(`{}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		ws, err := parseMetadata(data)
		if err != nil {
			return
		}
		for _, p := range ws.Packages {
			if !filepath.IsAbs(p.Manifest) || p.Name == "" {
				t.Errorf("package %+v", p)
			}
		}
	})
}
