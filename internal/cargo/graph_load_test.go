// SPDX-License-Identifier: MIT OR Apache-2.0

package cargo

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sampan/internal/run"
)

// graphWorld is a world whose cargo metadata tells what crates says when it is asked for more than the members.
func graphWorld(t *testing.T) (*world, GraphOptions) {
	w := newWorld(t)
	w.write("up/ws/Cargo.lock", "version = 4\n")
	w.write("beside/Cargo.toml", "[package]\n")
	w.on = func(c run.Cmd) (string, bool) {
		if !slices.Contains(c.Args, "metadata") || slices.Contains(c.Args, "--no-deps") {
			return "", false
		}
		out := string(crates(map[string][]string{"one": {"member", "bin", "leaf"}, "leaf": {"lib", "links=z"}}))
		out = strings.ReplaceAll(out, "/w/one/Cargo.toml", w.path("up/ws/crates/one/Cargo.toml"))
		return strings.ReplaceAll(out, "/w/leaf/Cargo.toml", w.path("beside/Cargo.toml")), true
	}
	return w, GraphOptions{Package: "one", Triple: "x86_64-unknown-linux-musl"}
}

func (w *world) graph(o GraphOptions) (g *Graph, calls []run.Cmd, err error) {
	ws, _, _ := w.load(w.options())
	w.calls = nil
	g, err = LoadGraph(context.Background(), w, ws, o)
	return g, slices.Clone(w.calls), err
}

func TestLoadGraphKeeps(t *testing.T) {
	w, o := graphWorld(t)
	first, calls, err := w.graph(o)
	if err != nil || len(calls) != 3 { // metadata, and rustc's cfg of two triples
		t.Fatalf("%d calls, %v", len(calls), err)
	}
	words := strings.Join(calls[0].Args, " ")
	for _, want := range []string{"--manifest-path " + w.path("up/ws/crates/one/Cargo.toml"), "--filter-platform x86_64-unknown-linux-musl --filter-platform x86_64-unknown-linux-gnu"} {
		if !strings.Contains(words, want) {
			t.Errorf("cargo %s: no %s", words, want)
		}
	}
	second, calls, err := w.graph(o)
	if d := cmp.Diff(first, second); d != "" || len(calls) != 0 || err != nil {
		t.Errorf("again: %d calls, %v\n%s", len(calls), err, d)
	}
	for name, change := range map[string]func(){
		"lock file":           func() { w.write("up/ws/Cargo.lock", "version = 3\n") },
		"root manifest":       func() { w.write("up/ws/Cargo.toml", "[workspace]\nmembers = [\"crates/*\"]\nresolver = \"2\"\n") },
		"path dependency":     func() { w.write("beside/Cargo.toml", "[package]\nname = \"leaf\"\n") },
		"configuration":       func() { w.write("up/ws/.cargo/config.toml", "[build]\njobs = 1\n") },
		"features":            func() { o.Features = []string{"x"} },
		"no default features": func() { o.NoDefaultFeatures = true },
		"triple":              func() { o.Triple = "aarch64-unknown-linux-musl" },
		"examples":            func() { o.Examples = true },
		"rustc":               func() { w.write("sysroot/lib/rustlib/rust-installer-version", "4") },
	} {
		change()
		w.age()
		if _, calls, err := w.graph(o); err != nil || len(calls) == 0 {
			t.Errorf("%s: %d calls, %v", name, len(calls), err)
		}
	}
}

// age makes all files an hour old: what is kept must not be younger than what it came from.
func (w *world) age() {
	old := time.Now().Add(-time.Hour)
	_ = filepath.WalkDir(w.dir, func(path string, _ os.DirEntry, _ error) error { return os.Chtimes(path, old, old) })
}

func TestLoadGraphWords(t *testing.T) {
	w, o := graphWorld(t)
	o.Features, o.AllFeatures, o.NoDefaultFeatures = []string{"a", "b"}, true, true
	o.Locked, o.Offline, o.Config, o.Unstable = true, true, []string{"net.retry=1"}, []string{"x"}
	_, calls, err := w.graph(o)
	if err != nil {
		t.Fatal(err)
	}
	got := strings.Join(calls[0].Args, " ")
	want := "--features a,b --all-features --locked --offline --config net.retry=1 -Z x"
	if !strings.HasSuffix(got, want) || strings.Contains(got, "--no-default") { // it would take other members' defaults away
		t.Errorf("cargo %s", got)
	}
	o.Frozen, o.Features = true, nil
	if _, calls, err = w.graph(o); err != nil || strings.Contains(strings.Join(calls[0].Args, " "), "--locked") {
		t.Errorf("%v %v", err, calls)
	}
}

