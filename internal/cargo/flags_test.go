// SPDX-License-Identifier: MIT OR Apache-2.0

package cargo

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/pelletier/go-toml/v2"
)

const musl = Triple("x86_64-unknown-linux-musl")

var flagCases = map[string]struct {
	file, above, home string // configuration
	env, words        []string
	all               string // user's flags and ours ("…")
	config, encoded   string
}{
	"nothing":                 {all: "…", config: `["…"]`},
	"RUSTFLAGS":               {env: []string{"RUSTFLAGS= --cfg  m "}, all: "--cfg m …", encoded: "--cfg m …"},
	"RUSTFLAGS beats files":   {env: []string{"RUSTFLAGS=--cfg m"}, file: "build.rustflags = ['x']", all: "--cfg m …", encoded: "--cfg m …"},
	"RUSTFLAGS empty":         {env: []string{"RUSTFLAGS="}, file: "build.rustflags = ['x']", all: "…", encoded: "…"},
	"encoded beats RUSTFLAGS": {env: []string{"RUSTFLAGS=x", "CARGO_ENCODED_RUSTFLAGS=--cfg\x1fa=\"b c\""}, all: "--cfg a=\"b|c\" …", encoded: "--cfg a=\"b|c\" …"},
	"build list":              {file: "build.rustflags = ['--cfg', 'm']", all: "--cfg m …", config: `["--cfg","m","…"]`},
	"build string":            {file: "build.rustflags = '--cfg m'", all: "--cfg m …", config: `["--cfg","m","…"]`},
	"build lists join, nearest last": {
		file: "build.rustflags = ['near']", above: "build.rustflags = ['above']", home: "build.rustflags = ['home']",
		env: []string{"CARGO_BUILD_RUSTFLAGS=env  var"}, words: []string{"build.rustflags=['word']", "build.rustflags=['last']"},
		all: "home above near env var word last …", config: `["home","above","near","env","var","word","last","…"]`,
	},
	"build strings replace": {
		file: "build.rustflags = 'near'", above: "build.rustflags = 'above'", all: "near …", config: `["near","…"]`,
	},
	"CARGO_BUILD_RUSTFLAGS": {env: []string{"CARGO_BUILD_RUSTFLAGS=--cfg m"}, all: "--cfg m …", config: `["--cfg","m","…"]`},
	"target hides build": {
		file: "build.rustflags = ['x']\n[target.x86_64-unknown-linux-musl]\nrustflags = ['--cfg', 'm']", all: "--cfg m …", config: `["…"]`,
	},
	"target string": {
		file: "[target.x86_64-unknown-linux-musl]\nrustflags = '--cfg m'", all: "--cfg m …", encoded: "--cfg m …",
	},
	"target string as a word": {
		words: []string{"target.x86_64-unknown-linux-musl.rustflags='--cfg m'"}, all: "--cfg m …", encoded: "--cfg m …",
	},
	"target empty string hides nothing": {
		file: "build.rustflags = ['b']\n[target.x86_64-unknown-linux-musl]\nrustflags = ''", all: "b …", encoded: "b …",
	},
	"target variable": {
		env: []string{"CARGO_TARGET_X86_64_UNKNOWN_LINUX_MUSL_RUSTFLAGS=--cfg m"}, file: "build.rustflags = ['x']",
		all: "--cfg m …", config: `["…"]`,
	},
	"other target":           {file: "[target.x86_64-unknown-linux-gnu]\nrustflags = ['x']", all: "…", config: `["…"]`},
	"matching cfg":           {file: "build.rustflags = ['x']\n[target.'cfg(unix)']\nrustflags = ['--cfg', 'm']", all: "… --cfg m", config: `["…"]`},
	"cfg string":             {file: "[target.'cfg(target_env = \"musl\")']\nrustflags = '--cfg m'", all: "… --cfg m", config: `["…"]`},
	"cfg that does not hold": {file: "build.rustflags = ['b']\n[target.'cfg(windows)']\nrustflags = ['x']", all: "b …", config: `["b","…"]`},
	"cfgs in the order of keys": {
		file: "[target.'cfg(unix)']\nrustflags = ['3']\n[target.'cfg(all(unix))']\nrustflags = ['2']\n[target.x86_64-unknown-linux-musl]\nrustflags = ['1']",
		all:  "1 … 2 3", config: `["…"]`,
	},
	"word is a file": {words: []string{"more.toml"}, all: "--cfg m …", config: `["--cfg","m","…"]`},
	"included":       {file: "include = ['../more.toml']\nbuild.rustflags = ['own']", all: "--cfg m own …", config: `["--cfg","m","own","…"]`},
	"quotes":         {file: `build.rustflags = ['--cfg', 'a="\"']`, all: `--cfg a="\" …`, config: `["--cfg","a=\"\\\"","…"]`},
}

