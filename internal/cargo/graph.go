// SPDX-License-Identifier: MIT OR Apache-2.0

package cargo

import "slices"

// Graph is what one package compiles for one triple: the package, and every crate that it needs, with the features
// that it needs them with. It is made for the package alone, whatever else its workspace holds.
type Graph struct {
	Root  int    `json:"r"` // index of the package
	Nodes []Node `json:"n"`
}

// Node is a crate of a Graph. One that is compiled for the triple and for the host with the same features is one
// node; where the features differ there are two, Target and Host. The keys in JSON are short since a kept graph is
// read at every build.
type Node struct {
	Name     string   `json:"n"`
	Version  string   `json:"v"`
	Source   string   `json:"s,omitempty"` // "registry+…", "git+…#commit"; "" for members and path dependencies
	Links    string   `json:"l,omitempty"` // package.links, the native library that it speaks for: "openssl"
	License  string   `json:"c,omitempty"` // package.license
	Rust     string   `json:"u,omitempty"` // package.rust-version, the oldest Rust that it takes: "1.82"
	Manifest string   `json:"m"`           // absolute path of its Cargo.toml
	Features []string `json:"f,omitempty"` // sorted

	ProcMacro   bool `json:"p,omitempty"`
	BuildScript bool `json:"b,omitempty"`
	Target      bool `json:"t,omitempty"` // compiled for the triple
	Host        bool `json:"h,omitempty"` // compiled for the host: build-dependencies, proc macros, and what they need

	Deps []Edge `json:"d,omitempty"` // sorted by To; each node at most twice, with and without Build
}

// Edge is a dependency of a Node.
type Edge struct {
	To    int  `json:"t"`           // index into Nodes
	Build bool `json:"b,omitempty"` // a build-dependency
}

// Spec is the node's name and version, "openssl-sys 0.9.109".
func (n *Node) Spec() string { return n.Name + " " + n.Version }

// Has reports whether the crate is compiled with a feature.
func (n *Node) Has(feature string) bool {
	_, ok := slices.BinarySearch(n.Features, feature)
	return ok
}

// Find lists the nodes of a name, in the graph's order: versions, and host and target where their features differ.
func (g *Graph) Find(name string) []int {
	return g.where(func(n *Node) bool { return n.Name == name })
}

// Linking lists the nodes whose package.links is the given word.
func (g *Graph) Linking(links string) []int {
	return g.where(func(n *Node) bool { return n.Links == links })
}

func (g *Graph) where(is func(n *Node) bool) (out []int) {
	for i := range g.Nodes {
		if is(&g.Nodes[i]) {
			out = append(out, i)
		}
	}
	return out
}

// Uses reports whether a node has a dependency, or a build-dependency, of that name.
func (g *Graph) Uses(node int, name string, build bool) bool {
	return slices.ContainsFunc(g.Nodes[node].Deps, func(e Edge) bool {
		return e.Build == build && g.Nodes[e.To].Name == name
	})
}

// Chain says why a node is there: the crates ("name 1.0.0") on a shortest way to it from the package, the package
// first, the node last. For a node of the target it is a way through the target's crates, where there is one.
func (g *Graph) Chain(node int) []string {
	if node < 0 || node >= len(g.Nodes) {
		return nil
	}
	path := g.path(node, g.Nodes[node].Target)
	if path == nil {
		path = g.path(node, false)
	}
	out := make([]string, len(path))
	for i, n := range path {
		out[i] = g.Nodes[n].Spec()
	}
	return out
}

// path is a shortest way from the root, nil when there is none. With target, it goes neither over build-dependencies
// nor through crates that are not the target's.
func (g *Graph) path(to int, target bool) []int {
	from := make([]int, len(g.Nodes)) // 1 + the node before, 0 when not seen
	queue := []int{g.Root}
	from[g.Root] = g.Root + 1
	for len(queue) > 0 && from[to] == 0 {
		at := queue[0]
		queue = queue[1:]
		for _, e := range g.Nodes[at].Deps {
			if from[e.To] != 0 || target && (e.Build || !g.Nodes[e.To].Target) {
				continue
			}
			from[e.To] = at + 1
			queue = append(queue, e.To)
		}
	}
	if from[to] == 0 {
		return nil
	}
	out := []int{to}
	for to != g.Root {
		to = from[to] - 1
		out = append(out, to)
	}
	slices.Reverse(out)
	return out
}
