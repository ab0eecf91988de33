// SPDX-License-Identifier: MIT OR Apache-2.0

package cargo

import (
	"cmp"
	"maps"
	"slices"
	"strings"
)

// graphOf makes the graph of one package: which crates are compiled, as `cargo build -p` would decide it.
func graphOf(u *universe, root int, w wants, active func(platform string, host bool) bool) *Graph {
	r := newResolver(u, w, active)
	r.resolve(root)
	b := &graphBuilder{resolver: r, seen: map[place]bool{}, edges: map[place][]compiled{}}
	b.walk(place{root, false})
	return b.graph(root)
}

// compiled is an edge between places.
type compiled struct {
	to    place
	build bool
}

// graphBuilder walks through what is compiled.
type graphBuilder struct {
	*resolver
	seen  map[place]bool
	edges map[place][]compiled
	order []place
}

func (b *graphBuilder) walk(at place) {
	if b.seen[at] {
		return
	}
	b.seen[at] = true
	b.order = append(b.order, at)
	p := &b.packages[at.pkg]
	for i := range p.Dependencies {
		d := &p.Dependencies[i]
		if !b.compiles(p, d, at) {
			continue
		}
		for _, to := range d.to {
			next := place{to, at.host || d.Kind == "build" || b.packages[to].procMacro()}
			b.edges[at] = append(b.edges[at], compiled{next, d.Kind == "build"})
			b.walk(next)
		}
	}
}

// compiles reports whether a package as compiled in a place needs one of its dependencies.
func (b *graphBuilder) compiles(p *fullPackage, d *dependency, at place) bool {
	switch {
	case d.Kind == "dev" && (!b.dev || at != place{b.root, false}),
		d.Kind == "build" && !p.buildScript(),
		d.Optional && !b.on[named{b.slot(at), d.alias()}]:
		return false
	}
	return b.active(d.Target, at.host || d.Kind == "build")
}

// graph numbers the nodes by name and version. A package with the same features for triple and host is one node.
func (b *graphBuilder) graph(root int) *Graph {
	slices.SortFunc(b.order, b.compare)
	number := map[place]int{}
	g := &Graph{}
	for _, at := range b.order {
		features := slices.Sorted(maps.Keys(b.features[b.slot(at)]))
		if other, ok := number[place{at.pkg, !at.host}]; ok && slices.Equal(g.Nodes[other].Features, features) {
			number[at] = other
			g.Nodes[other].mark(at.host)
			continue
		}
		p := &b.packages[at.pkg]
		n := Node{
			Name: p.Name, Version: p.Version, Source: p.Source, Links: p.Links, License: p.License, Rust: p.Rust, Manifest: p.Manifest,
			Features: features, ProcMacro: p.procMacro(), BuildScript: p.buildScript(),
		}
		n.mark(at.host)
		number[at] = len(g.Nodes)
		g.Nodes = append(g.Nodes, n)
	}
	for _, at := range b.order {
		n := &g.Nodes[number[at]]
		for _, e := range b.edges[at] {
			n.Deps = append(n.Deps, Edge{To: number[e.to], Build: e.build})
		}
	}
	for i := range g.Nodes {
		deps := g.Nodes[i].Deps
		slices.SortFunc(deps, func(a, b Edge) int {
			return cmp.Or(cmp.Compare(a.To, b.To), compareBool(a.Build, b.Build))
		})
		g.Nodes[i].Deps = slices.Compact(deps)
	}
	g.Root = number[place{root, false}]
	return g
}

func (n *Node) mark(host bool) {
	n.Host = n.Host || host
	n.Target = n.Target || !host
}

func (b *graphBuilder) compare(x, y place) int {
	p, q := &b.packages[x.pkg], &b.packages[y.pkg]
	return cmp.Or(strings.Compare(p.Name, q.Name), compareVersions(p.Version, q.Version), strings.Compare(p.ID, q.ID),
		compareBool(x.host, y.host))
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}
