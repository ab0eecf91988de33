// SPDX-License-Identifier: MIT OR Apache-2.0

package cargo

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"sampan/internal/run"
)

func TestParseCrateSpec(t *testing.T) {
	for spec, want := range map[string]string{
		"a": "a ", "hyperfine": "hyperfine ", "cargo-audit@0.21": "cargo-audit 0.21", "_x9@1": "_x9 1", "a@1.2.3": "a 1.2.3",
		"a@1.2.3-rc.1+b-2": "a 1.2.3-rc.1+b-2", "A@1.2.3+b": "A 1.2.3+b",
	} {
		if n, v, err := ParseCrateSpec(spec); n+" "+v != want || err != nil {
			t.Errorf("%s: %q %q %v", spec, n, v, err)
		}
	}
	for _, spec := range []string{
		"", "@", "a@", "../a", "a/b", "a b", "-a", "1a", "a@1.2.3.4", "a@x", "a@=1.2.3", "a@^1", "a@1.", "a@1.2-rc", "a@1.2.3-", "a@1.2.3/..",
		"a@1.2.3-a/../b", "a\x00", "a@1\n", "ä", "--version", "https://example.com/a", strings.Repeat("a", 65), "a@1.2.3-" + strings.Repeat("a", 200),
	} {
		var bad *CrateError
		if n, v, err := ParseCrateSpec(spec); !errors.As(err, &bad) || bad.Reason != BadSpec || bad.Hint() == "" {
			t.Errorf("%.80q: %q %q %v", spec, n, v, err)
		}
	}
}

func FuzzParseCrateSpec(f *testing.F) {
	f.Add("hyperfine@1.20.0")
	f.Add("a@1.2.3-../..")
	f.Fuzz(func(t *testing.T, spec string) {
		name, version, err := ParseCrateSpec(spec)
		if err != nil {
			return
		}
		if joined := name + "-" + version; filepath.Base(joined) != joined || strings.HasPrefix(joined, "-") || strings.HasPrefix(version, "-") {
			t.Errorf("%q gives the folder %q", spec, joined)
		}
	})
}

// crateWorld is a world whose cargo info unpacks the crate tool 1.4.0, and whose metadata tells of it.
func crateWorld(t *testing.T) *world {
	w := newWorld(t)
	w.on = func(c run.Cmd) (string, bool) {
		if slices.Contains(c.Args, "info") {
			w.unpack("mirror-1", "tool", "1.4.0", true)
			return "tool #cli\nA tool\nversion: 1.4.0 (latest 2.0.0)\nlicense: MIT\n", true
		}
		if i := slices.Index(c.Args, "--manifest-path"); i > 0 && strings.Contains(c.Args[i+1], "tool") {
			dir := filepath.Dir(c.Args[i+1])
			kind := "bin"
			if strings.Contains(dir, "lib") {
				kind = "lib"
			}
			return `{"packages":[{"id":"path+file://` + dir + `#tool@1.4.0","name":"` + strings.Split(filepath.Base(dir), "-")[0] + `","version":"1.4.0","manifest_path":"` + c.Args[i+1] +
				`","targets":[{"kind":["` + kind + `"],"crate_types":["` + kind + `"],"name":"tool"},{"kind":["example"],"crate_types":["bin"],"name":"e"}]}],"workspace_members":["path+file://` + dir +
				`#tool@1.4.0"],"workspace_root":"` + dir + `","target_directory":"` + environ(c.Env).value("CARGO_TARGET_DIR") + `"}`, true
		}
		return "", false
	}
	return w
}

func (w *world) unpack(registry, name, version string, whole bool) string {
	dir := "home/.cargo/registry/src/" + registry + "/" + name + "-" + version + "/"
	w.write(dir+"Cargo.toml", "[package]\nname = \""+name+"\"\nversion = \""+version+"\"\n")
	if whole {
		w.write(dir+".cargo-ok", `{"v":1}`)
	}
	return w.path(dir)
}

func (w *world) fetch(spec string) (*Workspace, int, error) {
	w.calls = nil
	ws, err := FetchCrate(context.Background(), w, w.options(), spec)
	n := 0
	for _, c := range w.calls {
		if slices.Contains(c.Args, "info") {
			n++
		}
	}
	return ws, n, err
}

