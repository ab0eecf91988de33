// SPDX-License-Identifier: MIT OR Apache-2.0

package cargo

import (
	"context"
	"encoding/hex"
	"os"
	"path/filepath"
	"slices"

	"sampan/internal/run"
)

// LoadOptions say which workspace to load, and with which cargo. They are the user's own words for cargo.
type LoadOptions struct {
	Dir       string   // where cargo runs and looks for a manifest and its configuration; "" is our working directory
	Manifest  string   // --manifest-path, "" to look from Dir upwards
	Cargo     []string // the cargo command: name or path, then "+toolchain" when one was named; nil is "cargo"
	Env       []string // the whole environment, "KEY=VALUE"
	CacheDir  string   // where answers are kept from run to run, "" keeps none
	Config    []string // --config words
	Unstable  []string // -Z words
	TargetDir string   // --target-dir, "" for cargo's own choice
	Offline   bool     // --offline
}

// loader is one Load at work.
type loader struct {
	LoadOptions
	runner    run.Runner
	env       environ
	keep      keep
	config    Config
	found     []string // configuration files that cargo finds by itself
	configSum string
	tools     *inputs // what decides about the toolchain
	toolSum   string
}

// loaded is what a Workspace remembers of how it was loaded.
type loaded struct {
	LoadOptions
	toolSum   string
	configSum string
	fileSum   string // of the toolchain files
}

func (o LoadOptions) keptDir() string {
	if o.CacheDir == "" {
		return ""
	}
	return filepath.Join(o.CacheDir, "cargo")
}

// Load describes the workspace around a manifest. Cargo and rustc are asked only when something that their answer
// depends on changed since they were asked last: with all as it was, no process starts. Nothing is written but in
// CacheDir, no lock file either.
//
// Errors: *NoManifestError, *MissingToolError, *ToolchainError, *ConfigError, *ManifestError with cargo's own words.
func Load(ctx context.Context, r run.Runner, o LoadOptions) (*Workspace, error) {
	l, err := newLoader(r, o)
	if err != nil {
		return nil, err
	}
	if l.Manifest, err = l.findManifest(); err != nil {
		return nil, err
	}
	ws, err := l.workspace(ctx)
	if err != nil {
		return nil, err
	}
	if ws.Toolchain, err = l.toolchain(ctx); err != nil {
		return nil, err
	}
	ws.load = loaded{LoadOptions: l.LoadOptions, toolSum: l.toolSum, configSum: l.configSum, fileSum: l.tools.sum()}
	ws.Config = l.config
	ws.settleTargets()
	ws.Current = ws.packageAt(l.Manifest)
	ws.Lock.Path = filepath.Join(ws.Root, "Cargo.lock")
	info, err := os.Stat(ws.Lock.Path)
	ws.Lock.Exists = err == nil && info.Mode().IsRegular()
	return ws, nil
}

// settleTargets puts the host in the place of cargo's word for it.
func (ws *Workspace) settleTargets() {
	for i, t := range ws.Config.BuildTarget {
		if t == "host-tuple" {
			ws.Config.BuildTarget[i] = string(ws.Toolchain.Host)
		}
	}
}

// newLoader settles the options and reads what needs no process.
func newLoader(r run.Runner, o LoadOptions) (*loader, error) {
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, err
	}
	o.Dir = resolved(dir)
	if len(o.Cargo) == 0 {
		o.Cargo = []string{"cargo"}
	}
	l := &loader{LoadOptions: o, runner: r, env: o.Env, keep: keep{dir: o.keptDir()}, tools: newInputs()}
	reader := newConfigReader(o.Dir)
	if l.config, err = readConfig(reader, o.Config, l.env); err != nil {
		return nil, err
	}
	l.found, l.configSum = reader.found, hex.EncodeToString(reader.sum.Sum(nil))
	l.tools.toolFiles(o.Dir, l.env)
	return l, nil
}

