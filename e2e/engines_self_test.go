// SPDX-License-Identifier: MIT OR Apache-2.0

//go:build e2e && linux

package e2e

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sampan/e2e/engine"
)

// TestEngines proves the harness itself: an image that others made loads into the three engines, runs as the user it
// names, gets arguments and signals, and its exit code comes back. Without it, a test of our images that passes or
// fails would say nothing.
func TestEngines(t *testing.T) {
	archive := handmade(t)
	for _, e := range Engines {
		t.Run(e.Name, func(t *testing.T) {
			own := e.Start(t)
			image := own.Load(archive)
			if want := "example.test/probe:1"; image != want {
				t.Errorf("loaded as %q, want %q", image, want)
			}
			if got := own.Images(); len(got) != 1 || got[0] != image {
				t.Errorf("images %q, want %q alone", got, image)
			}
			if out, code := own.Run(image); out != "uid=1000 gid=1000 args=\n" || code != 0 {
				t.Errorf("run: %q, code %d", out, code)
			}
			if out, code := own.Run(image, "a", "b c", "--d"); out != "uid=1000 gid=1000 args=a,b c,--d\n" || code != 3 {
				t.Errorf("run with arguments: %q, code %d", out, code)
			}
			r := own.RunWith(image, engine.RunOptions{ReadOnly: true, Args: []string{"x"}})
			if r.Stdout != "uid=1000 gid=1000 args=x\n" || r.Code != 1 {
				t.Errorf("run with a read-only root: %+v", r)
			}
			c := own.Start(image, "PROBE_SERVE=1")
			c.Await(func() bool { return strings.Contains(c.Output(), "serving") })
			if code := c.Stop(); code != 0 || !strings.Contains(c.Output(), "stopping") {
				t.Errorf("stop: code %d, output %q", code, c.Output())
			}
			if again := c.Stop(); again != 0 {
				t.Errorf("stop again: code %d", again)
			}
		})
	}
}

// TestEnginesLeft: a test that forgets its container, or fails, leaves nothing behind.
func TestEnginesLeft(t *testing.T) {
	archive := handmade(t)
	for _, e := range Engines {
		t.Run(e.Name, func(t *testing.T) {
			var dir string
			t.Run("forgetful", func(t *testing.T) {
				own := e.Start(t)
				dir = own.Dir
				c := own.Start(own.Load(archive), "PROBE_SERVE=1")
				c.Await(func() bool { return strings.Contains(c.Output(), "serving") })
			})
			if dir == "" { // it would be found everywhere
				t.Fatal("the engine did not start")
			}
			if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("left behind: %s (%v)", dir, err)
			}
			if left := running(t, dir); len(left) > 0 {
				t.Errorf("still running: %q", left)
			}
		})
	}
}

// running returns the command lines of living processes that name dir.
func running(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil || len(files) == 0 {
		t.Fatalf("list processes: %d found (%v)", len(files), err)
	}
	var found []string
	for _, file := range files {
		line, err := os.ReadFile(file)
		if err == nil && strings.Contains(string(line), dir) { // an error: it has just ended
			found = append(found, strings.ReplaceAll(string(line), "\x00", " "))
		}
	}
	return found
}

// handmade makes a docker archive without Sampan: umoci writes the layout, skopeo the archive.
func handmade(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	program, err := buildGo("./testdata/probe", filepath.Join(dir, "probe"))
	if err != nil {
		t.Fatal(err)
	}
	for _, words := range [][]string{
		{"umoci", "init", "--layout", "layout"},
		{"umoci", "new", "--image", "layout:probe"},
		{"umoci", "insert", "--image", "layout:probe", program, "/probe"},
		{"umoci", "config", "--image", "layout:probe", "--config.user", "1000:1000", "--config.entrypoint", "/probe"},
		{"skopeo", "copy", "-q", "oci:layout:probe", "docker-archive:probe.tar:example.test/probe:1"},
	} {
		Must(t, dir, nil, words[0], words[1:]...)
	}
	return filepath.Join(dir, "probe.tar")
}
