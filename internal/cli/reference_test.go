// SPDX-License-Identifier: MIT OR Apache-2.0

package cli

import (
	"os"
	"path/filepath"
	"testing"
)

// TestReference fails when docs/reference is stale: go generate ./internal/cli.
func TestReference(t *testing.T) {
	pages := Reference()
	for name, want := range pages {
		got, err := os.ReadFile(filepath.Join("..", "..", "docs", "reference", name))
		if err != nil || string(got) != want {
			t.Errorf("docs/reference/%s is stale: go generate ./internal/cli", name)
		}
	}
	there, err := filepath.Glob(filepath.Join("..", "..", "docs", "reference", "*"))
	if err != nil || len(there) != len(pages) {
		t.Errorf("docs/reference holds %d files, want %d", len(there), len(pages))
	}
}

// TestTableOfOptions checks what must hold for every row.
func TestTableOfOptions(t *testing.T) {
	seen := map[string]bool{}
	for _, o := range options {
		for _, n := range []string{"--" + o.flag, "-" + o.short, "key " + o.metadataKey()} {
			if n == "-" || n == "key " {
				continue
			}
			if seen[n] {
				t.Errorf("%s stands twice", n)
			}
			seen[n] = true
		}
		var v value
		if o.def != "" {
			if err := v.add(o.kind, o.def); err != nil {
				t.Errorf("default of --%s: %v", o.flag, err)
			}
		}
		if o.doc == "" || o.group == "" || (o.kind != toggle && o.meta == "") {
			t.Errorf("--%s lacks its doc, group or meta", o.flag)
		}
		if o.image == nil && o.call == nil {
			t.Errorf("--%s sets nothing", o.flag)
		}
	}
}
