// SPDX-License-Identifier: MIT OR Apache-2.0

//go:build unix

package builder

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sampan/internal/cargo"
	"sampan/internal/native"
	"sampan/internal/plan"
	"sampan/internal/run"
)

const musl = cargo.Triple("x86_64-unknown-linux-musl")

// fake is a cargo that says what it was told to say.
type fake struct {
	stdout, stderr string
	err            error
	cmds           []run.Cmd
}

func (f *fake) Run(_ context.Context, c run.Cmd) error {
	f.cmds = append(f.cmds, c)
	if _, err := io.WriteString(c.Stdout, f.stdout); err != nil {
		return err
	}
	_, _ = io.WriteString(c.Stderr, f.stderr)
	return f.err
}

func builderFor(t *testing.T, f *fake) *Cargo {
	t.Helper()
	dir := t.TempDir()
	return &Cargo{
		Runner: f, Dir: "/cwd", CacheDir: filepath.Join(dir, "cache"), Self: "/opt/sampan",
		Env: []string{"PATH=/usr/bin:/bin", "HOME=/home/u"},
		Workspace: &cargo.Workspace{
			Root: "/w/app", TargetDir: "/w/app/target", BuildDir: "/w/app/target",
			Toolchain: cargo.Toolchain{Cargo: []string{"cargo", "+stable"}, Sysroot: "/rust", Commit: "abc", Release: "1.95.0"},
			Config:    cargo.Config{CargoHome: "/home/u/.cargo"},
		},
	}
}

func compile() plan.Compile {
	return plan.Compile{Package: "app", Version: "0.1.0", Manifest: "Cargo.toml", Bins: []string{"app"}, Triple: musl, Profile: "release",
		Locked: true, Flags: []string{"-Ctarget-feature=+crt-static"}}
}

// artifact is a message as cargo writes it.
func artifact(id, kind, name, file, executable string) string {
	exe := "null"
	if executable != "" {
		exe = `"` + executable + `"`
	}
	return `{"reason":"compiler-artifact","package_id":"` + id + `","target":{"kind":["` + kind + `"],"crate_types":["bin"],"name":"` + name +
		`","src_path":"/x"},"features":["f"],"filenames":["` + file + `"],"executable":` + exe + `,"fresh":false}` + "\n"
}

const appID = "path+file:///w/app#0.1.0"

func TestBuildReadsWhatCargoSays(t *testing.T) {
	out := "/w/app/target/" + string(musl) + "/release/"
	f := &fake{stderr: "   Compiling app v0.1.0\n", stdout: "noise of a wrapper\n" +
		artifact("registry+https://r.example/index#syn@2.0.1", "lib", "syn", "/w/app/target/release/deps/libsyn.rlib", "") +
		`{"reason":"build-script-executed","package_id":"registry+https://r.example/index#z-sys@1.0.0","linked_libs":["dylib=z"],"linked_paths":[],"out_dir":"` + out + `build/z/out"}` + "\n" +
		`{"reason":"build-script-executed","package_id":"registry+https://r.example/index#h-sys@1.0.0","linked_libs":["h"],"linked_paths":[],"out_dir":"/w/app/target/release/build/h/out"}` + "\n" +
		artifact("registry+https://r.example/index#tool@1.0.0", "bin", "app", out+"tool", out+"tool") +
		artifact(appID, "bin", "app", out+"app", out+"app") +
		artifact(appID, "bin", "other", out+"other", out+"other") +
		artifact(appID, "example", "app", out+"examples/app", out+"examples/app") +
		`{"reason":"build-finished","success":true}` + "\n"}
	b := builderFor(t, f)
	var words bytes.Buffer
	b.Stderr = &words
	got, err := b.Build(t.Context(), compile())
	if err != nil {
		t.Fatal(err)
	}
	if want := []Executable{{Bin: "app", Path: out + "app"}}; !slices.Equal(got.Executables, want) {
		t.Errorf("executables %v, want %v", got.Executables, want)
	}
	if diff := cmp.Diff([]Linked{{Crate: "z-sys", Version: "1.0.0", Libs: []string{"dylib=z"}}}, got.Linked); diff != "" {
		t.Error(diff)
	}
	if len(got.Units) != 5 || got.Units[0].Name != "syn" || !got.Units[0].Host || got.Units[2].Host {
		t.Errorf("units %+v", got.Units)
	}
	if words.String() != "   Compiling app v0.1.0\n" {
		t.Errorf("cargo's words came as %q", words.String())
	}
	if len(f.cmds) != 1 {
		t.Errorf("%d processes for one compile", len(f.cmds))
	}
}

