// SPDX-License-Identifier: MIT OR Apache-2.0

package cargo

import "strings"

// refusing are the crates whose releases before works no compiler from rust on takes, whatever they are compiled for.
var refusing = []struct{ name, works, rust string }{
	{"wasm-bindgen", "0.2.88", "1.95"}, // seen with 1.95: "older versions of the `wasm-bindgen` crate are incompatible"
}

// Unfit finds the dependencies in a graph of which it is certain, before anything is compiled, that a toolchain does
// not compile them: those that say that they need a newer Rust, which cargo refuses, and those that this Rust refuses.
// What only a compile can tell is Broken's.
func Unfit(ws *Workspace, g *Graph) []*BrokenError {
	var out []*BrokenError
	rust := ws.Toolchain.Release
	if rust == "" {
		return nil
	}
	for i := range g.Nodes {
		n := &g.Nodes[i]
		e := &BrokenError{Name: n.Name, Version: n.Version, Rust: rust, Published: ws.Published(), Chain: g.Chain(i)}
		switch {
		case n.Rust != "" && compareVersions(n.Rust, rust) > 0:
			e.Why, e.NeedsRust = NeedsRust, n.Rust
		case strings.HasPrefix(n.Source, "registry+") || strings.HasPrefix(n.Source, "sparse+"):
			if e.Works = refusedFrom(n, rust); e.Works == "" {
				continue
			}
			e.Why = RefusesRust
		default:
			continue
		}
		if i > 0 && len(out) > 0 && out[len(out)-1].Name == e.Name && out[len(out)-1].Version == e.Version {
			continue // the same crate, for the host
		}
		out = append(out, e)
	}
	return out
}

// refusedFrom is the release of a crate that works again where a Rust refuses this one, "" where it does not.
func refusedFrom(n *Node, rust string) string {
	for _, r := range refusing {
		if r.name == n.Name && compareVersions(rust, r.rust) >= 0 && compatible(n.Version, r.works) && compareVersions(n.Version, r.works) < 0 {
			return r.works
		}
	}
	return ""
}
