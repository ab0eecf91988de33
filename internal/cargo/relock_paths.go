// SPDX-License-Identifier: MIT OR Apache-2.0

package cargo

import (
	"path/filepath"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"
)

// sources are the folders that a workspace is made of: its own, and those of path dependencies and members that lie
// elsewhere. None lies in another. manifests are those of other workspaces, from which such packages inherit.
func sources(ws *Workspace) (dirs, manifests []string) {
	f := &pathFinder{seen: map[string]bool{}}
	f.manifest(filepath.Join(ws.Root, "Cargo.toml"))
	for _, p := range ws.Packages {
		f.manifest(p.Manifest)
	}
	all := append([]string{ws.Root}, f.dirs...)
	slices.SortFunc(all, func(a, b string) int { return len(a) - len(b) })
	for _, d := range all {
		if !slices.ContainsFunc(dirs, func(root string) bool { return within(root, d) }) {
			dirs = append(dirs, d)
		}
	}
	slices.Sort(dirs)
	for _, d := range dirs {
		for _, up := range ancestors(filepath.Dir(d)) {
			path := filepath.Join(up, "Cargo.toml")
			if inside := slices.ContainsFunc(dirs, func(root string) bool { return within(root, up) }); inside || within(ws.Root, d) {
				break
			}
			if isWorkspace(path) {
				manifests = append(manifests, path)
				break
			}
		}
	}
	slices.Sort(manifests)
	return dirs, slices.Compact(manifests)
}

// pathFinder follows the path dependencies of manifests.
type pathFinder struct {
	seen map[string]bool
	dirs []string
}

// manifest reads one manifest. What is not there or cannot be read is left for cargo to complain about.
func (f *pathFinder) manifest(path string) {
	if f.seen[path] {
		return
	}
	f.seen[path] = true
	data, err := readBounded(path, manifestLimit)
	if err != nil {
		return
	}
	dir := filepath.Dir(path)
	f.dirs = append(f.dirs, dir)
	var t table
	if toml.Unmarshal(data, &t) != nil {
		return
	}
	for _, p := range pathsIn(t, false) {
		if filepath.IsAbs(p) {
			continue // means the same in a copy
		}
		f.manifest(filepath.Join(dir, filepath.FromSlash(p), "Cargo.toml"))
	}
}

// pathsIn lists the values of "path" in the tables of dependencies: [dependencies], [target.x.build-dependencies],
// [workspace.dependencies], [patch.x], [replace] and so on. in says that t lies in one of them.
func pathsIn(t table, in bool) (out []string) {
	for key, v := range t {
		if s, ok := v.(string); ok && in && key == "path" {
			out = append(out, s)
		}
		inner, ok := v.(table)
		if !ok {
			continue
		}
		deps := in || strings.HasSuffix(key, "dependencies") || key == "patch" || key == "replace"
		if deps || key == "target" || key == "workspace" || strings.HasPrefix(key, "cfg(") || hasDependencies(inner) {
			out = append(out, pathsIn(inner, deps)...)
		}
	}
	return out
}

// hasDependencies reports whether t is what stands under target.TRIPLE.
func hasDependencies(t table) bool {
	for key := range t {
		if strings.HasSuffix(key, "dependencies") {
			return true
		}
	}
	return false
}

func isWorkspace(path string) bool {
	data, err := readBounded(path, manifestLimit)
	if err != nil {
		return false
	}
	var m struct {
		Workspace *table `toml:"workspace"`
	}
	return toml.Unmarshal(data, &m) == nil && m.Workspace != nil
}

// common is the deepest folder that all of the paths lie in.
func common(paths []string) string {
	dir := paths[0]
	for _, p := range paths[1:] {
		for !within(dir, p) {
			dir = filepath.Dir(dir)
		}
	}
	return dir
}
