// SPDX-License-Identifier: MIT OR Apache-2.0

package sandbox

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"sampan/internal/rootfs"
)

func dirEntry(p string, perm fs.FileMode) rootfs.Entry {
	return rootfs.Entry{Path: p, Mode: fs.ModeDir | perm}
}

func linkEntry(p, to string) rootfs.Entry {
	return rootfs.Entry{Path: p, Mode: fs.ModeSymlink | 0o777, Link: to}
}

func fileEntry(p, content string) rootfs.Entry {
	return rootfs.Entry{Path: p, Mode: 0o644, Size: int64(len(content)), Open: func() (io.ReadCloser, error) {
		return io.NopCloser(strings.NewReader(content)), nil
	}}
}

func TestLayers(t *testing.T) {
	for _, tt := range []struct {
		name  string
		trees []rootfs.Tree
		want  string
	}{
		{"missing folders are made", []rootfs.Tree{{fileEntry("a/b/c", "1")}}, "a/ a/b/ a/b/c=1"},
		{"later wins", []rootfs.Tree{{fileEntry("a", "1")}, {fileEntry("a", "2")}}, "a=2"},
		{"folder over folder keeps what is in it", []rootfs.Tree{{dirEntry("d", 0o755), fileEntry("d/x", "1")}, {dirEntry("d", 0o700)}}, "d/ d/x=1"},
		{"file over folder", []rootfs.Tree{{dirEntry("d", 0o755), fileEntry("d/x", "1"), fileEntry("dd", "3")}, {fileEntry("d", "2")}}, "d=2 dd=3"},
		{"folder over link", []rootfs.Tree{{dirEntry("a", 0o755), linkEntry("d", "a")}, {dirEntry("d", 0o755), fileEntry("d/x", "1")}}, "a/ d/ d/x=1"},
		{"below a link", []rootfs.Tree{{linkEntry("bin", "usr/bin"), dirEntry("usr", 0o755)}, {fileEntry("bin/x", "1")}}, "bin>usr/bin usr/ usr/bin/ usr/bin/x=1"},
		{"absolute links stay inside", []rootfs.Tree{{linkEntry("a", "/b/c")}, {fileEntry("a/x", "1")}}, "a>/b/c b/ b/c/ b/c/x=1"},
		{"a link through a link", []rootfs.Tree{{dirEntry("d", 0o755), linkEntry("d/up", "../e"), linkEntry("e", "f")}, {fileEntry("d/up/x", "1")}}, "d/ d/up>../e e>f f/ f/x=1"},
		{"a circle", []rootfs.Tree{{linkEntry("a", "b"), linkEntry("b", "a")}, {fileEntry("a/x", "1")}}, `lay out "a/x": too many symbolic links`},
		{"below a file", []rootfs.Tree{{fileEntry("a", "1")}, {fileEntry("a/x", "1")}}, `lay out "a/x": "a" is not a folder`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o, err := layers(tt.trees)
			if err != nil {
				if err.Error() != tt.want {
					t.Errorf("%v, want %s", err, tt.want)
				}
				return
			}
			var got []string
			for _, e := range o.sorted(0, 0) {
				switch {
				case e.Mode.IsDir():
					got = append(got, e.Path+"/")
				case e.Link != "":
					got = append(got, e.Path+">"+e.Link)
				default:
					r, _ := e.Open()
					b, _ := io.ReadAll(r)
					got = append(got, e.Path+"="+string(b))
				}
			}
			if s := strings.Join(got, " "); s != tt.want {
				t.Errorf("%s, want %s", s, tt.want)
			}
		})
	}
}

func TestLinksAboveTheRoot(t *testing.T) {
	o := &overlay{entries: map[string]rootfs.Entry{"a": linkEntry("a", "../../../etc"), "etc": linkEntry("etc", "/..//./x")}}
	if got, err := o.dir("a/b"); got != "x/b" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}

func TestFileLeavesWhatIsThere(t *testing.T) {
	o, _ := layers([]rootfs.Tree{{linkEntry("etc", "conf"), fileEntry("hosts", "no")}, {fileEntry("conf/hosts", "mine")}})
	if err := o.file("etc/hosts", []byte("theirs")); err != nil {
		t.Fatal(err)
	}
	if err := o.file("etc/resolv.conf", []byte("new")); err != nil {
		t.Fatal(err)
	}
	if o.entries["conf/hosts"].Size != 4 || o.entries["conf/resolv.conf"].Size != 3 || len(o.entries) != 5 {
		t.Errorf("%v", o.entries)
	}
}

