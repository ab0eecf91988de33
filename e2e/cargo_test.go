// SPDX-License-Identifier: MIT OR Apache-2.0

//go:build e2e && linux

package e2e

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sampan/internal/cargo"
	"sampan/internal/run"
)

const cargoMusl = cargo.Triple("x86_64-unknown-linux-musl")

// cargoWrite puts a file into dir, and its folders.
func cargoWrite(t *testing.T, dir, name, text string) {
	t.Helper()
	path := filepath.Join(dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// cargoEnv is our environment less what would disturb, and more.
func cargoEnv(more ...string) []string {
	var env []string
	for _, kv := range os.Environ() {
		k, _, _ := strings.Cut(kv, "=")
		if !strings.Contains(k, "RUSTFLAGS") && !strings.HasPrefix(k, "CARGO_BUILD_") && !strings.HasPrefix(k, "CARGO_TARGET_") {
			env = append(env, kv)
		}
	}
	return append(env, more...)
}

// counting starts programs and counts them.
type counting struct {
	run.System
	calls []run.Cmd
}

func (c *counting) Run(ctx context.Context, cmd run.Cmd) error {
	c.calls = append(c.calls, cmd)
	return c.System.Run(ctx, cmd)
}

// TestCargoFlags compiles, with the real cargo, a program that demands a flag of the user's and one of ours, for
// every place that the user's can come from.
func TestCargoFlags(t *testing.T) {
	const list, text = "['--cfg', 'theirs']", "'--cfg theirs'"
	const target = "CARGO_TARGET_X86_64_UNKNOWN_LINUX_MUSL_RUSTFLAGS"
	for name, tc := range map[string]struct {
		config     string
		env, words []string
	}{
		"RUSTFLAGS":                  {env: []string{"RUSTFLAGS=--cfg theirs"}},
		"RUSTFLAGS over files":       {env: []string{"RUSTFLAGS=--cfg theirs"}, config: "build.rustflags = ['--cfg', 'never']"},
		"CARGO_ENCODED_RUSTFLAGS":    {env: []string{"CARGO_ENCODED_RUSTFLAGS=--cfg\x1ftheirs", "RUSTFLAGS=--cfg never"}},
		"build list":                 {config: "build.rustflags = " + list},
		"build string":               {config: "build.rustflags = " + text},
		"CARGO_BUILD_RUSTFLAGS":      {env: []string{"CARGO_BUILD_RUSTFLAGS=--cfg theirs"}},
		"build word":                 {words: []string{"build.rustflags=" + list}},
		"build word and file":        {words: []string{"build.rustflags=['--cfg', 'more']"}, config: "build.rustflags = " + list},
		"target list":                {config: "build.rustflags = ['--cfg', 'never']\n[target.x86_64-unknown-linux-musl]\nrustflags = " + list},
		"target string":              {config: "[target.x86_64-unknown-linux-musl]\nrustflags = " + text},
		"target variable":            {env: []string{target + "=--cfg theirs"}, config: "build.rustflags = ['--cfg', 'never']"},
		"target variable and string": {env: []string{target + "=--cfg theirs"}, config: "[target.x86_64-unknown-linux-musl]\nrustflags = '--cfg more'"},
		"target word":                {words: []string{"target.x86_64-unknown-linux-musl.rustflags=" + list}},
		"target string word":         {words: []string{"target.x86_64-unknown-linux-musl.rustflags=" + text}},
		"cfg list":                   {config: "build.rustflags = ['--cfg', 'never']\n[target.'cfg(all(unix, target_env = \"musl\"))']\nrustflags = " + list},
		"cfg string":                 {config: "[target.'cfg(not(windows))']\nrustflags = " + text},
		"cfg that does not hold":     {config: "build.rustflags = " + list + "\n[target.'cfg(windows)']\nrustflags = ['--cfg', 'never']"},
		"cfg of a flag":              {config: "[target.x86_64-unknown-linux-musl]\nrustflags = ['--cfg', 'step']\n[target.'cfg(step)']\nrustflags = " + list},
		"config file word":           {words: []string{"extra.toml"}},
		"include":                    {config: "include = ['../extra.toml']"},
		"all at once": {
			config: "build.rustflags = ['--cfg', 'never']\n[target.x86_64-unknown-linux-musl]\nrustflags = ['--cfg', 'more']\n[target.'cfg(unix)']\nrustflags = " + list,
			env:    []string{target + "=--cfg again"}, words: []string{"target.x86_64-unknown-linux-musl.rustflags=['--cfg', 'last']"},
		},
	} {
		t.Run(name, func(t *testing.T) { cargoJoins(t, tc.config, tc.env, tc.words) })
	}
}

func cargoJoins(t *testing.T, config string, env, words []string) {
	dir := t.TempDir()
	cargoWrite(t, dir, "Cargo.toml", "[package]\nname = \"p\"\nversion = \"0.1.0\"\nedition = \"2021\"\n[workspace]\n")
	cargoWrite(t, dir, "extra.toml", "build.rustflags = ['--cfg', 'theirs']\n")
	cargoWrite(t, dir, "src/main.rs", `#![allow(unexpected_cfgs)]
#[cfg(not(theirs))] compile_error!("the user's flag is lost");
#[cfg(not(ours))] compile_error!("our flag is lost");
#[cfg(never)] compile_error!("a flag that cargo would not have used");
fn main() {}
`)
	if config != "" {
		cargoWrite(t, dir, ".cargo/config.toml", config)
	}
	r := &run.System{}
	ws, err := cargo.Load(t.Context(), r, cargo.LoadOptions{Dir: dir, Env: cargoEnv(env...), CacheDir: t.TempDir(), Config: words})
	if err != nil {
		t.Fatal(err)
	}
	var cfg []string
	if ws.NeedsCfg() {
		if cfg, err = cargo.CfgOf(t.Context(), r, ws, cargoMusl); err != nil {
			t.Fatal(err)
		}
	}
	j, err := ws.RustFlags(cargoMusl, []string{"--cfg", "ours"}, cfg)
	if err != nil {
		t.Fatal(err)
	}
	c := ws.CargoCmd("rustc", "-v", "--target", string(cargoMusl), "--bin", "p")
	for _, w := range append(slices.Clone(words), j.Config...) {
		c.Args = append(c.Args, "--config", w)
	}
	c.Args = append(c.Args, "--", "--emit=metadata")
	c.Env = append(c.Env, j.Env...)
	var said bytes.Buffer
	c.Stderr = &said
	if err := r.Run(t.Context(), c); err != nil {
		t.Fatalf("%+v\n%v\n%s", j, err, said.String())
	}
	// The flags that rustc got are those that we foretold, in the same order.
	if all := strings.ReplaceAll(strings.Join(j.All, " "), "'", ""); !strings.Contains(said.String(), all) {
		t.Errorf("rustc was called otherwise than %q:\n%s", all, said.String())
	}
}

// TestCargoEmptyFlags asks the real cargo whether an empty variable hides build.rustflags, which RustFlags relies on.
func TestCargoEmptyFlags(t *testing.T) {
	for _, kv := range []string{"RUSTFLAGS=", "CARGO_ENCODED_RUSTFLAGS="} {
		dir := t.TempDir()
		cargoWrite(t, dir, "Cargo.toml", "[package]\nname = \"p\"\nversion = \"0.1.0\"\nedition = \"2021\"\n[workspace]\n")
		cargoWrite(t, dir, "src/lib.rs", "#![allow(unexpected_cfgs)]\n#[cfg(hidden)] compile_error!(\"not hidden\");\n")
		cargoWrite(t, dir, ".cargo/config.toml", "build.rustflags = ['--cfg', 'hidden']\n")
		c := run.Cmd{Path: "cargo", Args: []string{"check", "--target", string(cargoMusl)}, Dir: dir, Env: cargoEnv(kv)}
		if _, err := run.Output(t.Context(), &run.System{}, c); err != nil {
			t.Errorf("%q: %v", kv, err)
		}
	}
}

// TestCargoLoad loads a virtual workspace with two members, an example and path dependencies by the real cargo, twice.
func TestCargoLoad(t *testing.T) {
	dir := t.TempDir()
	cargoWrite(t, dir, "Cargo.toml", "[workspace]\nmembers = [\"crates/*\"]\ndefault-members = [\"crates/b\"]\nresolver = \"2\"\n[workspace.metadata.sampan]\nuser = \"7:7\"\n")
	cargoWrite(t, dir, "crates/a/Cargo.toml", "[package]\nname = \"a\"\nversion = \"0.1.0\"\nedition = \"2021\"\nlicense = \"MIT\"\n[features]\nx = []\n[[bin]]\nname = \"needs-x\"\npath = \"src/x.rs\"\nrequired-features = [\"x\"]\n[package.metadata.sampan]\nname = \"n\"\n")
	cargoWrite(t, dir, "crates/a/src/main.rs", "fn main() {}\n")
	cargoWrite(t, dir, "crates/a/src/x.rs", "fn main() {}\n")
	cargoWrite(t, dir, "crates/a/examples/show.rs", "fn main() {}\n")
	cargoWrite(t, dir, "crates/b/Cargo.toml", "[package]\nname = \"b\"\nversion = \"0.2.0\"\nedition = \"2021\"\ndefault-run = \"b\"\n[dependencies]\nhidden = { path = \"../../hidden\" }\n")
	cargoWrite(t, dir, "crates/b/src/main.rs", "fn main() {}\n")
	cargoWrite(t, dir, "crates/b/src/bin/second.rs", "fn main() {}\n")
	cargoWrite(t, dir, "hidden/Cargo.toml", "[package]\nname = \"hidden\"\nversion = \"0.3.0\"\nedition = \"2021\"\n")
	cargoWrite(t, dir, "hidden/src/lib.rs", "")
	r := &counting{}
	o := cargo.LoadOptions{Dir: dir, Env: cargoEnv(), CacheDir: t.TempDir()}
	ws, err := cargo.Load(t.Context(), r, o)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, p := range ws.Packages {
		names = append(names, p.Name)
		for _, b := range p.Bins {
			names = append(names, p.Name+"/"+b.Name)
		}
	}
	slices.Sort(names)
	if want := []string{"a", "a/a", "a/needs-x", "a/show", "b", "b/b", "b/second", "hidden"}; !slices.Equal(names, want) {
		t.Errorf("%q, want %q", names, want)
	}
	if !slices.Equal(ws.Default, []string{"b"}) || ws.Current != "" || string(ws.Metadata) != `{"sampan":{"user":"7:7"}}` || ws.Lock.Exists {
		t.Errorf("default %q, current %q, metadata %s, lock %t", ws.Default, ws.Current, ws.Metadata, ws.Lock.Exists)
	}
	if _, err := os.Stat(filepath.Join(dir, "Cargo.lock")); err == nil {
		t.Error("loading wrote a lock file")
	}
	if !ws.Toolchain.HasStd(cargoMusl) || ws.Toolchain.HasStd("s390x-unknown-linux-musl") || !ws.Toolchain.AtLeast(1, 70) {
		t.Errorf("toolchain %+v", ws.Toolchain)
	}
	first := len(r.calls)
	if _, err := cargo.Load(t.Context(), r, o); err != nil || len(r.calls) != first || first != 3 {
		t.Errorf("%d calls, then %d; %v", first, len(r.calls)-first, err)
	}
	// A path dependency inside the workspace's folder is a member without being named.
	cargoWrite(t, dir, "hidden/src/main.rs", "fn main() {}\n")
	if ws, err = cargo.Load(t.Context(), r, o); err != nil || len(r.calls) != first+1 || len(ws.Packages) != 3 {
		t.Errorf("%d calls, %v", len(r.calls)-first, err)
	}
}

// TestCargoCrate fetches a published crate as a user's cargo does, from inside a workspace that must not be touched.
func TestCargoCrate(t *testing.T) {
	dir := t.TempDir()
	cargoWrite(t, dir, "Cargo.toml", "[package]\nname = \"p\"\nversion = \"0.1.0\"\nedition = \"2021\"\n[dependencies]\nhyperfine = \"=1.18.0\"\n")
	cargoWrite(t, dir, "src/lib.rs", "")
	r := &counting{}
	o := cargo.LoadOptions{Dir: dir, Env: cargoEnv(), CacheDir: t.TempDir()}
	ws, err := cargo.FetchCrate(t.Context(), r, o, "hyperfine")
	if err != nil {
		t.Fatal(err)
	}
	p := ws.Packages[0]
	if p.Name != "hyperfine" || p.Version == "1.18.0" || !ws.Lock.Exists || len(p.Bins) == 0 || ws.Current != "hyperfine" {
		t.Errorf("%+v", ws)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 2 {
		t.Errorf("the user's folder was written to: %v", entries)
	}
	lock, err := cargo.ReadLock(ws.Lock.Path)
	if err != nil || len(lock.Packages) < 20 {
		t.Errorf("lock file: %v", err)
	}
	n := len(r.calls)
	if _, err := cargo.FetchCrate(t.Context(), r, o, "hyperfine@"+p.Version); err != nil || len(r.calls) != n {
		t.Errorf("a second time: %d calls, %v", len(r.calls)-n, err)
	}
	for spec, reason := range map[string]string{"no-such-crate-by-any-chance": cargo.NoSuchCrate, "hyperfine@99.0.0": cargo.NoSuchVersion, "libc": cargo.NoPrograms} {
		_, err := cargo.FetchCrate(t.Context(), r, o, spec)
		if e, ok := err.(*cargo.CrateError); !ok || e.Reason != reason {
			t.Errorf("%s: %v", spec, err)
		}
	}
	o.Offline = true
	_, err = cargo.FetchCrate(t.Context(), r, o, "hyperfine@1.0.0")
	if e, ok := err.(*cargo.CrateError); !ok || e.Reason != cargo.NoSuchOffline {
		t.Errorf("offline: %v", err)
	}
}
