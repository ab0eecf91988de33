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
	"github.com/google/go-cmp/cmp/cmpopts"

	"sampan/internal/run"
)

// TestLoadDistrustsCache damages and replaces what is kept in many ways; the answer must be asked for again.
func TestLoadDistrustsCache(t *testing.T) {
	w := newWorld(t)
	want, _, _ := w.load(w.options())
	hostile := func(body string) []byte { return []byte(header([]byte(body)) + "\n" + body) }
	for name, change := range map[string]func(string, []byte) error{
		"empty":         func(f string, _ []byte) error { return os.WriteFile(f, nil, 0o600) },
		"cut":           func(f string, d []byte) error { return os.WriteFile(f, d[:len(d)/2], 0o600) },
		"bit":           func(f string, d []byte) error { d[len(d)-9] ^= 1; return os.WriteFile(f, d, 0o600) },
		"text":          func(f string, _ []byte) error { return os.WriteFile(f, []byte("hello"), 0o600) },
		"null":          func(f string, _ []byte) error { return os.WriteFile(f, hostile("null"), 0o600) },
		"list":          func(f string, _ []byte) error { return os.WriteFile(f, hostile("[[[["), 0o600) },
		"unknown field": func(f string, _ []byte) error { return os.WriteFile(f, hostile(`{"sum":"","x":1}`), 0o600) },
		"relative paths": func(f string, _ []byte) error {
			return os.WriteFile(f, hostile(`{"sum":"","workspace":{"root":"..","target-dir":"t"}}`), 0o600)
		},
		"strange manifest": func(f string, _ []byte) error {
			return os.WriteFile(f, hostile(`{"sum":"","workspace":{"root":"/","target-dir":"/t","build-dir":"/t","packages":[{"id":"x","name":"x","manifest":"/dev/zero"}]}}`), 0o600)
		},
		"wrong sum": func(f string, d []byte) error {
			_, body, _ := strings.Cut(string(d), "\n")
			return os.WriteFile(f, hostile(strings.Replace(body, `"sum":"`, `"sum":"0`, 1)), 0o600)
		},
		"folder": func(f string, _ []byte) error { return errors.Join(os.Remove(f), os.Mkdir(f, 0o700)) },
	} {
		files, err := filepath.Glob(w.path("cache/cargo/*.json"))
		if err != nil || len(files) != 2 {
			t.Fatalf("%q, %v", files, err)
		}
		for _, f := range files {
			data, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			if err := change(f, data); err != nil {
				t.Fatal(err)
			}
		}
		got, cargo, rustc := w.load(w.options())
		if cargo != 1 || rustc != 2 {
			t.Errorf("%s: %d cargo and %d rustc calls, want 1 and 2", name, cargo, rustc)
		}
		if d := cmp.Diff(want, got, cmpopts.IgnoreUnexported(Workspace{})); d != "" {
			t.Errorf("%s: %s", name, d)
		}
		for _, f := range files {
			if info, err := os.Lstat(f); err == nil && info.IsDir() {
				_ = os.Remove(f)
			}
		}
		w.load(w.options())
	}
}

// TestLoadRaces changes a manifest while cargo reads it: such an answer must not be kept.
func TestLoadRaces(t *testing.T) {
	w := newWorld(t)
	w.on = func(c run.Cmd) (string, bool) {
		if !slices.Contains(c.Args, "metadata") {
			return "", false
		}
		answer := w.metadata(c)
		later := time.Now().Add(time.Minute)
		w.write("up/ws/crates/two/Cargo.toml", "[package]\nname = \"two\"\nversion = \"0.2.0\"\n")
		if err := os.Chtimes(w.path("up/ws/crates/two/Cargo.toml"), later, later); err != nil {
			t.Error(err)
		}
		return answer, true
	}
	w.load(w.options())
	if _, cargo, _ := w.load(w.options()); cargo != 1 {
		t.Errorf("%d cargo calls, want 1", cargo)
	}
}

func TestLoadCannotKeep(t *testing.T) {
	w := newWorld(t)
	o := w.options()
	o.CacheDir = w.path("up/ws/Cargo.toml") // a file: nothing can be put into it
	for range 2 {
		if _, cargo, rustc := w.load(o); cargo != 1 || rustc != 2 {
			t.Errorf("%d cargo and %d rustc calls, want 1 and 2", cargo, rustc)
		}
	}
}

func TestKeepPrunes(t *testing.T) {
	w := newWorld(t)
	for i := range keptFiles + 20 {
		name := fmt.Sprintf("cache/cargo/workspace-%04d.json", i)
		w.write(name, "old")
		at := time.Unix(int64(i), 0)
		if err := os.Chtimes(w.path(name), at, at); err != nil {
			t.Fatal(err)
		}
	}
	w.load(w.options())
	left, err := os.ReadDir(w.path("cache/cargo"))
	if err != nil || len(left) > keptFiles*3/4+2 {
		t.Errorf("%d files left, %v", len(left), err)
	}
	if _, cargo, rustc := w.load(w.options()); cargo+rustc != 0 {
		t.Errorf("the newest were removed: %d calls", cargo+rustc)
	}
}

func BenchmarkLoadWarm(b *testing.B) {
	for _, members := range []int{1, 50} {
		b.Run(fmt.Sprint(members), func(b *testing.B) {
			w := benchWorld(b, members)
			o := w.options()
			if _, err := Load(context.Background(), w, o); err != nil {
				b.Fatal(err)
			}
			w.calls = nil
			for b.Loop() {
				if _, err := Load(context.Background(), w, o); err != nil {
					b.Fatal(err)
				}
			}
			if len(w.calls) != 0 {
				b.Fatal("not kept")
			}
		})
	}
}

func benchWorld(b *testing.B, members int) *world {
	t := &testing.T{}
	w := &world{t: t, dir: b.TempDir(), fail: map[string]string{}}
	w.root = filepath.Join(w.dir, "up", "ws")
	for _, name := range []string{"bin/cargo", "bin/rustc", "sysroot/bin/rustc"} {
		w.write(name, "x")
		if err := os.Chmod(w.path(name), 0o755); err != nil {
			b.Fatal(err)
		}
	}
	w.write("up/ws/Cargo.toml", "[workspace]\nmembers = [\"crates/*\"]\n")
	for i := range members {
		w.member(fmt.Sprintf("member-%02d", i))
	}
	return w
}
