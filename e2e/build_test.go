// SPDX-License-Identifier: MIT OR Apache-2.0

//go:build e2e && linux

package e2e

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Sources copies examples/NAME into a new folder, so that nothing is left in the checkout.
func Sources(t testing.TB, name string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), name)
	copyTree(t, filepath.Join(Root(t), "examples", name), dir)
	return dir
}

func copyTree(t testing.TB, from, to string) {
	t.Helper()
	err := filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		if d.IsDir() {
			if d.Name() == "target" {
				return filepath.SkipDir
			}
			return os.MkdirAll(filepath.Join(to, rel), 0o755)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, rel), data, 0o644)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Cache gives the tool a cache folder of the test's own.
func Cache(t testing.TB) string { return "SAMPAN_CACHE_DIR=" + filepath.Join(t.TempDir(), "cache") }

var reference = regexp.MustCompile(`^(?:oci|oci-archive|docker-archive):(.+)@(sha256:[0-9a-f]{64})$`)

// Built runs sampan build, gives path and digest of each line of stdout.
func Built(t testing.TB, dir string, env []string, args ...string) [][2]string {
	t.Helper()
	out := Must(t, dir, env, Sampan(t), append([]string{"build"}, args...)...)
	var found [][2]string
	for line := range strings.Lines(out) {
		m := reference.FindStringSubmatch(strings.TrimSuffix(line, "\n"))
		if m == nil {
			t.Fatalf("stdout has a line that is no reference: %q", line)
		}
		found = append(found, [2]string{m[1], m[2]})
	}
	return found
}

// TestExamplesOnEngines: each example, from one archive, in three engines, as user 1000.
func TestExamplesOnEngines(t *testing.T) {
	cache := Cache(t)
	hello, service, workspace := Sources(t, "hello"), Sources(t, "service"), Sources(t, "workspace")
	Built(t, hello, []string{cache}, "-o", "docker-archive:image.tar")
	Built(t, service, []string{cache}, "-o", "docker-archive:image.tar")
	Built(t, workspace, []string{cache}, "--workspace", "-o", "docker-archive:{name}.tar")
	for _, e := range Engines {
		t.Run(e.Name, func(t *testing.T) {
			engine := e.Start(t)
			name := engine.Load(filepath.Join(hello, "image.tar"))
			if !strings.Contains(name, "hello:latest") {
				t.Errorf("the engine shows %q", name)
			}
			out, code := engine.Run(name, "one", "two")
			if code != 0 || !strings.Contains(out, "1000") || !strings.Contains(out, "one") {
				t.Errorf("hello: code %d, %q", code, out)
			}
			for _, bin := range []string{"api", "worker"} {
				if out, code := engine.Run(engine.Load(filepath.Join(workspace, bin+".tar"))); code != 0 || out == "" {
					t.Errorf("%s: code %d, %q", bin, code, out)
				}
			}
			serve(t, engine, engine.Load(filepath.Join(service, "image.tar")))
		})
	}
}

// serve asks the web service in a container, then ends it with SIGTERM, which it obeys.
func serve(t *testing.T, engine *Engine, image string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	l.Close()
	c := engine.Start(image, fmt.Sprintf("PORT=%d", port))
	get := func(path string) (int, error) {
		r, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d%s", port, path))
		if err != nil {
			return 0, err
		}
		r.Body.Close()
		return r.StatusCode, nil
	}
	c.Await(func() bool { code, err := get("/health"); return err == nil && code == 200 })
	if code, err := get("/"); err != nil || code != 200 {
		t.Errorf("GET /: %d, %v", code, err)
	}
	if code := c.Stop(); code != 0 {
		t.Errorf("SIGTERM: code %d\n%s", code, c.Output())
	}
}

// TestCrates: published programs, with the lock files they ship, in an engine.
func TestCrates(t *testing.T) {
	cache := Cache(t)
	dir := t.TempDir()
	for _, c := range []struct{ crate, name, says string }{
		{"hyperfine@1.20.0", "hyperfine", "hyperfine 1.20.0"},
		{"hexyl@0.16.0", "hexyl", "hexyl 0.16.0"},
	} {
		Built(t, dir, []string{cache}, "crate:"+c.crate, "-o", "docker-archive:"+c.name+".tar")
		for _, e := range Engines {
			engine := e.Start(t)
			if out, code := engine.Run(engine.Load(filepath.Join(dir, c.name+".tar")), "--version"); code != 0 || !strings.Contains(out, c.says) {
				t.Errorf("%s: %s: code %d, %q", e.Name, c.crate, code, out)
			}
		}
	}
	if left, _ := os.ReadDir(dir); len(left) != 2 {
		t.Errorf("%d files in the folder, want the two archives", len(left))
	}
	// With its version exact and everything fetched, it needs no network, and gives the same image.
	again := Built(t, dir, []string{cache, "CARGO_NET_OFFLINE=true"}, "crate:hexyl@0.16.0", "-o", "docker-archive:again.tar")
	if a, b := hash(t, filepath.Join(dir, "again.tar")), hash(t, filepath.Join(dir, "hexyl.tar")); a != b {
		t.Errorf("%v: archives differ: %s and %s", again, a, b)
	}
	out := Exec(t, dir, []string{cache}, Sampan(t), "build", "crate:sampan-no-such-crate-"+hash(t, filepath.Join(dir, "again.tar"))[:8])
	if out.Code != 1 || !strings.Contains(out.Stderr, "hint:") {
		t.Errorf("a crate that is not there: code %d\n%s", out.Code, out.Stderr)
	}
}

func hash(t testing.TB, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%x", sha256.Sum256(data))
}

// TestSourcesAreNotTouched: after builds of all kinds the user's tree is what it was, but for cargo's target directory.
func TestSourcesAreNotTouched(t *testing.T) {
	dir := Sources(t, "workspace")
	before := snapshot(t, dir)
	for _, args := range [][]string{{"--workspace"}, {"-p", "api", "-o", "oci:target/x"}, {"-p", "worker", "--profile", "dev"}} {
		Built(t, dir, []string{Cache(t)}, args...)
	}
	Must(t, dir, nil, Sampan(t), "plan", "--workspace")
	if after := snapshot(t, dir); after != before {
		t.Errorf("the tree changed:\n%s\nwas:\n%s", after, before)
	}
}

// snapshot lists a tree with modes, times and contents, less target.
func snapshot(t testing.TB, dir string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && d.Name() == "target" {
			return filepath.SkipDir
		}
		fi, err := d.Info()
		if err != nil || d.IsDir() {
			return err
		}
		fmt.Fprintf(&b, "%s %s %d %s\n", path, fi.Mode(), fi.ModTime().UnixNano(), hash(t, path))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestRun: exit codes, signals, user and files of a program under sampan run.
func TestRun(t *testing.T) {
	dir := Sources(t, "hello")
	cache := Cache(t)
	out := Exec(t, dir, []string{cache}, Sampan(t), "run", "--", "one")
	if out.Code != 0 || !strings.Contains(out.Stdout, "1000") || !strings.Contains(out.Stdout, "one") {
		t.Errorf("code %d\n%s%s", out.Code, out.Stdout, out.Stderr)
	}
	if again := Exec(t, dir, []string{cache}, Sampan(t), "run", "-q", "--", "--exit", "3"); again.Code != 3 || again.Stderr != "" {
		t.Errorf("code %d, want 3\n%s", again.Code, again.Stderr)
	}
}
