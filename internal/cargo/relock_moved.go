// SPDX-License-Identifier: MIT OR Apache-2.0

package cargo

import (
	"slices"
	"strings"
)

// Moved is one release of a package that differs between two lock files.
type Moved struct {
	Name string `json:"name"`
	From string `json:"from"` // its version before, "" when it was not there
	To   string `json:"to"`   // its version now, "" when it is not there any more
}

// CompareLocks says what moved, sorted by name and version. Of several releases of one package, those that can take
// each other's place are paired.
func CompareLocks(before, after *LockFile) []Moved {
	old, fresh := releases(before), releases(after)
	names := map[string]bool{}
	for n := range old {
		names[n] = true
	}
	for n := range fresh {
		names[n] = true
	}
	var out []Moved
	for n := range names {
		out = append(out, pair(n, old[n], fresh[n])...)
	}
	slices.SortFunc(out, func(a, b Moved) int {
		if c := strings.Compare(a.Name, b.Name); c != 0 {
			return c
		}
		if c := compareVersions(a.From, b.From); c != 0 {
			return c
		}
		return compareVersions(a.To, b.To)
	})
	return out
}

// releases lists the versions of every package, oldest first; a commit stands behind the version of a git source.
func releases(l *LockFile) map[string][]string {
	out := map[string][]string{}
	for _, p := range l.Packages {
		v := p.Version
		if _, commit, ok := strings.Cut(p.Source, "#"); ok && strings.HasPrefix(p.Source, "git+") {
			v += " (" + commit[:min(8, len(commit))] + ")"
		}
		out[p.Name] = append(out[p.Name], v)
	}
	for _, list := range out {
		slices.SortFunc(list, func(a, b string) int {
			if c := compareVersions(a, b); c != 0 {
				return c
			}
			return strings.Compare(a, b)
		})
	}
	return out
}

// pair matches what is gone with what is new: compatible releases first, then the others in order.
func pair(name string, before, after []string) []Moved {
	gone := slices.DeleteFunc(slices.Clone(before), func(v string) bool { return slices.Contains(after, v) })
	fresh := slices.DeleteFunc(slices.Clone(after), func(v string) bool { return slices.Contains(before, v) })
	var out []Moved
	match := func(fits func(a, b string) bool) {
		gone = slices.DeleteFunc(gone, func(v string) bool {
			i := slices.IndexFunc(fresh, func(w string) bool { return fits(v, w) })
			if i < 0 {
				return false
			}
			out = append(out, Moved{name, v, fresh[i]})
			fresh = slices.Delete(fresh, i, i+1)
			return true
		})
	}
	match(compatible)
	match(func(string, string) bool { return true })
	for _, v := range gone {
		out = append(out, Moved{Name: name, From: v})
	}
	for _, v := range fresh {
		out = append(out, Moved{Name: name, To: v})
	}
	return out
}

// compatible reports whether two releases can take each other's place: the first number that is not 0 is the same
// ("SemVer compatibility" in cargo's book), and neither comes before a release.
func compatible(a, b string) bool {
	if strings.Contains(a, "-") != strings.Contains(b, "-") {
		return false
	}
	x, y := numbersOf(strings.Fields(a)[0]), numbersOf(strings.Fields(b)[0])
	for i := range x {
		if x[i] != y[i] {
			return false
		}
		if x[i] != 0 {
			return true
		}
	}
	return true
}
