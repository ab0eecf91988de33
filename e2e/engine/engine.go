// SPDX-License-Identifier: MIT OR Apache-2.0

//go:build linux

// Package engine starts container engines of its own, for tests and benchmarks that want the real thing.
//
// An engine lives in a new temporary folder and listens on a unix socket in it, so it shares nothing with an engine
// that the machine may run already. Stop ends it by its process id and takes the folder away. When the program that
// started it dies without calling Stop, the kernel ends the engine (PR_SET_PDEATHSIG). All of it needs root.
//
//	e, err := engine.StartDocker(ctx)
//	defer e.Stop()
//	names, err := e.Load(ctx, "image.tar")
//	result, err := e.Run(ctx, names[0], "--version")
package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// Engine is a running engine, or for podman, which has no daemon, a storage of its own.
type Engine struct {
	Name string // "docker", "containerd", "podman"
	Dir  string // the temporary folder that holds all its state

	words   words
	env     []string
	daemons []*daemon // in the order they were started

	mu         sync.Mutex
	containers []*Container // started and not stopped yet

	serial atomic.Int64
}

// words is how one engine's client is spoken to.
type words interface {
	// load imports an archive and returns its names as the engine shows them.
	load(ctx context.Context, e *Engine, file string) ([]string, error)
	// run returns the argv that runs an image and removes the container when it ends.
	run(ctx context.Context, e *Engine, image string, o RunOptions) ([]string, error)
	// images returns the argv that lists the names of all images, one a line.
	images() []string
	// client returns the argv that starts the client with the given words.
	client(args ...string) []string
}

// RunOptions say how a container differs from what its image asks for.
type RunOptions struct {
	Args        []string // after the image's entrypoint
	Env         []string // NAME=value, added to the image's
	HostNetwork bool     // the host's network; false is no network at all
	ReadOnly    bool     // read-only root file system
}

// Result is what a container left.
type Result struct {
	Stdout, Stderr string
	Code           int // as the engine's client reports it
}

// Load imports an archive of images, returns their names as the engine shows them.
func (e *Engine) Load(ctx context.Context, file string) ([]string, error) {
	names, err := e.words.load(ctx, e, file)
	if err != nil {
		return nil, fmt.Errorf("load %s into %s: %w", filepath.Base(file), e.Name, err)
	}
	return names, nil
}

// Images returns the names of all images, sorted.
func (e *Engine) Images(ctx context.Context) ([]string, error) {
	out, err := e.Output(ctx, e.words.images()...)
	if err != nil {
		return nil, fmt.Errorf("list images of %s: %w", e.Name, err)
	}
	names := strings.Fields(out)
	slices.Sort(names)
	return names, nil
}

// Run runs an image to its end, without a network, with args after its entrypoint.
func (e *Engine) Run(ctx context.Context, image string, args ...string) (Result, error) {
	return e.RunWith(ctx, image, RunOptions{Args: args})
}

// RunWith runs an image to its end. A program that ends non-zero is a Result, not an error.
func (e *Engine) RunWith(ctx context.Context, image string, o RunOptions) (Result, error) {
	argv, err := e.words.run(ctx, e, image, o)
	if err != nil {
		return Result{}, fmt.Errorf("run %s in %s: %w", image, e.Name, err)
	}
	var stdout, stderr bytes.Buffer
	cmd := e.command(ctx, argv)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err = cmd.Run()
	result := Result{Stdout: stdout.String(), Stderr: stderr.String(), Code: cmd.ProcessState.ExitCode()}
	if exit := (*exec.ExitError)(nil); err != nil && (!errors.As(err, &exit) || ctx.Err() != nil) {
		return result, fmt.Errorf("run %s in %s: %w", image, e.Name, err)
	}
	return result, nil
}

// Client returns argv and environment of the engine's client, for words that have no method here.
func (e *Engine) Client(args ...string) (argv, env []string) {
	return e.words.client(args...), slices.Clone(e.env)
}

// Output runs the engine's client, returns its stdout; stderr is in the error.
func (e *Engine) Output(ctx context.Context, args ...string) (string, error) {
	cmd := e.command(ctx, e.words.client(args...))
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(stderr.String()))
	}
	return string(out), nil
}

// Stop ends the containers that still run, then the daemons, last started first, and removes the folder.
// It may be called again.
func (e *Engine) Stop() error {
	e.mu.Lock()
	left := slices.Clone(e.containers)
	e.mu.Unlock()
	var errs []error
	for _, c := range left {
		if _, err := c.Stop(); err != nil {
			errs = append(errs, err)
		}
	}
	for _, d := range slices.Backward(e.daemons) {
		if err := d.stop(); err != nil {
			errs = append(errs, err)
		}
	}
	e.daemons = nil
	if err := removeAll(e.Dir); err != nil {
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("stop %s: %w", e.Name, err)
	}
	return nil
}

func (e *Engine) command(ctx context.Context, argv []string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env = e.env
	return cmd
}

// next names containers so that no two meet: runc keeps those of all engines of the machine in one folder.
func (e *Engine) next() string { return fmt.Sprintf("%s-%d", filepath.Base(e.Dir), e.serial.Add(1)) }

// newEngine makes the folder. Its path is short, because a unix socket's may have 107 bytes only.
func newEngine(name string) (*Engine, error) {
	if os.Geteuid() != 0 {
		return nil, fmt.Errorf("start %s: needs root", name)
	}
	dir, err := os.MkdirTemp("", "sampan-"+name+"-")
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	if socket := filepath.Join(dir, "containerd.sock"); len(socket) > 100 {
		return nil, fmt.Errorf("start %s: %s is too long for a unix socket: set TMPDIR", name, socket)
	}
	// Nothing of the caller's own configuration of engines reaches this one.
	env := []string{"PATH=" + os.Getenv("PATH") + ":/usr/local/sbin:/usr/sbin:/sbin", "HOME=" + dir, "TMPDIR=" + dir, "LC_ALL=C"}
	return &Engine{Name: name, Dir: dir, env: env}, nil
}

// find returns the path of the first program that is there.
func find(candidates ...string) (string, error) {
	for _, name := range candidates {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("find %s: not installed; scripts/setup installs it", filepath.Base(candidates[0]))
}

// lines returns what follows prefix in each line of out that starts with it.
func lines(out, prefix string) []string {
	var found []string
	for line := range strings.Lines(out) {
		if rest, ok := strings.CutPrefix(strings.TrimSpace(line), prefix); ok {
			found = append(found, strings.TrimSpace(rest))
		}
	}
	return found
}
