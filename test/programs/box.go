// SPDX-License-Identifier: MIT OR Apache-2.0

//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"

	"sampan/e2e/engine"
)

// words are how a program is started.
type words struct {
	args    []string
	env     []string // NAME=value, added to the image's
	network bool     // the host's network; false is none at all where an engine runs it
}

// box runs one image's program as the image's user.
type box interface {
	// command returns a process, not started yet, that runs the program in the foreground, and a name for kill.
	command(ctx context.Context, w words) (cmd *exec.Cmd, name string)
	// kill ends what runs under that name, whatever it thinks of signals.
	kill(name string)
	// prefix is what stands before a path that the program itself is to execute.
	prefix() string
	// close removes the image.
	close() error
}

// uid and gid are those of every image of ours unless it says something else.
const uid, gid = 1000, 1000

// dockerBox runs the image in a real engine, with dir mounted at /w.
type dockerBox struct {
	engine *engine.Engine
	image  string
	dir    string
}

// containers numbers them: no two names are the same.
var containers atomic.Int64

// newDockerBox loads the archive.
func newDockerBox(ctx context.Context, e *engine.Engine, file, dir string) (*dockerBox, error) {
	names, err := e.Load(ctx, file)
	if err != nil {
		return nil, err
	}
	if len(names) != 1 {
		return nil, fmt.Errorf("load %s: names %q, want one", filepath.Base(file), names)
	}
	return &dockerBox{engine: e, image: names[0], dir: dir}, nil
}

func (b *dockerBox) command(ctx context.Context, w words) (*exec.Cmd, string) {
	name := fmt.Sprintf("programs-%d", containers.Add(1))
	network := "none"
	if w.network {
		network = "host"
	}
	argv := []string{"run", "--rm", "-i", "--name", name, "--network", network, "--volume", b.dir + ":/w", "--workdir", "/w"}
	for _, pair := range w.env {
		argv = append(argv, "--env", pair)
	}
	argv, env := b.engine.Client(append(append(argv, b.image), w.args...)...)
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env = env
	// Ctrl-C in the terminal is for the harness, which then ends what it started.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return cmd, name
}

func (b *dockerBox) kill(name string) {
	_, _ = b.engine.Output(context.Background(), "rm", "-f", name) // it may be gone already
}

func (b *dockerBox) prefix() string { return "" }

func (b *dockerBox) close() error {
	_, err := b.engine.Output(context.Background(), "rmi", "-f", b.image)
	return err
}

// rootBox runs a program in a changed root, as the first process of a PID namespace, through an emulator where one is
// given. The program shares the host's network.
type rootBox struct {
	root    string   // the unpacked image
	program string   // path inside it
	env     []string // the image's
	qemu    bool     // /qemu in the root is the emulator
}

// newRootBox puts the emulator, and the devices that programs open, into the root; "" is no emulator.
func newRootBox(root, program, qemu string, env []string) (*rootBox, error) {
	b := &rootBox{root: root, program: program, qemu: qemu != "", env: env}
	if b.qemu {
		if err := copyFile(qemu, filepath.Join(root, "qemu"), 0o755); err != nil {
			return nil, err
		}
	}
	if err := os.MkdirAll(filepath.Join(root, "dev"), 0o755); err != nil {
		return nil, err
	}
	for name, minor := range map[string]int{"null": 3, "zero": 5, "random": 8, "urandom": 9} { // major 1, mem(4)
		file := filepath.Join(root, "dev", name)
		if err := syscall.Mknod(file, syscall.S_IFCHR|0o666, 1<<8|minor); err != nil {
			return nil, fmt.Errorf("make /dev/%s: %w", name, err)
		}
		if err := os.Chmod(file, 0o666); err != nil { // past the umask
			return nil, err
		}
	}
	return b, nil
}

func (b *rootBox) command(ctx context.Context, w words) (*exec.Cmd, string) {
	argv := append([]string{b.program}, w.args...)
	if b.qemu {
		argv = append([]string{"/qemu"}, argv...)
	}
	cmd := &exec.Cmd{Path: argv[0], Args: argv} // not exec.Command, which would look for it outside the root
	cmd = withContext(ctx, cmd)
	cmd.Dir = "/"
	if _, err := os.Stat(filepath.Join(b.root, "w")); err == nil {
		cmd.Dir = "/w"
	}
	cmd.Env = slices.Concat([]string{"PATH=/", "HOME=/"}, b.env, w.env)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Chroot: b.root, Cloneflags: syscall.CLONE_NEWPID,
		Credential: &syscall.Credential{Uid: uid, Gid: gid}}
	return cmd, ""
}

// withContext gives a hand-made command the context that exec.CommandContext would.
func withContext(ctx context.Context, cmd *exec.Cmd) *exec.Cmd {
	with := exec.CommandContext(ctx, "/proc/self/exe")
	with.Path, with.Args = cmd.Path, cmd.Args
	return with
}

// kill has nothing to do: the process that we started is the program, and the caller kills that.
func (b *rootBox) kill(string) {}

func (b *rootBox) prefix() string {
	if b.qemu {
		return "/qemu "
	}
	return ""
}

func (b *rootBox) close() error { return nil }

// copyFile copies one file, with that mode.
func copyFile(from, to string, mode os.FileMode) error {
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, data, mode)
}

// lastLines returns the end of a text, for messages.
func lastLines(text string, n int) string {
	all := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(all[max(0, len(all)-n):], "\n")
}
