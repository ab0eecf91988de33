// SPDX-License-Identifier: MIT OR Apache-2.0

package cargo

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
)

// metadata is the part of `cargo metadata --format-version 1` that we read.
type metadata struct {
	Packages []struct {
		ID            string   `json:"id"`
		Name          string   `json:"name"`
		Version       string   `json:"version"`
		Manifest      string   `json:"manifest_path"`
		License       string   `json:"license"`
		LicenseFile   string   `json:"license_file"`
		Description   string   `json:"description"`
		Homepage      string   `json:"homepage"`
		Repository    string   `json:"repository"`
		Documentation string   `json:"documentation"`
		Authors       []string `json:"authors"`
		DefaultRun    string   `json:"default_run"`
		Features      Enables  `json:"features"`
		Dependencies  []struct {
			Name   string `json:"name"`
			Rename string `json:"rename"`
		} `json:"dependencies"`
		Metadata json.RawMessage `json:"metadata"`
		Targets  []struct {
			Kind             []string `json:"kind"`
			CrateTypes       []string `json:"crate_types"`
			Name             string   `json:"name"`
			RequiredFeatures []string `json:"required-features"`
		} `json:"targets"`
	} `json:"packages"`
	Members  []string        `json:"workspace_members"`
	Default  []string        `json:"workspace_default_members"`
	Root     string          `json:"workspace_root"`
	Target   string          `json:"target_directory"`
	Build    string          `json:"build_directory"`
	Metadata json.RawMessage `json:"metadata"`
	Version  int             `json:"version"`
}

// parseMetadata reads what cargo said. Cargo is trusted to tell the truth, not to be cargo: what is missing is an
// error here and not a surprise later.
func parseMetadata(data []byte) (*Workspace, error) {
	var m metadata
	if err := json.Unmarshal(data, &m); err != nil {
		return nil, fmt.Errorf("read cargo metadata: %w", err)
	}
	ws := &Workspace{Root: m.Root, TargetDir: m.Target, BuildDir: m.Build, Metadata: present(m.Metadata)}
	if ws.BuildDir == "" {
		ws.BuildDir = ws.TargetDir // before cargo 1.91
	}
	byID := map[string]int{}
	for i, p := range m.Packages {
		byID[p.ID] = i
	}
	for _, id := range m.Members {
		i, ok := byID[id]
		if !ok {
			return nil, fmt.Errorf("read cargo metadata: member %q is not described", id)
		}
		p := m.Packages[i]
		pkg := Package{
			ID: p.ID, Name: p.Name, Version: p.Version, Manifest: p.Manifest, License: p.License,
			LicenseFile: p.LicenseFile, Description: p.Description, Homepage: p.Homepage, Repository: p.Repository,
			Documentation: p.Documentation, Authors: p.Authors, DefaultRun: p.DefaultRun,
			Features: slices.Sorted(maps.Keys(p.Features)), Enables: p.Features, Metadata: present(p.Metadata),
		}
		for _, d := range p.Dependencies {
			pkg.Dependencies = append(pkg.Dependencies, cmp.Or(d.Rename, d.Name))
		}
		slices.Sort(pkg.Dependencies)
		pkg.Dependencies = slices.Compact(pkg.Dependencies)
		for _, t := range p.Targets {
			pkg.addTarget(t.Name, t.Kind, t.CrateTypes, t.RequiredFeatures)
		}
		slices.Sort(pkg.Kinds)
		pkg.Kinds = slices.Compact(pkg.Kinds)
		ws.Packages = append(ws.Packages, pkg)
	}
	defaults := m.Default
	if defaults == nil {
		defaults = m.Members // before cargo 1.71
	}
	for _, id := range defaults {
		if i, ok := byID[id]; ok {
			ws.Default = append(ws.Default, m.Packages[i].Name)
		}
	}
	return ws, ws.valid()
}

// addTarget files one target of a package. Tests and benches are left out: they go into no image, and so their
// folders need not be watched.
func (p *Package) addTarget(name string, kinds, crateTypes, required []string) {
	for _, k := range kinds {
		switch k {
		case "test", "bench":
			continue
		case "bin":
			p.Bins = append(p.Bins, Bin{Name: name, RequiredFeatures: required})
		case "example":
			if slices.Contains(crateTypes, "bin") {
				p.Bins = append(p.Bins, Bin{Name: name, Example: true, RequiredFeatures: required})
			}
		}
		p.Kinds = append(p.Kinds, k)
	}
}

// present is raw, nil when it says null.
func present(raw json.RawMessage) json.RawMessage {
	if string(raw) == "null" {
		return nil
	}
	return raw
}

// valid refuses a description that no cargo gives: paths that are not absolute, packages without a name.
func (ws *Workspace) valid() error {
	for _, path := range []string{ws.Root, ws.TargetDir, ws.BuildDir} {
		if !filepath.IsAbs(path) {
			return fmt.Errorf("read cargo metadata: %q is not an absolute path", path)
		}
	}
	for _, p := range ws.Packages {
		if p.Name == "" || p.ID == "" || !filepath.IsAbs(p.Manifest) || filepath.Base(p.Manifest) != "Cargo.toml" {
			return fmt.Errorf("read cargo metadata: package %q with manifest %q", p.Name, p.Manifest)
		}
	}
	return nil
}
