// SPDX-License-Identifier: MIT OR Apache-2.0

package cargo

import (
	"strings"
	"testing"
)

func TestUnfit(t *testing.T) {
	const registry = "registry+https://index.example/"
	g := &Graph{Nodes: []Node{
		{Name: "app", Version: "0.1.0", Target: true, Deps: []Edge{{To: 1}, {To: 3}}},
		{Name: "needy", Version: "2.0.0", Rust: "1.99", Source: registry, Host: true},
		{Name: "needy", Version: "2.0.0", Rust: "1.99", Source: registry, Target: true, Features: []string{"std"}},
		{Name: "wasm-bindgen", Version: "0.2.84", Rust: "1.57", Source: registry, Target: true},
	}}
	said := func(release string) string {
		var all []string
		for _, e := range Unfit(&Workspace{Toolchain: Toolchain{Release: release}}, g) {
			all = append(all, e.Error())
		}
		return strings.Join(all, "\n")
	}
	want := "compile needy 2.0.0: it needs a newer Rust (1.95.0): 1.99 or later; pulled in by app 0.1.0 → needy 2.0.0\n" +
		"compile wasm-bindgen 0.2.84: it refuses this Rust (1.95.0); pulled in by app 0.1.0 → wasm-bindgen 0.2.84; 0.2.88 and later work"
	if got := said("1.95.0"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if got := said("1.99.0-nightly"); strings.Contains(got, "needy") {
		t.Errorf("a nightly of the release that is needed is refused: %s", got)
	}
	if got := said("1.80.0"); strings.Contains(got, "wasm-bindgen") {
		t.Errorf("an older Rust refuses it: %s", got)
	}
	g.Nodes[3].Version = "0.2.88"
	g.Nodes[1].Rust, g.Nodes[2].Rust = "1.95", "1.95"
	if got := said("1.95.0"); got != "" {
		t.Errorf("what works is refused: %s", got)
	}
}
