// SPDX-License-Identifier: MIT OR Apache-2.0

package cargo

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sampan/internal/run"
)

// world is a folder with a home, a fake cargo and rustc in PATH, and a workspace.
type world struct {
	t     *testing.T
	dir   string // everything
	root  string // the workspace
	calls []run.Cmd
	fail  map[string]string              // program's first word -> stderr it fails with
	on    func(c run.Cmd) (string, bool) // answers before the usual ones
}

func newWorld(t *testing.T) *world {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, dir: dir, root: filepath.Join(dir, "up", "ws"), fail: map[string]string{}}
	for _, name := range []string{"cargo", "rustc"} {
		w.write("bin/"+name, "#!/bin/false\n")
		if err := os.Chmod(w.path("bin/"+name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	w.write("sysroot/bin/rustc", "a program")
	w.write("up/ws/Cargo.toml", "[workspace]\nmembers = [\"crates/*\"]\n")
	w.member("one")
	w.member("two")
	return w
}

func (w *world) path(name string) string { return filepath.Join(w.dir, filepath.FromSlash(name)) }

func (w *world) write(name, text string) {
	w.t.Helper()
	if err := os.MkdirAll(filepath.Dir(w.path(name)), 0o755); err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(w.path(name), []byte(text), 0o644); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) member(name string) {
	w.write("up/ws/crates/"+name+"/Cargo.toml", fmt.Sprintf("[package]\nname = %q\nversion = \"0.1.0\"\n", name))
	w.write("up/ws/crates/"+name+"/src/main.rs", "fn main() {}\n")
}

func (w *world) env(more ...string) []string {
	return append([]string{"PATH=" + w.path("bin"), "HOME=" + w.path("home"), "USERPROFILE=" + w.path("home")}, more...)
}

func (w *world) options() LoadOptions {
	return LoadOptions{Dir: w.root, Env: w.env(), CacheDir: w.path("cache")}
}

// Run implements run.Runner: cargo metadata tells of the members that lie in crates/, rustc is 1.95.0.
func (w *world) Run(_ context.Context, c run.Cmd) error {
	w.calls = append(w.calls, c)
	name := filepath.Base(c.Path)
	if text, ok := w.fail[name]; ok {
		_, _ = io.WriteString(c.Stderr, text)
		return &run.ExitError{Path: c.Path, Code: 101}
	}
	if w.on != nil {
		if out, ok := w.on(c); ok {
			_, err := io.WriteString(c.Stdout, out)
			return err
		}
	}
	out := ""
	switch {
	case slices.Contains(c.Args, "metadata"):
		out = w.metadata(c)
	case slices.Contains(c.Args, "-vV"):
		out = "rustc 1.95.0 (59807616e 2026-04-14)\nbinary: rustc\ncommit-hash: 59807616e1\ncommit-date: 2026-04-14\n" +
			"host: x86_64-unknown-linux-gnu\nrelease: 1.95.0\nLLVM version: 22.1.2\n"
	case slices.Contains(c.Args, "sysroot"):
		out = w.path("sysroot") + "\n"
	case slices.Contains(c.Args, "cfg"):
		out = "unix\ntarget_os=\"linux\"\ntarget_arch=\"x86_64\"\ntarget_env=\"musl\"\n"
	default:
		return fmt.Errorf("unexpected call: %s %q", c.Path, c.Args)
	}
	_, err := io.WriteString(c.Stdout, out)
	return err
}

func (w *world) metadata(c run.Cmd) string {
	type target struct {
		Kind       []string `json:"kind"`
		CrateTypes []string `json:"crate_types"`
		Name       string   `json:"name"`
	}
	var packages, members []any
	found, _ := filepath.Glob(filepath.Join(w.root, "crates", "*", "Cargo.toml"))
	for _, m := range found {
		name := filepath.Base(filepath.Dir(m))
		id := "path+file://" + filepath.ToSlash(filepath.Dir(m)) + "#0.1.0"
		packages = append(packages, map[string]any{
			"id": id, "name": name, "version": "0.1.0", "manifest_path": m, "license": nil, "authors": []string{},
			"features": map[string]any{"b": []string{}, "a": []string{}}, "metadata": map[string]any{"sampan": map[string]any{"user": "1:1"}},
			"targets": []target{
				{[]string{"bin"}, []string{"bin"}, name}, {[]string{"example"}, []string{"bin"}, "show"},
				{[]string{"example"}, []string{"cdylib"}, "plug"}, {[]string{"test"}, []string{"bin"}, "it"},
				{[]string{"lib"}, []string{"lib"}, name},
			},
		})
		members = append(members, id)
	}
	targetDir := filepath.Join(w.root, "target")
	if v, ok := environ(c.Env).get("CARGO_TARGET_DIR"); ok {
		targetDir = v
	}
	out, err := json.Marshal(map[string]any{
		"packages": packages, "workspace_members": members, "workspace_default_members": members, "workspace_root": w.root,
		"target_directory": targetDir, "build_directory": targetDir, "metadata": nil, "version": 1,
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return string(out)
}

// load loads and says how often cargo and rustc were started for it.
func (w *world) load(o LoadOptions) (ws *Workspace, cargo, rustc int) {
	w.t.Helper()
	w.calls = nil
	ws, err := Load(context.Background(), w, o)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, c := range w.calls {
		if strings.HasPrefix(filepath.Base(c.Path), "cargo") {
			cargo++
		} else {
			rustc++
		}
	}
	return ws, cargo, rustc
}
