// SPDX-License-Identifier: MIT OR Apache-2.0

//go:build e2e && linux

package e2e

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"sampan/internal/binary"
	"sampan/internal/builder"
	"sampan/internal/cargo"
	"sampan/internal/native"
	"sampan/internal/plan"
	"sampan/internal/run"
)

// crateFiles is a crate with all that makes a compile hard: a proc macro, a build script whose output is compiled in
// and that asks for libraries of C, a panic that names its file, threads.
var crateFiles = map[string]string{
	"Cargo.toml": `[package]
name = "app"
version = "0.1.0"
edition = "2021"
[dependencies]
mac = { path = "mac" }
`,
	"build.rs": `fn main() {
	let out = std::env::var("OUT_DIR").unwrap();
	std::fs::write(format!("{out}/made.rs"), "pub fn made() -> std::panic::Location<'static> { *std::panic::Location::caller() }").unwrap();
	println!("cargo:rustc-link-lib=m");
	println!("cargo:rustc-link-arg-bins=-Wl,-z,stack-size=2097152");
	println!("cargo:rustc-link-arg-bins=-pthread");
}
`,
	"src/main.rs": `include!(concat!(env!("OUT_DIR"), "/made.rs"));
fn main() {
	let caught = std::thread::spawn(|| { std::panic::catch_unwind(|| { panic!("caught") }).is_err() }).join().unwrap();
	println!("{} {}", mac::two!() + caught as u32, made().file());
}
`,
	"mac/Cargo.toml": "[package]\nname = \"mac\"\nversion = \"0.1.0\"\nedition = \"2021\"\n[lib]\nproc-macro = true\n",
	"mac/src/lib.rs": "#[proc_macro]\npub fn two(_: proc_macro::TokenStream) -> proc_macro::TokenStream { \"2u32\".parse().unwrap() }\n",
}

// addRegistry gives the crate dependencies that are not its own: a proc macro with build scripts in its tree.
func (c *crate) addRegistry(t *testing.T) {
	t.Helper()
	write(t, filepath.Join(c.dir, "Cargo.toml"), crateFiles["Cargo.toml"]+"serde = { version = \"1\", features = [\"derive\"] }\n")
	write(t, filepath.Join(c.dir, "src", "main.rs"), "#[derive(serde::Serialize)] pub struct Answer { pub sum: u32 }\n"+crateFiles["src/main.rs"])
}

// crate is one copy of the crate and the surroundings that it is built in.
type crate struct {
	dir, home, cache string
	env              []string
	stderr           strings.Builder
}

