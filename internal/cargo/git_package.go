// SPDX-License-Identifier: MIT OR Apache-2.0

package cargo

import (
	"context"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"
)

// searched bounds how many files of a repository are looked at for manifests.
const searched = 200_000

// load finds the package in a checkout: in the workspace at its top, else, as cargo install does, anywhere in it.
func (g *gitFetcher) load(ctx context.Context, dir, name string) (*Workspace, error) {
	atTop := fileExists(filepath.Join(dir, "Cargo.toml"))
	var names []string // packages with programs
	var last *Workspace
	for _, manifest := range manifestsIn(dir, name) {
		o := g.LoadOptions
		o.Manifest = manifest
		ws, err := Load(ctx, g.runner, o)
		if err != nil {
			return nil, err
		}
		found := withPrograms(ws)
		if name != "" && slices.ContainsFunc(ws.Packages, func(p Package) bool { return p.Name == name }) {
			if !slices.Contains(found, name) {
				return nil, &GitError{URL: g.shown, Reason: NoProgramInIt, Packages: found}
			}
			ws.Current = name
			return ws, nil
		}
		if len(found) > 0 {
			last = ws
		}
		names = append(names, found...)
	}
	slices.Sort(names)
	names = slices.Compact(names)
	switch {
	case name == "" && last != nil && (atTop || len(names) == 1):
		return g.choose(last, names)
	case name == "" && last != nil:
		return nil, &GitError{URL: g.shown, Reason: SeveralPackages, Packages: names}
	case name == "" && atTop:
		return nil, &GitError{URL: g.shown, Reason: NoProgramInIt}
	}
	return nil, &GitError{URL: g.shown, Reason: NoPackage, Package: name, Packages: names}
}

// choose picks the package that nobody named.
func (g *gitFetcher) choose(ws *Workspace, found []string) (*Workspace, error) {
	if slices.Contains(found, ws.Current) {
		return ws, nil
	}
	preferred := slices.DeleteFunc(slices.Clone(found), func(n string) bool { return !slices.Contains(ws.Default, n) })
	for _, list := range [][]string{found, preferred} {
		if len(list) == 1 {
			ws.Current = list[0]
			return ws, nil
		}
	}
	return nil, &GitError{URL: g.shown, Reason: SeveralPackages, Packages: found}
}

// withPrograms are the packages that have bins, sorted.
func withPrograms(ws *Workspace) (out []string) {
	for _, p := range ws.Packages {
		if slices.ContainsFunc(p.Bins, func(b Bin) bool { return !b.Example }) {
			out = append(out, p.Name)
		}
	}
	slices.Sort(out)
	return out
}

// manifestsIn lists the manifests to ask, the one at the top first. Below, only those of the package that is looked
// for are listed; without a name, only where the top has none.
func manifestsIn(dir, name string) (out []string) {
	top := filepath.Join(dir, "Cargo.toml")
	if fileExists(top) {
		out = append(out, top)
		if name == "" {
			return out
		}
	}
	seen := 0
	_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if seen++; err != nil || seen > searched {
			return fs.SkipAll
		}
		if d.IsDir() && path != dir && (strings.HasPrefix(d.Name(), ".") || d.Name() == "target" || d.Name() == "node_modules") {
			return fs.SkipDir
		}
		if d.Name() != "Cargo.toml" || path == top {
			return nil
		}
		if has := packageIn(path); has != "" && (name == "" || has == name) {
			out = append(out, path)
		}
		return nil
	})
	return out
}

// packageIn is the name of the package that a manifest is of, "" when it is of none.
func packageIn(manifest string) string {
	data, err := readBounded(manifest, manifestLimit)
	if err != nil {
		return ""
	}
	var m struct {
		Package struct {
			Name string `toml:"name"`
		} `toml:"package"`
	}
	if toml.Unmarshal(data, &m) != nil {
		return ""
	}
	return m.Package.Name
}
