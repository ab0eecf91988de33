// SPDX-License-Identifier: MIT OR Apache-2.0

package durable

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
)

func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}

func wantFile(t *testing.T, path, data string) {
	t.Helper()
	got, err := os.ReadFile(path)
	if err != nil || string(got) != data {
		t.Fatalf("%s holds %q, %v; want %q", path, got, err, data)
	}
}

func TestWriteFileReplaces(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a")
	for _, data := range []string{"old", "", "new and longer"} {
		if err := WriteFile(path, []byte(data), 0o640); err != nil {
			t.Fatal(err)
		}
		wantFile(t, path, data)
	}
	if got := names(t, dir); len(got) != 1 {
		t.Fatalf("leftovers: %q", got)
	}
}

// A name as long as file systems allow leaves no room for a temporary one made of it.
func TestLongName(t *testing.T) {
	path := filepath.Join(t.TempDir(), strings.Repeat("n", 255))
	if err := WriteFile(path, []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	wantFile(t, path, "x")
}

func TestAbortLeavesOld(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a")
	if err := WriteFile(path, []byte("old"), 0o644); err != nil {
		t.Fatal(err)
	}
	f, err := Create(path, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write([]byte("half")); err != nil {
		t.Fatal(err)
	}
	if filepath.Dir(f.Name()) != dir {
		t.Fatalf("temporary file %s is not beside its destination", f.Name())
	}
	wantFile(t, path, "old")
	f.Abort()
	f.Abort()
	if err := f.Commit(); !errors.Is(err, fs.ErrClosed) {
		t.Fatalf("commit after abort: %v", err)
	}
	wantFile(t, path, "old")
	if got := names(t, dir); len(got) != 1 {
		t.Fatalf("leftovers: %q", got)
	}
}

func TestCommitToAnotherName(t *testing.T) {
	dir := t.TempDir()
	f, err := Create(filepath.Join(dir, "blob"), 0o644)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Abort()
	f.Write([]byte("x"))
	if err := f.CommitTo(filepath.Join(dir, "digest")); err != nil {
		t.Fatal(err)
	}
	f.Abort()
	wantFile(t, filepath.Join(dir, "digest"), "x")
	if got := names(t, dir); len(got) != 1 {
		t.Fatalf("files: %q", got)
	}
}

func TestSymlinkAtDestinationIsReplaced(t *testing.T) {
	dir := t.TempDir()
	secret := filepath.Join(dir, "secret")
	link := filepath.Join(dir, "link")
	if err := os.WriteFile(secret, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(secret, link); err != nil {
		t.Fatal(err)
	}
	if err := WriteFile(link, []byte("new"), 0o644); err != nil {
		t.Fatal(err)
	}
	wantFile(t, secret, "mine")
	wantFile(t, link, "new")
}

func TestCommitOverFolderFails(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a")
	if err := os.MkdirAll(filepath.Join(path, "b"), 0o755); err != nil {
		t.Fatal(err)
	}
	err := WriteFile(path, []byte("x"), 0o644)
	var typed *Error
	if !errors.As(err, &typed) || typed.Path != path || strings.Contains(err.Error(), prefix) {
		t.Fatalf("error %v", err)
	}
	if got := names(t, dir); len(got) != 1 {
		t.Fatalf("leftovers: %q", got)
	}
}

func TestSweep(t *testing.T) {
	dir := t.TempDir()
	keep := []string{".sampan-.tmp", ".sampan-x!.tmp", "sampan-1.tmp", ".sampan-1.tmp.txt", ".env1", "blob"}
	for _, name := range append(keep, tempName(), tempName()) {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, tempName()), 0o700); err != nil {
		t.Fatal(err)
	}
	living, err := Create(filepath.Join(dir, "new"), 0o644)
	if err != nil {
		t.Fatal(err)
	}
	if err := Sweep(dir); err != nil {
		t.Fatal(err)
	}
	if got := names(t, dir); len(got) != len(keep)+2 {
		t.Fatalf("left: %q", got)
	}
	if err := living.Commit(); err != nil {
		t.Fatal(err)
	}
	if err := Sweep(filepath.Join(dir, "absent")); err != nil {
		t.Fatal(err)
	}
}

// Writers and sweepers at once: no write may be lost to a sweeper.
func TestSweepSparesTheLiving(t *testing.T) {
	dir := t.TempDir()
	stop := make(chan struct{})
	var sweepers, writers sync.WaitGroup
	for range 2 {
		sweepers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					if err := Sweep(dir); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	for w := range 4 {
		writers.Go(func() {
			path := filepath.Join(dir, string(rune('a'+w)))
			for range 50 {
				if err := WriteFile(path, []byte(path), 0o644); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	writers.Wait()
	close(stop)
	sweepers.Wait()
	if got := names(t, dir); len(got) != 4 {
		t.Fatalf("files: %q", got)
	}
}

func TestLink(t *testing.T) {
	dir := t.TempDir()
	src, dst := filepath.Join(dir, "src"), filepath.Join(dir, "dst")
	if err := WriteFile(src, []byte("blob"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		mode   fs.FileMode
		shared bool
	}{{"absent", 0o600, true}, {"same", 0o600, true}, {"other mode", 0o640, false}, {"over a copy", 0o600, true}, {"mode of src", 0, true}} {
		if err := Link(src, dst, c.mode); err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		wantFile(t, dst, "blob")
		a, _ := os.Stat(src)
		b, _ := os.Stat(dst)
		if os.SameFile(a, b) != c.shared {
			t.Fatalf("%s: same file is %v", c.name, !c.shared)
		}
		if want := c.mode; want != 0 && b.Mode().Perm() != want {
			t.Fatalf("%s: mode %v", c.name, b.Mode())
		}
	}
	if got := names(t, dir); len(got) != 2 {
		t.Fatalf("leftovers: %q", got)
	}
}

func TestLinkAndOpenRefuseSpecialFiles(t *testing.T) {
	dir := t.TempDir()
	real := filepath.Join(dir, "real")
	if err := os.WriteFile(real, []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink(real, link); err != nil {
		t.Fatal(err)
	}
	fifo := filepath.Join(dir, "fifo")
	if err := mkfifo(fifo); err != nil {
		t.Fatal(err)
	}
	for _, src := range []string{link, fifo, dir, filepath.Join(dir, "absent")} {
		if err := Link(src, filepath.Join(dir, "dst"), 0o644); err == nil {
			t.Errorf("linked %s", src)
		}
		if f, err := OpenRegular(src); err == nil {
			f.Close()
			t.Errorf("opened %s", src)
		}
	}
}

func TestMkdirAll(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a", "b", "c")
	for range 2 {
		if err := MkdirPrivate(path); err != nil {
			t.Fatal(err)
		}
	}
	info, err := os.Stat(filepath.Join(dir, "a"))
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Fatalf("%v, %v", info, err)
	}
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	var typed *Error
	if err := MkdirAll(filepath.Join(file, "x")); !errors.As(err, &typed) {
		t.Fatalf("folder below a file: %v", err)
	}
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			if err := MkdirAll(filepath.Join(dir, "p", "q", "r", "s")); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
}

func TestLockExcludes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	var inside, total atomic.Int32 // the race detector does not know that a lock on a file orders memory too
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			unlock, err := Lock(context.Background(), path)
			if err != nil {
				t.Error(err)
				return
			}
			if inside.Add(1) != 1 {
				t.Error("two inside")
			}
			total.Add(1)
			inside.Add(-1)
			if err := unlock(); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if got := total.Load(); got != 8 {
		t.Fatalf("%d were inside", got)
	}
}

func TestLockEndsWithContext(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	unlock, err := Lock(context.Background(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(nil)
	var typed *Error
	if _, err := Lock(ctx, path); !errors.Is(err, context.Canceled) || !errors.As(err, &typed) {
		t.Fatalf("error %v", err)
	}
}

func TestErrorSaysWhatToDo(t *testing.T) {
	for _, c := range []struct {
		err  error
		hint string
	}{
		{syscall.ENOSPC, "df -h /out"},
		{syscall.EDQUOT, "quota"},
		{syscall.EROFS, "read-only"},
		{syscall.EACCES, "ls -ld /out"},
		{syscall.EPERM, "ls -ld /out"},
		{syscall.EIO, ""},
	} {
		f := &File{path: "/out/image.tar", want: 4096}
		err := f.fail("write", &fs.PathError{Op: "write", Path: "/out/.sampan-1.tmp", Err: c.err})
		var typed *Error
		if !errors.As(err, &typed) || !errors.Is(err, c.err) {
			t.Fatalf("%v: %v", c.err, err)
		}
		if hint := typed.Hint(); !strings.Contains(hint, c.hint) || (c.hint == "") != (hint == "") {
			t.Errorf("%v: hint %q", c.err, hint)
		}
		if want := "write /out/image.tar: " + c.err.Error(); !strings.HasPrefix(err.Error(), want) {
			t.Errorf("got %q, want %q", err, want)
		}
		full := errors.Is(c.err, syscall.ENOSPC) || errors.Is(c.err, syscall.EDQUOT)
		if strings.Contains(err.Error(), "at least 4096 bytes") != full {
			t.Errorf("space needed: %q", err)
		}
	}
}

func TestBigFileThroughReadFrom(t *testing.T) {
	dir := t.TempDir()
	data := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	src := filepath.Join(dir, "src")
	if err := os.WriteFile(src, data, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := Copy(src, filepath.Join(dir, "dst"), 0o644); err != nil {
		t.Fatal(err)
	}
	wantFile(t, filepath.Join(dir, "dst"), string(data))
}
