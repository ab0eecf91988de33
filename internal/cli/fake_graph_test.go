// SPDX-License-Identifier: MIT OR Apache-2.0

package cli

import (
	"os"
	"path/filepath"
	"slices"

	"github.com/pelletier/go-toml/v2"
)

// fakeCrate is a crate of $FAKE/graph.toml, which says what packages need: one version of each. That of a member's name
// gives its dependencies.
//
//	[[crate]]
//	name = "openssl-sys"
//	version = "0.9.109"
//	links = "openssl"
//	build = ["pkg-config"]   # build-dependencies, and so a build script
type fakeCrate struct {
	Name, Version, Links, Rust string
	Features                   []string // that it is compiled with
	Deps, Build                []string
	Script                     bool // it has a build script with no dependencies
}

// fakeCrates reads the graph; there is none in most scripts.
func fakeCrates() []fakeCrate {
	data, err := os.ReadFile(filepath.Join(os.Getenv("FAKE"), "graph.toml"))
	if err != nil {
		return nil
	}
	var g struct{ Crate []fakeCrate }
	if err := toml.Unmarshal(data, &g); err != nil {
		die(err)
	}
	return g.Crate
}

func (c fakeCrate) source() string { return "registry+https://index.example/" }

func (c fakeCrate) id() string { return c.source() + "#" + c.Name + "@" + c.Version }

// dependencies are the lines of its manifest.
func (c fakeCrate) dependencies() []any {
	out := []any{}
	for i, list := range [][]string{c.Deps, c.Build} {
		for _, name := range list {
			out = append(out, map[string]any{"name": name, "kind": []any{nil, "build"}[i], "target": nil, "optional": false, "uses_default_features": true, "features": []string{}})
		}
	}
	return out
}

// described is the crate as cargo metadata describes it.
func (c fakeCrate) described() map[string]any {
	target := func(kind string) map[string]any {
		return map[string]any{"kind": []string{kind}, "crate_types": []string{kind}, "name": c.Name, "src_path": "/"}
	}
	targets := []any{target("lib")}
	if c.Script || len(c.Build) > 0 {
		targets = append(targets, target("custom-build"))
	}
	features := map[string][]string{"default": append([]string{}, c.Features...)}
	for _, f := range c.Features {
		features[f] = []string{}
	}
	var links, rust any
	if c.Links != "" {
		links = c.Links
	}
	if c.Rust != "" {
		rust = c.Rust
	}
	return map[string]any{"name": c.Name, "version": c.Version, "id": c.id(), "source": c.source(), "links": links, "license": "MIT", "edition": "2021", "rust_version": rust,
		"manifest_path": filepath.Join(os.Getenv("FAKE"), c.Name, "Cargo.toml"), "targets": targets, "features": features, "dependencies": c.dependencies()}
}

// resolved is a node of the resolved graph, of the crate or, with its id, of a member.
func (c fakeCrate) resolved(id string, all []fakeCrate) map[string]any {
	deps := []any{}
	for i, list := range [][]string{c.Deps, c.Build} {
		for _, name := range list {
			at := slices.IndexFunc(all, func(o fakeCrate) bool { return o.Name == name })
			deps = append(deps, map[string]any{"name": name, "pkg": all[at].id(), "dep_kinds": []any{map[string]any{"kind": []any{nil, "build"}[i], "target": nil}}})
		}
	}
	return map[string]any{"id": id, "deps": deps, "features": append([]string{}, c.Features...)}
}

// fakeResolve is what is resolved for members, by name their ids: the packages beside them, and the graph.
func fakeResolve(members map[string]string) (packages []any, resolve map[string]any) {
	all := fakeCrates()
	nodes := []any{}
	for _, c := range all {
		id, member := members[c.Name]
		if !member {
			id = c.id()
			packages = append(packages, c.described())
		}
		nodes = append(nodes, c.resolved(id, all))
	}
	return packages, map[string]any{"root": nil, "nodes": nodes}
}

// memberDependencies are the lines of a member's manifest.
func memberDependencies(name string) []any {
	for _, c := range fakeCrates() {
		if c.Name == name {
			return c.dependencies()
		}
	}
	return []any{}
}
