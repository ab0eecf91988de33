// SPDX-License-Identifier: MIT OR Apache-2.0

package cargo

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// fullMetadata is the part of `cargo metadata --format-version 1` that a graph is made of.
type fullMetadata struct {
	Packages []fullPackage `json:"packages"`
	Members  []string      `json:"workspace_members"`
	Resolve  *struct {
		Nodes []struct {
			ID       string     `json:"id"`
			Deps     []fullEdge `json:"deps"`
			Features []string   `json:"features"`
		} `json:"nodes"`
	} `json:"resolve"`
}

type fullPackage struct {
	ID           string       `json:"id"`
	Name         string       `json:"name"`
	Version      string       `json:"version"`
	Source       string       `json:"source"`
	Links        string       `json:"links"`
	License      string       `json:"license"`
	Rust         string       `json:"rust_version"`
	Manifest     string       `json:"manifest_path"`
	Edition      string       `json:"edition"`
	Features     Enables      `json:"features"`
	Dependencies []dependency `json:"dependencies"`
	Targets      []struct {
		Kind []string `json:"kind"`
		Name string   `json:"name"`
	} `json:"targets"`
}

// dependency is a line of a manifest's dependency tables.
type dependency struct {
	Name     string   `json:"name"`
	Rename   string   `json:"rename"`
	Kind     string   `json:"kind"`   // "", "build", "dev"
	Target   string   `json:"target"` // triple or cfg(...) expression, "" for all
	Optional bool     `json:"optional"`
	Defaults bool     `json:"uses_default_features"`
	Features []string `json:"features"`

	to []int // the packages that it was resolved to: one, or none where no platform asked for needs it
}

// alias is the dependency's name in the manifest.
func (d *dependency) alias() string { return cmp.Or(d.Rename, d.Name) }

// fullEdge is a dependency as resolved.
type fullEdge struct {
	Name  string `json:"name"` // as the sources call the crate
	ID    string `json:"pkg"`
	Kinds []struct {
		Kind   string `json:"kind"`
		Target string `json:"target"`
	} `json:"dep_kinds"`
}

// universe is all that cargo resolved for a workspace: more than one package needs, since it holds all members with
// their dev-dependencies, for the triple and the host, with the features of all of them joined.
type universe struct {
	packages []fullPackage
	members  []string // ids
	byID     map[string]int
	joined   [][]string // of each package, its features over all members, platforms and kinds of dependencies
}

// parseUniverse reads cargo's answer and resolves every dependency in it.
func parseUniverse(data []byte) (*universe, error) {
	var m fullMetadata
	if err := json.Unmarshal(data, &m); err != nil {
		return nil, fmt.Errorf("read cargo metadata: %w", err)
	}
	if m.Resolve == nil {
		return nil, fmt.Errorf("read cargo metadata: nothing is resolved")
	}
	u := &universe{packages: m.Packages, members: m.Members, byID: make(map[string]int, len(m.Packages)),
		joined: make([][]string, len(m.Packages))}
	for i, p := range m.Packages {
		if p.Name == "" || p.Version == "" {
			return nil, fmt.Errorf("read cargo metadata: package %q has no name or no version", p.ID)
		}
		u.byID[p.ID] = i
	}
	for _, n := range m.Resolve.Nodes {
		i, ok := u.byID[n.ID]
		if !ok {
			return nil, fmt.Errorf("read cargo metadata: package %q is not described", n.ID)
		}
		u.joined[i] = n.Features
		p := &u.packages[i]
		for k := range p.Dependencies {
			if err := u.link(&p.Dependencies[k], n.Deps); err != nil {
				return nil, err
			}
		}
	}
	return u, nil
}

// link finds what a dependency was resolved to among its package's edges. They name packages and not lines of the
// manifest; a line's package name, kind and platform tell it apart, and where they do not, its name in the sources.
func (u *universe) link(d *dependency, edges []fullEdge) error {
	var named []int
	for _, e := range edges {
		i, ok := u.byID[e.ID]
		if !ok {
			return fmt.Errorf("read cargo metadata: package %q is not described", e.ID)
		}
		if u.packages[i].Name != d.Name || !e.has(d) {
			continue
		}
		d.to = append(d.to, i)
		if e.Name == d.source(&u.packages[i]) {
			named = append(named, i)
		}
	}
	if len(d.to) > 1 && len(named) > 0 {
		d.to = named
	}
	slices.Sort(d.to)
	d.to = slices.Compact(d.to)
	return nil
}

// has reports whether the edge is one of d's kind and platform.
func (e *fullEdge) has(d *dependency) bool {
	for _, k := range e.Kinds {
		if k.Kind == d.Kind && k.Target == d.Target {
			return true
		}
	}
	return false
}

// source is what the sources call the crate that d brings.
func (d *dependency) source(p *fullPackage) string {
	name := d.Rename
	if name == "" {
		name = cmp.Or(p.library(), p.Name)
	}
	return strings.ReplaceAll(name, "-", "_")
}

// library is the name of the target that others can depend on, "" when there is none.
func (p *fullPackage) library() string {
	for _, t := range p.Targets {
		for _, k := range t.Kind {
			switch k {
			case "lib", "rlib", "dylib", "cdylib", "staticlib", "proc-macro":
				return t.Name
			}
		}
	}
	return ""
}

func (p *fullPackage) has(kind string) bool {
	for _, t := range p.Targets {
		if slices.Contains(t.Kind, kind) {
			return true
		}
	}
	return false
}

func (p *fullPackage) procMacro() bool   { return p.has("proc-macro") }
func (p *fullPackage) buildScript() bool { return p.has("custom-build") }
