// SPDX-License-Identifier: MIT OR Apache-2.0

package cargo

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"sampan/internal/run"
)

// HasStd reports whether the standard library for t is installed. Only then can anything be compiled for t.
func (tc Toolchain) HasStd(t Triple) bool {
	if tc.Sysroot == "" {
		return false
	}
	entries, err := os.ReadDir(filepath.Join(tc.Sysroot, "lib", "rustlib", string(t), "lib"))
	if err != nil {
		return false
	}
	var std, core bool
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".rlib") {
			std = std || strings.HasPrefix(e.Name(), "libstd-")
			core = core || strings.HasPrefix(e.Name(), "libcore-")
		}
	}
	return std && core
}

// RustLLD is the path of the linker that comes with the toolchain, "" when it has none (as distributions' have).
func (tc Toolchain) RustLLD() string {
	if tc.Sysroot == "" {
		return ""
	}
	for _, name := range []string{"rust-lld", "rust-lld.exe"} {
		path := filepath.Join(tc.Sysroot, "lib", "rustlib", string(tc.Host), "bin", name)
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
			return path
		}
	}
	return ""
}

// AtLeast reports whether the toolchain's release is major.minor or later; false when the release is not known.
func (tc Toolchain) AtLeast(major, minor int) bool {
	parts := strings.SplitN(tc.Release, ".", 3)
	if len(parts) < 2 {
		return false
	}
	a, err1 := strconv.Atoi(parts[0])
	b, err2 := strconv.Atoi(parts[1])
	return err1 == nil && err2 == nil && (a > major || a == major && b >= minor)
}

// CargoCmd is a call of the user's cargo as this workspace was loaded with: same folder, environment and toolchain.
// The --config and -Z words are not in it.
func (ws *Workspace) CargoCmd(args ...string) run.Cmd {
	argv := ws.Toolchain.Cargo
	if len(argv) == 0 {
		argv = []string{"cargo"}
	}
	return run.Cmd{Path: argv[0], Args: append(append([]string{}, argv[1:]...), args...), Dir: ws.load.Dir, Env: ws.load.Env}
}

// RustcCmd is a call of the rustc that this cargo would use.
func (ws *Workspace) RustcCmd(args ...string) run.Cmd {
	env := rustcEnv(ws.load.Env, ws.Toolchain.Cargo)
	return run.Cmd{Path: ws.Toolchain.Rustc, Args: args, Dir: ws.load.Dir, Env: env}
}

// rustcEnv is what rustup's cargo would hand down to rustc after a "+toolchain" word.
func rustcEnv(env, cargo []string) []string {
	for _, w := range cargo[min(1, len(cargo)):] {
		if name, ok := strings.CutPrefix(w, "+"); ok {
			return environ(env).with("RUSTUP_TOOLCHAIN=" + name)
		}
	}
	return env
}

// rustcPath is the rustc that cargo calls: RUSTC, build.rustc, or the one in PATH.
func rustcPath(cwd string, env environ, c Config) (string, error) {
	name := "rustc"
	if v := env.value("RUSTC"); v != "" {
		name = v
	} else if c.BuildRustc != "" {
		name = c.BuildRustc
	}
	if isPath(name) {
		name = absolute(cwd, name)
	}
	path, err := run.LookPath(name, env)
	if err != nil {
		return "", &MissingToolError{Tool: name}
	}
	return path, nil
}

// keptToolchain is an answer of rustc's with what it depended on.
type keptToolchain struct {
	Sum       string    `json:"sum"`
	Toolchain Toolchain `json:"toolchain"`
}

// toolchain says which cargo and rustc a build uses; it asks rustc, unless the answer is kept.
func (l *loader) toolchain(ctx context.Context) (Toolchain, error) {
	rustc, err := rustcPath(l.Dir, l.env, l.config)
	if err != nil {
		return Toolchain{}, err
	}
	name := question("toolchain", rustc, l.Cargo, l.env.relevant(), l.tools.sum())
	var kept keptToolchain
	if l.keep.get(name, &kept) && filepath.IsAbs(kept.Toolchain.Sysroot) &&
		kept.Sum == toolchainSum(rustc, kept.Toolchain.Sysroot) {
		kept.Toolchain.Cargo, kept.Toolchain.Rustc = l.Cargo, rustc
		l.toolSum = kept.Sum
		return kept.Toolchain, nil
	}
	began := l.keep.clock()
	tc, err := askRustc(ctx, l, rustc)
	if err != nil {
		return Toolchain{}, err
	}
	l.toolSum = toolchainSum(rustc, tc.Sysroot)
	l.keep.put(name, keptToolchain{Sum: l.toolSum, Toolchain: tc}, l.tools.newest, began)
	return tc, nil
}

