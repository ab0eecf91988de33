// SPDX-License-Identifier: MIT OR Apache-2.0

//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	runWithin  = 2 * time.Minute        // one run of a program to its end; qemu is slow
	termWithin = 10 * time.Second       // between a signal and the end of a server
	pollEvery  = 50 * time.Millisecond  // how often a condition is looked at
	killWithin = 500 * time.Millisecond // a program that was asked to end and need not obey
)

// job is a row's image, ready to be run.
type job struct {
	box  box
	exe  string // path of the program in the image
	dir  string // the folder that the program sees as /w, its own
	site *site
}

// answer is what a run left.
type answer struct {
	stdout, stderr string
	code           int
}

// all is stdout and stderr.
func (a answer) all() string { return a.stdout + a.stderr }

// run runs the program to its end, whatever its exit code.
func (j *job) run(w words) (answer, error) {
	ctx, cancel := context.WithTimeout(context.Background(), runWithin)
	defer cancel()
	cmd, name := j.box.command(ctx, w)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	a := answer{stdout: stdout.String(), stderr: stderr.String()}
	if cmd.ProcessState != nil {
		a.code = cmd.ProcessState.ExitCode()
	}
	if ctx.Err() != nil {
		j.box.kill(name)
		return a, fmt.Errorf("%s: not ended after %s", strings.Join(w.args, " "), runWithin)
	}
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		return a, err
	}
	return a, nil
}

// must is run for a program that has to end with 0.
func (j *job) must(w words) (answer, error) {
	a, err := j.run(w)
	if err == nil && a.code != 0 {
		err = fmt.Errorf("%s: exit code %d: %s", strings.Join(w.args, " "), a.code, lastLines(a.all(), 3))
	}
	return a, err
}

// finds runs the program, which has to end with 0 and to write text to stdout.
func (j *job) finds(text string, args ...string) error {
	a, err := j.must(words{args: args})
	if err != nil {
		return err
	}
	if !strings.Contains(a.stdout, text) {
		return fmt.Errorf("%s: no %q in %q", strings.Join(args, " "), text, lastLines(a.stdout, 5))
	}
	return nil
}

// write makes a file under /w, with the folders above it.
func (j *job) write(name, text string) error {
	file := filepath.Join(j.dir, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	return os.WriteFile(file, []byte(text), 0o644)
}

// give makes all under /w the user's own.
func (j *job) give() error {
	return filepath.WalkDir(j.dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, uid, gid)
	})
}

// files writes files and gives them to the user; pairs are name and text.
func (j *job) files(pairs ...string) error {
	for i := 0; i+1 < len(pairs); i += 2 {
		if err := j.write(pairs[i], pairs[i+1]); err != nil {
			return err
		}
	}
	return j.give()
}

// process is the program in the background.
type process struct {
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	output lockedBuffer
	done   chan struct{}
	kill   func()
}

// start runs the program in the background; end must be called.
func (j *job) start(w words) (*process, error) {
	cmd, name := j.box.command(context.Background(), w)
	p := &process{cmd: cmd, done: make(chan struct{})}
	p.kill = func() {
		j.box.kill(name)
		_ = cmd.Process.Kill()
	}
	cmd.Stdout, cmd.Stderr = &p.output, &p.output
	var err error
	if p.stdin, err = cmd.StdinPipe(); err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = cmd.Wait() // what it says of the end is not asked for
		close(p.done)
	}()
	return p, nil
}

// await returns nil when done answers true; it gives up when the program has ended, or after a while.
func (p *process) await(what string, done func() bool) error {
	for limit := time.Now().Add(runWithin); ; time.Sleep(pollEvery) {
		if done() {
			return nil
		}
		select {
		case <-p.done:
			if done() {
				return nil
			}
			return fmt.Errorf("wait for %s: the program ended: %s", what, lastLines(p.output.String(), 3))
		default:
		}
		if time.Now().After(limit) {
			return fmt.Errorf("wait for %s: not seen in %s: %s", what, runWithin, lastLines(p.output.String(), 3))
		}
	}
}

// stop sends a signal, which has to end the program.
func (p *process) stop(signal syscall.Signal) error {
	if err := p.cmd.Process.Signal(signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-p.done:
		return nil
	case <-time.After(termWithin):
		return fmt.Errorf("%s as PID 1 did not end it within %s", unix.SignalName(signal), termWithin)
	}
}

// end closes stdin, and ends a program that does not take that for a reason.
func (p *process) end() {
	_ = p.stdin.Close()
	select {
	case <-p.done:
	case <-time.After(killWithin):
		p.kill()
		<-p.done
	}
}

// lockedBuffer is a bytes.Buffer that may be read while it is written.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// freePort returns a port of 127.0.0.1 that nobody listens on.
func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	_, port, err := net.SplitHostPort(l.Addr().String())
	return port, errors.Join(err, l.Close())
}

// listens tells whether somebody listens on a port of 127.0.0.1.
func listens(port string) bool {
	c, err := net.DialTimeout("tcp", "127.0.0.1:"+port, time.Second)
	if err != nil {
		return false
	}
	return c.Close() == nil
}
