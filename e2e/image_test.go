// SPDX-License-Identifier: MIT OR Apache-2.0

//go:build e2e && linux

package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Image is an image of Sampan's, unpacked by someone else.
type Image struct {
	Root string // its files
	argv []string
	env  []string
	uid  uint32
	gid  uint32
}

// Unpack takes an image out of an OCI layout.
func Unpack(t testing.TB, layout string) *Image {
	t.Helper()
	bundle := filepath.Join(t.TempDir(), "bundle")
	Must(t, "", nil, "umoci", "unpack", "--image", layout+":latest", bundle)
	var config struct {
		Process struct {
			Args []string `json:"args"`
			Env  []string `json:"env"`
			User struct {
				UID uint32 `json:"uid"`
				GID uint32 `json:"gid"`
			} `json:"user"`
		} `json:"process"`
	}
	data, err := os.ReadFile(filepath.Join(bundle, "config.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &config); err != nil {
		t.Fatal(err)
	}
	p := config.Process
	return &Image{Root: filepath.Join(bundle, "rootfs"), argv: p.Args, env: p.Env, uid: p.User.UID, gid: p.User.GID}
}

// imageWithin bounds a program of an image.
const imageWithin = time.Minute

// Run starts the image's program in its files and nothing else, as its user, with its environment. The network is ours.
func (im *Image) Run(t testing.TB, args ...string) Output {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), imageWithin)
	defer cancel()
	argv := append(append([]string{}, im.argv...), args...)
	cmd := &exec.Cmd{Path: argv[0], Args: argv, Env: im.env, Dir: "/"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: im.Root, Pdeathsig: syscall.SIGKILL,
		Credential: &syscall.Credential{Uid: im.uid, Gid: im.gid}}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Start(); err != nil {
		t.Fatalf("start %q: %v", argv, err)
	}
	stop := context.AfterFunc(ctx, func() { _ = cmd.Process.Kill() })
	defer stop()
	if err := cmd.Wait(); err != nil && (ctx.Err() != nil || !errors.As(err, new(*exec.ExitError))) {
		t.Fatalf("%q: %v\n%s%s", argv, err, stdout.String(), stderr.String())
	}
	return Output{Stdout: stdout.String(), Stderr: stderr.String(), Code: cmd.ProcessState.ExitCode()}
}

// Emulate puts an emulator into the image, which runs its program from now on.
func (im *Image) Emulate(t testing.TB, emulator string) {
	t.Helper()
	from, err := exec.LookPath(emulator)
	if err != nil {
		t.Fatal(err)
	}
	Must(t, "", nil, "cp", from, filepath.Join(im.Root, emulator))
	im.argv = append([]string{"/" + emulator}, im.argv...)
}

// nativeCache is one cache folder for all tests that build C, in which a library is built once. The compiler in it is
// fetched once for all runs: it is pinned, and checked whenever it is used.
var nativeCache = sync.OnceValues(func() (string, error) {
	dir := filepath.Join(shared, "native cache")
	kept, err := filepath.Abs(filepath.Join("..", ".cache", "zig"))
	if err != nil {
		return "", err
	}
	return dir, errors.Join(os.MkdirAll(dir, 0o700), os.MkdirAll(kept, 0o755), os.Symlink(kept, filepath.Join(dir, "zig")))
})

// NativeCache is that folder.
func NativeCache(t testing.TB) string {
	t.Helper()
	dir, err := nativeCache()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// page is what the servers of these tests answer.
const page = "what the server says"

// secure starts an HTTPS server on loopback whose certificate a CA of its own signed; it returns the server's address
// and the CA's file.
func secure(t testing.TB) (address, ca string) {
	t.Helper()
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, page) }))
	s.Config.ErrorLog = quiet()
	authority, pair := certificates(t)
	s.TLS = pair
	s.StartTLS()
	t.Cleanup(s.Close)
	ca = filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, authority, 0o644); err != nil {
		t.Fatal(err)
	}
	return strings.TrimPrefix(s.URL, "https://"), ca
}