func TestCommandOfABuild(t *testing.T) {
	f := &fake{}
	b := builderFor(t, f)
	b.TargetDir = "out dir"
	c := compile()
	c.Features, c.Jobs, c.Config, c.Unstable, c.Args = []string{"a", "b/c"}, "3", []string{"net.retry=1"}, []string{"x"}, []string{"--timings"}
	c.Examples, c.NoDefaultFeatures, c.Offline = []string{"e"}, true, true
	_, _ = b.Build(t.Context(), c)
	if len(f.cmds) != 1 {
		t.Fatal("cargo was not called")
	}
	got := f.cmds[0]
	linker := filepath.Join(b.CacheDir, "drivers", string(musl), "cc")
	want := []string{"+stable", "build", "--message-format=json-render-diagnostics", "--manifest-path", "/w/app/Cargo.toml", "-p", "app@0.1.0",
		"--target-dir", "out dir", "--locked", "--target", string(musl), "--profile", "release", "--bin", "app", "--example", "e",
		"--features", "a,b/c", "--no-default-features", "--offline", "--jobs", "3", "--config", "net.retry=1", "--config",
		`target.x86_64-unknown-linux-musl.rustflags=["-Ctarget-feature=+crt-static","--remap-path-prefix=/w=/src-1",` +
			`"--remap-path-prefix=/w/app=/src","--remap-path-prefix=/cwd/out dir=/target","--remap-path-prefix=/w/app/target=/target",` +
			`"--remap-path-prefix=/home/u/.cargo=/cargo","--remap-path-prefix=/rust/lib/rustlib/src/rust=/rustc/abc"]`,
		"--config", `target.x86_64-unknown-linux-musl.linker="` + linker + `"`, "-Z", "x", "--timings"}
	if diff := cmp.Diff(want, got.Args); diff != "" {
		t.Error(diff)
	}
	if got.Path != "cargo" || got.Dir != "/cwd" || !slices.Equal(got.Env, b.Env) {
		t.Errorf("path %q, dir %q, env %q", got.Path, got.Dir, got.Env)
	}
	if to, err := os.Readlink(linker); err != nil || to != "/opt/sampan" {
		t.Errorf("link driver: %q, %v", to, err)
	}
}

