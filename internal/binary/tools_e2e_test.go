// SPDX-License-Identifier: MIT OR Apache-2.0

//go:build e2e && linux

package binary

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// command runs a tool and gives what it says on both streams. Any complaint of it fails the test.
func command(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	c := exec.CommandContext(context.Background(), name, args...)
	c.Dir = dir
	c.Env = append(os.Environ(), "LC_ALL=C", "DEBUGINFOD_URLS=")
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

func write(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

const cSource = `#include <stdio.h>
#include <stdlib.h>
static __thread int tls = 7;
static const char *names[] = {"a", "b"};
__attribute__((noinline)) int work(int n) { return n * tls; }
int main(int argc, char **argv) {
	printf("%d %s\n", work(argc), names[argc - 1]);
	return 0;
}
`

// halves writes the stripped program and its debug half, as they go into an image and beside it.
func halves(t *testing.T, path string) (stripped string, p *Program, debugDir string) {
	t.Helper()
	p, err := Strip(path)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	stripped = filepath.Join(dir, "program")
	if err := os.WriteFile(stripped, contents(t, p), 0o755); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	d, err := WriteDebug(path, &b)
	if errors.Is(err, ErrNoDebug) {
		return stripped, p, ""
	}
	if err != nil {
		t.Fatal(err)
	}
	debugDir = filepath.Join(dir, "debug")
	at := filepath.Join(debugDir, filepath.FromSlash(DebugPath(d.BuildID)))
	if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(at, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	return stripped, p, debugDir
}

// againstGNU compares with what binutils make of the same program, and has them read ours.
func againstGNU(t *testing.T, path string) (stripped, debugDir string) {
	t.Helper()
	stripped, p, debugDir := halves(t, path)
	if !p.Stripped || p.Reason != "" {
		t.Fatalf("stripped %v, reason %q", p.Stripped, p.Reason)
	}
	gnu := filepath.Join(t.TempDir(), "gnu")
	command(t, "", "strip", "-o", gnu, path)
	info, err := os.Stat(gnu)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d bytes; stripped %d, GNU %d", p.Facts.Size, p.Size, info.Size())
	if d := p.Size - info.Size(); d > 4096 || d < -4096 {
		t.Errorf("%d bytes, GNU strip gives %d", p.Size, info.Size())
	}
	if was, is := command(t, "", path), command(t, "", stripped); was != is {
		t.Errorf("says %q, said %q", is, was)
	}
	files := []string{stripped}
	if debugDir != "" {
		files = append(files, filepath.Join(debugDir, filepath.FromSlash(DebugPath(p.Facts.BuildID))))
	}
	for _, f := range files {
		out := command(t, "", "readelf", "-W", "-hlSn", f)
		out = strings.ReplaceAll(out, "readelf: Error: Unable to find program interpreter name", "") // of GNU's debug halves too
		if strings.Contains(out, "arning") || strings.Contains(out, "rror:") ||
			!strings.Contains(out, "Build ID: "+p.Facts.BuildID) {
			t.Errorf("readelf of %s:\n%s", f, out)
		}
	}
	command(t, t.TempDir(), "objcopy", stripped, "again") // refuses tables that make no sense
	return stripped, debugDir
}

// resolves asks gdb for a line, given the stripped program and the folder of debug files.
func resolves(t *testing.T, stripped, debugDir, place, want string) {
	t.Helper()
	if out := command(t, "", "gdb", "-q", "-nx", "-batch", "-ex", "set debug-file-directory "+debugDir,
		"-ex", "file "+stripped, "-ex", "break "+place, "-ex", "run", "-ex", "bt"); !strings.Contains(out, want) {
		t.Errorf("gdb, want …%s…:\n%s", want, out)
	}
}

func TestToolsOnC(t *testing.T) {
	for name, flags := range map[string][]string{
		"static":     {"-static"},
		"static-pie": {"-static-pie", "-fPIE"},
		"dynamic":    {},
		"no-pie":     {"-no-pie"},
		"compressed": {"-static", "-gz"},
		"no-relro":   {"-static", "-Wl,-z,norelro", "-Wl,-z,noseparate-code"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, filepath.Join(dir, "a.c"), cSource)
			command(t, dir, "gcc", append([]string{"-g", "-O1", "-Wl,--build-id=sha1", "a.c", "-o", "a"}, flags...)...)
			path := filepath.Join(dir, "a")
			stripped, debugDir := againstGNU(t, path)
			resolves(t, stripped, debugDir, "work", "work (n=1) at a.c:5")
			facts, err := Inspect(path)
			if err != nil || facts.Static() != (name != "dynamic" && name != "no-pie") {
				t.Errorf("static %v, %v", facts.Static(), err)
			}
			// What GNU strip has been at is taken too.
			command(t, dir, "strip", "-o", "b", "a")
			if p, err := Strip(filepath.Join(dir, "b")); err != nil || !p.Stripped || p.Size > facts.Size {
				t.Errorf("%+v, %v", p, err)
			}
			if _, err := WriteDebug(filepath.Join(dir, "b"), io.Discard); !errors.Is(err, ErrNoDebug) {
				t.Error(err)
			}
		})
	}
}

func TestToolsOnShared(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a.c"), cSource)
	command(t, dir, "gcc", "-shared", "-fPIC", "-o", "a.so", "a.c")
	if f, err := Inspect(filepath.Join(dir, "a.so")); err != nil || f.PIE || f.Static() {
		t.Errorf("%+v, %v", f, err)
	}
}

// With line tables alone, gdb knows no names of functions that Rust inlined: break by line.
func TestToolsOnRust(t *testing.T) {
	triple := map[string]string{"amd64": "x86_64", "arm64": "aarch64"}[runtime.GOARCH] + "-unknown-linux-musl"
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "src"), 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "Cargo.toml"), `[package]
name = "hello"
version = "0.1.0"
edition = "2021"
[profile.release]
debug = "line-tables-only"
strip = "none"
[profile.thin]
inherits = "release"
strip = "symbols"
`)
	write(t, filepath.Join(dir, "src", "main.rs"), `use std::collections::HashMap;
#[inline(never)]
fn compute(n: u64) -> u64 {
    let mut m = HashMap::new();
    for i in 0..n { m.insert(i, i * 3); }
    m.values().sum()
}
fn main() {
    println!("sum {}", compute(std::env::args().count() as u64 * 10));
}
`)
	for _, profile := range []string{"release", "dev", "thin"} {
		t.Run(profile, func(t *testing.T) {
			command(t, dir, "cargo", "build", "--offline", "--profile", profile, "--target", triple, "--config", "target."+triple+`.rustflags=["-Clink-arg=-Wl,--build-id=sha1"]`)
			folder := strings.Replace(profile, "dev", "debug", 1)
			path := filepath.Join(dir, "target", triple, folder, "hello")
			if f, err := Inspect(path); err != nil || !f.Static() || !f.EntryMapped || f.ExecStack || len(f.BuildID) != 40 {
				t.Fatalf("%+v, %v", f, err)
			}
			stripped, debugDir := againstGNU(t, path)
			if profile == "thin" {
				if debugDir != "" {
					t.Error("found something to keep in a stripped program")
				}
				return
			}
			resolves(t, stripped, debugDir, "main.rs:6", "at src/main.rs:9")
		})
	}
}
