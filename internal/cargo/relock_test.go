// SPDX-License-Identifier: MIT OR Apache-2.0

package cargo

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sampan/internal/run"
)

const lockOf = "version = 4\n\n[[package]]\nname = %q\nversion = %q\nsource = \"registry+https://x\"\n"

// relockWorld is a world whose cargo writes a lock file that holds dep 1.N.0, N counting from 1.
func relockWorld(t *testing.T) (w *world, resolved *int) {
	w = newWorld(t)
	resolved = new(int)
	w.write("up/ws/Cargo.lock", fmt.Sprintf(lockOf, "dep", "1.0.0"))
	w.on = func(c run.Cmd) (string, bool) {
		i := slices.Index(c.Args, "--manifest-path")
		if i < 0 {
			return "", false
		}
		manifest := c.Args[i+1]
		if slices.Contains(c.Args, "generate-lockfile") {
			*resolved++
			w.write(w.rel(filepath.Join(filepath.Dir(manifest), "Cargo.lock")), fmt.Sprintf(lockOf, "dep", fmt.Sprintf("1.%d.0", *resolved)))
			return "", true
		}
		if strings.Contains(manifest, "relock") { // Load of the copy
			dir := filepath.Dir(manifest)
			id := "path+file://" + dir + "#one@0.1.0"
			return `{"packages":[{"id":"` + id + `","name":"one","version":"0.1.0","manifest_path":"` + manifest + `","targets":[]}],"workspace_members":["` + id +
				`"],"workspace_root":"` + dir + `","target_directory":"` + dir + `/target"}`, true
		}
		return "", false
	}
	return w, resolved
}

func (w *world) rel(path string) string {
	rel, err := filepath.Rel(w.dir, path)
	if err != nil {
		w.t.Fatal(err)
	}
	return filepath.ToSlash(rel)
}

func (w *world) relock(o RelockOptions) *Relocked {
	w.t.Helper()
	ws, _, _ := w.load(w.options())
	w.calls = nil
	out, err := Relock(context.Background(), w, ws, o)
	if err != nil {
		w.t.Fatal(err)
	}
	return out
}

func TestRelock(t *testing.T) {
	w, resolved := relockWorld(t)
	before, err := os.ReadFile(w.path("up/ws/Cargo.lock"))
	if err != nil {
		t.Fatal(err)
	}
	first := w.relock(RelockOptions{})
	if d := cmp.Diff([]Moved{{"dep", "1.0.0", "1.1.0"}}, first.Moved); d != "" || first.Kept {
		t.Errorf("kept %t, moved %s", first.Kept, d)
	}
	i := slices.IndexFunc(w.calls, func(c run.Cmd) bool { return slices.Contains(c.Args, "generate-lockfile") })
	if c := w.calls[i]; c.Dir != w.root || !slices.Contains(c.Env, "CARGO_RESOLVER_INCOMPATIBLE_RUST_VERSIONS=fallback") {
		t.Errorf("in %s with %q", c.Dir, c.Env)
	}
	if first.Lock != filepath.Join(first.Workspace.Root, "Cargo.lock") || strings.HasPrefix(first.Lock, w.root) || !first.Workspace.Lock.Exists {
		t.Errorf("lock %s, root %s", first.Lock, first.Workspace.Root)
	}
	copied := filepath.Join(first.Workspace.Root, "crates", "one", "src", "main.rs")
	old, err := os.Stat(copied)
	if err != nil {
		t.Fatal(err)
	}
	second := w.relock(RelockOptions{})
	if !second.Kept || len(second.Moved) != 1 || *resolved != 1 {
		t.Errorf("again: kept %t, %d times resolved", second.Kept, *resolved)
	}
	if now, err := os.Stat(copied); err != nil || !os.SameFile(old, now) || !now.ModTime().Equal(old.ModTime()) {
		t.Errorf("an unchanged file was written again: %v", err)
	}
	if after, err := os.ReadFile(w.path("up/ws/Cargo.lock")); err != nil || string(after) != string(before) {
		t.Errorf("the user's lock file is now %q, %v", after, err)
	}
}

