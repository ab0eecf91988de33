// SPDX-License-Identifier: MIT OR Apache-2.0

package run

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/windows"
)

// group is a job object: ending it ends everything that was started in it.
type group struct {
	foreground bool
	process    *os.Process
	job        windows.Handle
}

func newGroup(foreground bool) *group { return &group{foreground: foreground} }

func (g *group) prepare(cmd *exec.Cmd) {
	if !g.foreground {
		cmd.SysProcAttr = &syscall.SysProcAttr{CreationFlags: windows.CREATE_NEW_PROCESS_GROUP}
	}
}

// started puts the program into its job. Where that is refused, kill ends the program alone.
func (g *group) started(cmd *exec.Cmd) {
	g.process = cmd.Process
	if g.foreground {
		return
	}
	job, err := windows.CreateJobObject(nil, nil)
	if err != nil {
		return
	}
	limits := windows.JOBOBJECT_EXTENDED_LIMIT_INFORMATION{}
	_, err = windows.SetInformationJobObject(job, windows.JobObjectExtendedLimitInformation,
		uintptr(unsafe.Pointer(&limits)), uint32(unsafe.Sizeof(limits)))
	if err == nil {
		err = g.assign(job)
	}
	if err != nil {
		_ = windows.CloseHandle(job)
		return
	}
	g.job = job
}

func (g *group) assign(job windows.Handle) error {
	const access = windows.PROCESS_SET_QUOTA | windows.PROCESS_TERMINATE
	h, err := windows.OpenProcess(access, false, uint32(g.process.Pid))
	if err != nil {
		return err
	}
	defer windows.CloseHandle(h)
	return windows.AssignProcessToJobObject(job, h)
}

// interrupt is Ctrl-Break: Ctrl-C does not reach a process group of its own.
func (g *group) interrupt() {
	if !g.foreground {
		_ = windows.GenerateConsoleCtrlEvent(windows.CTRL_BREAK_EVENT, uint32(g.process.Pid))
	}
}

func (g *group) kill() {
	if g.job != 0 {
		_ = windows.TerminateJobObject(g.job, 1)
		return
	}
	_ = g.process.Kill()
}

func (g *group) close() {
	if g.job != 0 {
		_ = windows.CloseHandle(g.job)
	}
}

func (g *group) drain(exited <-chan struct{}, limit <-chan time.Time) {
	select {
	case <-exited:
	case <-limit:
	}
}

func signalName(*os.ProcessState) string { return "" }

func mayExecute(path string, _ fs.FileInfo) bool { return filepath.Ext(path) != "" }

func extensions(env []string) []string {
	list, ok := lookup(env, "PATHEXT")
	if !ok || list == "" {
		list = ".COM;.EXE;.BAT;.CMD"
	}
	exts := []string{""}
	for _, e := range strings.Split(strings.ToLower(list), ";") {
		if e != "" {
			exts = append(exts, e)
		}
	}
	return exts
}

func sameKey(a, b string) bool { return strings.EqualFold(a, b) }
