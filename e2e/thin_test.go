// SPDX-License-Identifier: MIT OR Apache-2.0

//go:build e2e && long && linux

package e2e

import (
	"bytes"
	"debug/elf"
	"os"
	"path/filepath"
	"testing"
)

// thinFiles is a program whose own profile is that of --thin, so that cargo sees no difference but what we tell it.
var thinFiles = map[string]string{
	"Cargo.toml": "[package]\nname = \"app\"\nversion = \"0.1.0\"\nedition = \"2021\"\n[build-dependencies]\ncc = \"1\"\n[workspace]\n" +
		"[profile.release]\nlto = \"fat\"\ncodegen-units = 1\nopt-level = \"s\"\npanic = \"abort\"\n",
	"build.rs":    `fn main() { cc::Build::new().file("src/twice.c").flag("-O3").compile("twice"); println!("cargo:rerun-if-changed=src"); }`,
	"src/twice.c": "int twice(const int *n);\nint twice(const int *n) { return 2 * *n; }\n",
	"src/main.rs": `extern "C" { fn twice(n: &i32) -> i32; }
fn main() { println!("{}", unsafe { twice(&std::hint::black_box(21)) }); }
`,
}

// TestThin turns --thin on and off: what is compiled and linked for size is never taken for what is not, nor the other
// way round, and the bytes come back.
func TestThin(t *testing.T) {
	b, build := allocBuild(t, thinFiles)
	release := filepath.Join(b.target, string(b.triple), "release")
	program := filepath.Join(release, "app")
	sections := func(path string) map[string]uint64 {
		t.Helper()
		f, err := elf.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		sizes := map[string]uint64{}
		for _, s := range f.Sections {
			sizes[s.Name] = s.Size
		}
		return sizes
	}
	made := map[bool][]byte{}
	for _, thin := range []bool{false, true, false, true} {
		if thin {
			build("--thin")
		} else {
			build()
		}
		if out := Must(t, "/", nil, program); out != "42\n" {
			t.Errorf("thin %v: it says %q", thin, out)
		}
		if relr := sections(program)[".relr.dyn"] > 0; relr != thin {
			t.Errorf("thin %v: relocations as a bitmap: %v", thin, relr)
		}
		objects, err := filepath.Glob(filepath.Join(release, "build", "app-*", "out", "*.o"))
		if err != nil || len(objects) == 0 {
			t.Fatalf("objects %q, %v", objects, err)
		}
		for _, o := range objects {
			if tables := sections(o)[".eh_frame"] > 0; tables == thin {
				t.Errorf("thin %v: %s has tables for unwinding: %v", thin, filepath.Base(o), tables)
			}
		}
		now, err := os.ReadFile(program)
		if err != nil {
			t.Fatal(err)
		}
		if before := made[thin]; before != nil && !bytes.Equal(before, now) {
			t.Errorf("thin %v: another program than before", thin)
		}
		made[thin] = now
	}
	if len(made[true]) >= len(made[false]) {
		t.Errorf("thin has %d bytes, plain %d", len(made[true]), len(made[false]))
	}
}
