// SPDX-License-Identifier: MIT OR Apache-2.0

package native

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sampan/internal/cargo"
)

// TestPartCXX has a library whose C++ no crate tells of: the runtime must be there when it is compiled and linked.
func TestPartCXX(t *testing.T) {
	bin := t.TempDir()
	for _, name := range []string{"cmake", "make", "perl"} {
		if err := os.WriteFile(filepath.Join(bin, name+exeSuffix), nil, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	env := []string{"PATH=" + bin}
	for _, c := range []struct {
		crate, links string
		want         bool
	}{
		{"mysqlclient-sys", "mysqlclient", true},
		{"openssl-sys", "openssl", false},
	} {
		g := &cargo.Graph{Nodes: []cargo.Node{
			{Name: "app", Version: "1.0.0", Target: true, Deps: []cargo.Edge{{To: 1}}},
			{Name: c.crate, Version: "0.9.117", Links: c.links, Target: true, BuildScript: true},
		}}
		p, err := PartOf(g, PartOptions{Triple: musl, Env: env})
		if err != nil || p == nil || len(p.Supplies) == 0 || p.CXX != c.want {
			t.Errorf("%s: %+v, %v, want C++ %v", c.crate, p, err, c.want)
		}
	}
}

// TestMakers has a library whose own files want cmake, and which calls one that wants perl.
func TestMakers(t *testing.T) {
	for library, want := range map[string]string{"mysqlclient": "cmake make perl", "libpq": "make perl", "zlib": "", "nobody's": ""} {
		var n Needs
		n.makers(library, Cause{})
		var names []string
		for _, tool := range n.Tools {
			names = append(names, tool.Name)
		}
		slices.Sort(names)
		if got := strings.Join(slices.Compact(names), " "); got != want {
			t.Errorf("%s: %q, want %q", library, got, want)
		}
	}
}