// TestRustFlags holds the cases that end to end tests prove with the real cargo, and more of them.
func TestRustFlags(t *testing.T) {
	ours := []string{"-C", "target-feature=+crt-static"}
	const key = "target.x86_64-unknown-linux-musl.rustflags="
	for name, tc := range flagCases {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.write("up/ws/more.toml", "[build]\nrustflags = ['--cfg', 'm']\n")
			for path, text := range map[string]string{"up/ws/": tc.file, "up/": tc.above, "home/": tc.home} {
				if text != "" {
					w.write(path+".cargo/config.toml", text)
				}
			}
			o := w.options()
			o.Env, o.Config = w.env(tc.env...), tc.words
			ws, _, _ := w.load(o)
			var cfg []string
			if ws.NeedsCfg() {
				var err error
				if cfg, err = CfgOf(context.Background(), w, ws, musl); err != nil {
					t.Fatal(err)
				}
			}
			j, err := ws.RustFlags(musl, ours, cfg)
			if err != nil {
				t.Fatal(err)
			}
			fill := func(s, sep string) string { return strings.ReplaceAll(s, "…", strings.Join(ours, sep)) }
			var all []string
			for _, f := range strings.Fields(fill(tc.all, " ")) {
				all = append(all, strings.ReplaceAll(f, "|", " "))
			}
			want := Join{All: all}
			if tc.config != "" {
				want.Config = []string{key + fill(tc.config, `","`)}
			}
			if tc.encoded != "" {
				want.Env = []string{"CARGO_ENCODED_RUSTFLAGS=" + strings.Join(all, "\x1f")}
			}
			if d := cmp.Diff(want, j); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestRustFlagsRefuses(t *testing.T) {
	ws := &Workspace{Config: Config{TargetFlags: map[string][]string{"cfg(unix)": {"x"}}}}
	if _, err := ws.RustFlags(musl, nil, nil); err == nil {
		t.Error("no cfg is known, yet flags were joined")
	}
	ws.Config.EnvFlagsPresent = true
	if _, err := ws.RustFlags(musl, nil, nil); err != nil {
		t.Error(err)
	}
	for _, bad := range []string{"a\x1fb", "\xff"} {
		if _, err := ws.RustFlags(musl, []string{bad}, nil); err == nil {
			t.Errorf("%q was joined", bad)
		}
	}
}

// TestRustFlagsNone wants no word and no variable where we have nothing to add: cargo then does as without us.
func TestRustFlagsNone(t *testing.T) {
	for _, c := range []Config{{}, {BuildFlags: []string{"x"}}, {EnvFlagsPresent: true, EnvFlags: []string{"x"}}} {
		j, err := (&Workspace{Config: c}).RustFlags(musl, nil, nil)
		if err != nil || j.Env != nil || j.Config != nil {
			t.Errorf("%+v: %+v, %v", c, j, err)
		}
	}
}

func TestConfig(t *testing.T) {
	w := newWorld(t)
	w.write("home/.cargo/config.toml", "[source.crates-io]\nreplace-with = 'v'\n[source.v]\ndirectory = 'vendor'\n[build]\nrustc = 'home-rustc'\n")
	w.write("up/ws/.cargo/config", "[build]\ntarget = ['host-tuple', 'aarch64-unknown-linux-musl']\n[target.x86_64-unknown-linux-musl]\nlinker = 'tools/ld'\n[target.'cfg(unix)']\nlinker = 'lld'\n")
	w.write("up/ws/.cargo/config.toml", "[build]\ntarget = 'ignored: the file without an ending wins'\n")
	w.write("home-rustc", "x")
	o := w.options()
	o.Env = w.env("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_MUSL_LINKER=tools/arm-ld", "RUSTC="+w.path("bin/rustc"))
	ws, _, _ := w.load(o)
	want := Config{
		CargoHome: w.path("home/.cargo"), BuildTarget: []string{"x86_64-unknown-linux-gnu", "aarch64-unknown-linux-musl"},
		BuildRustc: "home-rustc", TargetFlags: map[string][]string{}, TargetString: map[string]bool{},
		TargetLinker: map[string]string{
			"x86_64-unknown-linux-musl": w.path("up/ws/tools/ld"), "cfg(unix)": "lld",
			"aarch64-unknown-linux-musl": w.path("up/ws/tools/arm-ld"),
		},
		Files: []string{w.path("up/ws/.cargo/config"), w.path("home/.cargo/config.toml")}, SourceDirs: []string{w.path("home/vendor")},
	}
	if d := cmp.Diff(want, ws.Config); d != "" {
		t.Error(d)
	}
	for env, want := range map[string]string{"CARGO_BUILD_TARGET=s390x-unknown-linux-musl": "s390x-unknown-linux-musl"} {
		o.Env = w.env(env)
		o.Env = append(o.Env, "RUSTC="+w.path("bin/rustc"))
		if ws, _, _ := w.load(o); !cmp.Equal(ws.Config.BuildTarget, []string{want}) {
			t.Errorf("%s: %q", env, ws.Config.BuildTarget)
		}
		o.Config = []string{`build.target="word"`}
		if ws, _, _ := w.load(o); !cmp.Equal(ws.Config.BuildTarget, []string{"word"}) {
			t.Errorf("--config: %q", ws.Config.BuildTarget)
		}
	}
}

// TestConfigHomeOnce puts the workspace into the home folder: its configuration must count once.
func TestConfigHomeOnce(t *testing.T) {
	w := newWorld(t)
	w.write("home/.cargo/config.toml", "[build]\nrustflags = ['once']\n")
	w.write("home/p/Cargo.toml", "[package]\n")
	o := w.options()
	o.Dir = w.path("home/p")
	if ws, _, _ := w.load(o); !cmp.Equal(ws.Config.BuildFlags, []string{"once"}) {
		t.Errorf("flags %q", ws.Config.BuildFlags)
	}
}

func TestMatchCfg(t *testing.T) {
	lines := []string{"unix", `target_os="linux"`, `target_feature="sse2"`, "r", "async"}
	for key, want := range map[string]bool{
		"cfg(unix)": true, "cfg( unix )": true, "cfg(unix )": true, "cfg(windows)": false, "unix": false, "": false, "cfg(": false, "cfg()": false,
		`cfg(target_os = "linux")`: true, `cfg(target_os="macos")`: false, `cfg(target_os)`: false, `cfg(target_os="linux)`: false,
		`cfg(all(unix, target_os = "linux"))`: true, `cfg(all(unix, target_os = "linux",))`: true, "cfg(all())": true, "cfg(any())": false,
		`cfg(any(windows, not(target_os = "macos")))`: true, "cfg(not(unix))": false, "cfg(not(not(unix)))": true, "cfg(not())": false,
		"cfg(true)": true, "cfg(false)": false, "cfg(all(true, unix))": true, "cfg(r)": true, "cfg(r#async)": true, "cfg(r#)": false,
		"cfg(unix,)": false, "cfg(unix unix)": false, "cfg(all unix)": false, "cfg(all(unix)": false, "cfg(all(unix unix))": false,
		"cfg(not(unix, windows))": false, "cfg(1)": false, "cfg(any(unix, 1))": false, "cfg(all)": false, `cfg(target_feature = "sse2")`: true,
	} {
		if got := MatchCfg(key, lines); got != want {
			t.Errorf("%s: %t", key, got)
		}
	}
}

func FuzzMatchCfg(f *testing.F) {
	for _, s := range []string{"cfg(unix)", `cfg(all(a, not(b = "c"), any()))`, "cfg(" + strings.Repeat("not(", 1000), "cfg(r#x)", "cfg(\x00)"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, key string) {
		if MatchCfg(key, nil) && MatchCfg("cfg(not("+strings.TrimSuffix(strings.TrimPrefix(key, "cfg("), ")")+"))", nil) {
			t.Errorf("%q holds, and so does its contrary", key)
		}
	})
}

func FuzzTomlList(f *testing.F) {
	f.Add("a", "--cfg a=\"b\\\"\x00\x7f\u00e9")
	f.Fuzz(func(t *testing.T, a, b string) {
		ws := &Workspace{}
		j, err := ws.RustFlags(musl, []string{a, b}, nil)
		if err != nil {
			return
		}
		var doc struct {
			Target map[string]struct{ Rustflags []string }
		}
		if err := toml.Unmarshal([]byte(j.Config[0]), &doc); err != nil {
			t.Fatalf("%q: %v", j.Config[0], err)
		}
		if got := doc.Target[string(musl)].Rustflags; !cmp.Equal(got, []string{a, b}) {
			t.Errorf("%q was read as %q", []string{a, b}, got)
		}
	})
}

// FuzzConfig reads any bytes as a configuration; what is no configuration is an error and nothing worse.
func FuzzConfig(f *testing.F) {
	f.Add("[build]\nrustflags = ['a', 1]\ntarget = 3\n[target]\nx = 1\n'cfg(unix)'.rustflags = {}\n", "build.rustflags='x'")
	f.Add("include = [1, {}, {path = 3}, 'config.toml']", "include=['config.toml']")
	f.Add("build = 1\ntarget = []\nsource = 'x'", "a.b.c=1")
	dir := f.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, ".cargo"), 0o755); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text, word string) {
		if err := os.WriteFile(filepath.Join(dir, ".cargo", "config.toml"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if strings.ContainsAny(word, "/\\") {
			return // would name a file of this machine
		}
		c, err := readConfig(newConfigReader(dir), []string{word}, nil)
		if err == nil && c.TargetFlags == nil {
			t.Error("no flags, no error")
		}
	})
}

