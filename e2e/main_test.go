// SPDX-License-Identifier: MIT OR Apache-2.0

//go:build e2e && linux

package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
)

// shared is where what all tests have in common is built; TestMain removes it.
var shared string

func TestMain(m *testing.M) {
	// Who runs the tests may have us ignore signals (nohup, a job in the background); with a handler of ours, what we
	// start begins with the default actions all the same.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP)
	dir, err := os.MkdirTemp("", "sampan-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		os.Exit(1)
	}
	shared = dir
	code := m.Run()
	if err := os.RemoveAll(dir); err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		code = max(code, 1)
	}
	os.Exit(code)
}

// Root returns the folder of the repository.
func Root(t testing.TB) string {
	t.Helper()
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	return root
}

// Sampan returns the path of a sampan executable as it is released, built once for all tests.
func Sampan(t testing.TB) string {
	t.Helper()
	path, err := buildSampan()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

var buildSampan = sync.OnceValues(func() (string, error) {
	return buildGo("../cmd/sampan", filepath.Join(shared, "sampan"))
})

// buildGo builds a Go program statically.
func buildGo(source, path string) (string, error) {
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", path, source)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build %s: %w\n%s", source, err, out)
	}
	return path, nil
}

// Output is what a program left.
type Output struct {
	Stdout, Stderr string
	Code           int
}

// Exec runs a program in dir (the test's own when empty) with env added to ours, to its end, whatever its exit code.
func Exec(t testing.TB, dir string, env []string, name string, args ...string) Output {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), env...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatalf("%s: %v", name, err)
	}
	return Output{Stdout: stdout.String(), Stderr: stderr.String(), Code: cmd.ProcessState.ExitCode()}
}

// Must is Exec for a program that has to end with 0; it returns stdout.
func Must(t testing.TB, dir string, env []string, name string, args ...string) string {
	t.Helper()
	out := Exec(t, dir, env, name, args...)
	if out.Code != 0 {
		t.Fatalf("%s %q: exit code %d\n%s%s", name, args, out.Code, out.Stdout, out.Stderr)
	}
	return out.Stdout
}
