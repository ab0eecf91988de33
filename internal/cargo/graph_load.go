// SPDX-License-Identifier: MIT OR Apache-2.0

package cargo

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"sampan/internal/run"

	"github.com/pelletier/go-toml/v2"
)

// GraphOptions say of which compile to make the graph; they are a Compile's words for cargo.
type GraphOptions struct {
	Package  string // name of the package
	Version  string // its version, "" when the name alone tells
	Manifest string // absolute path of its Cargo.toml, "" to take it from the workspace
	Triple   Triple

	Features          []string // --features words
	AllFeatures       bool
	NoDefaultFeatures bool
	Examples          bool // examples are built, and so dev-dependencies

	Locked, Offline, Frozen bool
	Config, Unstable        []string // --config and -Z words; nil for those that the workspace was loaded with
}

// GraphError says why there is no graph of what a package compiles.
type GraphError struct {
	Package string
	Lock    bool   // --locked was given, or the crate is a published one, and its lock file is missing or does not fit
	Offline bool   // something is not downloaded yet, and cargo was not allowed to, or there is no network
	Text    string // cargo's own message, several lines
}

func (e *GraphError) Error() string {
	switch {
	case e.Lock:
		return fmt.Sprintf("list what %s needs: Cargo.lock does not fit Cargo.toml, or is not there", e.Package)
	case e.Offline:
		return fmt.Sprintf("list what %s needs: not all of it is downloaded: %s", e.Package, firstLine(e.Text))
	}
	return fmt.Sprintf("list what %s needs: %s", e.Package, e.Text)
}

// Hint is what to type.
func (e *GraphError) Hint() string {
	switch {
	case e.Lock:
		return "resolve afresh, in a copy: --ignore-lock"
	case e.Offline:
		return "with the network there, type: cargo fetch"
	}
	return "see what cargo says: cargo tree -p " + e.Package
}

// keptGraph is a graph with what it depended on.
type keptGraph struct {
	Sum   string   `json:"sum"`
	Paths []string `json:"paths"` // manifests of path dependencies that are not members
	Graph Graph    `json:"graph"`
}

// LoadGraph says what a compile takes in. Cargo is asked only when something changed that its answer depends on: the
// lock file, the manifests, the options, the toolchain, the configuration.
//
// Cargo downloads what is missing of it, dev-dependencies included, since `cargo metadata` knows no other way. And it
// writes Cargo.lock where there is none, or one that does not fit, exactly as the build will: where that must not
// happen, set Locked. A published crate is always read with the lock file that it ships.
//
// Errors: *GraphError, *MissingToolError, *ToolchainError.
func LoadGraph(ctx context.Context, r run.Runner, ws *Workspace, o GraphOptions) (*Graph, error) {
	g := &graphLoader{GraphOptions: o, ws: ws, runner: r, keep: keep{dir: ws.load.keptDir()}}
	if err := g.settle(); err != nil {
		return nil, err
	}
	name := g.question()
	var kept keptGraph
	if g.keep.get(name, &kept) {
		if sum, _ := g.sum(kept.Paths); sum == kept.Sum {
			return &kept.Graph, nil
		}
	}
	began := g.keep.clock()
	graph, paths, err := g.ask(ctx)
	if err != nil {
		return nil, err
	}
	sum, newest := g.sum(paths)
	g.keep.put(name, keptGraph{Sum: sum, Paths: paths, Graph: *graph}, newest, began)
	return graph, nil
}

// graphLoader is one LoadGraph at work.
type graphLoader struct {
	GraphOptions
	ws     *Workspace
	runner run.Runner
	keep   keep
}

// settle completes the options from the workspace.
func (g *graphLoader) settle() error {
	if g.Config == nil {
		g.Config = g.ws.load.Config
	}
	if g.Unstable == nil {
		g.Unstable = g.ws.load.Unstable
	}
	g.Offline = g.Offline || g.ws.load.Offline
	g.Locked = g.Locked || g.ws.Published()
	for _, p := range g.ws.Packages {
		if p.Name == g.Package && (g.Version == "" || p.Version == g.Version) && (g.Manifest == "" || p.Manifest == g.Manifest) {
			g.Manifest = p.Manifest
			return nil
		}
	}
	return &GraphError{Package: g.Package, Text: "no member of the workspace is called so"}
}

// Published reports whether the workspace is a crate that cargo unpacked from a registry, or a vendored one: its
// folder is cargo's, and nothing is to be written there.
func (ws *Workspace) Published() bool {
	dirs := slices.Clone(ws.Config.SourceDirs)
	if ws.Config.CargoHome != "" {
		dirs = append(dirs, filepath.Join(ws.Config.CargoHome, "registry"))
	}
	for _, dir := range dirs {
		for _, d := range []string{dir, resolved(dir)} {
			if rel, err := filepath.Rel(d, ws.Root); err == nil && rel != "." && filepath.IsLocal(rel) {
				return true
			}
		}
	}
	return false
}

// question names the answer by all that was asked.
func (g *graphLoader) question() string {
	l := &g.ws.load
	return question("graph-2", l.Dir, g.Manifest, g.ws.Toolchain.Cargo, g.ws.Toolchain.Rustc, g.Triple, g.Features, g.AllFeatures,
		g.NoDefaultFeatures, g.Examples, g.Config, g.Unstable, environ(l.Env).relevant())
}

