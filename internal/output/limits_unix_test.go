// SPDX-License-Identifier: MIT OR Apache-2.0

//go:build unix

package output

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// limitedChild delivers an image while no file may have more than 20 kB: every write of a layer fails midway.
func limitedChild(folder string) error {
	signal.Ignore(syscall.SIGXFSZ)
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: 20_000, Max: 20_000}); err != nil {
		return err
	}
	img, err := makeImage(2, "amd64")
	if err != nil {
		return err
	}
	fmt.Println("ready")
	for _, spec := range killSpecs {
		o, err := Machine{}.Parse(fmt.Sprintf(spec, folder))
		if err != nil {
			return err
		}
		_, err = o.Write(context.Background(), []Payload{{Name: "a", Images: []v1.Image{img}}})
		if !errors.Is(err, syscall.EFBIG) || !strings.Contains(err.Error(), folder) {
			return fmt.Errorf("%s: not the error that was expected: %v", spec, err)
		}
	}
	return nil
}

func TestWriteThatFailsMidwayKeepsTheOld(t *testing.T) {
	for _, old := range []bool{false, true} {
		folder := t.TempDir()
		want := ""
		if old {
			for _, spec := range killSpecs {
				write1(t, fmt.Sprintf(spec, folder), payloadOf(t, "a", 1))
			}
			want = listing(t, folder)
		}
		c := child("limited", folder)
		start(t, c)
		if err := c.Wait(); err != nil {
			t.Fatal(err, c.Stderr)
		}
		got := listing(t, folder)
		if !old { // the folders of the layout may be there, but nothing that anybody takes for an image
			got = strings.NewReplacer("l d\n", "", "l/blobs d\n", "", "l/blobs/sha256 d\n", "", fmt.Sprintf("l/oci-layout %d\n", len(layoutFile)), "").Replace(got)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Error(d)
		}
		for _, spec := range killSpecs {
			write1(t, fmt.Sprintf(spec, folder), payloadOf(t, "a", 2))
		}
		tagsIn(t, filepath.Join(folder, "l"))
	}
}

// listing lists all files with their sizes.
func listing(t *testing.T, folder string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.Walk(folder, func(path string, info os.FileInfo, err error) error {
		if err != nil || path == folder {
			return err
		}
		name, err := filepath.Rel(folder, path)
		size := fmt.Sprint(info.Size())
		if info.IsDir() {
			size = "d"
		}
		b.WriteString(name + " " + size + "\n")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// asNobody runs f without the right to write into folders of mode 0555, also when the tests run as root.
func asNobody(t *testing.T, f func()) {
	t.Helper()
	if os.Geteuid() == 0 {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		setUser(t, 65534)
		defer setUser(t, 0)
	}
	f()
}

func TestUnwritablePlaces(t *testing.T) {
	folder := t.TempDir()
	closed := filepath.Join(folder, "closed")
	if err := os.Chmod(filepath.Dir(folder), 0o755); err != nil {
		t.Fatal(err)
	}
	write1(t, "oci:"+closed, payloadOf(t, "a", 1))
	write1(t, "oci-archive:"+closed+"/o.tar", payloadOf(t, "a", 1))
	for _, d := range []string{closed + "/blobs/sha256", closed + "/blobs", closed, folder} {
		if err := os.Chmod(d, 0o555); err != nil {
			t.Fatal(err)
		}
		defer os.Chmod(d, 0o755)
	}
	next := payloadOf(t, "a", 2)
	for _, spec := range []string{"oci:" + closed, "oci:" + folder + "/new", "oci-archive:" + closed + "/o.tar", "docker-archive:" + folder + "/d/d.tar"} {
		o := mustParse(t, spec)
		var written, early error
		asNobody(t, func() {
			_, written = o.Write(t.Context(), []Payload{next})
			early = o.(Preflighter).Preflight(t.Context(), []Payload{{Name: "a"}})
		})
		for _, err := range []error{written, early} {
			if !errors.Is(err, os.ErrPermission) || !strings.Contains(fmt.Sprint(err), folder) {
				t.Errorf("%s: %v", spec, err)
				continue
			}
			hinted(t, err, "ls -ld "+folder)
		}
	}
	// What is there already needs no rights.
	asNobody(t, func() {
		for _, spec := range []string{"oci:" + closed, "oci-archive:" + closed + "/o.tar"} {
			if r := write1(t, spec, payloadOf(t, "a", 1))[0]; r.Written != 0 {
				t.Error(r)
			}
		}
	})
}

// A link to a FIFO or a FIFO itself must not make anybody wait.
func TestFIFOsAreRefused(t *testing.T) {
	folder := t.TempDir()
	write1(t, "oci:"+folder+"/l", payloadOf(t, "a", 1))
	for _, name := range []string{"f.tar", "l/index.json"} {
		path := filepath.Join(folder, name)
		os.Remove(path)
		if err := syscall.Mkfifo(path, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for _, spec := range []string{"oci:" + folder + "/l", "oci-archive:" + folder + "/f.tar"} {
		if _, err := mustParse(t, spec).Write(ctx, []Payload{payloadOf(t, "a", 2)}); err == nil {
			t.Error(spec, "is written")
		}
	}
}
