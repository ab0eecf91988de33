// SPDX-License-Identifier: MIT OR Apache-2.0

//go:build unix

package run

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

func sh(script string, args ...string) Cmd {
	return Cmd{Path: "sh", Args: append([]string{"-c", script, "sh"}, args...), Env: []string{"PATH=" + os.Getenv("PATH"), "A=b"}}
}

func TestOutputGivesStdoutAndTheEndOfStderr(t *testing.T) {
	out, err := Output(t.Context(), &System{}, sh(`echo hi; echo "$A"; head -c 9000 /dev/zero | tr '\0' x >&2; printf '\nthe end' >&2; exit 7`))
	if string(out) != "hi\nb\n" {
		t.Errorf("stdout = %q", out)
	}
	var exit *ExitError
	if !errors.As(err, &exit) || exit.Code != 7 || exit.Signal != "" {
		t.Fatalf("err = %#v, want exit 7", err)
	}
	if exit.Stderr != "… the end" {
		t.Errorf("stderr kept = %.80q", exit.Stderr)
	}
	if got, want := err.Error(), "run sh: exit status 7: … the end"; got != want {
		t.Errorf("message = %q, want %q", got, want)
	}
}

func TestEnvIsNotInherited(t *testing.T) {
	t.Setenv("SAMPAN_RUN_TEST", "leaks")
	path, err := LookPath("env", []string{"PATH=" + os.Getenv("PATH")})
	if err != nil {
		t.Fatal(err)
	}
	out, err := Output(t.Context(), &System{}, Cmd{Path: path})
	if err != nil || len(out) != 0 {
		t.Errorf("environment = %q, %v; want none", out, err)
	}
}

func TestArgv0AndDir(t *testing.T) {
	dir := t.TempDir()
	c := sh(`echo "$0"; pwd -P`)
	c.Args = []string{"-c", `pwd -P`}
	c.Dir, c.Argv0 = dir, "other"
	out, err := Output(t.Context(), &System{}, c)
	if err != nil {
		t.Fatal(err)
	}
	real, _ := filepath.EvalSymlinks(dir)
	if strings.TrimSpace(string(out)) != real {
		t.Errorf("dir = %q, want %q", out, real)
	}
}

func TestSignalIsNamed(t *testing.T) {
	err := (&System{}).Run(t.Context(), sh(`kill -9 $$`))
	var exit *ExitError
	if !errors.As(err, &exit) || exit.Signal != "killed" || exit.Code != -1 {
		t.Errorf("err = %v", err)
	}
}

func TestMissingProgram(t *testing.T) {
	for _, name := range []string{"no-such-program-here", "/no/such/program", t.TempDir()} {
		var missing *NotFoundError
		err := (&System{}).Run(t.Context(), Cmd{Path: name, Env: []string{"PATH=/usr/bin:/bin"}})
		if !errors.As(err, &missing) || missing.Name != name || missing.Hint() == "" {
			t.Errorf("Run(%q) = %v", name, err)
		}
	}
}

func TestMissingFolderIsNotAMissingProgram(t *testing.T) {
	c := sh("true")
	c.Dir = filepath.Join(t.TempDir(), "gone")
	err := (&System{}).Run(t.Context(), c)
	var missing *NotFoundError
	if err == nil || errors.As(err, &missing) || !strings.Contains(err.Error(), c.Dir) {
		t.Errorf("err = %v", err)
	}
}

func TestLookPathTakesNoRelativeFolder(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "tool"), []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
	if p, err := LookPath("tool", []string{"PATH=:.:" + filepath.Base(dir)}); err == nil {
		t.Errorf("found %q by a relative PATH", p)
	}
	if p, err := LookPath("tool", []string{"PATH=/no:" + dir}); err != nil || p != filepath.Join(dir, "tool") {
		t.Errorf("LookPath = %q, %v", p, err)
	}
	if err := os.Chmod(filepath.Join(dir, "tool"), 0o644); err != nil {
		t.Fatal(err)
	}
	if p, err := LookPath("tool", []string{"PATH=" + dir}); err == nil && os.Getuid() != 0 {
		t.Errorf("found %q, which is not executable", p)
	}
}

func TestStdinReader(t *testing.T) {
	c := sh(`cat`)
	c.Stdin = strings.NewReader(strings.Repeat("x", 1<<20))
	if out, err := Output(t.Context(), &System{}, c); err != nil || len(out) != 1<<20 {
		t.Errorf("got %d bytes, %v", len(out), err)
	}
}

// TestBlockingStdinHoldsNobodyUp hangs when the copy of stdin is waited for.
func TestBlockingStdinHoldsNobodyUp(t *testing.T) {
	r, w := io.Pipe()
	defer w.Close()
	c := sh(`echo done`)
	c.Stdin = r
	if out, err := Output(t.Context(), &System{}, c); err != nil || string(out) != "done\n" {
		t.Errorf("%q, %v", out, err)
	}
}

// TestDaemonHoldsNobodyUp hangs when a grandchild's hold on our pipe is waited for.
func TestDaemonHoldsNobodyUp(t *testing.T) {
	pidFile := filepath.Join(t.TempDir(), "pid")
	out, err := Output(t.Context(), &System{}, sh(`echo out; sleep 600 & echo $! >"$1"`, pidFile))
	if err != nil || string(out) != "out\n" {
		t.Errorf("%q, %v", out, err)
	}
	pid := readPID(t, pidFile)
	if syscall.Kill(pid, 0) != nil {
		t.Error("a program that outlives its parent without being cancelled was killed")
	}
	_ = syscall.Kill(pid, syscall.SIGKILL)
}

