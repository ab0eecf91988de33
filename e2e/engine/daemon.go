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
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

const (
	readyWithin = 60 * time.Second      // a daemon is ready sooner by far; a loaded machine gets the time it needs
	stopWithin  = 20 * time.Second      // between SIGTERM and SIGKILL
	pollEvery   = 20 * time.Millisecond // how often a daemon is asked whether it is ready
	askWithin   = 5 * time.Second       // one such question
	logTail     = 4 << 10               // bytes of a daemon's log that an error shows
)

// daemon is one background process, its output in a log file.
type daemon struct {
	name string
	log  string
	cmd  *exec.Cmd
	done chan struct{} // closed when the process has ended and was waited for
}

// startDaemon starts argv and waits until ready answers nil.
func (e *Engine) startDaemon(ctx context.Context, argv []string, ready func(context.Context) error) error {
	d := &daemon{name: filepath.Base(argv[0]), done: make(chan struct{})}
	d.log = filepath.Join(e.Dir, d.name+".log")
	log, err := os.Create(d.log)
	if err != nil {
		return err
	}
	defer log.Close()
	d.cmd = exec.Command(argv[0], argv[1:]...)
	d.cmd.Env, d.cmd.Dir = e.env, e.Dir
	d.cmd.Stdout, d.cmd.Stderr = log, log
	d.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	if err := d.start(); err != nil {
		return err
	}
	e.daemons = append(e.daemons, d)
	return d.await(ctx, ready)
}

// start starts the process on a thread of its own: the kernel sends Pdeathsig when the *thread* that started a
// process ends, so that thread must live as long as the process.
func (d *daemon) start() error {
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := d.cmd.Start()
		started <- err
		if err == nil {
			_ = d.cmd.Wait() // how it ended is in its log
			close(d.done)
		}
	}()
	return <-started
}

func (d *daemon) await(ctx context.Context, ready func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	for {
		ask, stop := context.WithTimeout(ctx, askWithin)
		err := ready(ask)
		stop()
		if err == nil {
			return nil
		}
		select {
		case <-d.done:
			return fmt.Errorf("start %s: ended at once (%s): %s", d.name, d.cmd.ProcessState, d.tail())
		case <-ctx.Done():
			return fmt.Errorf("start %s: not ready: %w: %s", d.name, err, d.tail())
		case <-time.After(pollEvery):
		}
	}
}

// stop asks the process to end, and makes it after a while.
func (d *daemon) stop() error {
	select {
	case <-d.done:
		return fmt.Errorf("%s ended before it was stopped: %s", d.name, d.tail())
	default:
	}
	if err := d.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-d.done:
		return nil
	case <-time.After(stopWithin):
	}
	if err := d.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	<-d.done
	return fmt.Errorf("%s did not end within %s of SIGTERM: %s", d.name, stopWithin, d.tail())
}

// tail returns the end of the log.
func (d *daemon) tail() string {
	data, err := os.ReadFile(d.log)
	if err != nil {
		return err.Error()
	}
	if len(data) > logTail {
		data = data[len(data)-logTail:]
	}
	return string(bytes.TrimSpace(data))
}

// removeAll removes dir with what engines left mounted under it.
func removeAll(dir string) error {
	mounts, err := mountsUnder(dir)
	if err != nil {
		return err
	}
	for _, path := range slices.Backward(mounts) { // the last mounted first
		if err := syscall.Unmount(path, syscall.MNT_DETACH); err != nil && !errors.Is(err, syscall.EINVAL) && !errors.Is(err, syscall.ENOENT) {
			return fmt.Errorf("unmount %s: %w", path, err)
		}
	}
	return os.RemoveAll(dir)
}

// mountsUnder lists the mount points at and below dir, as the kernel orders them (proc_pid_mountinfo(5), field 5).
func mountsUnder(dir string) ([]string, error) {
	data, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	unescape := strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)
	var found []string
	for line := range strings.Lines(string(data)) {
		fields := strings.Fields(line)
		if len(fields) < 5 {
			continue
		}
		if path := unescape.Replace(fields[4]); path == dir || strings.HasPrefix(path, dir+"/") {
			found = append(found, path)
		}
	}
	return found, nil
}
