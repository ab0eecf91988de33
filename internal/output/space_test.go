// SPDX-License-Identifier: MIT OR Apache-2.0

//go:build e2e && linux

package output

import (
	"errors"
	"fmt"
	"math/rand"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"golang.org/x/sys/unix"
)

// TestFullDisk needs root: it mounts a tmpfs of 1 MiB, and fills what is left of it in small steps, so that every
// write of a delivery is once the one that fails.
func TestFullDisk(t *testing.T) {
	folder := t.TempDir()
	if err := unix.Mount("tmpfs", folder, "tmpfs", 0, "size=1m,mode=755"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Unmount(folder, unix.MNT_DETACH) })
	for _, spec := range killSpecs {
		spec = fmt.Sprintf(spec, folder)
		write1(t, spec, payloadOf(t, "a", 1))
		big, err := random.Image(2<<20, 1, random.WithSource(rand.NewSource(7)))
		if err != nil {
			t.Fatal(err)
		}
		full(t, spec, Payload{Name: "a", Images: []v1.Image{big}}, folder)
		failures := 0
		for room := int64(0); ; room += 4096 {
			filler := filepath.Join(folder, "filler")
			fill1(t, filler, room)
			_, err := mustParse(t, spec).Write(t.Context(), []Payload{payloadOf(t, "a", 2)})
			if rmErr := os.Remove(filler); rmErr != nil {
				t.Fatal(rmErr)
			}
			if err == nil {
				break
			}
			failures++
			wholeAfter(t, folder, err)
		}
		if failures < 5 {
			t.Errorf("%s: only %d failures", spec, failures)
		}
		wholeAfter(t, folder, nil)
		for _, f := range []string{"l", "o.tar", "d.tar"} {
			os.RemoveAll(filepath.Join(folder, f))
		}
	}
}

// fill1 fills the disk until only some bytes are left.
func fill1(t *testing.T, path string, room int64) {
	t.Helper()
	var s unix.Statfs_t
	if err := unix.Statfs(filepath.Dir(path), &s); err != nil {
		t.Fatal(err)
	}
	size := max(int64(s.Bavail)*s.Bsize-room, 0)
	if err := os.WriteFile(path, make([]byte, size), 0o600); err != nil {
		t.Fatal(err)
	}
}

func full(t *testing.T, spec string, p Payload, folder string) {
	t.Helper()
	_, err := mustParse(t, spec).Write(t.Context(), []Payload{p})
	if err == nil {
		t.Fatal(spec, "fits")
	}
	wholeAfter(t, folder, err)
}

// wholeAfter checks an error for want of space, and that what was there before is there, whole, with nothing else.
func wholeAfter(t *testing.T, folder string, err error) {
	t.Helper()
	if err != nil {
		if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), folder) {
			t.Fatal(err)
		}
		hinted(t, err, "df -h")
	}
	known := map[string]bool{}
	for seed := range int64(3) {
		c, _ := gather(payloadOf(t, "a", seed))
		known[c.top.Digest.String()] = true
	}
	if _, err := os.Stat(filepath.Join(folder, "l")); err == nil {
		for name, digest := range tagsIn(t, filepath.Join(folder, "l")) {
			if !known[digest] {
				t.Fatal(name, digest)
			}
		}
	}
	for _, name := range []string{"o.tar", "d.tar"} {
		if f, err := os.Open(filepath.Join(folder, name)); err == nil {
			checkTar(t, f, known, 1)
			f.Close()
		}
	}
	if left := temps(t, folder); left != nil {
		t.Fatal(left)
	}
}