// newCrate writes a copy. The registry is the user's own: home takes over its configuration, not what it has stored.
func newCrate(t *testing.T, dir string, more ...string) *crate {
	t.Helper()
	c := &crate{dir: dir, home: filepath.Join(t.TempDir(), "cargo home"), cache: filepath.Join(t.TempDir(), "cache")}
	for name, text := range crateFiles {
		write(t, filepath.Join(dir, name), text)
	}
	from := os.Getenv("CARGO_HOME")
	if from == "" {
		from = filepath.Join(os.Getenv("HOME"), ".cargo")
	}
	if text, err := os.ReadFile(filepath.Join(from, "config.toml")); err == nil {
		write(t, filepath.Join(c.home, "config.toml"), string(text))
	}
	for _, kv := range os.Environ() {
		switch k, _, _ := strings.Cut(kv, "="); k {
		case "RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "CARGO_TARGET_DIR", "CARGO_HOME":
		default:
			c.env = append(c.env, kv)
		}
	}
	c.env = append(append(c.env, "CARGO_HOME="+c.home), more...)
	return c
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// build compiles the crate as sampan does.
func (c *crate) build(t *testing.T) (builder.Built, error) {
	t.Helper()
	r := &run.System{}
	ws, err := cargo.Load(t.Context(), r, cargo.LoadOptions{Dir: c.dir, Env: c.env, CacheDir: c.cache})
	if err != nil {
		t.Fatal(err)
	}
	triple := cargo.MuslOf(ws.Toolchain.Host)
	c.stderr.Reset()
	b := &builder.Cargo{Runner: r, Workspace: ws, Env: c.env, Dir: c.dir, CacheDir: c.cache, Self: Sampan(t), Stderr: &c.stderr}
	cs := []plan.Compile{{Package: "app", Version: "0.1.0", Manifest: "Cargo.toml", Bins: []string{"app"}, Triple: triple,
		Profile: "release", Flags: native.Flags(triple)}}
	if err := b.Preflight(t.Context(), cs); err != nil {
		t.Fatal(err)
	}
	return b.Build(t.Context(), cs[0])
}

// program compiles the crate, which has to succeed, and proves that the program is static and runs.
func (c *crate) program(t *testing.T) (path string, built builder.Built) {
	t.Helper()
	built, err := c.build(t)
	if err != nil {
		t.Fatalf("%v\n%s", err, c.stderr.String())
	}
	path = built.Executables[0].Path
	facts, err := binary.Inspect(path)
	if err != nil {
		t.Fatal(err)
	}
	if !facts.Static() || facts.BuildID == "" || facts.ExecStack {
		t.Errorf("%s: %+v", path, facts)
	}
	return path, built
}

// stale counts the units that cargo had to compile.
func stale(units []cargo.Unit) (n int) {
	for _, u := range units {
		if !u.Fresh {
			n++
		}
	}
	return n
}

// plain is the user's own build for the same triple; it returns how many units cargo compiled.
func (c *crate) plain(t *testing.T, triple cargo.Triple) (n int) {
	t.Helper()
	r := &run.System{}
	out, err := run.Output(t.Context(), r, run.Cmd{Path: "cargo", Dir: c.dir, Env: c.env,
		Args: []string{"build", "--release", "--target", string(triple), "--message-format", "json-render-diagnostics"}})
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(out)) {
		var m cargo.Message
		if json.Unmarshal([]byte(line), &m) == nil && m.Reason == cargo.CompilerArtifact && !m.Fresh {
			n++
		}
	}
	return n
}

// TestCompileLeavesTheUsersBuildsAlone alternates ours and theirs.
func TestCompileLeavesTheUsersBuildsAlone(t *testing.T) {
	c := newCrate(t, t.TempDir())
	c.addRegistry(t)
	path, built := c.program(t)
	if n := stale(built.Units); n < 10 {
		t.Errorf("the first build compiled %d units only: the test tests nothing", n)
	}
	if out := Must(t, "", nil, path); !strings.HasPrefix(out, "3 /target/"+triple(t)+"/release/build/app-") {
		t.Errorf("the program said %s", out)
	}
	c.plain(t, cargo.Triple(triple(t)))
	for round := range 3 {
		_, built := c.program(t)
		if n := stale(built.Units); n != 0 {
			t.Errorf("round %d: our build compiled %d units again", round, n)
		}
		if n := c.plain(t, cargo.Triple(triple(t))); n != 0 {
			t.Errorf("round %d: the user's build compiled %d units again", round, n)
		}
	}
}

func triple(t *testing.T) string {
	t.Helper()
	arch := map[string]string{"amd64": "x86_64", "arm64": "aarch64"}[runtime.GOARCH]
	return arch + "-unknown-linux-musl"
}

// TestCompileGivesEqualBytesElsewhere: another folder, another CARGO_HOME, another target folder, an empty cache, and
// a program that lies at another place.
func TestCompileGivesEqualBytesElsewhere(t *testing.T) {
	a := newCrate(t, filepath.Join(t.TempDir(), "one"))
	a.addRegistry(t)
	first, _ := a.program(t)
	b := newCrate(t, filepath.Join(t.TempDir(), "a much longer", "way", "to ünïcode"), "CARGO_TARGET_DIR="+filepath.Join(t.TempDir(), "t"),
		"LIBRARY_PATH=/nowhere", "LC_ALL=tr_TR.UTF-8", "TZ=Asia/Tokyo")
	b.addRegistry(t)
	lock, err := os.ReadFile(filepath.Join(a.dir, "Cargo.lock"))
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(b.dir, "Cargo.lock"), string(lock))
	second, _ := b.program(t)
	if first == second {
		t.Fatal("one file compared with itself")
	}
	if x, y := sum(t, first), sum(t, second); x != y {
		t.Errorf("%s is %s\n%s is %s", first, x, second, y)
	}
	text, err := os.ReadFile(second)
	if err != nil {
		t.Fatal(err)
	}
	for _, place := range []string{b.dir, b.home, b.cache} {
		if strings.Contains(string(text), place) {
			t.Errorf("the program holds the name of the folder %s", place)
		}
	}
}

