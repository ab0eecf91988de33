// SPDX-License-Identifier: MIT OR Apache-2.0

package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// grace is how long a program has, after SIGTERM, once the context is done.
const grace = 1500 * time.Millisecond

// Run starts the program, waits for its end, and gives its exit code as a shell would: 128+n when signal n ended it.
//
// While it runs, signals to this process go to the program; those that its terminal sends reach it directly. So ctx
// should not be one that ends with the first Ctrl-C: when ctx is done, the program gets SIGTERM, 1.5 s later SIGKILL,
// and the error is ctx's beside the code. Everything that the program started ends with it.
//
// Errors: *SpecError, *rootfs.TreeError, *ForbiddenError, *StartError, and what reading the trees gives.
func Run(ctx context.Context, s Spec) (code int, err error) {
	if err := s.validate(); err != nil {
		return 0, err
	}
	o, all, err := prepare(s)
	if err != nil {
		return 0, fmt.Errorf("run image: %w", err)
	}
	// Process 1 dies with the thread that started it, so this goroutine keeps its thread until the end.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	listening := listen()
	defer func() { signal.Stop(<-listening) }()
	proc, wire, err := start(s)
	if err != nil {
		return 0, err
	}
	defer wire.Close() //nolint:errcheck // nothing is buffered in it
	stop := context.AfterFunc(ctx, func() { _ = proc.Kill() })
	sent := send(wire, s, o, all)
	got, err := newReader(wire).answer()
	if !stop() {
		sent = ctx.Err()
	}
	if err = failure(s, sent, got, err); err != nil {
		_ = proc.Kill()
		state, _ := proc.Wait()
		if errors.Is(err, errNoAnswer) {
			err = fmt.Errorf("%w (%v)", err, state)
		}
		return 0, err
	}
	signals := <-listening
	listening <- signals
	return attend(ctx, s, proc, wire, signals)
}

// prepare lays out everything that process 1 will write, with the few things that engines add to an image: folders to
// mount on, the working directory, the host's name service.
func prepare(s Spec) (o order, all *overlay, err error) {
	o = order{Command: s.Command, Env: s.Env, Dir: s.Dir, Hostname: s.Hostname}
	if o.Dir == "" {
		o.Dir = "/"
	}
	if o.Hostname == "" {
		o.Hostname = "sampan"
	}
	if all, err = layers(s.Trees); err != nil {
		return o, nil, err
	}
	for _, d := range []struct {
		path string
		real *string
	}{{"proc", &o.Proc}, {"dev", &o.Dev}, {"dev/shm", &o.Shm}, {"tmp", &o.Tmp}, {path.Clean(o.Dir), new(string)}} {
		if *d.real, err = all.dir(d.path); err != nil {
			return o, nil, fmt.Errorf("make %q: %w", d.path, err)
		}
	}
	hosts := hostFile("/etc/hosts")
	if hosts == nil {
		hosts = []byte("127.0.0.1 localhost\n::1 localhost\n")
	}
	if err = all.file("etc/hosts", hosts); err == nil {
		err = all.file("etc/resolv.conf", hostFile("/etc/resolv.conf"))
	}
	return o, all, err
}

// hostFile reads a small file of the host; nil when it is not there.
func hostFile(name string) []byte {
	f, err := os.Open(name)
	if err != nil {
		return nil
	}
	defer f.Close() //nolint:errcheck // only read
	b, err := io.ReadAll(io.LimitReader(f, 1<<20))
	if err != nil {
		return nil
	}
	return b
}

// start starts process 1 of new namespaces and returns our end of the wire. It blocks: both ends are used by goroutines
// that own a thread, for which waiting in the kernel is cheaper than waiting in the scheduler.
func start(s Spec) (proc *os.Process, wire *os.File, err error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("run image: make socket: %w", err)
	}
	wire = os.NewFile(uintptr(pair[0]), "sandbox")
	theirs := os.NewFile(uintptr(pair[1]), "sandbox")
	defer theirs.Close() //nolint:errcheck // theirs alone from now on
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		_ = wire.Close()
		return nil, nil, fmt.Errorf("run image: %w", err)
	}
	defer null.Close() //nolint:errcheck // theirs alone from now on
	files := []*os.File{s.Stdin, s.Stdout, s.Stderr, theirs}
	for i, f := range files {
		if f == nil {
			files[i] = null
		}
	}
	self := s.Self
	if self == "" {
		self = "/proc/self/exe"
	}
	attr := &os.ProcAttr{Dir: "/", Env: []string{}, Files: files, Sys: attributes(s, os.Geteuid() == 0)}
	proc, err = os.StartProcess(self, []string{initName}, attr)
	if errors.Is(err, unix.EPERM) && attr.Sys.Credential != nil {
		attr.Sys = attributes(s, false) // root, but not of a kind that may change groups
		proc, err = os.StartProcess(self, []string{initName}, attr)
	}
	if err != nil {
		_ = wire.Close()
		return nil, nil, refused(self, err)
	}
	return proc, wire, nil
}

