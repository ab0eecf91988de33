// SPDX-License-Identifier: MIT OR Apache-2.0

//go:build e2e && linux

package sandbox

import (
	"debug/elf"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"sampan/internal/rootfs"
)

// report is what testdata/probe says.
type report struct {
	UID, GID, PID, PPID int
	Groups              []int
	Dir, Host           string
	Args, Env           []string
	Status              map[string]string
	Write, Read         map[string]string
	Dev, Proc, Mounts   []string
	FDs                 []string
}

func ask(t *testing.T, as *syscall.Credential, j job) (r report) {
	t.Helper()
	o := finish(t, driver(t, as, j))
	if err := json.Unmarshal([]byte(o.out), &r); err != nil || o.code != 0 {
		t.Fatalf("%v: %+v", err, o)
	}
	return r
}

func TestWhatTheProgramSees(t *testing.T) {
	everyone(t, func(t *testing.T, as *syscall.Credential) {
		mounts, _ := os.ReadFile("/proc/self/mounts")
		args := []string{"/probe", "report", "w:/new", "w:/tmp/x", "w:/dev/shm/x", "w:/probe", "w:/work/x", "w:/dev/null", "/etc/hello", "/secret", "/group", "/etc/resolv.conf", "/proc/1/environ", "/proc/1/exe", "", "sp ace\n\"'"}
		r := ask(t, as, job{
			Files: []jobFile{
				{Path: "etc", Mode: fs.ModeDir | 0o555},
				{Path: "etc/hello", Mode: 0o444, Content: []byte("hello")},
				{Path: "group", Mode: 0o640, Content: []byte("for the group"), GID: 1001},
				{Path: "secret", Mode: 0o600, Content: []byte("secret")},
				{Path: "tmp", Mode: fs.ModeDir | fs.ModeSticky | 0o777},
				{Path: "tmp/given", Mode: 0o444, Content: []byte("given")},
			},
			Command: args, Env: []string{"B=2", "A=1=1", "EMPTY="}, Dir: "/work", Hostname: "boat",
		})
		if r.UID != 1000 || r.GID != 1001 || r.Dir != "/work" || r.Host != "boat" {
			t.Errorf("user %d:%d, folder %s, host %s", r.UID, r.GID, r.Dir, r.Host)
		}
		if as != nil && len(r.Groups) > 0 || as == nil && os.Getuid() == 0 && len(r.Groups) > 0 {
			t.Errorf("groups %v", r.Groups)
		}
		if r.PID == 1 || r.PPID != 1 || len(r.Proc) != 2 || len(r.FDs) > 0 {
			t.Errorf("process %d of %d, sees %v, descriptors %v", r.PID, r.PPID, r.Proc, r.FDs)
		}
		if diff := cmp.Diff(args, r.Args); diff != "" {
			t.Errorf("arguments: %s", diff)
		}
		if diff := cmp.Diff([]string{"B=2", "A=1=1", "EMPTY="}, r.Env); diff != "" {
			t.Errorf("environment: %s", diff)
		}
		readOnly := syscall.EROFS.Error()
		if diff := cmp.Diff(map[string]string{"/new": readOnly, "/tmp/x": "", "/dev/shm/x": "", "/probe": readOnly, "/work/x": readOnly, "/dev/null": ""}, r.Write); diff != "" {
			t.Errorf("writing: %s", diff)
		}
		denied := syscall.EACCES.Error()
		for p, want := range map[string]string{"/etc/hello": "hello", "/secret": denied, "/group": "for the group", "/proc/1/environ": denied, "/proc/1/exe": denied} {
			if r.Read[p] != want {
				t.Errorf("%s: %q, want %q", p, r.Read[p], want)
			}
		}
		host, _ := os.ReadFile("/etc/resolv.conf")
		if got := r.Read["/etc/resolv.conf"]; got != string(host[:min(len(host), 100)]) {
			t.Errorf("resolv.conf: %q", got)
		}
		checkConfinement(t, r)
		if now, _ := os.ReadFile("/proc/self/mounts"); string(now) != string(mounts) {
			t.Errorf("the host's mounts changed: %s", cmp.Diff(string(mounts), string(now)))
		}
	})
}

