// SPDX-License-Identifier: MIT OR Apache-2.0

package builder

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"sampan/internal/cargo"
	"sampan/internal/native"
	"sampan/internal/plan"
	"sampan/internal/run"
)

// command is the user's cargo with nothing to do.
func (b *Cargo) command() run.Cmd {
	words := b.Workspace.Toolchain.Cargo
	if len(words) == 0 {
		words = []string{"cargo"}
	}
	return run.Cmd{Path: words[0], Args: slices.Clone(words[1:]), Dir: b.Dir}
}

// cargoCall is the one call of cargo that makes c.
func (b *Cargo) cargoCall(ctx context.Context, c plan.Compile) (run.Cmd, error) {
	cmd := b.command()
	join, err := b.join(ctx, c)
	if err != nil {
		return cmd, err
	}
	config := slices.Concat(c.Config, join.Config)
	if native.Links(c.Triple) {
		linker, err := native.Ensure(b.CacheDir, b.Self, c.Triple)
		if err != nil {
			return cmd, err
		}
		config = append(config, "target."+string(c.Triple)+".linker="+tomlString(linker))
	}
	equipment, err := b.equip(ctx, c)
	if err != nil {
		return cmd, err
	}
	cmd.Env = slices.Concat(withoutLinkVars(b.Env), b.unset(c.Env), b.terminalEnv(), equipment, thinLink(c), join.Env)
	if c.Crate {
		cmd.Args = append(cmd.Args, b.install(c)...)
		cmd.Env = append(cmd.Env, b.crateEnv(c)...)
	} else {
		cmd.Args = append(cmd.Args, b.build(c)...)
	}
	cmd.Args = append(cmd.Args, selection(c)...)
	for _, word := range config {
		cmd.Args = append(cmd.Args, "--config", word)
	}
	for _, word := range c.Unstable {
		cmd.Args = append(cmd.Args, "-Z", word)
	}
	cmd.Args = append(cmd.Args, c.Args...)
	return cmd, nil
}

// join joins our flags with the user's.
func (b *Cargo) join(ctx context.Context, c plan.Compile) (cargo.Join, error) {
	var cfg []string
	if b.Workspace.NeedsCfg() {
		var err error
		if cfg, err = cargo.CfgOf(ctx, b.Runner, b.Workspace, c.Triple); err != nil {
			return cargo.Join{}, err
		}
	}
	return b.Workspace.RustFlags(c.Triple, slices.Concat(c.Flags, b.remaps(c)), cfg)
}

// build are the words for a package of the workspace.
func (b *Cargo) build(c plan.Compile) []string {
	manifest := filepath.FromSlash(c.Manifest)
	if !filepath.IsAbs(manifest) {
		manifest = filepath.Join(b.Workspace.Root, manifest)
	}
	spec := c.Package
	if c.Version != "" {
		spec += "@" + c.Version // a dependency may have the same name
	}
	words := []string{"build", messageFormat, "--manifest-path", manifest, "-p", spec}
	if b.TargetDir != "" {
		words = append(words, "--target-dir", b.TargetDir)
	}
	if c.Locked && !c.Frozen {
		words = append(words, "--locked")
	}
	return words
}

const messageFormat = "--message-format=json-render-diagnostics"

// install are the words for a published crate. It always gets the lock file that it ships.
func (b *Cargo) install(c plan.Compile) []string {
	words := []string{"install", c.Package + "@=" + c.Version, messageFormat,
		"--no-track", "--force", "--root", b.crateRoot(c), "--target-dir", b.targetDir(c)}
	if !c.Frozen {
		words = append(words, "--locked")
	}
	return words
}

// crateDir is the folder in our cache for all that is made of one published crate. Each has its own: two crates may
// have bins of the same name, and two builds may run at once.
func (b *Cargo) crateDir(c plan.Compile) string {
	return filepath.Join(b.CacheDir, "crates", c.Package+"-"+c.Version)
}