func TestLoadGraphErrors(t *testing.T) {
	w, o := graphWorld(t)
	for text, want := range map[string]GraphError{
		"error: the lock file /w/Cargo.lock needs to be updated but --locked was passed to prevent this\n":                        {Lock: true},
		"error: failed to download `x v1.0.0`\n\nCaused by:\n  attempting to make an HTTP request, but --offline was specified\n": {Offline: true},
		"error: failed to select a version for `x`\n":                                                                             {},
	} {
		ws, _, _ := w.load(w.options())
		w.fail["cargo"] = text
		_, err := LoadGraph(context.Background(), w, ws, o)
		delete(w.fail, "cargo")
		e, ok := errors.AsType[*GraphError](err)
		if !ok || e.Lock != want.Lock || e.Offline != want.Offline || e.Hint() == "" || strings.Contains(e.Error(), "error:") {
			t.Errorf("%q: %v", text, err)
		}
	}
	o.Package = "three"
	if _, _, err := w.graph(o); err == nil || !strings.Contains(err.Error(), "three") {
		t.Errorf("unknown package: %v", err)
	}
}

func TestPublished(t *testing.T) {
	w := newWorld(t)
	c := Config{CargoHome: w.path("home/.cargo"), SourceDirs: []string{w.path("vendor")}}
	for root, want := range map[string]bool{
		"home/.cargo/registry/src/x/tool-1.0.0": true, "vendor/tool": true, "home/work": false, "vendor": false, "vendor2/tool": false,
		"home/.cargo/git/checkouts/x": false,
	} {
		if got := (&Workspace{Root: w.path(root), Config: c}).Published(); got != want {
			t.Errorf("%s: %t", root, got)
		}
	}
}

func TestResolverOf(t *testing.T) {
	dir := t.TempDir()
	for text, want := range map[string]int{
		"[workspace]\n": 1, "[workspace]\nresolver = \"2\"\n": 2, "[workspace]\nresolver = \"3\"\n": 2,
		"[package]\nname = \"a\"\n": 1, "[package]\nedition = \"2018\"\n": 1, "[package]\nedition = \"2021\"\n": 2,
		"[package]\nedition = \"2024\"\nresolver = \"1\"\n": 1, "[package]\nedition = \"2018\"\nresolver = \"2\"\n": 2,
		"[package]\nedition.workspace = true\n[workspace.package]\nedition = \"2021\"\n": 2,
		"[package]\nedition = \"2021\"\n[workspace]\nresolver = \"1\"\n":                 1, "not toml": 2,
	} {
		if err := os.WriteFile(filepath.Join(dir, "Cargo.toml"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if got := resolverOf(dir, "2018"); got != want {
			t.Errorf("%q: %d, want %d", text, got, want)
		}
	}
	if resolverOf(filepath.Join(dir, "none"), "2018") != 2 {
		t.Error("no manifest")
	}
}

func TestPureRust(t *testing.T) {
	lock := func(names ...string) string {
		text := "version = 4\n"
		for _, n := range names {
			text += "\n[[package]]\nname = \"" + n + "\"\nversion = \"1.0.0\"\ndependencies = [\n \"cc\",\n]\n"
		}
		return text
	}
	for text, want := range map[string]bool{
		lock("serde", "libc", "autocfg", "windows-sys", "js-sys", "linux-raw-sys", "libz-rs-sys", "android_log-sys"): true,
		lock("serde", "cc"): false, lock("openssl-sys", "serde"): false, lock("pkg-config"): false, lock("onig_sys"): false,
		lock("openssl-src"): false, lock("ffmpeg-sys-next"): false, lock("perf-event-open-sys2"): false, lock("prost-build"): false,
		lock("pyo3-ffi"): false, lock("system", "sysinfo", "is-sys-thing"): false, lock("sysinfo", "sys-info-lite"): true,
		lock(): true, "": true, "{}": true, "[[package]]\n  name = \"serde\"\n": false, "name = \"serde": false,
	} {
		if got := pureRust([]byte(text)); got != want {
			t.Errorf("%t for %q", got, text)
		}
	}
	if PureRust(filepath.Join(t.TempDir(), "Cargo.lock")) {
		t.Error("pure without a lock file")
	}
	if !pureRust([]byte(strings.ReplaceAll(lock("serde"), "\n", "\r\n"))) {
		t.Error("Windows' line ends")
	}
}

func BenchmarkPureRust(b *testing.B) {
	var text strings.Builder
	for i := range 700 {
		text.WriteString("[[package]]\nname = \"crate-" + strconv.Itoa(i) + "\"\nversion = \"1.0.0\"\nsource = \"registry+https://github.com/rust-lang/crates.io-index\"\nchecksum = \"" + strings.Repeat("0", 64) + "\"\ndependencies = [\n \"serde\",\n]\n\n")
	}
	path := filepath.Join(b.TempDir(), "Cargo.lock")
	if err := os.WriteFile(path, []byte(text.String()), 0o644); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if !PureRust(path) {
			b.Fatal("not pure")
		}
	}
}