func TestCancelEndsAGrandchildThatIgnoresSIGINT(t *testing.T) {
	for name, script := range map[string]string{
		"leader goes first":   `sh -c 'trap "" INT; echo $$ >"$1.tmp"; mv "$1.tmp" "$1"; while :; do sleep 60; done' sh "$1" & wait`,
		"leader ignores also": `trap "" INT; sh -c 'echo $$ >"$1.tmp"; mv "$1.tmp" "$1"; while :; do sleep 60; done' sh "$1"; echo never`,
	} {
		t.Run(name, func(t *testing.T) {
			pidFile := filepath.Join(t.TempDir(), "pid")
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			go func() {
				for _, err := os.Stat(pidFile); err != nil; _, err = os.Stat(pidFile) {
					time.Sleep(5 * time.Millisecond)
				}
				cancel()
			}()
			var out bytes.Buffer
			c := sh(script, pidFile)
			c.Stdout, c.Stderr = &out, &out
			err := (&System{Grace: 60 * time.Millisecond}).Run(ctx, c)
			if !errors.Is(err, context.Canceled) || !strings.HasPrefix(err.Error(), "run sh: ") {
				t.Errorf("err = %v", err)
			}
			if pid := readPID(t, pidFile); !gone(pid) {
				t.Errorf("grandchild %d is still there", pid)
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
		})
	}
}

func TestCancelLetsTheProgramEndByItself(t *testing.T) {
	ready := filepath.Join(t.TempDir(), "ready")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		for _, err := os.Stat(ready); err != nil; _, err = os.Stat(ready) {
			time.Sleep(5 * time.Millisecond)
		}
		cancel()
	}()
	c := sh(`trap 'echo tidied; exit 3' INT; : >"$1"; while :; do sleep 0.02; done`, ready)
	var out bytes.Buffer
	c.Stdout = &out
	// A grace of an hour: the test only ends when the end of the group is noticed.
	err := (&System{Grace: time.Hour}).Run(ctx, c)
	if !errors.Is(err, context.Canceled) || out.String() != "tidied\n" {
		t.Errorf("%q, %v", out.String(), err)
	}
}

func TestGraceKeepsTheTwoSecondPromise(t *testing.T) {
	if sum := defaultGrace + pipeDelay; sum >= 2*time.Second {
		t.Errorf("Ctrl-C may take %v", sum)
	}
}

func TestForegroundKeepsTheGroup(t *testing.T) {
	for _, foreground := range []bool{true, false} {
		c := sh(`ps -o pgid= -p $$ 2>/dev/null || cut -d' ' -f5 /proc/$$/stat`)
		c.Foreground = foreground
		out, err := Output(t.Context(), &System{}, c)
		if err != nil {
			t.Fatal(err)
		}
		pgid, err := strconv.Atoi(strings.TrimSpace(string(out)))
		if err != nil {
			t.Fatal(err)
		}
		if (pgid == syscall.Getpgrp()) != foreground {
			t.Errorf("foreground %v: pgid %d, ours %d", foreground, pgid, syscall.Getpgrp())
		}
	}
}

func TestEchoComesBeforeTheStart(t *testing.T) {
	var seen []string
	s := &System{Echo: func(c Cmd) { seen = append(seen, Quote(c)) }}
	if err := s.Run(t.Context(), Cmd{Path: "true", Env: []string{"PATH=/usr/bin:/bin"}}); err != nil {
		t.Fatal(err)
	}
	if len(seen) != 1 || !strings.HasSuffix(seen[0], "true") {
		t.Errorf("echoed %q", seen)
	}
}

func TestEndedContextStartsNothing(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s := &System{Echo: func(Cmd) { t.Error("started") }}
	if err := s.Run(ctx, sh("true")); !errors.Is(err, context.Canceled) {
		t.Errorf("err = %v", err)
	}
}

func readPID(t *testing.T, file string) int {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

// gone waits for whoever inherited the orphan to have waited for it; a killed process that nobody waited for counts.
func gone(pid int) bool {
	for range 200 {
		if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
			return true
		}
		if stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat"); err == nil {
			if _, rest, ok := strings.Cut(string(stat), ") "); ok && strings.HasPrefix(rest, "Z") {
				return true
			}
		}
		time.Sleep(10 * time.Millisecond)
	}
	return false
}

func TestSignalsArePassedOn(t *testing.T) {
	signals := make(chan os.Signal, 1)
	ready, w := io.Pipe()
	c := sh(`trap 'echo got it; exit 9' USR1; echo ready; while :; do sleep 0.05; done`)
	c.Stdout, c.Signals = w, signals
	var said bytes.Buffer
	go func() {
		if line, err := bufio.NewReader(io.TeeReader(ready, &said)).ReadString('\n'); err == nil && line == "ready\n" {
			signals <- syscall.SIGUSR1
		}
		_, _ = io.Copy(io.Discard, ready)
	}()
	err := (&System{}).Run(t.Context(), c)
	if e, ok := errors.AsType[*ExitError](err); !ok || e.Code != 9 {
		t.Errorf("ended with %v, want the code of its handler", err)
	}
}