func TestRelockAgain(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(w *world, r *Relocked)
		o      RelockOptions
		again  bool
	}{
		"nothing": {change: func(*world, *Relocked) {}},
		"source":  {change: func(w *world, _ *Relocked) { w.write("up/ws/crates/one/src/main.rs", "fn main() { loop {} }\n") }},
		"refresh": {change: func(*world, *Relocked) {}, o: RelockOptions{Refresh: true}, again: true},
		"manifest": {change: func(w *world, _ *Relocked) {
			w.write("up/ws/crates/two/Cargo.toml", "[package]\nname = \"two\"\nversion = \"0.2.0\"\n")
		}, again: true},
		"lock file":             {change: func(w *world, _ *Relocked) { w.write("up/ws/Cargo.lock", fmt.Sprintf(lockOf, "dep", "0.9.0")) }, again: true},
		"lock file gone":        {change: func(w *world, _ *Relocked) { _ = os.Remove(w.path("up/ws/Cargo.lock")) }, again: true},
		"new lock file changed": {change: func(w *world, r *Relocked) { w.write(w.rel(r.Lock), fmt.Sprintf(lockOf, "dep", "6.6.6")) }, again: true},
		"configuration":         {change: func(w *world, _ *Relocked) { w.write("up/ws/.cargo/config.toml", "[build]\njobs = 1\n") }, again: true},
		"a day later": {change: func(w *world, r *Relocked) {
			old := time.Now().Add(-25 * time.Hour)
			if err := os.Chtimes(r.Lock, old, old); err != nil {
				w.t.Fatal(err)
			}
		}, again: true},
		"killed meanwhile": {change: func(w *world, r *Relocked) {
			_ = os.Remove(filepath.Join(filepath.Dir(r.Workspace.Root), "state.json"))
			w.write(w.rel(filepath.Join(r.Workspace.Root, "crates/one/src/main.rs")), "torn")
		}, again: true},
	} {
		t.Run(name, func(t *testing.T) {
			w, resolved := relockWorld(t)
			first := w.relock(RelockOptions{})
			tc.change(w, first)
			second := w.relock(tc.o)
			if want := map[bool]int{true: 2, false: 1}[tc.again]; *resolved != want || second.Kept == tc.again {
				t.Errorf("resolved %d times, want %d; kept %t", *resolved, want, second.Kept)
			}
			for _, name := range []string{"crates/one/src/main.rs", "crates/two/Cargo.toml"} {
				want, _ := os.ReadFile(filepath.Join(w.root, name))
				if got, err := os.ReadFile(filepath.Join(second.Workspace.Root, name)); err != nil || string(got) != string(want) {
					t.Errorf("%s is %q, %v", name, got, err)
				}
			}
		})
	}
}

func TestRelockErrors(t *testing.T) {
	w, _ := relockWorld(t)
	ws, _, _ := w.load(w.options())
	w.fail["cargo"] = "error: failed to get `dep` as a dependency\n\nCaused by:\n  attempting to make an HTTP request, but --offline was specified\n"
	_, err := Relock(context.Background(), w, ws, RelockOptions{})
	e, ok := errors.AsType[*RelockError](err)
	if !ok || !e.Offline || e.Hint() == "" {
		t.Errorf("%v", err)
	}
	delete(w.fail, "cargo")
	if out := w.relock(RelockOptions{}); out.Kept {
		t.Error("what failed was kept")
	}
	o := w.options()
	o.CacheDir = ""
	if ws, _, _ = w.load(o); true {
		if _, err = Relock(context.Background(), w, ws, RelockOptions{}); err == nil {
			t.Error("without a cache: no error")
		}
	}
}