// findManifest is the manifest that cargo would use: the one named, or the first Cargo.toml from Dir upwards.
func (l *loader) findManifest() (string, error) {
	if l.Manifest == "" {
		return FindManifest(l.Dir)
	}
	path := absolute(l.Dir, l.Manifest)
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		path = filepath.Join(path, "Cargo.toml")
	}
	if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() {
		return "", &NoManifestError{Path: path}
	}
	return path, nil
}

// FindManifest looks for a Cargo.toml in dir and the folders above it. Its error is a *NoManifestError.
func FindManifest(dir string) (string, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	for _, d := range ancestors(resolved(abs)) {
		path := filepath.Join(d, "Cargo.toml")
		if _, err := os.Stat(path); err == nil {
			return path, nil
		}
	}
	return "", &NoManifestError{Dir: abs}
}

// keptWorkspace is an answer of cargo's with what it depended on.
type keptWorkspace struct {
	Sum       string    `json:"sum"`
	Workspace Workspace `json:"workspace"`
}

// workspace asks cargo, unless its answer is kept.
func (l *loader) workspace(ctx context.Context) (*Workspace, error) {
	cargo, err := run.LookPath(l.Cargo[0], l.env)
	if err != nil {
		return nil, &MissingToolError{Tool: l.Cargo[0]}
	}
	tool := newInputs()
	tool.stat(cargo)
	name := question("workspace-2", l.Dir, l.Manifest, l.Cargo, tool.sum(), l.Config, l.Unstable, l.TargetDir, l.env.relevant())
	var kept keptWorkspace
	if l.keep.get(name, &kept) && kept.Workspace.valid() == nil {
		ws := &kept.Workspace
		ws.Metadata = present(ws.Metadata)
		for i := range ws.Packages {
			ws.Packages[i].Metadata = present(ws.Packages[i].Metadata)
		}
		if sum, _ := l.sum(ws); sum == kept.Sum {
			return ws, nil
		}
	}
	began := l.keep.clock()
	ws, err := l.askCargo(ctx)
	if err != nil {
		return nil, err
	}
	sum, in := l.sum(ws)
	l.keep.put(name, keptWorkspace{Sum: sum, Workspace: *ws}, in.newest, began)
	return ws, nil
}

// sum changes when cargo would describe ws otherwise.
func (l *loader) sum(ws *Workspace) (string, *inputs) {
	in := newInputs()
	in.add("%s %s", l.configSum, l.tools.sum())
	in.workspace(ws, l.Manifest)
	return in.sum(), in
}

func (l *loader) askCargo(ctx context.Context) (*Workspace, error) {
	args := append(slices.Clone(l.Cargo[1:]), "metadata", "--no-deps", "--format-version", "1", "--color", "never",
		"--manifest-path", l.Manifest)
	args = append(args, l.words()...)
	env := plain(l.Env)
	if l.TargetDir != "" { // metadata has no flag for it
		env = append(env, "CARGO_TARGET_DIR="+absolute(l.Dir, l.TargetDir))
	}
	out, err := run.Output(ctx, l.runner, run.Cmd{Path: l.Cargo[0], Args: args, Dir: l.Dir, Env: env})
	if err != nil {
		return nil, startError(err, "cargo", func(text string) error {
			return &ManifestError{Path: l.Manifest, Text: text}
		})
	}
	return parseMetadata(out)
}

// words are the user's words for every cargo call.
func (l *loader) words() []string {
	var out []string
	for _, w := range l.Config {
		out = append(out, "--config", w)
	}
	for _, w := range l.Unstable {
		out = append(out, "-Z", w)
	}
	if l.Offline {
		out = append(out, "--offline")
	}
	return out
}

// packageAt is the name of the package that manifest belongs to, "" when it is a virtual workspace's.
func (ws *Workspace) packageAt(manifest string) string {
	for _, p := range ws.Packages {
		if p.Manifest == manifest {
			return p.Name
		}
	}
	if real := resolved(manifest); real != manifest {
		return ws.packageAt(real)
	}
	return ""
}