func TestFetchCrate(t *testing.T) {
	w := crateWorld(t)
	w.write("up/ws/.cargo/config.toml", "[net]\nretry = 1\n")
	w.write("up/.cargo/config.toml", "[net]\nretry = 2\n")
	w.write("home/.cargo/config.toml", "[net]\nretry = 3\n")
	w.write("home/.rustup/toolchains/pinned/x", "")
	w.on2("sysroot", w.path("home/.rustup/toolchains/pinned")+"\n")
	w.write("bin/rustup", "x")
	if err := os.Chmod(w.path("bin/rustup"), 0o755); err != nil {
		t.Fatal(err)
	}
	ws, infos, err := w.fetch("tool")
	if err != nil || infos != 1 {
		t.Fatalf("%d calls of cargo info, %v", infos, err)
	}
	if ws.Current != "tool" || ws.Packages[0].Version != "1.4.0" || ws.TargetDir != w.path("cache/crates/target") {
		t.Errorf("%+v", ws)
	}
	i := slices.IndexFunc(w.calls, func(c run.Cmd) bool { return slices.Contains(c.Args, "info") })
	c := w.calls[i]
	want := []string{"info", "--color", "never", "--config", w.path("up/.cargo/config.toml"), "--config", w.path("up/ws/.cargo/config.toml"), "--", "tool"}
	if !slices.Equal(c.Args, want) {
		t.Errorf("called with %q, want %q", c.Args, want)
	}
	if v := environ(c.Env).value("RUSTUP_TOOLCHAIN"); v != "pinned" {
		t.Errorf("RUSTUP_TOOLCHAIN=%q", v)
	}
	if rel, err := filepath.Rel(w.root, c.Dir); err != nil || filepath.IsLocal(rel) {
		t.Errorf("cargo info ran in the user's workspace: %s", c.Dir)
	}
	if _, err := os.Stat(c.Dir); err == nil {
		t.Errorf("%s is left behind", c.Dir)
	}
	if _, infos, err = w.fetch("tool@1.4.0"); infos != 0 || err != nil || len(w.calls) != 0 {
		t.Errorf("an exact version that is there: %d calls, %v", len(w.calls), err)
	}
	if _, infos, err = w.fetch("tool@1.4"); infos != 1 || err != nil {
		t.Errorf("a shortened version: %d calls, %v", infos, err)
	}
}

// TestFetchCrateNewest has a crate whose newest version is a pre-release: `cargo info` answers with that, `cargo install`
// would take the newest release.
func TestFetchCrateNewest(t *testing.T) {
	for name, tc := range map[string]struct{ spec, added, want string }{
		"name alone":      {"tool", `tool = { version = "1.14.1", default-features = false }`, "tool-1.14.1"},
		"short form":      {"tool", `tool = "1.14.1"`, "tool-1.14.1"},
		"nothing else":    {"tool", `tool = { version = "4.0.0-alpha3", default-features = false }`, "tool-4.0.0-alpha3"},
		"asked for":       {"tool@4.0.0-alpha3", `tool = "1.14.1"`, "tool-4.0.0-alpha3"},
		"another's line":  {"tool", "tool-kit = \"1.0.0\"", "tool-4.0.0-alpha3"},
		"not one version": {"tool", "tool = \"../../x\"", "tool-4.0.0-alpha3"},
	} {
		w := newWorld(t)
		w.on = func(c run.Cmd) (string, bool) {
			spec := c.Args[len(c.Args)-1]
			switch {
			case slices.Contains(c.Args, "add"):
				text, err := os.ReadFile(filepath.Join(c.Dir, "Cargo.toml"))
				if err != nil || spec != "tool" || os.WriteFile(filepath.Join(c.Dir, "Cargo.toml"), append(text, "\n[dependencies]\n"+tc.added+"\n"...), 0o600) != nil {
					t.Errorf("%s: cargo add %q: %v", name, c.Args, err)
				}
				return "", true
			case slices.Contains(c.Args, "info"):
				version := "4.0.0-alpha3"
				if strings.HasSuffix(spec, "@1.14.1") {
					version = "1.14.1"
				}
				w.unpack("mirror-1", "tool", version, true)
				return "tool #cli\nA tool\nversion: " + version + "\n", true
			}
			return "", false
		}
		l, err := newLoader(w, w.options())
		if err != nil {
			t.Fatal(err)
		}
		if _, dir, err := l.find(t.Context(), tc.spec); err != nil || filepath.Base(dir) != tc.want {
			t.Errorf("%s: %s, %v, want %s", name, dir, err, tc.want)
		}
	}
}

// on2 answers calls that have the word arg in them, before all others.
func (w *world) on2(arg, out string) {
	before := w.on
	w.on = func(c run.Cmd) (string, bool) {
		if slices.Contains(c.Args, arg) {
			return out, true
		}
		return before(c)
	}
}