// checkConfinement says what the program has of privileges, devices and mounts.
func checkConfinement(t *testing.T, r report) {
	t.Helper()
	for _, set := range []string{"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"} {
		if r.Status[set] != "0000000000000000" {
			t.Errorf("%s: %s", set, r.Status[set])
		}
	}
	if r.Status["NoNewPrivs"] != "1" || r.Status["SigIgn"] != ownStatus(t, "SigIgn") {
		t.Errorf("NoNewPrivs %s, SigIgn %s", r.Status["NoNewPrivs"], r.Status["SigIgn"])
	}
	want := []string{"/dev/fd", "/dev/full", "/dev/null", "/dev/random", "/dev/shm", "/dev/stderr", "/dev/stdin", "/dev/stdout", "/dev/tty", "/dev/urandom", "/dev/zero"}
	if diff := cmp.Diff(want, r.Dev); diff != "" {
		t.Errorf("devices: %s", diff)
	}
	if len(r.Mounts) != 4+6 || !strings.HasPrefix(r.Mounts[0], "tmpfs / tmpfs ro,") {
		t.Errorf("mounts: %q", r.Mounts)
	}
}

func ownStatus(t *testing.T, key string) string {
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		if k, v, _ := strings.Cut(line, ":"); k == key {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

// Root in the image is nobody's root: no capability, also after exec, and its own files only.
func TestRootInside(t *testing.T) {
	everyone(t, func(t *testing.T, as *syscall.Credential) {
		j := job{Command: []string{"/probe", "report", "w:/new", "w:/etc/x"}, GID: 5, Files: []jobFile{{Path: "etc", Mode: fs.ModeDir | 0o755}}}
		r := ask(t, as, j)
		if r.UID != 0 || r.GID != 5 || r.Status["CapEff"] != "0000000000000000" || r.Status["CapPrm"] != "0000000000000000" || r.Dir != "/" || r.Host != "sampan" {
			t.Errorf("%+v", r)
		}
		if len(r.Env) != 0 || r.Write["/etc/x"] != syscall.EROFS.Error() {
			t.Errorf("environment %v, %v", r.Env, r.Write)
		}
	})
}

func TestCodes(t *testing.T) {
	everyone(t, func(t *testing.T, as *syscall.Credential) {
		for _, tt := range []struct {
			args []string
			code int
		}{
			{[]string{"exit", "0"}, 0}, {[]string{"exit", "3"}, 3}, {[]string{"exit", "255"}, 255},
			{[]string{"die", "11"}, 139}, {[]string{"die", "6"}, 134}, {[]string{"die", "15"}, 143}, {[]string{"die", "9"}, 137},
		} {
			if o := finish(t, driver(t, as, job{Command: append([]string{"/probe"}, tt.args...)})); o.code != tt.code || o.err != "" {
				t.Errorf("%v: %+v", tt.args, o)
			}
		}
	})
}

func TestStdin(t *testing.T) {
	everyone(t, func(t *testing.T, as *syscall.Credential) {
		c := driver(t, as, job{Command: []string{"/probe", "cat"}})
		text := strings.Repeat("all that comes in goes out\n", 100_000)
		c.Stdin = strings.NewReader(text)
		if o := finish(t, c); o.code != 0 || o.out != text {
			t.Errorf("code %d, %d bytes, %s", o.code, len(o.out), o.err)
		}
	})
}

func TestNoZombies(t *testing.T) {
	everyone(t, func(t *testing.T, as *syscall.Credential) {
		if o := finish(t, driver(t, as, job{Command: []string{"/probe", "orphans"}})); o.out != "clean\n" {
			t.Errorf("%+v", o)
		}
	})
}

// A program without handlers ends by the signal's default action, as outside, whoever gets the signal.
func TestDefaultActions(t *testing.T) {
	everyone(t, func(t *testing.T, as *syscall.Credential) {
		for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGUSR1} {
			p := begin(t, driver(t, as, job{Command: []string{"/probe", "sleep"}}))
			_ = p.Process.Signal(sig)
			if code := p.code(); code != 128+int(sig) {
				t.Errorf("%v to sampan alone: %d", sig, code)
			}
		}
	})
}

// A signal to sampan alone and one to the whole group (a terminal's Ctrl-C) both reach the program exactly once.
func TestSignalsComeOnce(t *testing.T) {
	everyone(t, func(t *testing.T, as *syscall.Credential) {
		p := begin(t, driver(t, as, job{Command: []string{"/probe", "trap"}}))
		for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGQUIT, syscall.SIGWINCH} {
			_ = p.Process.Signal(sig)
			p.expect(fmt.Sprint("got ", int(sig)))
			_ = syscall.Kill(-p.Process.Pid, sig)
			p.expect(fmt.Sprint("got ", int(sig)))
			time.Sleep(2 * together) // a second one would come by now
		}
		_ = p.Process.Signal(syscall.SIGUSR2)
		if code := p.code(); code != 7 {
			t.Errorf("code %d", code)
		}
		if rest := p.rest(); !slices.Equal(rest, []string{"got 12"}) {
			t.Errorf("more signals came: %q", rest)
		}
	})
}

