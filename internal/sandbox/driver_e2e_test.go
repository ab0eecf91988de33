// SPDX-License-Identifier: MIT OR Apache-2.0

//go:build e2e && linux

package sandbox

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"sort"
	"strings"
	"syscall"
	"testing"
	"time"

	"sampan/internal/rootfs"
)

// driverName is the argv[0] under which the test binary stands in for sampan: it runs one job, and nothing else.
const driverName = "sandbox-driver"

// job is what a driver does.
type job struct {
	Probe    string // the program, on the host; at /probe in the image
	Files    []jobFile
	Command  []string
	Env      []string
	Dir      string
	Hostname string
	UID, GID int
	Cancel   time.Duration // ends the context; 0 is never
}

type jobFile struct {
	Path, Link string
	Content    []byte
	Mode       fs.FileMode
	UID, GID   int
}

// bench are the folder that everybody may read, the probe in it, and the test binary.
var bench struct{ dir, probe, self string }

func TestMain(m *testing.M) {
	if handled, code := Main(os.Args); handled {
		os.Exit(code)
	}
	if os.Args[0] == driverName {
		os.Exit(drive(os.Args[1]))
	}
	// Who runs the tests may have us ignore signals (nohup, a job in the background); with a handler of ours, what we
	// start begins with the default actions all the same.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP)
	code, err := prepareBench(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func prepareBench(m *testing.M) (int, error) {
	dir, err := os.MkdirTemp("", "sandbox")
	if err != nil {
		return 1, err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // best effort
	bench.dir, bench.probe, bench.self = dir, filepath.Join(dir, "probe"), filepath.Join(dir, "sampan")
	build := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", bench.probe, "./testdata/probe")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return 1, fmt.Errorf("build probe: %w: %s", err, out)
	}
	exe, err := os.Executable()
	if err != nil {
		return 1, err
	}
	b, err := os.ReadFile(exe)
	if err != nil {
		return 1, err
	}
	if err := errors.Join(os.WriteFile(bench.self, b, 0o755), os.Chmod(dir, 0o755)); err != nil {
		return 1, err
	}
	return m.Run(), nil
}

// drive runs the job and ends with the program's code; 200 and a line of JSON when Run failed.
func drive(text string) int {
	var j job
	if err := json.Unmarshal([]byte(text), &j); err != nil {
		panic(err)
	}
	tree := rootfs.Tree{}
	if info, err := os.Stat(j.Probe); err == nil {
		tree = append(tree, rootfs.Entry{Path: "probe", Mode: 0o555, Size: info.Size(), Open: func() (io.ReadCloser, error) { return os.Open(j.Probe) }})
	}
	for _, f := range j.Files {
		e := rootfs.Entry{Path: f.Path, Mode: f.Mode, UID: f.UID, GID: f.GID, Link: f.Link}
		if e.Mode.IsRegular() {
			e.Size = int64(len(f.Content))
			e.Open = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(f.Content)), nil }
		}
		tree = append(tree, e)
	}
	sort.Slice(tree, func(a, b int) bool { return tree[a].Path < tree[b].Path })
	ctx := context.Background()
	if j.Cancel > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, j.Cancel)
		defer cancel()
	}
	s := Spec{Trees: []rootfs.Tree{tree}, Command: j.Command, Env: j.Env, Dir: j.Dir, Hostname: j.Hostname, UID: j.UID, GID: j.GID,
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr}
	code, err := Run(ctx, s)
	if err == nil || ctx.Err() != nil {
		return code
	}
	hint := ""
	if h, ok := errors.AsType[interface {
		error
		Hint() string
	}](err); ok {
		hint = h.Hint()
	}
	_ = json.NewEncoder(os.Stderr).Encode(map[string]string{"error": err.Error(), "hint": hint, "type": fmt.Sprintf("%T", err)})
	return 200
}

// users are those that the tests run as: us, and nobody when we are root.
func users() map[string]*syscall.Credential {
	if os.Getuid() != 0 {
		return map[string]*syscall.Credential{"self": nil}
	}
	return map[string]*syscall.Credential{"root": nil, "nobody": {Uid: 65534, Gid: 65534}}
}

func everyone(t *testing.T, test func(t *testing.T, as *syscall.Credential)) {
	for name, as := range users() {
		t.Run(name, func(t *testing.T) { test(t, as) })
	}
}

// driver is a driver about to start.
func driver(t *testing.T, as *syscall.Credential, j job) *exec.Cmd {
	t.Helper()
	if j.Probe == "" {
		j.Probe = bench.probe
	}
	if j.UID == 0 && j.GID == 0 {
		j.UID, j.GID = 1000, 1001
	}
	text, err := json.Marshal(j)
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command(bench.self)
	c.Args = []string{driverName, string(text)}
	c.Dir = "/"
	c.SysProcAttr = &syscall.SysProcAttr{Credential: as, Setpgid: true}
	return c
}

// outcome is what came of a driver.
type outcome struct {
	out, err string
	code     int
}

func finish(t *testing.T, c *exec.Cmd) outcome {
	t.Helper()
	var out, errs bytes.Buffer
	c.Stdout, c.Stderr = &out, &errs
	if err := c.Run(); err != nil && c.ProcessState == nil {
		t.Fatal(err)
	}
	return outcome{out.String(), errs.String(), c.ProcessState.ExitCode()}
}

// running is a driver whose program has said "ready".
type running struct {
	*exec.Cmd
	t     *testing.T
	lines chan string
}

func begin(t *testing.T, c *exec.Cmd) *running {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	c.Stdout, c.Stderr = w, os.Stderr
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	_ = w.Close()
	p := &running{c, t, make(chan string, 100)}
	go func() {
		defer close(p.lines)
		defer r.Close() //nolint:errcheck // only read
		var all []byte
		buf := make([]byte, 4096)
		for {
			n, err := r.Read(buf)
			all = append(all, buf[:n]...)
			for {
				i := bytes.IndexByte(all, '\n')
				if i < 0 {
					break
				}
				p.lines <- strings.TrimSpace(string(all[:i]))
				all = all[i+1:]
			}
			if err != nil {
				return
			}
		}
	}()
	p.expect("ready")
	return p
}

func (p *running) expect(want string) {
	p.t.Helper()
	select {
	case got := <-p.lines:
		if got != want {
			p.t.Fatalf("the program said %q, want %q", got, want)
		}
	case <-time.After(20 * time.Second):
		_ = p.Process.Kill()
		p.t.Fatalf("the program did not say %q", want)
	}
}

// code waits for the driver's end; signals count as in a shell.
func (p *running) code() int {
	p.t.Helper()
	_ = p.Wait()
	ws := p.ProcessState.Sys().(syscall.WaitStatus)
	if ws.Signaled() {
		return 128 + int(ws.Signal())
	}
	return ws.ExitStatus()
}

// rest is what the program said until its end.
func (p *running) rest() (lines []string) {
	for l := range p.lines {
		lines = append(lines, l)
	}
	return lines
}

// processes counts the host's processes that have word in their arguments.
func processes(word string) (n int) {
	all, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, f := range all {
		b, _ := os.ReadFile(f)
		if bytes.Contains(b, []byte(word)) && !bytes.HasPrefix(b, []byte(driverName)) {
			n++
		}
	}
	return n
}

// until waits for something that the kernel does.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for range 1000 {
		if ok() {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Errorf("never happened: %s", what)
}
