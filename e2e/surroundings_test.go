// SPDX-License-Identifier: MIT OR Apache-2.0

//go:build e2e && linux

package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// surrounding is one change of the world that must not change an image.
type surrounding struct {
	name string
	// change prepares a copy of the sources, returns the command to run in its place: argv before "sampan", its
	// environment and folder.
	change func(t *testing.T, s *scene)
}

// scene is what one build sees.
type scene struct {
	dir    string
	env    []string
	prefix []string // argv before the tool
	words  []string // after "build"
	uid    int
	before func()
}

// the twelve surroundings of the issue, and the compressor's workers as thirteenth.
var surroundings = []surrounding{
	{"folder", func(t *testing.T, s *scene) {
		to := filepath.Join(t.TempDir(), "a much longer", "folder with spaces", "ünïcode.d")
		copyTree(t, s.dir, to)
		s.dir = to
	}},
	{"user", func(t *testing.T, s *scene) { s.uid = 65534 }},
	{"HOME", func(t *testing.T, s *scene) {
		home := t.TempDir()
		// rustup finds its toolchains in HOME unless told.
		s.env = append(s.env, "HOME="+home, "RUSTUP_HOME="+rustupHome(), "CARGO_HOME="+cargoHome())
	}},
	{"CARGO_HOME", func(t *testing.T, s *scene) { s.env = append(s.env, "CARGO_HOME="+freshCargoHome(t)) }},
	{"host name", func(t *testing.T, s *scene) {
		s.prefix = []string{"unshare", "--uts", "sh", "-c", `hostname another-host && exec "$@"`, "sh"}
	}},
	{"locale", func(t *testing.T, s *scene) {
		s.env = append(s.env, "LC_ALL=tr_TR.UTF-8", "LANG=tr_TR.UTF-8", "LANGUAGE=tr")
	}},
	{"TZ", func(t *testing.T, s *scene) { s.env = append(s.env, "TZ=Pacific/Kiritimati") }},
	{"umask", func(t *testing.T, s *scene) { s.prefix = []string{"sh", "-c", `umask 077 && exec "$@"`, "sh"} }},
	{"clock", func(t *testing.T, s *scene) {
		s.env = append(s.env, "LD_PRELOAD="+clock(t))
	}},
	{"cores", func(t *testing.T, s *scene) {
		s.prefix = []string{"taskset", "-c", "0"}
		s.words = append(s.words, "-j", "1")
	}},
	{"file order", func(t *testing.T, s *scene) {
		to := filepath.Join(t.TempDir(), "order")
		reversed(t, s.dir, to)
		s.dir = to
	}},
	{"cold and warm", func(t *testing.T, s *scene) {
		warm := *s
		s.before = func() { build(t, &warm) }
	}},
	{"workers", func(t *testing.T, s *scene) { s.env = append(s.env, "GOMAXPROCS=7") }},
}

// TestSurroundings: a workspace with real dependencies, a proc macro and a build script gives the same digest in each.
func TestSurroundings(t *testing.T) {
	source := filepath.Join(t.TempDir(), "source")
	copyTree(t, filepath.Join("testdata", "boat"), source)
	want := build(t, fresh(t, source, "base"))
	for _, s := range surroundings {
		t.Run(s.name, func(t *testing.T) {
			sc := fresh(t, source, "other")
			s.change(t, sc)
			if sc.before != nil {
				sc.before()
			}
			if got := build(t, sc); got != want {
				t.Errorf("digest %s, want %s", got, want)
			}
		})
	}
}

// clock compiles the preloaded clock, and sees that it goes wrong as it should.
func clock(t *testing.T) string {
	t.Helper()
	lib := filepath.Join(t.TempDir(), "clock.so")
	Must(t, "", nil, "cc", "-shared", "-fPIC", "-O2", "-o", lib, filepath.Join("testdata", "clock.c"))
	if year := strings.TrimSpace(Must(t, "", []string{"LD_PRELOAD=" + lib}, "date", "+%Y")); year < "2038" {
		t.Fatalf("the year is %s, the clock is not ahead", year)
	}
	return lib
}