func TestCfgOf(t *testing.T) {
	w := newWorld(t)
	w.write("up/ws/.cargo/config.toml", "[target.x86_64-unknown-linux-musl]\nrustflags = ['--cfg', 'a']\n[target.'cfg(unix)']\nrustflags = ['--cfg', 'b']\n")
	ws, _, _ := w.load(w.options())
	for _, calls := range []int{2, 0} { // once with each set of flags, then never
		w.calls = nil
		cfg, err := CfgOf(context.Background(), w, ws, musl)
		if err != nil || len(cfg) != 4 || cfg[1] != `target_os="linux"` {
			t.Fatalf("%q, %v", cfg, err)
		}
		if len(w.calls) != calls {
			t.Errorf("%d calls, want %d", len(w.calls), calls)
		}
		if calls == 2 && !cmp.Equal(w.calls[1].Args, []string{"--print", "cfg", "--target", string(musl), "--cfg", "a", "--cfg", "b"}) {
			t.Errorf("second look with %q", w.calls[1].Args)
		}
	}
	w.write("sysroot/bin/rustc", "another program")
	ws, _, _ = w.load(w.options())
	w.calls = nil
	if _, err := CfgOf(context.Background(), w, ws, musl); err != nil || len(w.calls) != 2 {
		t.Errorf("after an update: %d calls, %v", len(w.calls), err)
	}
	w.fail["rustc"] = "error: unknown target\n"
	if _, err := CfgOf(context.Background(), w, ws, "x-y-z"); err == nil || !strings.Contains(err.Error(), "unknown target") {
		t.Errorf("error %v", err)
	}
}