func TestContext(t *testing.T) {
	everyone(t, func(t *testing.T, as *syscall.Credential) {
		p := begin(t, driver(t, as, job{Command: []string{"/probe", "sleep"}, Cancel: 2 * time.Second}))
		if code := p.code(); code != 143 {
			t.Errorf("a program that obeys: %d", code)
		}
		p = begin(t, driver(t, as, job{Command: []string{"/probe", "trap"}, Cancel: 2 * time.Second}))
		p.expect("got 15")
		if code := p.code(); code != 137 {
			t.Errorf("a program that does not: %d", code)
		}
	})
}

// Whatever ends sampan or the program, nothing of the sandbox lives on.
func TestNothingIsLeft(t *testing.T) {
	everyone(t, func(t *testing.T, as *syscall.Credential) {
		for i, kill := range []bool{false, true} {
			mark := fmt.Sprintf("%dh%dm", 1000+os.Getpid(), i)
			args := []string{"/probe", "linger", mark}
			if kill {
				args = append(args, "stay")
			}
			p := begin(t, driver(t, as, job{Command: args}))
			if kill {
				until(t, "the program and its child run", func() bool { return processes(mark) >= 2 })
				_ = p.Process.Kill()
			}
			if code := p.code(); kill != (code == 137) || !kill && code != 0 {
				t.Errorf("code %d", code)
			}
			until(t, "all processes are gone", func() bool { return processes(mark) == 0 })
		}
	})
}

func TestWhatCannotStart(t *testing.T) {
	everyone(t, func(t *testing.T, as *syscall.Credential) {
		foreign := program(elf.EM_RISCV, "")
		for _, tt := range []struct {
			j    job
			want string
		}{
			{job{Command: []string{"/none"}}, "start /none: there is no such file in the image"},
			{job{Command: []string{"/x"}, Files: []jobFile{{Path: "x", Mode: 0o555, Content: foreign}}}, "start /x: it is a program for riscv64"},
			{job{Command: []string{"/x"}, Files: []jobFile{{Path: "x", Mode: 0o555, Content: []byte("#!/bin/sh\n")}}}, "start /x: it is a script, and /bin/sh is not in the image"},
			{job{Command: []string{"/x"}, Files: []jobFile{{Path: "x", Mode: 0o444, Content: []byte("x")}}}, "start /x: its mode does not allow"},
			{job{Command: []string{"/tmp/x"}, Dir: "/tmp/x", Files: []jobFile{{Path: "tmp/x", Mode: 0o555}}}, `run image: make "/tmp/x": "tmp/x" is not a folder`},
			{job{Command: []string{"/probe"}, Probe: bench.self + "-none"}, "start /probe: there is no such file in the image"},
			{job{Command: []string{"/probe"}, Files: []jobFile{{Path: "a", Mode: 0o444}, {Path: "a/b", Mode: 0o444}}}, "run image: validate tree"},
			{job{Command: []string{"probe"}}, `run image: program "probe" is not an absolute path`},
		} {
			o := finish(t, driver(t, as, tt.j))
			var e struct{ Error string }
			if err := json.Unmarshal([]byte(o.err), &e); err != nil || o.code != 200 || !strings.HasPrefix(e.Error, tt.want) {
				t.Errorf("%+v, want %s", o, tt.want)
			}
		}
	})
}

// A dynamic program from the host says which interpreter it lacks.
func TestDynamicProgram(t *testing.T) {
	o := finish(t, driver(t, nil, job{Command: []string{"/probe"}, Probe: "/bin/true"}))
	if o.code != 200 || !strings.Contains(o.err, "it is a dynamic program, and its interpreter /lib") || !strings.Contains(o.err, "unknown-linux-musl") {
		t.Errorf("%+v", o)
	}
}

