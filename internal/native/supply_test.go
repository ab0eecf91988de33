// SPDX-License-Identifier: MIT OR Apache-2.0

//go:build unix

package native

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"sampan/internal/cargo"
	"sampan/internal/run"
)

// fakeCC compiles a file to its own text and its arguments, and archives by joining.
type fakeCC struct {
	mu       sync.Mutex
	compiles int
	env      []string
	fail     bool
	extra    string        // a file that appears beside the archive
	hold     chan struct{} // compiles wait for it
	begun    chan struct{} // gets a word when a compile begins
}

func (f *fakeCC) Run(ctx context.Context, c run.Cmd) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.env = c.Env
	out := func(path string, text string) error { return os.WriteFile(path, []byte(text), 0o644) }
	switch c.Path {
	case "fake-cc":
		f.compiles++
		if f.begun != nil {
			f.begun <- struct{}{}
		}
		if f.hold != nil {
			select {
			case <-f.hold:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		if f.fail {
			fmt.Fprintln(c.Stderr, "a.c:1: error: no such thing")
			return &run.ExitError{Path: c.Path, Code: 1}
		}
		i := slices.Index(c.Args, "-o")
		return out(c.Args[i+1], strings.Join(c.Args[:i], " ")+"\n")
	case "fake-ar":
		var all []byte
		for _, o := range c.Args[2:] {
			text, err := os.ReadFile(o)
			if err != nil {
				return err
			}
			all = append(all, text...)
		}
		if f.extra != "" {
			if err := out(filepath.Join(filepath.Dir(c.Args[1]), f.extra), "x"); err != nil {
				return err
			}
		}
		return out(c.Args[1], string(all))
	}
	return &run.NotFoundError{Name: c.Path}
}

// crateOf puts a .crate file into a registry's cache.
func crateOf(t *testing.T, home, name string, files map[string]string) cargo.SourceCrate {
	t.Helper()
	var b bytes.Buffer
	gz := gzip.NewWriter(&b)
	w := tar.NewWriter(gz)
	for file, text := range files {
		if err := w.WriteHeader(&tar.Header{Name: name + "-1.0.0/" + file, Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(len(text))}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	dir := filepath.Join(home, "registry", "cache", "r")
	if err := errors.Join(w.Close(), gz.Close(), os.MkdirAll(dir, 0o755), os.WriteFile(filepath.Join(dir, name+"-1.0.0.crate"), b.Bytes(), 0o644)); err != nil {
		t.Fatal(err)
	}
	h := sha256.Sum256(b.Bytes())
	return cargo.SourceCrate{Name: name, Version: "1.0.0", Checksum: hex.EncodeToString(h[:])}
}

// bench is a table of two libraries, of which the second calls the first, and all that is needed to supply them.
type bench struct {
	cc   *fakeCC
	o    SupplyOptions
	said []string
	mu   sync.Mutex
	all  []Supply
}

func newBench(t *testing.T) *bench {
	t.Helper()
	home := t.TempDir()
	recipe := func(name string) objectsRecipe {
		return objectsRecipe{archive: "lib" + name + ".a", root: "src", files: []string{"*.c"}, except: []string{"no.c"}, defines: []string{"V=@VERSION@", "N=@VERSION_NUM@", "W=@BYTES@"},
			written: []written{{path: "conf.h", from: "conf.in", edit: [][2]string{{"#undef X", "#define X @BITS@"}}}},
			headers: []headers{{"include/" + name, []string{"*.h"}}}, licence: []string{"LICENSE"}}
	}
	files := map[string]string{"src/b.c": "b", "src/a.c": "a", "src/no.c": "no", "src/conf.in": "#undef X", "LICENSE": "free"}
	old := libraries
	t.Cleanup(func() { libraries = old })
	libraries = []library{
		{name: "base", title: "Base", license: "MIT", cost: 3, releases: []release{
			{version: "1.2.3", crate: crateOf(t, home, "base-src", files), takers: []taker{{"base-sys", "0.5"}}},
			{version: "2.0.1", crate: crateOf(t, home, "base2-src", files), takers: []taker{{"base-sys", "0.9"}}}},
			recipe: recipe("base"), modules: []module{{name: "libbase", libs: []string{"base"}}}},
		{name: "top", title: "Top", license: "MIT", needs: []string{"base"}, releases: []release{{version: "7.0", crate: crateOf(t, home, "top-src", files)}},
			recipe: recipe("top"), modules: []module{{name: "top", libs: []string{"top"}, requires: []string{"libbase"}}}},
	}
	b := &bench{cc: &fakeCC{}}
	b.o = SupplyOptions{Triple: musl, CacheDir: t.TempDir(), CC: CC{CC: []string{"fake-cc", "-x"}, AR: []string{"fake-ar"}, ID: "fake 1", Env: []string{"FAKE=1"}},
		Cargo: cargo.LoadOptions{Dir: home, Env: []string{"CARGO_HOME=" + home}}, Env: []string{"PATH=/bin", "CFLAGS=-bad", "HOME=/h"}, Jobs: 1, Runner: b.cc,
		Say: func(s string) { b.mu.Lock(); b.said = append(b.said, s); b.mu.Unlock() }}
	var err error
	if b.all, err = Resolve([]Want{{Library: "top"}}, nil, musl); err != nil || len(b.all) != 2 || b.all[0].Name != "base" {
		t.Fatalf("Resolve = %v, %v", b.all, err)
	}
	return b
}

func (b *bench) ensure(t *testing.T) *Sysroot {
	t.Helper()
	s, err := EnsureSysroot(t.Context(), b.o, b.all)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// tree lists the files below a folder.
func tree(t *testing.T, dir string) (out []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(p string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			rel, _ := filepath.Rel(dir, p)
			out = append(out, rel)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestSupply(t *testing.T) {
	b := newBench(t)
	var progress []SupplyProgress
	b.o.Progress = func(p SupplyProgress) { progress = append(progress, p) }
	s := b.ensure(t)
	want := []string{"include/base/conf.h", "include/top/conf.h", "lib/libbase.a", "lib/libtop.a", "lib/pkgconfig/libbase.pc", "lib/pkgconfig/top.pc",
		"licence/base/LICENSE", "licence/top/LICENSE", "manifest.json"}
	if got := tree(t, s.Dir); !slices.Equal(got, want) {
		t.Errorf("sysroot has %q", got)
	}
	text, err := os.ReadFile(filepath.Join(s.Dir, "lib", "libtop.a"))
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	if err != nil || len(lines) != 2 || !strings.Contains(lines[0], "-DV=7.0 -DN=0x070000 -DW=8") || !strings.HasSuffix(lines[0], "-c a.c") {
		t.Errorf("archive %q, %v", text, err)
	}
	if !strings.Contains(lines[0], filepath.Join("clib", "base-1.2.3")) {
		t.Errorf("top does not see base's headers: %s", lines[0])
	}
	if conf, err := os.ReadFile(filepath.Join(s.Dir, "include", "top", "conf.h")); string(conf) != "#define X 64" {
		t.Errorf("conf.h %q, %v", conf, err)
	}
	if slices.ContainsFunc(b.cc.env, func(e string) bool { return strings.HasPrefix(e, "CFLAGS=") }) || !slices.Contains(b.cc.env, "FAKE=1") || !slices.Contains(b.cc.env, "PATH=/bin") {
		t.Errorf("environment %q", b.cc.env)
	}
	if len(b.said) != 2 || b.said[0] != "building Base 1.2.3 for "+string(musl)+": a few seconds, once" {
		t.Errorf("said %q", b.said)
	}
	if len(progress) != 4 || progress[1] != (SupplyProgress{"Base", "1.2.3", 2, 2}) {
		t.Errorf("progress %v", progress)
	}
	again := b.ensure(t)
	if b.cc.compiles != 4 || again.Dir != s.Dir || len(b.said) != 2 {
		t.Errorf("the second time %d compiles, %q", b.cc.compiles, b.said)
	}
	if left, _ := filepath.Glob(filepath.Join(b.o.CacheDir, "clib", ".new-*")); len(left) > 0 {
		t.Errorf("left behind %q", left)
	}
	if logs := tree(t, filepath.Join(b.o.CacheDir, "clib", "log")); len(logs) > 0 {
		t.Errorf("logs %q", logs)
	}
}

// What decides about the bytes is part of the name, and nothing else is.
func TestSupplyIsKeyedByWhatMakesTheBytes(t *testing.T) {
	b := newBench(t)
	first := b.ensure(t).Dir
	for name, change := range map[string]func(){
		"compiler": func() { b.o.CC.ID = "fake 2" }, "thin": func() { b.o.Thin = true }, "triple": func() { b.o.Triple = "aarch64-unknown-linux-musl" },
	} {
		o := b.o
		change()
		if b.ensure(t).Dir == first {
			t.Errorf("another %s gives the same", name)
		}
		b.o = o
	}
	b.o.Jobs, b.o.Env = 7, []string{"PATH=/elsewhere"}
	if b.ensure(t).Dir != first {
		t.Error("the machine is part of the key")
	}
}

func TestDamagedEntriesAreMadeAgain(t *testing.T) {
	for name, damage := range map[string]func(dir string) error{
		"a flipped bit": func(dir string) error {
			p := filepath.Join(dir, "lib", "libbase.a")
			text, err := os.ReadFile(p)
			if err != nil {
				return err
			}
			text[3] ^= 1
			return os.WriteFile(p, text, 0o644) // through the same inode: the sysroot's name shows it too
		},
		"a missing file":  func(dir string) error { return os.Remove(filepath.Join(dir, "lib", "libbase.a")) },
		"a file too many": func(dir string) error { return os.WriteFile(filepath.Join(dir, "lib", "libbase.so"), nil, 0o644) },
		"a symlink": func(dir string) error {
			return errors.Join(os.Remove(filepath.Join(dir, "lib", "libbase.a")), os.Symlink("/dev/null", filepath.Join(dir, "lib", "libbase.a")))
		},
		"half written":         func(dir string) error { return os.Remove(filepath.Join(dir, manifestName)) },
		"a manifest cut short": func(dir string) error { return os.Truncate(filepath.Join(dir, manifestName), 30) },
		"a manifest of another": func(dir string) error {
			return os.WriteFile(filepath.Join(dir, manifestName), []byte(`{"schema":1,"key":"x"}`), 0o644)
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			dir := b.ensure(t).Dir
			good, err := os.ReadFile(filepath.Join(dir, "lib", "libbase.a"))
			if err != nil {
				t.Fatal(err)
			}
			entries, _ := filepath.Glob(filepath.Join(b.o.CacheDir, "clib", "base-*"))
			if err := damage(entries[0]); err != nil {
				t.Fatal(err)
			}
			s := b.ensure(t)
			if b.cc.compiles != 6 || !slices.ContainsFunc(b.said, func(l string) bool { return strings.HasPrefix(l, "Base 1.2.3 in the cache is damaged") }) {
				t.Errorf("%d compiles, said %q", b.cc.compiles, b.said)
			}
			if now, err := os.ReadFile(filepath.Join(s.Dir, "lib", "libbase.a")); err != nil || !bytes.Equal(now, good) {
				t.Errorf("archive %q, %v", now, err)
			}
			if err := os.WriteFile(filepath.Join(s.Dir, "lib", "libc.so"), nil, 0o644); err != nil {
				t.Fatal(err)
			}
			if b.ensure(t); exists(filepath.Join(s.Dir, "lib", "libc.so")) || b.cc.compiles != 6 {
				t.Error("the sysroot keeps a file that is not its own")
			}
		})
	}
}

func TestTwoBuildsFillTheCacheOnce(t *testing.T) {
	b := newBench(t)
	b.cc.hold, b.cc.begun = make(chan struct{}), make(chan struct{}, 10)
	var wg sync.WaitGroup
	errs := make([]error, 2)
	start := func(i int) {
		wg.Go(func() { _, errs[i] = EnsureSysroot(t.Context(), b.o, b.all) })
	}
	start(0)
	<-b.cc.begun
	start(1)
	waits := func() bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		return slices.Contains(b.said, "waiting for another build that makes Base 1.2.3")
	}
	for range 500 {
		if waits() {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	told := waits()
	close(b.cc.hold)
	wg.Wait()
	if err := errors.Join(errs...); err != nil || !told || b.cc.compiles != 4 {
		t.Errorf("%v, told %v, %d compiles", err, told, b.cc.compiles)
	}
}

func TestInterruptedAndFailedBuilds(t *testing.T) {
	b := newBench(t)
	b.cc.hold, b.cc.begun = make(chan struct{}), make(chan struct{}, 10)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-b.cc.begun; cancel() }()
	if _, err := EnsureSysroot(ctx, b.o, b.all); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
	clibDir := filepath.Join(b.o.CacheDir, "clib")
	if left := tree(t, clibDir); slices.ContainsFunc(left, func(f string) bool { return !strings.HasPrefix(f, "locks") }) {
		t.Errorf("left behind %q", left)
	}
	b.cc.hold, b.cc.begun, b.cc.fail = nil, nil, true
	_, err := EnsureSysroot(t.Context(), b.o, b.all)
	e, ok := errors.AsType[*SupplyError](err)
	if !ok || !slices.Equal(e.Tail, []string{"a.c:1: error: no such thing"}) || !strings.Contains(e.Hint(), e.Log) {
		t.Fatalf("failed: %v", err)
	}
	if log, err := os.ReadFile(e.Log); err != nil || !strings.Contains(string(log), "+ fake-cc -x -O2") {
		t.Errorf("log %q, %v", log, err)
	}
	// What killed builds left of any library goes when the next one is built.
	for _, name := range []string{"top-7.0-x-abc-123", "base-9-y-def-456"} {
		if err := os.MkdirAll(filepath.Join(clibDir, scratchPrefix+name, "src"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	b.cc.fail = false
	b.ensure(t)
	if left, _ := filepath.Glob(filepath.Join(clibDir, ".new-*")); len(left) > 0 {
		t.Errorf("left behind %q", left)
	}
}

func TestOnlyArchivesAreSupplied(t *testing.T) {
	b := newBench(t)
	b.cc.extra = "libbase.so"
	if _, err := EnsureSysroot(t.Context(), b.o, b.all); err == nil || !strings.Contains(err.Error(), "libbase.so is not an archive") {
		t.Errorf("a shared object: %v", err)
	}
	b.cc.extra = ""
	b.o.CC = CC{}
	if _, err := EnsureSysroot(t.Context(), b.o, b.all); err == nil || !strings.Contains(err.Error(), "no C compiler") {
		t.Errorf("no compiler: %v", err)
	}
	libraries[0].recipe = opensslRecipe{}
	b.o.CC, b.o.Env = CC{CC: []string{"fake-cc"}, AR: []string{"fake-ar"}}, []string{"PATH=/nowhere"}
	_, err := EnsureSysroot(t.Context(), b.o, b.all)
	if e, ok := errors.AsType[*MissingHostToolError](err); !ok || e.Tool != "perl" || !strings.Contains(e.Hint(), "apt-get install perl") {
		t.Errorf("no perl: %v", err)
	}
}

func TestOwnFolder(t *testing.T) {
	b := newBench(t)
	own := t.TempDir()
	file(t, own, "lib/libbase.a")
	b.o.Own = own
	libraries[1].needs = nil // it finds base by itself
	s := b.ensure(t)
	if len(s.Supplies) != 1 || s.Supplies[0].Name != "top" || s.dirOf("base") != own || s.dirOf("top") != s.Dir {
		t.Errorf("supplied %v", s.Supplies)
	}
	file(t, own, "lib/libtop.a")
	if s := b.ensure(t); s.Dir != "" || len(s.Supplies) != 0 || s.pcDirs()[0] != filepath.Join(own, "lib", "pkgconfig") {
		t.Errorf("supplied %v in %q", s.Supplies, s.Dir)
	}
}

func TestTheUsersOpenSSLIsNotBuiltAgain(t *testing.T) {
	b := newBench(t)
	libraries[0].name, libraries[1].needs = "openssl", []string{"openssl"}
	b.all[0].Name = "openssl"
	b.o.Env = append(b.o.Env, "X86_64_UNKNOWN_LINUX_MUSL_OPENSSL_DIR=/mine")
	if s := b.ensure(t); len(s.Supplies) != 2 {
		t.Errorf("supplied %v: another library calls it", s.Supplies)
	}
	b.all = b.all[:1]
	s := b.ensure(t)
	if vars, notes := s.Env(b.o.Env); len(s.Supplies) != 0 || len(notes) != 1 || slices.ContainsFunc(vars, func(v string) bool { return strings.Contains(v, "OPENSSL") }) {
		t.Errorf("supplied %v, %q, %q", s.Supplies, vars, notes)
	}
}
