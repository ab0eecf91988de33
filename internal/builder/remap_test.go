// SPDX-License-Identifier: MIT OR Apache-2.0

//go:build unix

package builder

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sampan/internal/cargo"
	"sampan/internal/plan"
)

// apply does what rustc does: the last flag that fits counts.
func apply(flags []string, path string) string {
	for _, f := range slices.Backward(flags) {
		from, to, _ := strings.Cut(strings.TrimPrefix(f, "--remap-path-prefix="), "=")
		if rest, ok := strings.CutPrefix(path, from); ok && (rest == "" || rest[0] == '/') {
			return to + rest
		}
	}
	return path
}

func TestRemapsGiveOneNameEverywhere(t *testing.T) {
	for _, place := range []struct{ root, home, target string }{
		{"/home/a/w", "/home/a/.cargo", "/home/a/w/target"},
		{"/x/y/z/deep/w", "/x/y/z/deep/w/.cargo", "/tmp/t"},
		{"/cargo/w", "/cargo", "/cargo/t"},
	} {
		b := &Cargo{Workspace: &cargo.Workspace{Root: place.root, TargetDir: place.target, BuildDir: place.target,
			Config:    cargo.Config{CargoHome: place.home, SourceDirs: []string{place.root + "/vendor", "/elsewhere/v"}},
			Toolchain: cargo.Toolchain{Sysroot: "/s", Commit: "c0ffee"}}}
		flags := b.remaps(plan.Compile{Triple: musl})
		for path, want := range map[string]string{
			place.root + "/src/main.rs":              "/src/src/main.rs",
			place.root + "/vendor/x/lib.rs":          "/src/vendor/x/lib.rs",
			place.home + "/registry/src/i/x/lib.rs":  "/cargo/registry/src/i/x/lib.rs",
			place.target + "/m/release/build/x/o.rs": "/target/m/release/build/x/o.rs",
			"/elsewhere/v/x.rs":                      "/vendor-1/x.rs",
			"/s/lib/rustlib/src/rust/library/a.rs":   "/rustc/c0ffee/library/a.rs",
			"/unrelated/a.rs":                        "/unrelated/a.rs",
		} {
			if got := apply(flags, path); got != want {
				t.Errorf("%s in %s became %s, want %s", path, place.root, got, want)
			}
		}
		if place.home != filepath.Dir(place.root) {
			if got := apply(flags, filepath.Dir(place.root)+"/dep/lib.rs"); got != "/src-1/dep/lib.rs" {
				t.Errorf("a dependency beside the workspace became %s", got)
			}
		}
	}
}

func TestRemapsKnowBothNamesOfALinkedFolder(t *testing.T) {
	dir := t.TempDir()
	real, err := filepath.EvalSymlinks(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "real"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("real", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	b := &Cargo{Workspace: &cargo.Workspace{Root: "/w", TargetDir: "/w/target", Config: cargo.Config{CargoHome: filepath.Join(dir, "link")}}}
	flags := b.remaps(plan.Compile{Triple: musl})
	for _, name := range []string{filepath.Join(dir, "link"), filepath.Join(real, "real")} {
		if got := apply(flags, name+"/a.rs"); got != "/cargo/a.rs" {
			t.Errorf("%s became %s", name, got)
		}
	}
}
