// SPDX-License-Identifier: MIT OR Apache-2.0

// Package run starts other programs; nobody else does.
//
// Every program runs with the environment it is given and no other (a nil Env is an empty one), in a process
// group of its own, so that cancelling a context reaches its children and grandchildren too, and always is
// waited for. What stands in the way of that is bounded: a program that ignores SIGINT is killed after
// System.Grace, and a daemon that keeps a pipe open after its parent ended holds nobody up.
//
//	out, err := run.Output(ctx, &run.System{}, run.Cmd{Path: "cargo", Args: []string{"--version"}, Env: env})
package run

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"
)

// Cmd is one start of a program.
type Cmd struct {
	Path           string   // a path, or a bare name that is looked up in the PATH of Env
	Args           []string // without argv[0]
	Argv0          string   // argv[0]; "" means Path
	Dir            string   // working directory; "" means ours
	Env            []string // "KEY=VALUE", the whole environment; nil is empty, nothing is inherited
	Stdin          io.Reader
	Stdout, Stderr io.Writer        // nil discards
	Signals        <-chan os.Signal // what comes here is sent to the program; nil for nothing
	Foreground     bool             // keeps our process group, and so the terminal; only the program itself is signalled then
}

// Runner starts programs. Tests replace it.
type Runner interface {
	// Run starts c and waits for its end. It returns nil when the program ended with 0, *ExitError when with
	// anything else, *NotFoundError when there is no such program, an error that wraps ctx.Err() when ctx ended.
	Run(ctx context.Context, c Cmd) error
}

// System is the Runner that really starts programs. The zero value is ready; it is safe for parallel use.
type System struct {
	Echo  func(c Cmd)   // called before each start, for --verbose; may be nil
	Grace time.Duration // between SIGINT and SIGKILL; 0 means 1.5 s
}

// defaultGrace and pipeDelay together stay under the two seconds that Ctrl-C may take.
const (
	defaultGrace = 1500 * time.Millisecond
	pipeDelay    = 250 * time.Millisecond
)

// Run implements Runner.
func (s *System) Run(ctx context.Context, c Cmd) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("run %s: %w", c.Path, err)
	}
	path, err := LookPath(c.Path, c.Env)
	if err != nil {
		return err
	}
	if s.Echo != nil {
		s.Echo(c)
	}
	cmd := command(path, c)
	g := newGroup(c.Foreground)
	g.prepare(cmd)
	feed, err := stdin(cmd, c.Stdin)
	if err != nil {
		return fmt.Errorf("start %s: %w", c.Path, err)
	}
	if err := cmd.Start(); err != nil {
		return startError(c, err)
	}
	feed()
	g.started(cmd)
	err = s.wait(ctx, cmd, g, c.Signals)
	if ctxErr := ctx.Err(); ctxErr != nil {
		return fmt.Errorf("run %s: %w", c.Path, ctxErr)
	}
	return exitError(c.Path, err)
}

// command translates c; the environment is never nil, since exec would then hand down ours.
func command(path string, c Cmd) *exec.Cmd {
	argv0 := c.Argv0
	if argv0 == "" {
		argv0 = c.Path
	}
	return &exec.Cmd{
		Path:      path,
		Args:      append([]string{argv0}, c.Args...),
		Dir:       c.Dir,
		Env:       append([]string{}, c.Env...),
		Stdout:    c.Stdout,
		Stderr:    c.Stderr,
		WaitDelay: pipeDelay,
	}
}

// stdin connects a file directly. Any other reader is copied by a goroutine that nobody waits for, since a reader
// that blocks must not keep a program that has ended from being seen to have ended; feed starts it.
func stdin(cmd *exec.Cmd, r io.Reader) (feed func(), err error) {
	if f, ok := r.(*os.File); ok || r == nil {
		if f != nil {
			cmd.Stdin = f
		}
		return func() {}, nil
	}
	w, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	return func() {
		go func() {
			_, _ = io.Copy(w, r) // the program may stop reading whenever it likes
			_ = w.Close()
		}()
	}, nil
}

// wait waits for the program and, once ctx ended, for its whole group.
func (s *System) wait(ctx context.Context, cmd *exec.Cmd, g *group, signals <-chan os.Signal) error {
	grace := s.Grace
	if grace <= 0 {
		grace = defaultGrace
	}
	exited := make(chan struct{})
	var watch sync.WaitGroup
	watch.Go(func() { relay(cmd.Process, signals, exited) })
	watch.Go(func() {
		select {
		case <-exited:
			return
		case <-ctx.Done():
		}
		g.interrupt()
		timer := time.NewTimer(grace)
		defer timer.Stop()
		g.drain(exited, timer.C)
		g.kill()
	})
	err := cmd.Wait()
	close(exited)
	watch.Wait()
	g.close()
	return err
}

// relay sends signals on to the program until it has ended.
func relay(p *os.Process, signals <-chan os.Signal, exited <-chan struct{}) {
	for {
		select {
		case <-exited:
			return
		case sig := <-signals:
			_ = p.Signal(sig) // that it has ended meanwhile is no error
		}
	}
}

// startError names the folder when that is what is missing: the system says "no such file" of the program then.
func startError(c Cmd, err error) error {
	if c.Dir != "" {
		if _, statErr := os.Stat(c.Dir); statErr != nil {
			return fmt.Errorf("start %s: enter its folder: %w", c.Path, statErr)
		}
	}
	return fmt.Errorf("start %s: %w", c.Path, err)
}

// exitError turns what Wait says into our types. A pipe that a daemon kept open is not the program's failure.
func exitError(name string, err error) error {
	if err == nil || errors.Is(err, exec.ErrWaitDelay) {
		return nil
	}
	exit, ok := errors.AsType[*exec.ExitError](err)
	if !ok {
		return fmt.Errorf("run %s: %w", name, err)
	}
	return &ExitError{Path: name, Code: exit.ExitCode(), Signal: signalName(exit.ProcessState)}
}

// ExitError says that a program ended with something other than 0.
type ExitError struct {
	Path   string // as in Cmd
	Code   int    // -1 when a signal ended it
	Signal string // "killed", "segmentation fault", …; "" when it ended by itself
	Stderr string // the last 4 KiB of its stderr, when Output ran it
}

func (e *ExitError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "run %s: ", e.Path)
	if e.Signal != "" {
		fmt.Fprintf(&b, "ended by signal: %s", e.Signal)
	} else {
		fmt.Fprintf(&b, "exit status %d", e.Code)
	}
	if text := strings.TrimSpace(e.Stderr); text != "" {
		b.WriteString(": " + text)
	}
	return b.String()
}

// NotFoundError says that a program is not there, or cannot be executed.
type NotFoundError struct {
	Name string // as in Cmd.Path
}

func (e *NotFoundError) Error() string { return "find program " + e.Name + ": not found" }

// Hint says what can be done in general; callers that know the package to install say that instead.
func (e *NotFoundError) Hint() string { return "install " + e.Name + ", or put its folder in PATH" }
