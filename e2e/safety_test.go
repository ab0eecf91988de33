// SPDX-License-Identifier: MIT OR Apache-2.0

//go:build e2e && linux

package e2e

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/validate"
)

// program compiles an example once for all tests that only need a program.
var program = sync.OnceValues(func() (string, error) {
	dir := filepath.Join(shared, "hello")
	if err := os.CopyFS(dir, os.DirFS("../examples/hello")); err != nil {
		return "", err
	}
	cmd := exec.Command("cargo", "build", "--release", "--locked", "--target", "x86_64-unknown-linux-musl", "--target-dir", filepath.Join(shared, "hello-target"))
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w\n%s", err, out)
	}
	return filepath.Join(shared, "hello-target", "x86_64-unknown-linux-musl", "release", "hello"), nil
})

func Program(t testing.TB) string {
	t.Helper()
	p, err := program()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestKill kills builds at seeded moments: each output holds the old image or the new one, whole, and the next run works.
func TestKill(t *testing.T) {
	kills := 60
	if os.Getenv("SAMPAN_LONG") != "" {
		kills = 200
	}
	const seed = 20261123
	random := rand.New(rand.NewPCG(seed, seed))
	dir := t.TempDir()
	cache := Cache(t)
	base, err := os.ReadFile(Program(t))
	if err != nil {
		t.Fatal(err)
	}
	app := filepath.Join(dir, "app")
	args := []string{"build", "-q", "--strip=false", "--binary", app, "-o", "oci:layout", "-o", "oci-archive:o.tar", "-o", "docker-archive:d.tar"}
	write := func(i int) {
		// A program of another content each time, large enough that there is time to be killed in.
		grown := append(bytes.Clone(base), bytes.Repeat([]byte(fmt.Sprintf("%08d", i)), 1<<19)...)
		if err := os.WriteFile(app, grown, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	write(0)
	tool := Sampan(t)
	start := time.Now()
	Must(t, dir, []string{cache}, tool, args...)
	whole := time.Since(start)
	killed := 0
	for i := 1; i <= kills; i++ {
		write(i)
		cmd := exec.Command(Sampan(t), args...)
		cmd.Dir, cmd.Env = dir, append(os.Environ(), cache)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(random.Int64N(int64(whole))))
		_ = cmd.Process.Kill()
		if cmd.Wait() != nil {
			killed++
		}
		wholeImages(t, dir)
		if t.Failed() {
			t.Fatalf("after kill %d of seed %d", i, seed)
		}
	}
	if killed < kills/4 {
		t.Errorf("only %d of %d runs were killed before their end", killed, kills)
	}
	t.Logf("%d of %d runs killed", killed, kills)
	Must(t, dir, []string{cache}, Sampan(t), args...)
	wholeImages(t, dir)
	for _, f := range strings.Fields(Must(t, dir, nil, "find", ".", "-type", "f")) {
		if n := filepath.Base(f); strings.HasPrefix(n, ".") || strings.Contains(n, "tmp") {
			t.Errorf("left behind: %s", f)
		}
	}
}

// wholeImages reads all that is there with another's reader.
func wholeImages(t *testing.T, dir string) {
	t.Helper()
	p, err := layout.FromPath(filepath.Join(dir, "layout"))
	if err != nil {
		t.Error(err)
		return
	}
	idx, err := p.ImageIndex()
	if err != nil {
		t.Error(err)
		return
	}
	m, err := idx.IndexManifest()
	if err != nil || len(m.Manifests) != 1 {
		t.Errorf("index.json: %v, %d manifests", err, len(m.Manifests))
		return
	}
	im, err := idx.Image(m.Manifests[0].Digest)
	if err != nil {
		t.Error(err)
	} else if err := validate.Image(im); err != nil {
		t.Error(err)
	}
	im, err = tarball.ImageFromPath(filepath.Join(dir, "d.tar"), nil)
	if err != nil {
		t.Error(err)
	} else if err := validate.Image(im); err != nil {
		t.Error(err)
	}
	if out, err := exec.Command("tar", "-tf", filepath.Join(dir, "o.tar")).CombinedOutput(); err != nil || !bytes.Contains(out, []byte("index.json")) {
		t.Errorf("o.tar: %v\n%s", err, out)
	}
}

// TestParallel: sixteen builds at once into one layout keep all sixteen tags.
func TestParallel(t *testing.T) {
	dir := t.TempDir()
	cache := Cache(t)
	var g sync.WaitGroup
	for i := range 16 {
		g.Go(func() {
			cmd := exec.Command(Sampan(t), "build", "-q", "--binary", Program(t), "--label", fmt.Sprintf("n=%d", i), "-o", fmt.Sprintf("oci:all:t%d", i))
			cmd.Dir, cmd.Env = dir, append(os.Environ(), cache)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("build %d: %v\n%s", i, err, out)
			}
		})
	}
	g.Wait()
	p, err := layout.FromPath(filepath.Join(dir, "all"))
	if err != nil {
		t.Fatal(err)
	}
	idx, err := p.ImageIndex()
	if err != nil {
		t.Fatal(err)
	}
	m, err := idx.IndexManifest()
	if err != nil || len(m.Manifests) != 16 {
		t.Fatalf("%v, %d tags, want 16", err, len(m.Manifests))
	}
	if err := validate.Index(idx); err != nil {
		t.Error(err)
	}
}

// TestInterrupt: Ctrl-C while cargo compiles ends cargo and all its children within 2 s, with exit code 130.
func TestInterrupt(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "src"), 0o755); err != nil {
		t.Fatal(err)
	}
	// A build script that would sleep for ten minutes, and whose child takes no hints.
	for name, text := range map[string]string{
		"Cargo.toml":  "[package]\nname = \"slow\"\nversion = \"0.1.0\"\nedition = \"2021\"\n",
		"Cargo.lock":  "version = 4\n\n[[package]]\nname = \"slow\"\nversion = \"0.1.0\"\n",
		"src/main.rs": "fn main() {}\n",
		"build.rs":    "fn main() { std::process::Command::new(\"sh\").args([\"-c\", \"trap '' INT TERM; echo $$ > started; sleep 600 & wait\"]).status().unwrap(); }\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(Sampan(t), "build")
	cmd.Dir, cmd.Env = dir, append(os.Environ(), Cache(t))
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var pid string
	for limit := time.Now().Add(time.Minute); pid == "" && time.Now().Before(limit); time.Sleep(20 * time.Millisecond) {
		data, _ := os.ReadFile(filepath.Join(dir, "started"))
		pid = strings.TrimSpace(string(data))
	}
	if pid == "" {
		t.Fatalf("the build script did not start\n%s", out.String())
	}
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	_ = cmd.Wait()
	t.Logf("ended after %s", time.Since(start).Round(time.Millisecond))
	if code := cmd.ProcessState.ExitCode(); code != 130 {
		t.Errorf("exit code %d, want 130\n%s", code, out.String())
	}
	for time.Since(start) < 2*time.Second && alive(pid) {
		time.Sleep(10 * time.Millisecond)
	}
	if alive(pid) {
		t.Errorf("process %s of the build script is still there after 2 s", pid)
	}
	if !strings.Contains(out.String(), "interrupted") {
		t.Errorf("it does not say that it was interrupted:\n%s", out.String())
	}
}

