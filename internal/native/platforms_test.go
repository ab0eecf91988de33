// SPDX-License-Identifier: MIT OR Apache-2.0

package native

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"sampan/internal/cargo"
)

func TestTriplesOf(t *testing.T) {
	sysroot := t.TempDir()
	for _, triple := range []string{"x86_64-unknown-linux-musl", "riscv64gc-unknown-linux-musl"} {
		dir := filepath.Join(sysroot, "lib", "rustlib", triple, "lib")
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"libstd-0.rlib", "libcore-0.rlib"} {
			if err := os.WriteFile(filepath.Join(dir, name), nil, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	ws := &cargo.Workspace{Toolchain: cargo.Toolchain{Sysroot: sysroot, Host: "x86_64-unknown-linux-gnu"}}
	for name, c := range map[string]struct {
		triples, platforms, want []string
		without                  int
	}{
		"one":       {nil, []string{"linux/arm64"}, []string{"aarch64-unknown-linux-musl"}, 0},
		"commas":    {nil, []string{"linux/amd64, linux/arm/v7"}, []string{"x86_64-unknown-linux-musl", "armv7-unknown-linux-musleabihf"}, 0},
		"both ways": {[]string{"aarch64-unknown-linux-musl"}, []string{"linux/arm64/v8"}, []string{"aarch64-unknown-linux-musl"}, 0},
		"all":       {nil, []string{"all"}, []string{"x86_64-unknown-linux-musl", "riscv64gc-unknown-linux-musl"}, 6},
		"none":      {nil, nil, nil, 0},
	} {
		got, err := TriplesOf(ws, c.triples, c.platforms, true)
		if err != nil || !slices.Equal(got.Triples, c.want) || len(got.Without) != c.without {
			t.Errorf("%s: %q, without %q, %v", name, got.Triples, got.Without, err)
		}
	}
	if _, err := TriplesOf(ws, nil, []string{"linux/sparc"}, true); err == nil {
		t.Error("linux/sparc is taken")
	}
}