// toolchainSum changes when rustup updates the toolchain in place.
func toolchainSum(rustc, sysroot string) string {
	in := newInputs()
	in.stat(rustc)
	for _, name := range []string{"bin/rustc", "bin/rustc.exe", "lib/rustlib/multirust-channel-manifest.toml", "lib/rustlib/rust-installer-version"} {
		in.stat(filepath.Join(sysroot, filepath.FromSlash(name)))
	}
	return in.sum()
}

func askRustc(ctx context.Context, l *loader, rustc string) (Toolchain, error) {
	cmd := run.Cmd{Path: rustc, Dir: l.Dir, Env: plain(rustcEnv(l.Env, l.Cargo))}
	other := func(text string) error { return fmt.Errorf("ask rustc: %s", text) }
	cmd.Args = []string{"-vV"}
	out, err := run.Output(ctx, l.runner, cmd)
	if err != nil {
		return Toolchain{}, startError(err, "rustc", other)
	}
	tc := parseVersion(string(out))
	cmd.Args = []string{"--print", "sysroot"}
	if out, err = run.Output(ctx, l.runner, cmd); err != nil {
		return Toolchain{}, startError(err, "rustc", other)
	}
	tc.Cargo, tc.Rustc, tc.Sysroot = l.Cargo, rustc, strings.TrimSpace(string(out))
	if tc.Host == "" || tc.Release == "" || !filepath.IsAbs(tc.Sysroot) {
		return Toolchain{}, fmt.Errorf("ask rustc: %s does not answer as a Rust compiler does", rustc)
	}
	return tc, nil
}

// parseVersion reads the lines "key: value" of rustc -vV.
func parseVersion(out string) Toolchain {
	var tc Toolchain
	for line := range strings.Lines(out) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		switch key {
		case "release":
			tc.Release = value
		case "host":
			tc.Host = Triple(value)
		case "LLVM version":
			tc.LLVM = value
		case "commit-hash":
			if value != "unknown" {
				tc.Commit = value
			}
		}
	}
	return tc
}

// CfgOf says what `rustc --print cfg` says of t with the user's own flags for it (`unix`, `target_os="linux"`, one
// in each line's place); the answer is kept with the toolchain.
func CfgOf(ctx context.Context, r run.Runner, ws *Workspace, t Triple) ([]string, error) {
	c := ws.Config
	flags := c.EnvFlags
	if !c.EnvFlagsPresent {
		if flags = c.TargetFlags[string(t)]; len(flags) == 0 {
			flags = c.BuildFlags
		}
	}
	cfg, err := printCfg(ctx, r, ws, t, flags)
	if err != nil || c.EnvFlagsPresent {
		return cfg, err
	}
	// Flags under a cfg(...) key can set a cfg in turn; cargo looks a second time, and no further.
	second := append(append([]string{}, c.TargetFlags[string(t)]...), c.cfgFlags(cfg)...)
	if len(second) == 0 || strings.Join(second, "\x1f") == strings.Join(flags, "\x1f") {
		return cfg, nil
	}
	return printCfg(ctx, r, ws, t, second)
}

func printCfg(ctx context.Context, r run.Runner, ws *Workspace, t Triple, flags []string) ([]string, error) {
	k := keep{dir: ws.load.keptDir()}
	name := question("cfg", ws.load.toolSum, ws.Toolchain.Rustc, ws.Toolchain.Commit, ws.Toolchain.Release, t, flags)
	var kept []string
	if k.get(name, &kept) && len(kept) > 0 {
		return kept, nil
	}
	began := k.clock()
	cmd := ws.RustcCmd(append([]string{"--print", "cfg", "--target", string(t)}, flags...)...)
	cmd.Env = plain(cmd.Env)
	out, err := run.Output(ctx, r, cmd)
	if err != nil {
		return nil, startError(err, "rustc", func(text string) error {
			return fmt.Errorf("ask rustc for the cfg of %s: %s", t, text)
		})
	}
	lines := strings.Split(strings.TrimSpace(strings.ReplaceAll(string(out), "\r", "")), "\n")
	k.put(name, lines, began, began)
	return lines, nil
}
