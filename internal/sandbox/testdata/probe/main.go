// SPDX-License-Identifier: MIT OR Apache-2.0

// Probe is the program that the tests put into a sandbox: it says what it sees from there. It is compiled static.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"
)

func main() {
	switch verb := os.Args[1]; verb {
	case "report":
		report()
	case "exit":
		code, _ := strconv.Atoi(os.Args[2])
		os.Exit(code)
	case "die":
		n, _ := strconv.Atoi(os.Args[2])
		plain(syscall.Signal(n))
		_ = syscall.Kill(os.Getpid(), syscall.Signal(n))
		select {}
	case "sleep": // with the kernel's own action for every signal, as a C or Rust program has it
		for n := syscall.Signal(1); n <= 64; n++ {
			plain(n)
		}
		fmt.Println("ready")
		for {
			time.Sleep(time.Hour)
		}
	case "trap":
		trap()
	case "cat":
		_, _ = io.Copy(os.Stdout, os.Stdin)
	case "orphans":
		orphans()
	case "spawn": // a process that outlives its parent
		start("wait", os.Args[2])
	case "wait":
		d, _ := time.ParseDuration(os.Args[2])
		time.Sleep(d)
	case "linger":
		start("wait", os.Args[2])
		fmt.Println("ready")
		if len(os.Args) > 3 {
			time.Sleep(time.Hour)
		}
	default:
		panic(verb)
	}
}

// plain takes Go's handler of a signal away.
func plain(sig syscall.Signal) {
	var action [64]byte // a zeroed struct sigaction: SIG_DFL
	_, _, _ = syscall.RawSyscall6(syscall.SYS_RT_SIGACTION, uintptr(sig), uintptr(unsafe.Pointer(&action)), 0, 8, 0, 0)
}

func trap() {
	c := make(chan os.Signal, 64)
	signal.Notify(c, syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGTERM, syscall.SIGWINCH)
	fmt.Println("ready")
	for sig := range c {
		fmt.Println("got", int(sig.(syscall.Signal)))
		if sig == syscall.SIGUSR2 {
			os.Exit(7)
		}
	}
}

func start(args ...string) {
	exe, err := os.Executable()
	if err != nil {
		exe = "/probe"
	}
	p, err := os.StartProcess(exe, append([]string{exe}, args...), &os.ProcAttr{Files: []*os.File{nil, nil, nil}, Sys: &syscall.SysProcAttr{Setsid: true}})
	if err != nil {
		panic(err)
	}
	if args[0] == "spawn" {
		_, _ = p.Wait()
	}
}

// orphans leaves processes behind that end at once, and looks until none of them is a zombie.
func orphans() {
	for range 5 {
		start("spawn", "1ms")
	}
	for range 400 {
		time.Sleep(5 * time.Millisecond)
		others := 0
		stats, _ := filepath.Glob("/proc/[0-9]*/stat")
		for _, s := range stats {
			if id := strings.Split(s, "/")[2]; id != "1" && id != strconv.Itoa(os.Getpid()) {
				others++
			}
		}
		if others == 0 {
			fmt.Println("clean")
			return
		}
	}
	fmt.Println("zombies")
}

// Report is what Probe sees.
type Report struct {
	UID, GID, PID, PPID int
	Groups              []int
	Dir, Host           string
	Args, Env           []string
	Status              map[string]string
	Write               map[string]string // path to error
	Read                map[string]string // path to content or error
	Dev, Proc, Mounts   []string
	FDs                 []string
}

func report() {
	r := Report{UID: os.Getuid(), GID: os.Getgid(), PID: os.Getpid(), PPID: os.Getppid(), Args: os.Args, Env: os.Environ(),
		Status: map[string]string{}, Write: map[string]string{}, Read: map[string]string{}}
	r.Groups, _ = os.Getgroups()
	r.Dir, _ = os.Getwd()
	r.Host, _ = os.Hostname()
	status, _ := os.ReadFile("/proc/self/status")
	for line := range strings.Lines(string(status)) {
		k, v, _ := strings.Cut(line, ":")
		r.Status[k] = strings.TrimSpace(v)
	}
	for _, p := range os.Args[2:] {
		if w, ok := strings.CutPrefix(p, "w:"); ok {
			r.Write[w] = text(os.WriteFile(w, []byte("x"), 0o644))
		} else if b, err := os.ReadFile(p); err != nil {
			r.Read[p] = text(err)
		} else {
			r.Read[p] = string(b[:min(len(b), 100)])
		}
	}
	r.Dev, _ = filepath.Glob("/dev/*")
	r.Proc, _ = filepath.Glob("/proc/[0-9]*")
	mounts, _ := os.ReadFile("/proc/self/mounts")
	r.Mounts = strings.Split(strings.TrimSpace(string(mounts)), "\n")
	fds, _ := os.ReadDir("/proc/self/fd")
	for _, f := range fds {
		if n, _ := strconv.Atoi(f.Name()); n > 2 {
			if link, err := os.Readlink("/proc/self/fd/" + f.Name()); err == nil && !strings.HasPrefix(link, "anon_inode:") && !strings.HasPrefix(link, "/proc/") {
				r.FDs = append(r.FDs, link)
			}
		}
	}
	_ = json.NewEncoder(os.Stdout).Encode(r)
}

func text(err error) string {
	var errno syscall.Errno
	switch {
	case err == nil:
		return ""
	case errors.As(err, &errno):
		return errno.Error()
	}
	return err.Error()
}
