// SPDX-License-Identifier: MIT OR Apache-2.0

//go:build unix

package run

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// group is the process group of one program; for a foreground program it is that program alone.
type group struct {
	foreground bool
	pid        int
	process    *os.Process
}

// drainStep is how often an interrupted group is asked whether anybody is left.
const drainStep = 10 * time.Millisecond

func newGroup(foreground bool) *group { return &group{foreground: foreground} }

func (g *group) prepare(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: !g.foreground}
}

func (g *group) started(cmd *exec.Cmd) { g.process, g.pid = cmd.Process, cmd.Process.Pid }

func (g *group) interrupt() { g.signal(syscall.SIGINT) }
func (g *group) kill()      { g.signal(syscall.SIGKILL) }
func (g *group) close()     {}

// signal ignores its error: the only one that can happen is that nobody is left.
func (g *group) signal(sig syscall.Signal) {
	if g.foreground {
		_ = g.process.Signal(sig) // knows whether the process was waited for, so a reused pid is never hit
		return
	}
	_ = syscall.Kill(-g.pid, sig)
}

// drain returns when the program and everybody in its group is gone, or when limit fires.
func (g *group) drain(exited <-chan struct{}, limit <-chan time.Time) {
	// Wait for the program first: until it was waited for, the group has a member, its zombie.
	select {
	case <-exited:
	case <-limit:
		return
	}
	if g.foreground {
		return
	}
	tick := time.NewTicker(drainStep)
	defer tick.Stop()
	for g.anybody() {
		select {
		case <-tick.C:
		case <-limit:
			return
		}
	}
}

// anybody reports whether somebody in the group still runs. A process that has ended stays in it until its parent asks
// for it; where that is a container's process 1 which never does, the dead would be waited for in vain.
func (g *group) anybody() bool {
	return !errors.Is(syscall.Kill(-g.pid, 0), syscall.ESRCH) && !onlyDead(g.pid)
}

func signalName(state *os.ProcessState) string {
	if ws, ok := state.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		return ws.Signal().String()
	}
	return ""
}

// xOK is POSIX's X_OK.
const xOK = 1

func mayExecute(path string, _ fs.FileInfo) bool { return syscall.Access(path, xOK) == nil }

func extensions([]string) []string { return []string{""} }

func sameKey(a, b string) bool { return a == b }
