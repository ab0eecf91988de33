// SPDX-License-Identifier: MIT OR Apache-2.0

//go:build linux

package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"sync"
	"syscall"
	"time"
)

// Container is a program that runs in the background.
type Container struct {
	engine *Engine
	cmd    *exec.Cmd
	output buffer
	done   chan struct{}
	err    error    // of Wait; read after done
	kill   []string // command that sends SIGTERM to the program; nil where the client passes on its own
}

// Start runs an image in the background. Its engine's client stays in the foreground and passes signals on.
func (e *Engine) Start(ctx context.Context, image string, o RunOptions) (*Container, error) {
	argv, err := e.words.run(ctx, e, image, o)
	if err != nil {
		return nil, fmt.Errorf("start %s in %s: %w", image, e.Name, err)
	}
	c := &Container{engine: e, cmd: e.command(context.WithoutCancel(ctx), argv), done: make(chan struct{})}
	if w, ok := e.words.(interface {
		kill(image string, argv []string) []string
	}); ok {
		c.kill = w.kill(image, argv)
	}
	c.cmd.Stdout, c.cmd.Stderr = &c.output, &c.output
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C in the terminal is for the caller, who then stops it
	if err := c.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s in %s: %w", image, e.Name, err)
	}
	go func() {
		c.err = c.cmd.Wait()
		close(c.done)
	}()
	e.mu.Lock()
	e.containers = append(e.containers, c)
	e.mu.Unlock()
	return c, nil
}

// Output returns what the program wrote so far, stdout and stderr as they came.
func (c *Container) Output() string { return c.output.String() }

// Ended tells whether the program has ended by itself.
func (c *Container) Ended() bool {
	select {
	case <-c.done:
		return true
	default:
		return false
	}
}

// Stop sends SIGTERM to the program and returns its exit code. It may be called again.
func (c *Container) Stop() (code int, err error) {
	c.engine.mu.Lock()
	c.engine.containers = slices.DeleteFunc(c.engine.containers, func(o *Container) bool { return o == c })
	c.engine.mu.Unlock()
	if !c.Ended() {
		if err := c.terminate(); err != nil {
			return -1, err
		}
	}
	select {
	case <-c.done:
	case <-time.After(stopWithin):
		_ = c.cmd.Process.Kill() // the container ends with its engine
		<-c.done
		return -1, fmt.Errorf("stop the container: not ended within %s of SIGTERM: %s", stopWithin, c.Output())
	}
	if exit := (*exec.ExitError)(nil); c.err != nil && !errors.As(c.err, &exit) {
		return -1, c.err
	}
	return c.cmd.ProcessState.ExitCode(), nil
}

func (c *Container) terminate() error {
	if c.kill != nil {
		out, err := c.engine.command(context.Background(), c.kill).CombinedOutput()
		if err != nil && !c.Ended() {
			return fmt.Errorf("stop the container: %w: %s", err, out)
		}
		return nil
	}
	if err := c.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	return nil
}

// buffer is a bytes.Buffer that may be read while it is written.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