// refused says why process 1 did not start.
func refused(self string, err error) error {
	var pathErr *os.PathError
	if errors.As(err, &pathErr) {
		err = pathErr.Err
	}
	for _, no := range []error{unix.EPERM, unix.EACCES, unix.ENOSPC, unix.EUSERS, unix.EINVAL, unix.ENOSYS} {
		if errors.Is(err, no) {
			return forbidden(os.DirFS("/"), "make namespaces", err)
		}
	}
	return fmt.Errorf("run image: start %s: %w", self, err)
}

// attributes asks for the namespaces. The host's user becomes the image's by a map of one line, which everybody may
// write. Exec takes all capabilities from a user that is not 0, so process 1 gets those that it needs as ambient ones.
// A real root also leaves its other groups behind; nobody else may.
func attributes(s Spec, root bool) *syscall.SysProcAttr {
	a := &syscall.SysProcAttr{
		Cloneflags:  unix.CLONE_NEWUSER | unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: s.UID, HostID: os.Geteuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: s.GID, HostID: os.Getegid(), Size: 1}},
		AmbientCaps: []uintptr{unix.CAP_SYS_ADMIN, unix.CAP_SETPCAP, unix.CAP_DAC_OVERRIDE},
	}
	if root {
		a.GidMappingsEnableSetgroups = true
		a.Credential = &syscall.Credential{Uid: uint32(s.UID), Gid: uint32(s.GID)}
	}
	return a
}

// send writes the order and all entries. What comes back is an error of the trees; one of the wire means that process 1
// has ended or given its answer already, which says more.
func send(wire io.Writer, s Spec, o order, all *overlay) error {
	w := newWriter(wire)
	w.order(o)
	buf := make([]byte, chunk)
	for _, e := range all.sorted(s.UID, s.GID) {
		if err := w.entry(e, buf); err != nil {
			return err
		}
	}
	w.str("")
	_ = w.flush()
	return nil
}

var errNoAnswer = errors.New("run image: process 1 of the sandbox ended before its time")

// failure says what went wrong before the program ran, nil when it runs.
func failure(s Spec, sent error, got answer, err error) error {
	errno := unix.Errno(got.Errno)
	switch {
	case sent != nil:
		return fmt.Errorf("run image: %w", sent)
	case err != nil:
		return errNoAnswer
	case got.Op == "":
		return nil
	case got.Op == opStart:
		e := &StartError{Path: s.Command[0], Problem: got.Problem, Interp: got.Interp, Machine: got.Machine}
		if got.Errno != 0 {
			e.Err = errno
		}
		return e
	case errno == unix.EPERM, errno == unix.EACCES:
		return forbidden(os.DirFS("/"), got.Op, errno)
	case got.Errno != 0:
		return fmt.Errorf("run image: %s: %w", got.Op, errno)
	}
	return fmt.Errorf("run image: %s: %s", got.Op, got.Problem)
}

// attend passes signals on until the program has ended.
func attend(ctx context.Context, s Spec, proc *os.Process, wire *os.File, signals <-chan os.Signal) (int, error) {
	ended, done := make(chan struct{}), make(chan bool)
	go func() {
		cut := false
		defer func() { done <- cut }()
		var late <-chan time.Time
		over := ctx.Done()
		for {
			select {
			case sig := <-signals:
				if n, ok := sig.(syscall.Signal); ok {
					_, _ = wire.Write([]byte{forward, byte(n)})
				}
			case <-over:
				cut, over = true, nil
				_, _ = wire.Write([]byte{deliver, byte(unix.SIGTERM)})
				t := time.NewTimer(grace)
				defer t.Stop()
				late = t.C
			case <-late:
				_ = proc.Kill() // the kernel ends all processes of a pid namespace with its first
			case <-ended:
				return
			}
		}
	}()
	state, err := proc.Wait()
	close(ended)
	cut := <-done
	if err != nil {
		return 0, fmt.Errorf("run image: wait for %s: %w", s.Command[0], err)
	}
	code := state.ExitCode()
	if ws, ok := state.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		code = 128 + int(ws.Signal())
	}
	if cut {
		return code, fmt.Errorf("run %s: %w", s.Command[0], ctx.Err())
	}
	return code, nil
}

// listen takes all signals that make sense to pass on, but those that this process was started to ignore (nohup): the
// program inherits that. Stop and continue stay the kernel's, for job control.
//
// Go goes to another thread and back for each signal, which takes a millisecond altogether; so it happens beside the
// setting up, and its channel comes when it is done. A signal that only one half got meanwhile still reaches the program:
// the other half passes it on.
func listen() chan chan os.Signal {
	done := make(chan chan os.Signal, 1)
	go func() {
		c := make(chan os.Signal, 64)
		var all []os.Signal
		for _, sig := range passed() {
			if !signal.Ignored(sig) {
				all = append(all, sig)
			}
		}
		if len(all) > 0 { // Notify takes none for all
			signal.Notify(c, all...)
		}
		done <- c
	}()
	return done
}

// passed leaves out the real-time signals: each costs a twentieth of a millisecond here, and no program needs one to end.
func passed() []os.Signal {
	return []os.Signal{unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGUSR1, unix.SIGUSR2, unix.SIGALRM, unix.SIGTERM, unix.SIGWINCH}
}
