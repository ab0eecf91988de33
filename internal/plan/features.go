// SPDX-License-Identifier: MIT OR Apache-2.0

package plan

import (
	"slices"
	"strings"

	"sampan/internal/cargo"
)

// own gives the features that one package is asked for. cargo takes --features for all selected packages together and
// gives each those that it has; since every package is a cargo run of its own here, the words are parted before. A
// word that no package takes stays with each, so that cargo refuses it.
func own(c Choice, o Options) []string {
	var out []string
	for _, f := range c.Images[0].Features {
		elsewhere := slices.ContainsFunc(o.Chosen, func(other Choice) bool {
			return slices.Contains(other.Images[0].Features, f) && takes(other.Package, f)
		})
		if takes(c.Package, f) || !elsewhere {
			out = append(out, f)
		}
	}
	return out
}

// takes tells whether a package can turn on FEATURE, or PACKAGE/FEATURE.
func takes(p *cargo.Package, feature string) bool {
	pkg, _, ok := strings.Cut(feature, "/")
	if !ok {
		return slices.Contains(p.Features, feature)
	}
	pkg = strings.TrimSuffix(pkg, "?")
	return pkg == p.Name || slices.Contains(p.Dependencies, pkg)
}

// enabled are the features of a package that a compile turns on: those asked for, the default ones, and all that they
// turn on in turn.
func enabled(p *cargo.Package, asked []string, w Words) map[string]bool {
	on := map[string]bool{}
	var add func(feature string)
	add = func(feature string) {
		if on[feature] {
			return
		}
		on[feature] = true
		for _, next := range p.Enables[feature] {
			add(next)
			if dep, _, ok := strings.Cut(next, "/"); ok && !strings.HasSuffix(dep, "?") {
				add(dep) // an optional dependency's feature turns the dependency on, and the feature named like it
			}
		}
	}
	for _, f := range asked {
		add(strings.TrimPrefix(f, p.Name+"/"))
	}
	if w.AllFeatures {
		for _, f := range p.Features {
			add(f)
		}
	}
	if !w.NoDefaultFeatures {
		add("default")
	}
	return on
}

// buildable leaves of bins those whose required features are on. It is what cargo builds when no bin is named.
func buildable(bins []cargo.Bin, on map[string]bool) []cargo.Bin {
	return slices.DeleteFunc(slices.Clone(bins), func(b cargo.Bin) bool {
		return slices.ContainsFunc(b.RequiredFeatures, func(f string) bool { return !on[f] })
	})
}
