// SPDX-License-Identifier: MIT OR Apache-2.0

//go:build e2e && long && linux

package e2e

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sampan/internal/binary"
	"sampan/internal/cargo"
	"sampan/internal/native"
	"sampan/internal/run"
)

// cBuild is a crate that compiles C, and where it is built.
type cBuild struct {
	dir, target, cache string
	triple             cargo.Triple
	env                []string
}

// newCBuild writes a crate.
func newCBuild(t *testing.T, dir string, files map[string]string) *cBuild {
	t.Helper()
	for name, text := range files {
		write(t, filepath.Join(dir, name), text)
	}
	b := &cBuild{dir: dir, target: filepath.Join(t.TempDir(), "target"), cache: NativeCache(t), triple: "x86_64-unknown-linux-musl"}
	for _, kv := range os.Environ() {
		switch k, _, _ := strings.Cut(kv, "="); k {
		case "RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "CARGO_TARGET_DIR", "CC", "CXX", "CFLAGS", "CXXFLAGS", "AR":
		default:
			b.env = append(b.env, kv)
		}
	}
	return b
}

// compiler brings the compiler, which takes 100 MB the first time.
func (b *cBuild) compiler(t *testing.T, plus bool) *native.Compiler {
	t.Helper()
	sysroot := strings.TrimSpace(Must(t, b.dir, nil, "rustc", "--print", "sysroot"))
	c, err := native.EnsureCompiler(t.Context(), native.CompilerOptions{CacheDir: b.cache, Self: Sampan(t), Triple: b.triple, Sysroot: sysroot, Env: b.env,
		Runner: &run.System{}, Install: true, NeedCXX: plus, Say: func(line string) { t.Log(line) }})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// build compiles the crate by cargo and returns the program.
func (b *cBuild) build(t *testing.T, plus bool) string {
	t.Helper()
	c := b.compiler(t, plus)
	vars, notes := c.Env(b.env)
	if len(notes) > 0 {
		t.Errorf("notes %q", notes)
	}
	linker, err := native.Ensure(b.cache, Sampan(t), b.triple)
	if err != nil {
		t.Fatal(err)
	}
	flags := strings.Join(append(native.Flags(b.triple), "--remap-path-prefix="+b.dir+"=/src", "--remap-path-prefix="+b.target+"=/target",
		"--remap-path-prefix="+filepath.Join(os.Getenv("HOME"), ".cargo")+"=/cargo"), "\x1f")
	log := filepath.Join(t.TempDir(), "log")
	env := slices.Concat(b.env, vars, []string{"CARGO_TARGET_DIR=" + b.target, "CARGO_ENCODED_RUSTFLAGS=" + flags, native.LogVar + "=" + log})
	var stderr strings.Builder
	err = (&run.System{}).Run(t.Context(), run.Cmd{Path: "cargo", Dir: b.dir, Env: env, Stderr: &stderr,
		Args: []string{"build", "--release", "--target", string(b.triple), "--config", `target.` + string(b.triple) + `.linker="` + linker + `"`}})
	if err != nil {
		calls, _ := os.ReadFile(log)
		t.Fatalf("%v\n%s\n%s", err, stderr.String(), calls)
	}
	path := filepath.Join(b.target, string(b.triple), "release", "app")
	facts, err := binary.Inspect(path)
	if err != nil || !facts.Static() || facts.ExecStack {
		t.Errorf("%s: %+v, %v", path, facts, err)
	}
	return path
}

// cFiles is a crate that compiles all that a C compiler is asked for: C with dates and names of files, assembly that is
// preprocessed, a program made by the build script itself as configure does, and crates of others.
var cFiles = map[string]string{
	"Cargo.toml": `[package]
name = "app"
version = "0.1.0"
edition = "2021"
[dependencies]
blake3 = "1"
ring = "0.17"
zstd = "0.13"
rusqlite = { version = "0.32", features = ["bundled"] }
[build-dependencies]
cc = "1"
`,
	"build.rs": `fn main() {
	let out = std::env::var("OUT_DIR").unwrap();
	cc::Build::new().file("src/c/own.c").file("src/c/own.S").include("src/c").compile("own");
	std::fs::write(format!("{out}/conftest.c"), "#include <math.h>\n#include <stdio.h>\nint main(int argc, char **argv) { printf(\"%g\", sqrt(argc)); return 0; }").unwrap();
	let tool = cc::Build::new().get_compiler();
	let made = std::process::Command::new(tool.path()).args(tool.args()).current_dir(&out).args(["conftest.c", "-o", "conftest", "-lm"]).status().unwrap();
	assert!(made.success());
	if std::env::var("TARGET").unwrap().starts_with("x86_64") {
		assert_eq!(std::process::Command::new(format!("{out}/conftest")).output().unwrap().stdout, b"1");
	}
	std::fs::write(format!("{out}/bad.c"), "int no_such_function(void); int main(void) { return no_such_function(); }").unwrap();
	let made = std::process::Command::new(tool.path()).current_dir(&out).args(["bad.c", "-o", "bad"]).output().unwrap();
	assert!(!made.status.success(), "a program with an undefined function was linked");
	println!("cargo:rerun-if-changed=build.rs");
}
`,
	"src/c/own.c": `#include <assert.h>
#include <stdlib.h>
#include "own.h"
const char *own_file(void) { return __FILE__; }
const char *own_header(void) { return in_header(); }
const char *own_date(void) { return __DATE__ " " __TIME__; }
void own_check(int x) { assert(x); }
`,
	"src/c/own.h": "static inline const char *in_header(void) { return __FILE__; }\n",
	"src/c/own.S": `#if !defined(__PIC__)
#error "not position independent"
#endif
.globl own_asm
own_asm:
#if defined(__x86_64__)
	mov $42, %eax
	ret
#elif defined(__aarch64__)
	mov w0, #42
	ret
#endif
#if defined(__linux__) && defined(__ELF__)
.section .note.GNU-stack,"",%progbits
#endif
`,
	"src/main.rs": `use std::ffi::{c_char, c_int, CStr};
extern "C" {
	fn own_file() -> *const c_char;
	fn own_header() -> *const c_char;
	fn own_date() -> *const c_char;
	fn own_check(x: c_int);
	fn own_asm() -> c_int;
}
fn main() {
	unsafe {
		own_check(1);
		assert_eq!(own_asm(), 42);
		println!("{:?} {:?} {:?}", CStr::from_ptr(own_file()), CStr::from_ptr(own_header()), CStr::from_ptr(own_date()));
	}
	let digest = ring::digest::digest(&ring::digest::SHA256, b"x");
	println!("{:02x?}", &digest.as_ref()[..4]);
	println!("{}", blake3::hash(&vec![7; 100_000]).to_hex());
	let packed = zstd::encode_all(&b"hello hello hello"[..], 3).unwrap();
	assert_eq!(zstd::decode_all(&packed[..]).unwrap(), b"hello hello hello");
	let db = rusqlite::Connection::open_in_memory().unwrap();
	let n: i64 = db.query_row("SELECT 6 * 7", [], |r| r.get(0)).unwrap();
	println!("{n}");
}
`,
}

func TestCCompiles(t *testing.T) {
	one := newCBuild(t, filepath.Join(t.TempDir(), "one"), cFiles)
	program := one.build(t, false)
	out := Must(t, one.dir, nil, program)
	t.Log(out)
	for _, want := range []string{`"Jan  1 1970 00:00:00"`, "2d711642", "42\n"} {
		if !strings.Contains(strings.ReplaceAll(out, ", ", ""), want) {
			t.Errorf("it says %q, without %q", out, want)
		}
	}
	data, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	for _, folder := range []string{one.dir, one.target, one.cache, os.Getenv("HOME") + "/.cargo"} {
		if i := strings.Index(string(data), folder); i >= 0 {
			t.Errorf("the program holds %q", data[max(0, i-20):min(len(data), i+120)])
		}
	}
	two := newCBuild(t, filepath.Join(t.TempDir(), "another folder", "b"), cFiles)
	write(t, filepath.Join(two.dir, "Cargo.lock"), read(t, filepath.Join(one.dir, "Cargo.lock")))
	if read(t, two.build(t, false)) != string(data) {
		t.Error("another folder gives other bytes")
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