func TestMirror(t *testing.T) {
	w := newWorld(t)
	src := map[string]string{
		"s/a.rs": "a", "s/sub/b.rs": "b", "s/.git/HEAD": "x", "s/out/CACHEDIR.TAG": "Signature: 8a477f597d28d172789f06886806bc55",
		"s/out/big": "x", "s/target/mod.rs": "a module", "s/skipped": "x", "s/.cargo/config.toml": "",
	}
	for name, text := range src {
		w.write(name, text)
	}
	links := map[string]string{"s/near": "sub/b.rs", "s/sub/up": "../a.rs", "s/away": "../secret", "s/dead": "none", "s/loop": "."}
	for name, to := range links {
		if err := os.Symlink(to, w.path(name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(w.path("s/a.rs"), 0o555); err != nil {
		t.Fatal(err)
	}
	w.write("secret", "x")
	w.write("d/gone/x.rs", "x") // not in the source
	w.write("d/sub", "a file where a folder is to be")
	w.write("d/target-dir/CACHEDIR.TAG", "cargo's")
	w.write("d/skipped", "ours")
	sync := func() (changed bool) {
		t.Helper()
		m := &mirror{trust: true, roots: []string{w.path("s")}, maxBytes: 1000, maxFiles: 10, skip: map[string]bool{w.path("s/skipped"): true},
			change: func() error { changed = true; return nil }}
		if err := m.tree(w.path("s"), w.path("d")); err != nil {
			t.Fatal(err)
		}
		return changed
	}
	if !sync() || sync() {
		t.Error("the first time changes everything, the second nothing")
	}
	want := []string{".cargo/config.toml", "a.rs -r", "away > " + w.path("secret"), "dead > none", "loop > .", "near > sub/b.rs", "skipped", "sub/b.rs",
		"sub/up > ../a.rs", "target-dir/CACHEDIR.TAG", "target/mod.rs"}
	if d := cmp.Diff(want, listing(t, w.path("d"))); d != "" {
		t.Error(d)
	}
	from, _ := os.Stat(w.path("s/sub/b.rs"))
	if to, err := os.Stat(w.path("d/sub/b.rs")); err != nil || !to.ModTime().Equal(from.ModTime()) {
		t.Errorf("time of change: %v", err)
	}
	w.write("s/sub/b.rs", "other")
	if err := os.Remove(w.path("s/near")); err != nil {
		t.Fatal(err)
	}
	if data, _ := os.ReadFile(w.path("d/sub/b.rs")); !sync() || string(data) != "b" {
		t.Error("a change was not seen")
	}
	if data, _ := os.ReadFile(w.path("d/sub/b.rs")); string(data) != "other" {
		t.Errorf("after a change: %q", data)
	}
	if slices.ContainsFunc(listing(t, w.path("d")), func(s string) bool { return strings.HasPrefix(s, "near") }) {
		t.Error("what is gone from the source stays")
	}
}

// listing lists the files in a folder, with what links point to; -r marks what may be executed.
func listing(t *testing.T, dir string) (out []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, _ := filepath.Rel(dir, path)
		name = filepath.ToSlash(name)
		if to, err := os.Readlink(path); err == nil {
			name += " > " + to
		} else if info, err := d.Info(); err == nil && info.Mode().Perm()&0o111 != 0 {
			name += " -r"
		}
		out = append(out, name)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(out)
	return out
}

func TestMirrorBounds(t *testing.T) {
	w := newWorld(t)
	w.write("s/a.rs", "a")
	w.write("s/data/deep/large", strings.Repeat("x", 600))
	w.write("s/data/larger", strings.Repeat("x", 600))
	for _, m := range []*mirror{{maxBytes: 1000, maxFiles: 10}, {maxBytes: 10000, maxFiles: 2}} {
		err := m.tree(w.path("s"), w.path("d"))
		e, ok := errors.AsType[*TooLargeError](err)
		if !ok || e.Largest != "data" || e.Hint() == "" || !strings.Contains(e.Error(), "data") {
			t.Errorf("%v", err)
		}
	}
}

func TestSources(t *testing.T) {
	w := newWorld(t)
	w.write("up/ws/crates/one/Cargo.toml", "[package]\nname = \"one\"\n[dependencies]\nnear = { path = \"../two\" }\nout = { path = \"../../../out\" }\n"+
		"serde = \"1\"\n[target.'cfg(unix)'.build-dependencies]\ndeep = { path = \"../../../lib/deep\" }\n[dependencies.abs]\npath = \"/nowhere\"\n"+
		"[lib]\npath = \"../../../not-a-package/lib.rs\"\n[package.metadata.x]\npath = \"../../../meta\"\n")
	w.write("up/ws/Cargo.toml", "[workspace]\nmembers = [\"crates/*\"]\n[workspace.dependencies]\nshared = { path = \"../shared\" }\n[patch.crates-io]\nserde = { path = \"../serde\" }\n")
	w.write("up/out/Cargo.toml", "[package]\nname = \"out\"\n[dependencies]\nmore = { path = \"../more\" }\nback = { path = \"../out\" }\nin = { path = \"inner\" }\n")
	w.write("up/lib/Cargo.toml", "[workspace]\nmembers = [\"deep\"]\n")
	for _, name := range []string{"shared", "serde", "more", "lib/deep", "out/inner", "meta"} {
		w.write("up/"+name+"/Cargo.toml", "[package]\nname = \"x\"\n")
	}
	ws, _, _ := w.load(w.options())
	dirs, manifests := sources(ws)
	var want []string
	for _, name := range []string{"lib/deep", "more", "out", "serde", "shared", "ws"} {
		want = append(want, w.path("up/"+name))
	}
	if d := cmp.Diff(want, dirs); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{w.path("up/lib/Cargo.toml")}, manifests); d != "" {
		t.Error(d)
	}
	if got := common(dirs); got != w.path("up") {
		t.Errorf("all lie in %s", got)
	}
}

func TestCompareLocks(t *testing.T) {
	lock := func(specs ...string) *LockFile {
		l := &LockFile{}
		for _, s := range specs {
			f := strings.Fields(s + " ")
			p := LockPackage{Name: f[0], Version: f[1]}
			if len(f) > 2 {
				p.Source = f[2]
			}
			l.Packages = append(l.Packages, p)
		}
		return l
	}
	for name, tc := range map[string]struct {
		before, after *LockFile
		want          []Moved
	}{
		"same":      {lock("a 1.0.0"), lock("a 1.0.0"), nil},
		"newer":     {lock("b 1.0.0", "a 1.0.9"), lock("b 1.1.0", "a 1.0.10"), []Moved{{"a", "1.0.9", "1.0.10"}, {"b", "1.0.0", "1.1.0"}}},
		"new":       {lock("a 1.0.0"), lock("a 1.0.0", "b 2.0.0"), []Moved{{"b", "", "2.0.0"}}},
		"gone":      {lock("a 1.0.0", "b 2.0.0"), lock("a 1.0.0"), []Moved{{"b", "2.0.0", ""}}},
		"major":     {lock("a 1.0.0"), lock("a 2.0.0"), []Moved{{"a", "1.0.0", "2.0.0"}}},
		"releases":  {lock("a 0.1.0", "a 1.0.0"), lock("a 0.2.0", "a 1.3.0", "a 0.1.5"), []Moved{{"a", "", "0.2.0"}, {"a", "0.1.0", "0.1.5"}, {"a", "1.0.0", "1.3.0"}}},
		"one stays": {lock("a 1.0.0", "a 2.0.0"), lock("a 1.0.0", "a 2.1.0"), []Moved{{"a", "2.0.0", "2.1.0"}}},
		"commit": {lock("a 1.0.0 git+https://x#0123456789"), lock("a 1.0.0 git+https://x#abcdef0123"),
			[]Moved{{"a", "1.0.0 (01234567)", "1.0.0 (abcdef01)"}}},
	} {
		if d := cmp.Diff(tc.want, CompareLocks(tc.before, tc.after)); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
}
