// SPDX-License-Identifier: MIT OR Apache-2.0

//go:build e2e && linux

package e2e

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// badNative starts a build of a crate of testdata/native that ought to fail, in a target folder of its own so that
// nothing is there yet.
func badNative(t *testing.T, crate string, env []string, args ...string) Output {
	t.Helper()
	dir, err := nativeSources()
	if err != nil {
		t.Fatal(err)
	}
	target := t.TempDir()
	began := time.Now()
	out := Exec(t, dir, append([]string{"SAMPAN_CACHE_DIR=" + NativeCache(t)}, env...), Sampan(t),
		append([]string{"build", "-p", crate, "--target-dir", target}, args...)...)
	t.Logf("%v", time.Since(began))
	return out
}

// TestCompilerForGlibc: the machine's own compiler, named by the user, is seen through before anything is compiled.
func TestCompilerForGlibc(t *testing.T) {
	out := badNative(t, "cpp", []string{"CC_x86_64_unknown_linux_musl=gcc"})
	for _, want := range []string{"check C compiler gcc: it compiles for glibc, not for musl", "__memcpy_chk", "hint: unset CC_x86_64_unknown_linux_musl"} {
		if out.Code != 1 || !strings.Contains(out.Stderr, want) {
			t.Errorf("code %d, no %q in\n%s", out.Code, want, out.Stderr)
		}
	}
	if strings.Contains(out.Stderr, "Compiling") {
		t.Errorf("cargo was started:\n%s", out.Stderr)
	}
}

// TestVariablesThatContradict: the user's own variables win, and a line says so.
func TestVariablesThatContradict(t *testing.T) {
	out := badNative(t, "tls", []string{"X86_64_UNKNOWN_LINUX_MUSL_OPENSSL_DIR=/nowhere"})
	if out.Code == 0 || !strings.Contains(out.Stderr, "X86_64_UNKNOWN_LINUX_MUSL_OPENSSL_DIR is set and wins over the OpenSSL that sampan supplies") ||
		!strings.Contains(out.Stderr, "/nowhere") || strings.Contains(out.Stderr, "building OpenSSL") {
		t.Errorf("code %d\n%s", out.Code, out.Stderr)
	}
}

// TestNoCompilerAndNoNetwork: with nothing cached and no index to be reached, one message says what to type.
func TestNoCompilerAndNoNetwork(t *testing.T) {
	out := badNative(t, "cpp", []string{Cache(t), "PIP_INDEX_URL=http://127.0.0.1:9/simple", "PIP_NO_INDEX=", "PIP_FIND_LINKS=", "PIP_CONFIG_FILE=/dev/null"}, "--cc", "zig")
	if out.Code != 1 || !strings.Contains(out.Stderr, "error: fetch zig ") || !strings.Contains(out.Stderr, "hint: look at the network and the package index") ||
		strings.Contains(out.Stderr, "Compiling") {
		t.Errorf("code %d\n%s", out.Code, out.Stderr)
	}
	out = badNative(t, "cpp", []string{Cache(t)}, "--cc", "zig", "--no-install")
	if out.Code != 1 || !strings.Contains(out.Stderr, "must not be fetched") || !strings.Contains(out.Stderr, "hint: run once without --no-install") {
		t.Errorf("code %d\n%s", out.Code, out.Stderr)
	}
}

// killed is a build that ends in the middle of making a library, with no chance to clean up; what it started goes on.
func killed(t *testing.T, dir string, env []string, library string) {
	t.Helper()
	cmd := exec.Command(Sampan(t), "build", "-p", "sql", "--target-dir", t.TempDir())
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	said := &watched{mark: "building " + library, seen: make(chan struct{})}
	cmd.Stderr = said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-said.seen:
	case <-time.After(5 * time.Minute):
		t.Error("no library was built")
	}
	time.Sleep(2 * time.Second) // well inside of the compile
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil {
		t.Fatal("it was done already")
	}
}

// watched is what a program says, until it says a certain thing.
type watched struct {
	mu   sync.Mutex
	text bytes.Buffer
	mark string
	seen chan struct{}
	once sync.Once
}

func (w *watched) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.text.Write(p)
	if strings.Contains(w.text.String(), w.mark) {
		w.once.Do(func() { close(w.seen) })
	}
	return len(p), nil
}

// TestSQLite: a crate that looks for SQLite on the system gets ours, which survives its making being killed, and two
// builds that want it at once. Its program writes a file in the image.
func TestSQLite(t *testing.T) {
	dir, err := nativeSources()
	if err != nil {
		t.Fatal(err)
	}
	env := []string{"SAMPAN_CACHE_DIR=" + NativeCache(t)}
	killed(t, dir, env, "SQLite")
	entries := filepath.Join(NativeCache(t), "clib", "sqlite-*")
	if left, _ := filepath.Glob(entries); len(left) > 0 {
		t.Fatalf("the killed build left %q", left)
	}
	var outs [2]Output
	var both sync.WaitGroup
	for i := range outs {
		target := t.TempDir()
		both.Go(func() {
			outs[i] = Exec(t, dir, env, Sampan(t), "build", "-p", "sql", "--target-dir", target, "-o", "oci:"+filepath.Join(target, "layout"))
		})
	}
	both.Wait()
	said := outs[0].Stderr + outs[1].Stderr
	if outs[0].Code != 0 || outs[1].Code != 0 || strings.Count(said, "building SQLite") != 1 || strings.Count(said, "waiting for another build that makes SQLite") != 1 {
		t.Errorf("two builds at once: %+v", outs)
	}
	if there, _ := filepath.Glob(entries); len(there) != 1 {
		t.Errorf("in the cache lie %q", there)
	}
	if left, _ := filepath.Glob(filepath.Join(NativeCache(t), "clib", ".new-*")); len(left) > 0 {
		t.Errorf("the cache holds %q", left)
	}
	image, _ := buildNative(t, "sql")
	if out := image.Run(t); out.Code != 0 || out.Stdout != supplied(t, "sqlite")+" 93 three planks make a boat\n" {
		t.Errorf("%+v", out)
	}
}