func TestFetchCrateFinds(t *testing.T) {
	w := crateWorld(t)
	w.unpack("broken-0", "tool", "1.4.0", false) // cargo was killed while it unpacked
	if _, infos, err := w.fetch("tool@1.4.0"); infos != 1 || err != nil {
		t.Errorf("half unpacked: %d calls of cargo info, %v", infos, err)
	}
	newer := w.unpack("mirror-2", "tool", "1.4.0", true)
	later := time.Now().Add(time.Hour)
	if err := os.Chtimes(filepath.Join(newer, ".cargo-ok"), later, later); err != nil {
		t.Fatal(err)
	}
	if ws, _, err := w.fetch("tool@1.4.0"); err != nil || ws.Root != newer {
		t.Errorf("of two registries: %+v, %v", ws, err)
	}
	w = crateWorld(t)
	w.write("up/ws/.cargo/config.toml", "[source.v]\ndirectory = \"vendor\"\n")
	w.write("up/ws/vendor/tool/Cargo.toml", "[package]\nname = \"tool\"\nversion = \"1.4.0\"\n")
	if ws, infos, err := w.fetch("tool@1.4.0"); infos != 0 || err != nil || ws.Root != w.path("up/ws/vendor/tool") {
		t.Errorf("vendored: %+v, %d, %v", ws, infos, err)
	}
}

// TestFetchCrateVendored has a folder in the registry's place, which cargo info refuses to ask.
func TestFetchCrateVendored(t *testing.T) {
	w := crateWorld(t)
	w.write("home/.cargo/config.toml", "[source.crates-io]\nreplace-with = \"v\"\n[source.v]\ndirectory = \"vendor\"\n")
	w.fail["cargo"] = "error: crates-io is replaced with non-remote-registry source dir /v;\ninclude `--registry crates-io` to use crates.io\n"
	for dir, version := range map[string]string{"tool": "1.4.0", "tool-1.10.2": "1.10.2", "tool-1.9.0": "1.9.0", "tool-2.0.0-rc.1": "2.0.0-rc.1"} {
		w.write("home/vendor/"+dir+"/Cargo.toml", "[package]\nname = \"tool\"\nversion = \""+version+"\"\n")
	}
	w.write("home/vendor/tool-kit/Cargo.toml", "[package]\nname = \"tool-kit\"\nversion = \"9.0.0\"\n")
	w.write("home/vendor/tool-3.0.0/Cargo.toml", "not TOML")
	l, err := newLoader(w, w.options())
	if err != nil {
		t.Fatal(err)
	}
	for spec, want := range map[string]string{"tool": "tool-1.10.2", "tool@1": "tool-1.10.2", "tool@1.9": "tool-1.9.0", "tool@1.4": "tool", "tool@2.0.0-rc.1": "tool-2.0.0-rc.1"} {
		if _, dir, err := l.find(t.Context(), spec); err != nil || dir != w.path("home/vendor/"+want) {
			t.Errorf("%s: %s, %v, want %s", spec, dir, err, want)
		}
	}
	for _, spec := range []string{"tool@1.1", "tool@3", "tool@2", "too"} {
		var e *CrateError
		if _, dir, err := l.find(t.Context(), spec); !errors.As(err, &e) || e.Reason != NotVendored || e.Hint() == "" {
			t.Errorf("%s: %s, %v", spec, dir, err)
		}
	}
}

func TestFetchCrateErrors(t *testing.T) {
	for name, tc := range map[string]struct{ stderr, stdout, spec, reason string }{
		"missing":      {"    Updating index\nerror: could not find `tool` in registry `https://example.com`\n", "", "tool", NoSuchCrate},
		"version":      {"error: could not find `tool@9.9.9` in registry `https://example.com`\n", "", "tool@9.9.9", NoSuchVersion},
		"vendored":     {"error: crates-io is replaced with non-remote-registry source dir /v;\n", "", "tool", NotVendored},
		"no network":   {"warning: spurious network error (1 try remaining): x\nerror: download of config.json failed\n\nCaused by:\n  failed to download\n", "", "tool", NoRegistry},
		"other":        {"error: something else\n", "", "tool", CargoReason},
		"no version":   {"", "tool\nversion: \n", "tool", CargoReason},
		"hostile":      {"", "../tool\nversion: 1.0.0\n", "tool", CargoReason},
		"hostile too":  {"", "tool\nversion: 1.0.0/../..\n", "tool", CargoReason},
		"not unpacked": {"", "tool\nversion: 9.0.0\n", "tool", NotUnpacked},
		"spec":         {"", "", "../x", BadSpec},
		"library":      {"", "", "toollib@1.4.0", NoPrograms},
	} {
		w := crateWorld(t)
		if tc.stderr != "" {
			w.fail["cargo"] = tc.stderr
		}
		if tc.stdout != "" {
			w.on2("info", tc.stdout)
		}
		w.unpack("mirror-1", "toollib", "1.4.0", true)
		_, _, err := w.fetch(tc.spec)
		var e *CrateError
		if !errors.As(err, &e) || e.Reason != tc.reason || e.Hint() == "" {
			t.Errorf("%s: %v, want %s", name, err, tc.reason)
		}
	}
	if e, ok := crateError("a", "could not find `a` in registry", true).(*CrateError); !ok || e.Reason != NoSuchOffline {
		t.Errorf("offline: %v", e)
	}
}