func TestSeen(t *testing.T) {
	for _, tt := range []struct {
		mode     fs.FileMode
		uid, gid int
		want     fs.FileMode
	}{
		{0o600, 0, 0, 0o000},
		{0o640, 0, 1000, 0o440},
		{0o604, 0, 1000, 0o004}, // the group's rights win over the others', also when they are fewer
		{0o755, 0, 0, 0o555},
		{0o600, 1000, 0, 0o600},
		{0o070, 1000, 1000, 0o070},
		{fs.ModeDir | fs.ModeSticky | 0o777, 0, 0, fs.ModeDir | fs.ModeSticky | 0o777},
		{fs.ModeSetuid | fs.ModeSetgid | 0o755, 0, 0, 0o555},
	} {
		e := rootfs.Entry{Mode: tt.mode, UID: tt.uid, GID: tt.gid}
		got := seen(e, 1000, 1000)
		if got&^0o077 != tt.want&^0o077 {
			t.Errorf("%v of %d:%d seen as %v, want %v", tt.mode, tt.uid, tt.gid, got, tt.want)
		}
		if root := seen(e, 0, 0); root != tt.mode&^(fs.ModeSetuid|fs.ModeSetgid) {
			t.Errorf("%v: root sees %v", tt.mode, root)
		}
	}
}

func TestSpec(t *testing.T) {
	ok := Spec{Command: []string{"/x"}, Env: []string{"A=b"}, Dir: "/w"}
	if err := ok.validate(); err != nil {
		t.Error(err)
	}
	for name, change := range map[string]func(*Spec){
		"no command":          func(s *Spec) { s.Command = nil },
		"not an absolute":     func(s *Spec) { s.Command = []string{"x"} },
		"directory":           func(s *Spec) { s.Dir = "w" },
		"negative":            func(s *Spec) { s.UID = -1 },
		"NUL":                 func(s *Spec) { s.Env = []string{"a\x00b"} },
		"64 bytes":            func(s *Spec) { s.Hostname = strings.Repeat("x", 65) },
		"has \"..\"":          func(s *Spec) { s.Trees = []rootfs.Tree{{fileEntry("../x", "")}} },
		"begins with a slash": func(s *Spec) { s.Trees = []rootfs.Tree{{fileEntry("/x", "")}} },
	} {
		s := ok
		change(&s)
		if err := s.validate(); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestWire(t *testing.T) {
	o := order{Command: []string{"/x", "", "not \xff UTF-8\n"}, Env: []string{"A=1", "B"}, Dir: "/", Hostname: "h", Proc: "proc", Dev: "dev", Tmp: "tmp", Shm: "dev/shm"}
	a := answer{Op: "start", Errno: 2, Problem: "p", Interp: "/lib/ld", Machine: "aarch64"}
	long := strings.Repeat("0123456789", 70_000)
	entries := []rootfs.Entry{dirEntry("d", fs.ModeSticky|0o777), linkEntry("d/l", "../x"), fileEntry("f", long), fileEntry("g", "")}
	var b bytes.Buffer
	w, buf := newWriter(&b), make([]byte, chunk)
	w.order(o)
	for _, e := range entries {
		if err := w.entry(e, buf); err != nil {
			t.Fatal(err)
		}
	}
	w.str("")
	if err := w.answer(a); err != nil {
		t.Fatal(err)
	}
	r := newReader(&b)
	if got, err := r.order(); err != nil || !cmp.Equal(got, o) {
		t.Errorf("%v: %s", err, cmp.Diff(o, got))
	}
	for _, want := range entries {
		e, ok, err := r.entry()
		if !ok || err != nil || e.Path != want.Path || e.Mode != want.Mode || e.Link != want.Link || e.Size != want.Size {
			t.Fatalf("%+v, %v, %v", e, ok, err)
		}
		var content strings.Builder
		if err := r.content(&content, e.Size, buf); err != nil || e.Path == "f" && content.String() != long {
			t.Errorf("%s: %d bytes, %v", e.Path, content.Len(), err)
		}
	}
	if _, ok, err := r.entry(); ok || err != nil {
		t.Errorf("after the last: %v, %v", ok, err)
	}
	if got, err := r.answer(); err != nil || got != a {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := r.answer(); !errors.Is(err, io.EOF) {
		t.Errorf("at the end: %v", err)
	}
}

func TestWireContentErrors(t *testing.T) {
	short := fileEntry("f", "12")
	short.Size = 5
	closed := rootfs.Entry{Path: "f", Open: func() (io.ReadCloser, error) { return nil, os.ErrPermission }}
	for _, e := range []rootfs.Entry{short, closed} {
		if err := newWriter(io.Discard).entry(e, make([]byte, chunk)); err == nil || !strings.HasPrefix(err.Error(), `read "f": `) {
			t.Errorf("%v", err)
		}
	}
	if err := newReader(strings.NewReader("12")).content(io.Discard, 3, make([]byte, 8)); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("content cut short: %v", err)
	}
}

func FuzzWire(f *testing.F) {
	var b bytes.Buffer
	w := newWriter(&b)
	w.order(order{Command: []string{"/x"}})
	_ = w.entry(dirEntry("d", 0o755), nil)
	_ = w.answer(answer{Op: "x"})
	f.Add(b.Bytes())
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0x0f})
	f.Add(bytes.Repeat([]byte{0xfe}, 20))
	f.Fuzz(func(t *testing.T, in []byte) {
		r := newReader(bytes.NewReader(in))
		o, err := r.order()
		if len(o.Command) > len(in) || len(o.Dir) > len(in) {
			t.Errorf("%d bytes gave %d words, a folder of %d bytes", len(in), len(o.Command), len(o.Dir))
		}
		for err == nil {
			var ok bool
			if _, ok, err = r.entry(); !ok {
				break
			}
		}
		_, _ = r.answer()
	})
}

