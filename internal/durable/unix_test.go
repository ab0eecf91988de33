// SPDX-License-Identifier: MIT OR Apache-2.0

//go:build unix

package durable

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func mkfifo(path string) error { return unix.Mkfifo(path, 0o644) }

const childEnv = "DURABLE_TEST_CHILD"

// TestMain is also the child of TestKilled: it writes one version after another until it is killed.
func TestMain(m *testing.M) {
	if dir := os.Getenv(childEnv); dir != "" {
		if err := writeForever(dir, os.Stdout); err != nil {
			os.Stderr.WriteString(err.Error())
		}
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func writeForever(dir string, ready io.Writer) error {
	for version := uint64(1); ; version++ {
		if err := WriteFile(filepath.Join(dir, "file"), content(version), 0o644); err != nil {
			return err
		}
		if err := Link(filepath.Join(dir, "file"), filepath.Join(dir, "linked"), 0o644); err != nil {
			return err
		}
		if _, err := ready.Write([]byte{'.'}); err != nil {
			return err
		}
	}
}

// content is a file whose length and bytes follow from its version.
func content(version uint64) []byte {
	word := binary.LittleEndian.AppendUint64(nil, version)
	return bytes.Repeat(word, int(1+version*7919%40000))
}

func checkWhole(t *testing.T, path string) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(data) < 8 || !bytes.Equal(data, content(binary.LittleEndian.Uint64(data))) {
		t.Fatalf("%s is torn: %d bytes", path, len(data))
	}
}

func TestKilled(t *testing.T) {
	dir := t.TempDir()
	random := rand.New(rand.NewPCG(1, 2))
	leftovers := 0
	for range 40 {
		kill(t, dir, random)
		checkWhole(t, filepath.Join(dir, "file"))
		checkWhole(t, filepath.Join(dir, "linked"))
		leftovers += len(names(t, dir)) - 2
		if err := Sweep(dir); err != nil {
			t.Fatal(err)
		}
		if got := names(t, dir); len(got) != 2 {
			t.Fatalf("left after sweep: %q", got)
		}
	}
	if leftovers == 0 {
		t.Fatal("no kill fell into a write: the test shows nothing")
	}
}

func kill(t *testing.T, dir string, random *rand.Rand) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	child := exec.Command(self)
	child.Env = append(os.Environ(), childEnv+"="+dir)
	var complaint strings.Builder
	child.Stderr = &complaint
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(out, make([]byte, 1+random.IntN(4))); err != nil {
		t.Fatalf("%v: %s", err, complaint.String())
	}
	time.Sleep(time.Duration(random.IntN(2000)) * time.Microsecond)
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	child.Wait()
}

// A full disk must leave the old file, no leftover and an error that names the path. The limit on file size is the one
// such limit that every user may set on itself; only its error differs.
func TestFileSizeLimit(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a")
	if err := WriteFile(path, []byte("old"), 0o644); err != nil {
		t.Fatal(err)
	}
	var old unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_FSIZE, &old); err != nil {
		t.Fatal(err)
	}
	small := unix.Rlimit{Cur: 4096, Max: old.Max}
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &small); err != nil {
		t.Fatal(err)
	}
	err := WriteFile(path, make([]byte, 8192), 0o644)
	if restoreErr := unix.Setrlimit(unix.RLIMIT_FSIZE, &old); restoreErr != nil {
		t.Fatal(restoreErr)
	}
	var typed *Error
	if !errors.Is(err, syscall.EFBIG) || !errors.As(err, &typed) || typed.Path != path || typed.Need != 8192 {
		t.Fatalf("error %v", err)
	}
	wantFile(t, path, "old")
	if got := names(t, dir); len(got) != 1 {
		t.Fatalf("leftovers: %q", got)
	}
}

// The mode asked for is the most there is, and the umask takes from it as from every program's files.
func TestUmask(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a")
	for _, c := range []struct{ mask, want int }{{0, 0o644}, {0o022, 0o644}, {0o077, 0o600}} {
		old := syscall.Umask(c.mask)
		err := WriteFile(path, nil, 0o644)
		syscall.Umask(old)
		if err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(path)
		if err != nil || int(info.Mode().Perm()) != c.want {
			t.Fatalf("umask %o gives %v, %v", c.mask, info.Mode(), err)
		}
	}
}