// TestFullDisk: an error that names the path, and nothing half-written at a final name.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	small := filepath.Join(dir, "small")
	if err := os.Mkdir(small, 0o755); err != nil {
		t.Fatal(err)
	}
	Must(t, dir, nil, "mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", small)
	t.Cleanup(func() {
		// The test's context has ended by now.
		if out, err := exec.Command("umount", small).CombinedOutput(); err != nil {
			t.Errorf("umount: %v\n%s", err, out)
		}
	})
	for _, o := range []string{"oci:small/layout", "oci-archive:small/o.tar", "docker-archive:small/d.tar"} {
		out := Exec(t, dir, []string{Cache(t)}, Sampan(t), "build", "--binary", Program(t), "-o", o)
		if out.Code != 1 || !strings.Contains(out.Stderr, "small/") || !strings.Contains(out.Stderr, "no space left") || !strings.Contains(out.Stderr, "hint:") {
			t.Errorf("%s: code %d\n%s", o, out.Code, out.Stderr)
		}
	}
	for _, f := range []string{"layout/index.json", "o.tar", "d.tar"} {
		if _, err := os.Stat(filepath.Join(small, f)); err == nil {
			t.Errorf("%s is there", f)
		}
	}
	// A full cache is no reason to fail: the layer goes elsewhere, or the error names the cache.
	out := Exec(t, dir, []string{"SAMPAN_CACHE_DIR=" + filepath.Join(small, "cache")}, Sampan(t), "build", "--binary", Program(t), "-o", "oci:ok")
	if out.Code != 0 && !strings.Contains(out.Stderr, "small/cache") {
		t.Errorf("full cache: code %d\n%s", out.Code, out.Stderr)
	}
}

// alive tells whether a process is there and alive; one that has ended and waits for its new parent is not.
func alive(pid string) bool {
	stat, err := os.ReadFile("/proc/" + pid + "/stat")
	if err != nil {
		return false
	}
	_, after, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(after, "Z") && !strings.HasPrefix(after, "X")
}