func TestPairing(t *testing.T) {
	var p pairing
	a, wait := p.add(2, outer)
	if !wait {
		t.Fatal("a signal of one side waits for the other")
	}
	if _, wait = p.add(2, inner); wait {
		t.Error("the group's signal was not recognised")
	}
	if _, ok := p.expire(a); ok {
		t.Error("a paired signal is passed on")
	}
	b, _ := p.add(15, outer)
	c, _ := p.add(15, outer)
	d, wait := p.add(10, inner)
	if !wait {
		t.Error("different signals were paired")
	}
	for _, want := range []struct{ id, sig int }{{b, 15}, {c, 15}, {d, 10}} {
		if sig, ok := p.expire(want.id); !ok || sig != want.sig {
			t.Errorf("expire(%d) = %d, %v", want.id, sig, ok)
		}
	}
	if len(p.waiting) != 0 {
		t.Errorf("left: %v", p.waiting)
	}
}

func TestForbidden(t *testing.T) {
	file := func(s string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(s)} }
	linux := func(extra map[string]*fstest.MapFile) fstest.MapFS {
		m := fstest.MapFS{"proc/self/status": file("Name:\tx\nSeccomp:\t0\n"), "proc/self/ns/user": file(""), "proc/sys/user/max_user_namespaces": file("96365\n")}
		for k, v := range extra {
			m[k] = v
		}
		return m
	}
	for _, tt := range []struct {
		fs            fstest.MapFS
		setting, hint string
	}{
		{linux(nil), "", withEngine},
		{fstest.MapFS{}, "", withEngine},
		{linux(map[string]*fstest.MapFile{"proc/sys/user/max_user_namespaces": file("0\n")}), "user.max_user_namespaces = 0", "allow it with `sudo sysctl -w user.max_user_namespaces=15000`, or " + withEngine},
		{linux(map[string]*fstest.MapFile{"proc/sys/kernel/unprivileged_userns_clone": file("0\n")}), "kernel.unprivileged_userns_clone = 0", "allow it with `sudo sysctl -w kernel.unprivileged_userns_clone=1`, or " + withEngine},
		{linux(map[string]*fstest.MapFile{"proc/sys/kernel/unprivileged_userns_clone": file("1\n"), "proc/sys/kernel/apparmor_restrict_unprivileged_userns": file("1\n")}), "kernel.apparmor_restrict_unprivileged_userns = 1", "allow it with `sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0`, or " + withEngine},
		{linux(map[string]*fstest.MapFile{"proc/self/status": file("Seccomp:\t2\n")}), "a seccomp filter (a container engine's, most often)", withEngine},
		{fstest.MapFS{"proc/self/status": file("")}, "a kernel without user namespaces", withEngine},
	} {
		e := forbidden(tt.fs, "mount root", fs.ErrPermission)
		if e.Setting != tt.setting || e.Hint() != tt.hint || !errors.Is(e, fs.ErrPermission) || !strings.Contains(e.Error(), "mount root: permission denied") {
			t.Errorf("%q, want %q: %v; %s", e.Setting, tt.setting, e, e.Hint())
		}
	}
}

func TestMainIsNotAsked(t *testing.T) {
	for _, args := range [][]string{nil, {"sampan"}, {"sampan", initName}, {initName, "x"}} {
		if handled, _ := Main(args); handled {
			t.Errorf("%q: handled", args)
		}
	}
}

func TestUnsupported(t *testing.T) {
	var e error = &UnsupportedError{OS: "plan9"}
	if got := fmt.Sprint(e); got != "run image: needs Linux namespaces, and this is plan9" {
		t.Error(got)
	}
}