// Where nobody may make user namespaces, the error names the setting. A user namespace of our own has such a limit.
func TestForbiddenByLimit(t *testing.T) {
	c := driver(t, nil, job{Command: []string{"/probe", "exit", "0"}})
	inner := append([]string{c.Path}, c.Args...)
	c.Path, c.Args = "/bin/bash", append([]string{"bash", "-c", `echo 0 >/proc/sys/user/max_user_namespaces && exec -a "$1" "$0" "$2"`}, inner...)
	c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}}
	o := finish(t, c)
	if o.code != 200 || !strings.Contains(o.err, "user.max_user_namespaces = 0 forbids namespaces here") || !strings.Contains(o.err, "sudo sysctl -w user.max_user_namespaces=15000") {
		t.Errorf("%+v", o)
	}
}

// What sampan was started to ignore (nohup), the program ignores too. (Go knows HUP and INT only.)
func TestIgnoredStaysIgnored(t *testing.T) {
	everyone(t, func(t *testing.T, as *syscall.Credential) {
		c := driver(t, as, job{Command: []string{"/probe", "report"}})
		c.Path, c.Args = "/bin/bash", []string{"bash", "-c", `trap "" HUP INT && exec -a "$1" "$0" "$2"`, c.Path, c.Args[0], c.Args[1]}
		var r report
		if o := finish(t, c); json.Unmarshal([]byte(o.out), &r) != nil || r.Status["SigIgn"] != "0000000000000003" {
			t.Errorf("SigIgn %s: %+v", r.Status["SigIgn"], o)
		}
	})
}

// Ctrl-C on the terminal reaches the program, once, and the terminal is the program's to read from.
func TestTerminal(t *testing.T) {
	everyone(t, func(t *testing.T, as *syscall.Credential) {
		master, side := openPTY(t)
		c := driver(t, as, job{Command: []string{"/probe", "trap"}})
		c.Stdin = side
		c.SysProcAttr = &syscall.SysProcAttr{Credential: as, Setsid: true, Setctty: true}
		p := begin(t, c)
		for range 3 {
			if _, err := master.Write([]byte{3}); err != nil {
				t.Fatal(err)
			}
			p.expect("got 2")
			time.Sleep(2 * together)
		}
		_ = p.Process.Signal(syscall.SIGUSR2)
		if code, rest := p.code(), p.rest(); code != 7 || !slices.Equal(rest, []string{"got 12"}) {
			t.Errorf("code %d, %q", code, rest)
		}

		c = driver(t, as, job{Command: []string{"/probe", "cat"}})
		c.Stdin = side
		c.SysProcAttr = &syscall.SysProcAttr{Credential: as, Setsid: true, Setctty: true}
		if _, err := master.WriteString("a line\n\x04"); err != nil {
			t.Fatal(err)
		}
		if o := finish(t, c); o.out != "a line\n" || o.code != 0 {
			t.Errorf("%+v", o)
		}
	})
}

func openPTY(t *testing.T) (master, side *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	side, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = side.Close(); _ = master.Close() })
	return master, side
}

// BenchmarkRun is a whole run: namespaces, the probe written to memory, its start and end.
func BenchmarkRun(b *testing.B) {
	info, err := os.Stat(bench.probe)
	if err != nil {
		b.Fatal(err)
	}
	tree := rootfs.Tree{{Path: "probe", Mode: 0o555, Size: info.Size(), Open: func() (io.ReadCloser, error) { return os.Open(bench.probe) }}}
	for b.Loop() {
		code, err := Run(b.Context(), Spec{Trees: []rootfs.Tree{tree}, Command: []string{"/probe", "exit", "0"}, UID: 1000, GID: 1000})
		if code != 0 || err != nil {
			b.Fatal(code, err)
		}
	}
	b.ReportMetric(float64(info.Size()), "probe-bytes")
}

// BenchmarkProbe is the same program without a sandbox.
func BenchmarkProbe(b *testing.B) {
	for b.Loop() {
		p, err := os.StartProcess(bench.probe, []string{"probe", "exit", "0"}, &os.ProcAttr{})
		if err != nil {
			b.Fatal(err)
		}
		_, _ = p.Wait()
	}
}
