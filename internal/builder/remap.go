// SPDX-License-Identifier: MIT OR Apache-2.0

package builder

import (
	"cmp"
	"path/filepath"
	"slices"
	"strconv"

	"sampan/internal/plan"
)

// remap is a folder of this machine and the name that programs know it by.
type remap struct{ from, to string }

// remaps are the flags that keep this machine's folders out of programs, so that equal sources give equal bytes
// wherever they lie. They are constant for one workspace: cargo would compile everything anew otherwise.
//
//	/src      the workspace; its parents are /src-1, /src-2, …, for dependencies by path outside of it
//	/cargo    CARGO_HOME: registry/src, git/checkouts
//	/vendor   vendored crates outside of the workspace; a second such folder is /vendor-1
//	/target   what build scripts write
//	/rustc/…  the sources of std, as in a std that has none beside it
func (b *Cargo) remaps(c plan.Compile) []string {
	ws := b.Workspace
	list := []remap{{ws.Root, "/src"}, {ws.Config.CargoHome, "/cargo"}, {ws.BuildDir, "/target"}, {b.targetDir(c), "/target"}}
	for i, dir := range ws.Config.SourceDirs {
		if rel, err := filepath.Rel(ws.Root, dir); err != nil || !filepath.IsLocal(rel) {
			list = append(list, remap{dir, numbered("/vendor", i)})
		}
	}
	if tc := ws.Toolchain; tc.Sysroot != "" {
		commit := tc.Commit
		if commit == "" {
			commit = tc.Release
		}
		list = append(list, remap{filepath.Join(tc.Sysroot, "lib", "rustlib", "src", "rust"), "/rustc/" + commit})
	}
	list = withResolved(list)
	for i, dir := 1, filepath.Dir(ws.Root); ws.Root != "" && dir != filepath.Dir(dir); i, dir = i+1, filepath.Dir(dir) {
		if !slices.ContainsFunc(list, func(r remap) bool { return r.from == dir }) {
			list = append(list, remap{dir, numbered("/src", i)})
		}
	}
	return remapFlags(list)
}

func numbered(name string, i int) string {
	if i == 0 {
		return name
	}
	return name + "-" + strconv.Itoa(i)
}

// withResolved adds the real path of each folder: cargo passes on some paths as they were given, and some as the
// system tells them.
func withResolved(list []remap) []remap {
	var out []remap
	for _, r := range list {
		if r.from == "" {
			continue
		}
		out = append(out, remap{filepath.Clean(r.from), r.to})
		if real, err := filepath.EvalSymlinks(r.from); err == nil {
			out = append(out, remap{real, r.to})
		}
	}
	return out
}

// remapFlags orders the folders for rustc, which takes the last one that fits: a folder comes after those that it
// lies in. Of two names for one folder the last counts.
func remapFlags(list []remap) []string {
	last := map[string]string{}
	for _, r := range list {
		last[r.from] = r.to
	}
	unique := make([]remap, 0, len(last))
	for from, to := range last {
		unique = append(unique, remap{from, to})
	}
	slices.SortFunc(unique, func(a, b remap) int {
		return cmp.Or(cmp.Compare(len(a.from), len(b.from)), cmp.Compare(a.from, b.from))
	})
	flags := make([]string, len(unique))
	for i, r := range unique {
		flags[i] = "--remap-path-prefix=" + r.from + "=" + r.to
	}
	return flags
}