func sum(t *testing.T, path string) string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%x", h.Sum(nil))
}

// TestCompileWithUsersConfiguration: what projects have in their configuration goes on working, and counts.
func TestCompileWithUsersConfiguration(t *testing.T) {
	flags := func(words ...string) string {
		return "[target." + triple(t) + "]\nrustflags = [\"" + strings.Join(words, `", "`) + "\"]\nlinker = \"musl-gcc\"\n"
	}
	const cfg = `--cfg=users_own", "--check-cfg=cfg(users_own)`
	for name, c := range map[string]struct {
		config, profile string
		env             []string
	}{
		"other linker":  {config: flags(cfg, "-Clink-arg=-fuse-ld=lld", "-Clink-arg=-Wl,-z,relro", "-Clink-arg=-Wl,-rpath,/x", "-Clink-arg=-Wl,--as-needed")},
		"fat and small": {config: flags(cfg), profile: "lto = \"fat\"\ncodegen-units = 1\nopt-level = \"z\"\nstrip = true\n"},
		"abort":         {config: flags(cfg, "-Clink-args=-Wl,--icf=all -Wl,-O2"), profile: "panic = \"abort\"\n"},
		"not pie":       {config: flags(cfg, "-Crelocation-model=static", "-Ctarget-cpu=native")},
		"cc's files":    {config: flags(cfg, "-Clink-self-contained=no")},
		"environment":   {env: []string{`RUSTFLAGS=--cfg=users_own --check-cfg=cfg(users_own) -Clink-arg=-Wl,--no-keep-memory`}},
		"debug symbols": {config: flags(cfg, "-Cforce-frame-pointers=yes"), profile: "debug = true\n"},
	} {
		t.Run(name, func(t *testing.T) {
			k := newCrate(t, t.TempDir(), c.env...)
			write(t, filepath.Join(k.dir, ".cargo", "config.toml"), c.config)
			if c.profile != "" {
				write(t, filepath.Join(k.dir, "Cargo.toml"), crateFiles["Cargo.toml"]+"[profile.release]\n"+c.profile)
			}
			write(t, filepath.Join(k.dir, "src", "main.rs"),
				"#[cfg(not(users_own))] compile_error!(\"the user's flags are lost\");\n"+crateFiles["src/main.rs"])
			path, _ := k.program(t)
			if strings.Contains(c.profile, "abort") {
				return // it would
			}
			if out := Must(t, "", nil, path); !strings.HasPrefix(out, "3 /target/") {
				t.Errorf("the program said %s", out)
			}
		})
	}
}

// TestCompileFailures: what is wrong is named, and cargo's own words are said once.
func TestCompileFailures(t *testing.T) {
	c := newCrate(t, t.TempDir())
	c.program(t)
	main := filepath.Join(c.dir, "src", "main.rs")
	write(t, main, "fn main() { nothing() }\n")
	_, err := c.build(t)
	var compile *builder.CompileError
	if !errors.As(err, &compile) || compile.Code != 101 || strings.Count(c.stderr.String(), "cannot find function") != 1 {
		t.Errorf("%v\n%s", err, c.stderr.String())
	}
	write(t, main, "#[link(name = \"no-such-library\")] extern \"C\" { fn f(); }\nfn main() { unsafe { f() } }\n")
	if _, err = c.build(t); !errors.As(err, &compile) || !strings.Contains(c.stderr.String(), "unable to find library -lno-such-library") {
		t.Errorf("%v\n%s", err, c.stderr.String())
	}
	// A PATH without cc: the proc macro cannot be linked.
	bin := t.TempDir()
	for _, name := range []string{"cargo", "rustc"} {
		tool, err := run.LookPath(name, c.env)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(tool, filepath.Join(bin, name)); err != nil {
			t.Fatal(err)
		}
	}
	poor := newCrate(t, t.TempDir(), "PATH="+bin)
	_, err = poor.build(t)
	var host *builder.HostLinkerError
	if !errors.As(err, &host) || host.Linker != "cc" {
		t.Errorf("%v\n%s", err, poor.stderr.String())
	}
}