// sum changes when cargo would answer otherwise. paths are manifests that cargo's description of the members, which
// Load reads, does not depend on.
func (g *graphLoader) sum(paths []string) (string, time.Time) {
	in := newInputs()
	in.add("%s %s %s", g.ws.load.configSum, g.ws.load.fileSum, g.ws.load.toolSum)
	in.content(g.ws.Lock.Path)
	in.workspace(g.ws, g.ws.load.Manifest)
	for _, p := range paths {
		in.content(p)
	}
	return in.sum(), in.newest
}

// ask has cargo resolve the workspace, and picks from it what the package compiles.
func (g *graphLoader) ask(ctx context.Context) (*Graph, []string, error) {
	cmd := g.ws.CargoCmd(g.words()...)
	cmd.Env = plain(cmd.Env)
	out, err := run.Output(ctx, g.runner, cmd)
	if err != nil {
		exit, ok := errors.AsType[*run.ExitError](err)
		return nil, nil, startError(err, "cargo", func(text string) error {
			return &GraphError{Package: g.Package, Text: text, Lock: ok && IsLockError(exit.Stderr), Offline: IsOfflineError(text) || IsNetworkError(text)}
		})
	}
	u, err := parseUniverse(out)
	if err != nil {
		return nil, nil, err
	}
	root := slices.IndexFunc(u.packages, func(p fullPackage) bool { return p.Manifest == g.Manifest && p.Name == g.Package })
	if root < 0 {
		return nil, nil, &GraphError{Package: g.Package, Text: "cargo metadata does not describe " + g.Manifest}
	}
	active, err := g.platforms(ctx)
	if err != nil {
		return nil, nil, err
	}
	w := wants{
		features: g.Features, all: g.AllFeatures, noDefaults: g.NoDefaultFeatures, dev: g.Examples,
		resolver: resolverOf(g.ws.Root, u.packages[root].Edition),
	}
	w.devUnify = w.dev || w.resolver == 1 && !g.ws.Published() // cargo install leaves dev-dependencies out
	var paths []string
	for _, p := range u.packages {
		if p.Source == "" && !slices.Contains(u.members, p.ID) {
			paths = append(paths, p.Manifest)
		}
	}
	slices.Sort(paths)
	return graphOf(u, root, w, active), paths, nil
}

// words are those of `cargo metadata`. What they ask for holds at least what the package needs: the package's
// features, the other members' defaults, the dependencies of the triple and of the host.
func (g *graphLoader) words() []string {
	words := []string{"metadata", "--format-version", "1", "--color", "never", "--manifest-path", g.Manifest,
		"--filter-platform", string(g.Triple)}
	if host := g.ws.Toolchain.Host; host != g.Triple {
		words = append(words, "--filter-platform", string(host))
	}
	if len(g.Features) > 0 {
		words = append(words, "--features", strings.Join(g.Features, ","))
	}
	if g.NoDefaultFeatures && len(g.ws.Packages) == 1 {
		words = append(words, "--no-default-features")
	}
	for _, flag := range []struct {
		on   bool
		word string
	}{{g.AllFeatures, "--all-features"}, {g.Frozen, "--frozen"}, {g.Locked && !g.Frozen, "--locked"}, {g.Offline && !g.Frozen, "--offline"}} {
		if flag.on {
			words = append(words, flag.word)
		}
	}
	for _, w := range g.Config {
		words = append(words, "--config", w)
	}
	for _, w := range g.Unstable {
		words = append(words, "-Z", w)
	}
	return words
}

// platforms tells for which dependencies' platforms the triple and the host stand.
func (g *graphLoader) platforms(ctx context.Context) (func(platform string, host bool) bool, error) {
	host := cmp.Or(g.ws.Toolchain.Host, g.Triple)
	target, err := CfgOf(ctx, g.runner, g.ws, g.Triple)
	if err != nil {
		return nil, err
	}
	ours, err := CfgOf(ctx, g.runner, g.ws, host)
	if err != nil {
		return nil, err
	}
	type question struct {
		platform string
		host     bool
	}
	known := map[question]bool{}
	return func(platform string, onHost bool) bool {
		if platform == "" {
			return true
		}
		q := question{platform, onHost}
		yes, ok := known[q]
		if !ok {
			if onHost {
				yes = platform == string(host) || MatchCfg(platform, ours)
			} else {
				yes = platform == string(g.Triple) || MatchCfg(platform, target)
			}
			known[q] = yes
		}
		return yes
	}, nil
}

// resolverOf is the version of the feature resolver that a workspace uses: what its root manifest says, else what
// the edition of its root package implies. Anything unreadable is 2, which every edition since 2021 implies.
func resolverOf(root, edition string) int {
	data, err := readBounded(filepath.Join(root, "Cargo.toml"), manifestLimit)
	if err != nil {
		return 2
	}
	var m struct {
		Package *struct {
			Resolver string `toml:"resolver"`
			Edition  any    `toml:"edition"`
		} `toml:"package"`
		Workspace struct {
			Resolver string `toml:"resolver"`
			Package  struct {
				Edition string `toml:"edition"`
			} `toml:"package"`
		} `toml:"workspace"`
	}
	if err := toml.Unmarshal(data, &m); err != nil {
		return 2
	}
	said := m.Workspace.Resolver
	if m.Package != nil {
		said = cmp.Or(said, m.Package.Resolver)
		switch e := m.Package.Edition.(type) {
		case string:
			edition = e
		case nil:
			edition = "2015"
		default: // edition.workspace = true
			edition = cmp.Or(m.Workspace.Package.Edition, edition)
		}
	} else {
		edition = "" // a virtual workspace implies nothing
	}
	if said == "1" || said == "" && edition < "2021" {
		return 1
	}
	return 2
}
