// SPDX-License-Identifier: MIT OR Apache-2.0

package sandbox

import (
	"errors"
	"io/fs"
	"math"
	"os"
	"runtime"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	wireFD = 3 // where process 1 finds the wire

	// misused and broken are exit codes of process 1; nobody but Run sees them.
	misused = 2
	broken  = 125

	opStart = "start" // answer.Op when the sandbox is ready and the program did not start

	// together is how far apart the two halves may learn of one signal. A busy machine needs the time; it is also how
	// late a signal to sampan alone comes.
	together = 100 * time.Millisecond
)

// Main is asked first thing by the command: when args (os.Args) say that this process is process 1 of a sandbox, it is
// that, and code is the exit code. Else handled is false and nothing has happened.
func Main(args []string) (handled bool, code int) {
	if len(args) != 1 || args[0] != initName {
		return false, 0
	}
	// Capabilities, no_new_privs and the parent's death belong to a thread: all is done on this one.
	runtime.LockOSThread()
	if _, err := unix.GetsockoptInt(wireFD, unix.SOL_SOCKET, unix.SO_TYPE); err != nil {
		return true, misused
	}
	closeOnExec()
	return true, first(os.NewFile(wireFD, "wire"))
}

// closeOnExec keeps the wire, and whatever sampan itself inherited, from the program. It needs the host's /proc where the
// kernel is older than 5.11.
func closeOnExec() {
	if unix.CloseRange(wireFD, math.MaxInt32, unix.CLOSE_RANGE_CLOEXEC) == nil {
		return
	}
	unix.CloseOnExec(wireFD)
	open, _ := os.ReadDir("/proc/self/fd")
	for _, f := range open {
		if fd, err := strconv.Atoi(f.Name()); err == nil && fd > wireFD {
			unix.CloseOnExec(fd)
		}
	}
}

// first is the life of process 1.
func first(wire *os.File) int {
	listening := listen()
	// The program must find no way to our memory and our executable, which is the host's, through /proc/1.
	_ = unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0)
	_ = unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0)
	in, out := newReader(wire), newWriter(wire)
	pid, err := launch(in)
	if err != nil {
		_ = out.answer(explain(err))
		return broken
	}
	if out.answer(answer{}) != nil {
		return broken
	}
	return supervise(pid, in, <-listening)
}

// stepError says which step of setting up failed.
type stepError struct {
	op  string
	err error
}

func (e *stepError) Error() string { return e.op + ": " + e.err.Error() }

func (e *stepError) Unwrap() error { return e.err }

func step(op string, err error) error {
	if err == nil {
		return nil
	}
	return &stepError{op, err}
}

// explain puts an error of launch on the wire.
func explain(err error) answer {
	var se *StartError
	var errno unix.Errno
	if errors.As(err, &se) {
		_ = errors.As(se.Err, &errno)
		return answer{Op: opStart, Errno: int64(errno), Problem: se.Problem, Interp: se.Interp, Machine: se.Machine}
	}
	a := answer{Op: "set up", Problem: err.Error()}
	var st *stepError
	if errors.As(err, &st) {
		a.Op, a.Problem = st.op, st.err.Error()
	}
	if errors.As(err, &errno) {
		a.Errno = int64(errno)
	}
	return a
}

// launch makes the sandbox around this process and starts the program in it.
func launch(in *reader) (pid int, err error) {
	o, err := in.order()
	if err != nil {
		return 0, step("read order", err)
	}
	unix.Umask(0)
	if err := build(o, in); err != nil {
		return 0, err
	}
	_ = unix.Unshare(unix.CLONE_NEWCGROUP) // where it is allowed
	if err := step("set host name", unix.Sethostname([]byte(o.Hostname))); err != nil {
		return 0, err
	}
	if err := dropPrivileges(); err != nil {
		return 0, err
	}
	unix.Umask(0o022)
	if err := unix.Chdir(o.Dir); err != nil {
		return 0, &StartError{Problem: "enter working directory " + o.Dir + ": " + err.Error(), Err: err}
	}
	pid, err = syscall.ForkExec(o.Command[0], o.Command, &syscall.ProcAttr{Env: o.Env, Files: []uintptr{0, 1, 2}})
	if err != nil {
		return 0, inspect(os.DirFS("/"), o.Command[0], err)
	}
	return pid, nil
}

// dropPrivileges gives up all capabilities, and every way to get some.
func dropPrivileges() error {
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return step("set no_new_privs", err)
	}
	for c := uintptr(0); ; c++ {
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0); err == unix.EINVAL && c > unix.CAP_SYS_ADMIN {
			break // the kernel knows no more
		} else if err != nil {
			return step("drop capabilities", err)
		}
	}
	if err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); err != nil {
		return step("drop ambient capabilities", err)
	}
	head := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var none [2]unix.CapUserData
	return step("drop capabilities", unix.Capset(&head, &none[0]))
}

// supervise passes signals on and reaps what ends, until the program has ended or sampan has.
func supervise(pid int, in *reader, signals <-chan os.Signal) int {
	ended := make(chan int, 1)
	go func() { ended <- reap(pid) }()
	outside := make(chan [2]byte)
	go func() {
		defer close(outside)
		for {
			var m [2]byte
			for i := range m {
				if m[i], in.err = in.r.ReadByte(); in.err != nil {
					return
				}
			}
			outside <- m
		}
	}()
	var pairs pairing
	alone := make(chan int, 64)
	take := func(sig int, from side) {
		if id, wait := pairs.add(sig, from); wait {
			time.AfterFunc(together, func() { alone <- id })
		}
	}
	for {
		select {
		case code := <-ended:
			return code
		case sig := <-signals:
			if n, ok := sig.(syscall.Signal); ok {
				take(int(n), inner)
			}
		case m, ok := <-outside:
			switch {
			case !ok:
				return broken // sampan was killed; with us, the kernel ends all that is in here
			case m[0] == deliver:
				_ = unix.Kill(pid, unix.Signal(m[1]))
			default:
				take(int(m[1]), outer)
			}
		case id := <-alone:
			if sig, ok := pairs.expire(id); ok {
				_ = unix.Kill(pid, unix.Signal(sig))
			}
		}
	}
}

// reap waits for all processes whose parent is gone, and returns the program's code when it ends.
func reap(pid int) int {
	for {
		var ws unix.WaitStatus
		got, err := unix.Wait4(-1, &ws, 0, nil)
		switch {
		case err == unix.EINTR:
		case err != nil:
			return broken
		case got == pid && ws.Signaled():
			return 128 + int(ws.Signal())
		case got == pid:
			return ws.ExitStatus()
		}
	}
}

// permissions are the bits of a mode that chmod knows, as the kernel counts them.
func permissions(m fs.FileMode) uint32 {
	p := uint32(m.Perm())
	if m&fs.ModeSticky != 0 {
		p |= unix.S_ISVTX
	}
	return p
}