// crateRoot is where cargo install puts the programs of a published crate, in a folder bin.
func (b *Cargo) crateRoot(c plan.Compile) string {
	return filepath.Join(b.crateDir(c), "root", string(c.Triple), c.Profile)
}

// builtBefore reports whether a published crate's programs were built in this profile for this triple, so that
// probably nothing of it has to be downloaded.
func (b *Cargo) builtBefore(c plan.Compile) bool {
	if !c.Crate || c.Offline || c.Frozen {
		return false
	}
	for _, bin := range c.Bins {
		if _, err := os.Stat(filepath.Join(b.crateRoot(c), "bin", bin)); err != nil {
			return false
		}
	}
	return len(c.Bins) > 0
}

// crateEnv has the folder of the programs in PATH, at its end: cargo would ask the user to put it there.
func (b *Cargo) crateEnv(c plan.Compile) []string {
	path := ""
	for _, kv := range b.Env {
		if v, ok := strings.CutPrefix(kv, "PATH="); ok {
			path = v + string(filepath.ListSeparator)
		}
	}
	return []string{"PATH=" + path + filepath.Join(b.crateRoot(c), "bin")}
}

// targetDir is where cargo puts what it makes of c.
func (b *Cargo) targetDir(c plan.Compile) string {
	if c.Crate && b.TargetDir == "" {
		return filepath.Join(b.crateDir(c), "target")
	}
	if b.TargetDir == "" {
		return b.Workspace.TargetDir
	}
	if filepath.IsAbs(b.TargetDir) {
		return filepath.Clean(b.TargetDir)
	}
	return filepath.Join(b.Dir, b.TargetDir)
}

// selection are the words that build and install have in common.
func selection(c plan.Compile) []string {
	words := []string{"--target", string(c.Triple), "--profile", c.Profile}
	for _, name := range c.Bins {
		words = append(words, "--bin", name)
	}
	for _, name := range c.Examples {
		words = append(words, "--example", name)
	}
	if len(c.Features) > 0 {
		words = append(words, "--features", strings.Join(c.Features, ","))
	}
	for _, flag := range []struct {
		on   bool
		word string
	}{{c.AllFeatures, "--all-features"}, {c.NoDefaultFeatures, "--no-default-features"}, {c.Offline, "--offline"}, {c.Frozen, "--frozen"}} {
		if flag.on {
			words = append(words, flag.word)
		}
	}
	if c.Jobs != "" {
		words = append(words, "--jobs", c.Jobs)
	}
	return words
}

// progressWidth leaves room for the names of many crates; nobody sees the lines.
const progressWidth = "400"

// terminalEnv makes cargo, which writes into a pipe, behave as on the terminal that is behind it. What the user has
// set stays.
func (b *Cargo) terminalEnv() []string {
	var env []string
	if b.Color {
		env = append(env, "CARGO_TERM_COLOR=always")
	}
	if b.Terminal && b.Progress != nil {
		env = append(env, "CARGO_TERM_PROGRESS_WHEN=always", "CARGO_TERM_PROGRESS_WIDTH="+progressWidth)
	}
	return b.unset(env)
}

// unset are those of the variables that the user has not set.
func (b *Cargo) unset(vars []string) []string {
	return slices.DeleteFunc(slices.Clone(vars), func(kv string) bool {
		key, _, _ := strings.Cut(kv, "=")
		return slices.ContainsFunc(b.Env, func(user string) bool { return strings.HasPrefix(user, key+"=") })
	})
}

// tomlString writes a basic string of TOML 1.0, of which JSON's are a subset.
func tomlString(s string) string {
	text, _ := json.Marshal(s) // a string always can be
	return strings.ReplaceAll(string(text), "\x7f", `\u007F`)
}

// BuildsStd reports whether -Z words have cargo compile the standard library, so that none has to be installed.
func BuildsStd(unstable []string) bool {
	return slices.ContainsFunc(unstable, func(w string) bool { return strings.HasPrefix(w, "build-std") })
}