// fresh is a copy of the sources with caches of its own.
func fresh(t *testing.T, source, name string) *scene {
	t.Helper()
	dir := filepath.Join(t.TempDir(), name)
	copyTree(t, source, dir)
	return &scene{dir: dir, env: []string{Cache(t)}}
}

func build(t *testing.T, s *scene) string {
	t.Helper()
	argv := slices.Concat(s.prefix, []string{Sampan(t), "build", "-p", "boat"}, s.words)
	cmd := exec.CommandContext(t.Context(), argv[0], argv[1:]...)
	cmd.Dir = s.dir
	cmd.Env = append(os.Environ(), s.env...)
	if s.uid != 0 {
		asUser(t, cmd, s)
	}
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%q: %v\n%s%s", argv, err, out, stderr.String())
	}
	m := reference.FindStringSubmatch(strings.TrimSpace(string(out)))
	if m == nil {
		t.Fatalf("no reference: %q", out)
	}
	return m[2]
}

// asUser runs a command as another user, who gets a home, the sources and a copy of cargo's registry of its own.
func asUser(t *testing.T, cmd *exec.Cmd, s *scene) {
	t.Helper()
	base, err := os.MkdirTemp("", "sampan-user-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(base) })
	dir := filepath.Join(base, "src")
	copyTree(t, s.dir, dir)
	tool := filepath.Join(base, "sampan")
	Must(t, "", nil, "cp", Sampan(t), tool)
	// The toolchain may lie where only its owner can go: a copy of the links is not enough, a bind mount would need
	// another namespace; a copy of the toolchain in use is what a second user would have.
	sysroot := strings.TrimSpace(Must(t, "", nil, "rustc", "--print", "sysroot"))
	Must(t, "", nil, "cp", "-a", sysroot, filepath.Join(base, "toolchain"))
	home := filepath.Join(base, "home")
	Must(t, "", nil, "mkdir", "-p", filepath.Join(home, "cargo"))
	seedCargoHome(t, filepath.Join(home, "cargo"))
	Must(t, "", nil, "chown", "-R", "65534:65534", base)
	if err := os.Chmod(base, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd.Args[len(s.prefix)] = tool
	if len(s.prefix) == 0 {
		cmd.Path = tool
	}
	cmd.Dir = dir
	cmd.Env = []string{"PATH=" + filepath.Join(base, "toolchain", "bin") + ":/usr/bin:/bin", "HOME=" + home,
		"CARGO_HOME=" + filepath.Join(home, "cargo"), "USER=nobody", "TMPDIR=" + home}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
}

func cargoHome() string {
	if d := os.Getenv("CARGO_HOME"); d != "" {
		return d
	}
	return filepath.Join(os.Getenv("HOME"), ".cargo")
}

func rustupHome() string {
	if d := os.Getenv("RUSTUP_HOME"); d != "" {
		return d
	}
	return filepath.Join(os.Getenv("HOME"), ".rustup")
}

// freshCargoHome is a new one with the user's configuration, and nothing that cargo fetched.
func freshCargoHome(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	seedCargoHome(t, dir)
	return dir
}

func seedCargoHome(t *testing.T, dir string) {
	t.Helper()
	for _, f := range []string{"config.toml", "config", "credentials.toml"} {
		data, err := os.ReadFile(filepath.Join(cargoHome(), f))
		if err != nil {
			continue
		}
		if err := os.WriteFile(filepath.Join(dir, f), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// reversed copies a tree with its files made in the opposite order, so that folders list them in another.
func reversed(t *testing.T, from, to string) {
	t.Helper()
	var files []string
	for _, line := range strings.Split(Must(t, from, nil, "find", ".", "-type", "f"), "\n") {
		if line != "" {
			files = append(files, line)
		}
	}
	slices.Sort(files)
	slices.Reverse(files)
	for _, f := range files {
		data, err := os.ReadFile(filepath.Join(from, f))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(filepath.Dir(filepath.Join(to, f)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(to, f), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