func TestCommandOfAPublishedCrate(t *testing.T) {
	f := &fake{stdout: artifact("registry+https://r.example/index#app@0.1.0", "bin", "app", "/moved/away/app", "/moved/away/app")}
	b := builderFor(t, f)
	c := compile()
	c.Crate, c.Locked = true, false
	built, err := b.Build(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(b.CacheDir, "crates", "app-0.1.0")
	root := filepath.Join(dir, "root", string(musl), "release")
	if got, want := built.Executables[0].Path, filepath.Join(root, "bin", "app"); got != want {
		t.Errorf("executable %q, want %q", got, want)
	}
	if last := f.cmds[0].Env[len(f.cmds[0].Env)-1]; last != "PATH=/usr/bin:/bin:"+filepath.Join(root, "bin") {
		t.Errorf("cargo will ask for a folder in PATH: %q", last)
	}
	want := []string{"+stable", "install", "app@=0.1.0", "--message-format=json-render-diagnostics", "--no-track", "--force",
		"--root", root, "--target-dir", filepath.Join(dir, "target"), "--locked",
		"--target", string(musl), "--profile", "release", "--bin", "app"}
	if diff := cmp.Diff(want, f.cmds[0].Args[:len(want)]); diff != "" {
		t.Error(diff)
	}
	if slices.Contains(f.cmds[0].Args, "--manifest-path") {
		t.Error("cargo install takes no --manifest-path")
	}
}

func TestMissingLinkerOfAGlibcProgram(t *testing.T) {
	c := compile()
	c.Triple = "x86_64-unknown-linux-gnu"
	b := builderFor(t, &fake{stderr: "error: linker `cc` not found\n", err: &run.ExitError{Path: "cargo", Code: 101}})
	_, err := b.Build(t.Context(), c)
	if diff := cmp.Diff(error(&HostLinkerError{Package: "app", Linker: "cc", Triple: c.Triple}), err); diff != "" || !strings.Contains(err.Error(), "programs for x86_64-unknown-linux-gnu") {
		t.Errorf("%v %s", err, diff)
	}
}

func TestGlibcKeepsTheHostsLinker(t *testing.T) {
	f := &fake{}
	b := builderFor(t, f)
	c := compile()
	c.Triple, c.Flags = "x86_64-unknown-linux-gnu", native.Flags("x86_64-unknown-linux-gnu")
	_, _ = b.Build(t.Context(), c)
	if line := strings.Join(f.cmds[0].Args, " "); strings.Contains(line, ".linker=") || !strings.Contains(line, "+crt-static") {
		t.Errorf("cargo %s", line)
	}
}

func TestUsersEnvironmentFlagsAreJoined(t *testing.T) {
	f := &fake{}
	b := builderFor(t, f)
	b.Workspace.Config.EnvFlagsPresent, b.Workspace.Config.EnvFlags = true, []string{"-Cuser"}
	_, _ = b.Build(t.Context(), compile())
	env := f.cmds[0].Env
	if last := env[len(env)-1]; !strings.HasPrefix(last, "CARGO_ENCODED_RUSTFLAGS=-Cuser\x1f-Ctarget-feature=+crt-static\x1f--remap") {
		t.Errorf("env ends in %q", last)
	}
}

func TestTerminalEnv(t *testing.T) {
	b := builderFor(t, &fake{})
	b.Color, b.Terminal, b.Progress = true, true, func(Progress) {}
	want := []string{"CARGO_TERM_COLOR=always", "CARGO_TERM_PROGRESS_WHEN=always", "CARGO_TERM_PROGRESS_WIDTH=" + progressWidth}
	if got := b.terminalEnv(); !slices.Equal(got, want) {
		t.Errorf("env %q, want %q", got, want)
	}
	b.Env = append(b.Env, "CARGO_TERM_COLOR=never", "CARGO_TERM_PROGRESS_WHEN=never")
	if got := b.terminalEnv(); !slices.Equal(got, want[2:]) {
		t.Errorf("what the user set was overruled: %q", got)
	}
}

func TestFailures(t *testing.T) {
	const red = "\x1b[1m\x1b[91merror\x1b[0m\x1b[1m"
	type hinted interface{ Hint() string }
	for name, c := range map[string]struct {
		stderr string
		want   error
	}{
		"its own code":     {red + "\x1b[0m: could not compile `app` (bin \"app\") due to 1 previous error\n", &CompileError{Package: "app", Code: 101, Told: true}},
		"a dependency":     {"error: could not compile `dep` (lib) due to 2 previous errors\n", &CompileError{Package: "app", Crate: "dep", Code: 101}},
		"a build script":   {"error: failed to run custom build command for `z-sys v1.0.0`\n", &CompileError{Package: "app", Crate: "z-sys", Code: 101}},
		"without a word":   {"   Compiling app v0.1.0\n", &CompileError{Package: "app", Code: 101}},
		"something else":   {"error: no space\n", &CompileError{Package: "app", Code: 101, Told: true}},
		"lock file":        {"error: the lock file /w/Cargo.lock needs to be updated but --locked was passed to prevent this\n", &LockError{Package: "app"}},
		"host linker":      {"error: linker `cc` not found\n  |\n  = note: No such file or directory (os error 2)\n\nerror: could not compile `proc-macro2` (build script)\n", &HostLinkerError{Package: "app", Linker: "cc"}},
		"no network":       {"    Updating index\nerror: download of config.json failed\n\nCaused by:\n  [6] Could not resolve hostname\n", &DownloadError{Package: "app"}},
		"offline":          {"error: failed to download `x v1.0.0`\n\nCaused by:\n  attempting to make an HTTP request, but --offline was specified\n", &DownloadError{Package: "app", Offline: true}},
		"frozen":           {"error: no matching package named `x` found\nAs a reminder, you're using offline mode (--frozen) which can\n", &DownloadError{Package: "app", Offline: true}},
		"its own network":  {"Could not connect\nerror: could not compile `app` (bin \"app\") due to 1 previous error\n", &CompileError{Package: "app", Code: 101, Told: true}},
		"host C library":   {"  = note: /usr/bin/ld: cannot find Scrt1.o: No such file or directory\nerror: could not compile `x`\n", &HostLinkerError{Package: "app", Missing: "Scrt1.o"}},
		"std":              {"error[E0463]: can't find crate for `core`\n  = note: the `" + string(musl) + "` target may not be installed\n", &StdError{Triple: musl}},
		"toolchain":        {"error: toolchain '1.2.3-x' is not installed\nhelp: run `rustup toolchain install`\n", &cargo.ToolchainError{Name: "1.2.3-x", Text: "toolchain '1.2.3-x' is not installed"}},
		"another triple's": {"error[E0463]: x\n  = note: the `wasm32-wasip1` target may not be installed\nerror: could not compile `app`\n", &CompileError{Package: "app", Code: 101, Told: true}},
	} {
		t.Run(name, func(t *testing.T) {
			b := builderFor(t, &fake{stderr: c.stderr, err: &run.ExitError{Path: "cargo", Code: 101}})
			_, err := b.Build(t.Context(), compile())
			if diff := cmp.Diff(c.want, err); diff != "" {
				t.Error(diff)
			}
			if strings.Contains(err.Error(), "error") {
				t.Errorf("repeats cargo: %v", err)
			}
			if _, isCompile := err.(*CompileError); !isCompile {
				if h, ok := err.(hinted); !ok || h.Hint() == "" {
					t.Errorf("no hint: %v", err)
				}
			}
		})
	}
}

// attempts is a cargo that answers each call with the next fake.
type attempts struct {
	answers []*fake
	cmds    []run.Cmd
}

func (a *attempts) Run(ctx context.Context, c run.Cmd) error {
	a.cmds = append(a.cmds, c)
	next := a.answers[0]
	a.answers = a.answers[1:]
	return next.Run(ctx, c)
}

func TestPublishedCrateBuiltBeforeNeedsNoNetwork(t *testing.T) {
	c := compile()
	c.Crate = true
	failed := &run.ExitError{Path: "cargo", Code: 101}
	fine := &fake{stderr: "Finished\n", stdout: artifact("registry+https://r.example/index#app@0.1.0", "bin", "app", "/x/app", "/x/app")}
	for name, tt := range map[string]struct {
		answers []*fake
		said    string
		calls   int
		works   bool
	}{
		"all there":     {[]*fake{fine}, "Finished\n", 1, true},
		"something new": {[]*fake{{stderr: "error: --offline was specified\n", err: failed}, fine}, "Finished\n", 2, true},
		"does not compile": {[]*fake{{stderr: "error: could not compile `dep`\n", err: failed,
			stdout: artifact("registry+https://r.example/index#syn@2.0.1", "lib", "syn", "/x/libsyn.rlib", "")}}, "error: could not compile `dep`\n", 1, false},
	} {
		t.Run(name, func(t *testing.T) {
			a := &attempts{answers: tt.answers}
			b := builderFor(t, nil)
			b.Runner = a
			var said bytes.Buffer
			b.Stderr = &said
			bin := filepath.Join(b.crateRoot(c), "bin")
			if err := os.MkdirAll(bin, 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(bin, "app"), nil, 0o755); err != nil {
				t.Fatal(err)
			}
			_, err := b.Build(t.Context(), c)
			if (err == nil) != tt.works || len(a.cmds) != tt.calls || said.String() != tt.said {
				t.Errorf("%d calls, said %q, %v", len(a.cmds), said.String(), err)
			}
			for i, cmd := range a.cmds {
				if slices.Contains(cmd.Args, "--offline") != (i == 0) {
					t.Errorf("call %d: %q", i, cmd.Args)
				}
			}
		})
	}
	a := &attempts{answers: []*fake{fine}}
	b := builderFor(t, nil)
	b.Runner = a
	if _, err := b.Build(t.Context(), c); err != nil || slices.Contains(a.cmds[0].Args, "--offline") {
		t.Errorf("never built before: %q, %v", a.cmds[0].Args, err)
	}
}

func TestOtherFailures(t *testing.T) {
	b := builderFor(t, &fake{err: &run.NotFoundError{Name: "cargo"}})
	var missing *cargo.MissingToolError
	if _, err := b.Build(t.Context(), compile()); !errors.As(err, &missing) {
		t.Errorf("no cargo: %v", err)
	}
	b = builderFor(t, &fake{err: context.Canceled})
	if _, err := b.Build(t.Context(), compile()); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	b = builderFor(t, &fake{stdout: `{"reason":"build-finished","success":true}` + "\n"})
	var none *MissingExecutableError
	if _, err := b.Build(t.Context(), compile()); !errors.As(err, &none) || none.Bin != "app" || none.Hint() == "" {
		t.Errorf("no executable: %v", err)
	}
	b = builderFor(t, &fake{stdout: "{" + strings.Repeat("x", 65<<20)})
	if _, err := b.Build(t.Context(), compile()); !errors.Is(err, cargo.ErrLongMessage) {
		t.Errorf("endless message: %v", err)
	}
}

func TestPreflight(t *testing.T) {
	dir := t.TempDir()
	exe := func(path string) {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	f := &fake{}
	b := builderFor(t, f)
	b.Env = []string{"PATH=" + filepath.Join(dir, "bin")}
	b.Workspace.Toolchain.Sysroot = filepath.Join(dir, "rust")
	cs := []plan.Compile{compile()}
	step := func(want any) {
		t.Helper()
		if err := b.Preflight(t.Context(), cs); !errors.As(err, want) {
			t.Errorf("Preflight = %v, want %T", err, want)
		}
	}
	step(new(*cargo.MissingToolError))
	exe(filepath.Join(dir, "bin", "cargo"))
	step(new(*StdError))
	lib := filepath.Join(dir, "rust", "lib", "rustlib", string(musl), "lib")
	exe(filepath.Join(lib, "libstd-1.rlib"))
	exe(filepath.Join(lib, "libcore-1.rlib"))
	step(new(*native.LinkerError))
	exe(filepath.Join(dir, "rust", "lib", "rustlib", "host", "bin", "rust-lld"))
	if err := b.Preflight(t.Context(), cs); err != nil || len(f.cmds) != 0 {
		t.Errorf("Preflight = %v after %d starts", err, len(f.cmds))
	}
}
