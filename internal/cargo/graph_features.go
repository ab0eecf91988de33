// SPDX-License-Identifier: MIT OR Apache-2.0

package cargo

import (
	"maps"
	"slices"
	"strings"
)

// wants are the features that a build asks of its package.
type wants struct {
	features   []string
	all        bool // --all-features
	noDefaults bool // --no-default-features
	dev        bool // the package's dev-dependencies are compiled: examples are built
	devUnify   bool // their features count even when they are not compiled
	resolver   int  // 1, or 2 for all later ones, which treat features alike
}

// place is a package as it is compiled for the triple or for the host.
type place struct {
	pkg  int
	host bool
}

// named is a place and one of its dependencies, as its manifest calls it.
type named struct {
	place
	dep string
}

// resolver works out which features every crate gets, as cargo does ("Features" in cargo's book, and "Feature
// resolver version 2" there): cargo metadata's answer joins those of all members, platforms and kinds of dependencies.
type resolver struct {
	*universe
	wants
	root     int
	active   func(platform string, host bool) bool
	features map[place]map[string]bool
	on       map[named]bool     // dependencies that a feature switched on
	deferred map[named][]string // features of "dep?/feature" while dep is off
	walked   map[place]bool
}

func newResolver(u *universe, w wants, active func(platform string, host bool) bool) *resolver {
	return &resolver{
		universe: u, wants: w, active: active, features: map[place]map[string]bool{}, on: map[named]bool{},
		deferred: map[named][]string{}, walked: map[place]bool{},
	}
}

// resolve starts from the package that is built.
func (r *resolver) resolve(root int) {
	r.root = root
	p := &r.packages[root]
	asked := r.asked(p)
	r.activate(place{root, false}, asked)
	if p.procMacro() {
		r.activate(r.slot(place{root, true}), asked)
	}
	if r.resolver == 1 && r.devUnify && len(r.members) == 1 {
		r.join()
	}
}

// join takes over the features that cargo joined. The first resolver joins them for the compile as well: over all
// platforms, and so from crates that cargo, asked about two platforms, does not describe. For a workspace of several
// members this cannot be done, and what such crates switch on is missed; cargo would have to download them to say it.
func (r *resolver) join() {
	for before := -1; before != len(r.walked); {
		before = len(r.walked)
		for at := range maps.Clone(r.walked) {
			r.activate(at, r.joined[at.pkg])
		}
	}
}

// asked are the features that the user's words mean. A word may name the package itself: "package/feature".
func (r *resolver) asked(p *fullPackage) []string {
	var out []string
	if r.all {
		for f := range p.Features {
			out = append(out, f)
		}
		slices.Sort(out)
	}
	for _, words := range r.wants.features {
		for _, f := range strings.FieldsFunc(words, func(c rune) bool { return c == ' ' || c == ',' }) {
			if own, ok := strings.CutPrefix(f, p.Name+"/"); ok {
				f = own
			}
			out = append(out, f)
		}
	}
	if _, ok := p.Features["default"]; ok && !r.noDefaults {
		out = append(out, "default")
	}
	return out
}

// slot is where a place's features are kept: the first resolver knows one set for host and triple.
func (r *resolver) slot(at place) place { return place{at.pkg, at.host && r.resolver > 1} }

// deps calls f for every dependency whose features count in a place, with the place where it is compiled.
func (r *resolver) deps(at place, f func(d *dependency, to place)) {
	p := &r.packages[at.pkg]
	for i := range p.Dependencies {
		d := &p.Dependencies[i]
		if d.Kind == "dev" && (at.pkg != r.root || !r.dev && !r.devUnify) {
			continue
		}
		if r.resolver > 1 && !r.active(d.Target, at.host || d.Kind == "build") {
			continue
		}
		for _, to := range d.to {
			f(d, r.slot(place{to, at.host || d.Kind == "build" || r.packages[to].procMacro()}))
		}
	}
}

// activate switches features of a crate on and, the first time, all its dependencies that are not optional.
func (r *resolver) activate(at place, features []string) {
	if r.features[at] == nil {
		r.features[at] = map[string]bool{}
	}
	for _, f := range features {
		r.value(at, f)
	}
	if r.walked[at] {
		return
	}
	r.walked[at] = true
	r.deps(at, func(d *dependency, to place) {
		if !d.Optional {
			r.activate(to, r.wanted(d, to))
		}
	})
}

// wanted are the features that a manifest asks of its dependency.
func (r *resolver) wanted(d *dependency, to place) []string {
	if _, ok := r.packages[to.pkg].Features["default"]; ok && d.Defaults {
		return append(slices.Clone(d.Features), "default")
	}
	return d.Features
}

// value switches on what one word of a [features] table stands for: "feature", "dep:name", "name/feature" or
// "name?/feature".
func (r *resolver) value(at place, word string) {
	if dep, ok := strings.CutPrefix(word, "dep:"); ok {
		r.dependency(at, dep)
		return
	}
	dep, feature, ok := strings.Cut(word, "/")
	if !ok {
		r.feature(at, word)
		return
	}
	dep, weak := strings.CutSuffix(dep, "?")
	r.of(named{at, dep}, feature, weak)
}

func (r *resolver) feature(at place, name string) {
	if r.features[at] == nil {
		r.features[at] = map[string]bool{}
	}
	if r.features[at][name] {
		return
	}
	means, ok := r.packages[at.pkg].Features[name]
	if !ok {
		return // cargo has refused what is no feature where that matters
	}
	r.features[at][name] = true
	for _, word := range means {
		r.value(at, word)
	}
}

// dependency switches an optional dependency on, with the features that waited for it.
func (r *resolver) dependency(at place, name string) {
	key := named{at, name}
	if r.on[key] {
		return
	}
	r.on[key] = true
	waiting := r.deferred[key]
	delete(r.deferred, key)
	r.deps(at, func(d *dependency, to place) {
		if d.alias() == name {
			r.activate(to, append(slices.Clone(r.wanted(d, to)), waiting...))
		}
	})
}

// of switches on a feature of a dependency. Unless it is weak the dependency comes on as well, and the feature of
// the dependency's name where there is one.
func (r *resolver) of(key named, feature string, weak bool) {
	r.deps(key.place, func(d *dependency, to place) {
		if d.alias() != key.dep {
			return
		}
		if d.Optional && weak && !r.on[key] {
			if !slices.Contains(r.deferred[key], feature) {
				r.deferred[key] = append(r.deferred[key], feature)
			}
			return
		}
		if d.Optional && !weak {
			r.dependency(key.place, key.dep)
			r.feature(key.place, key.dep)
		}
		r.value(to, feature)
	})
}
