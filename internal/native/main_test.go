// SPDX-License-Identifier: MIT OR Apache-2.0

//go:build unix

package native

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"sampan/internal/cargo"
	"sampan/internal/run"
)

// recorder is a Runner that remembers what it was asked to start.
type recorder struct {
	cmds []run.Cmd
	text []string // of response files, as they were at the time
	err  error
}

func (r *recorder) Run(_ context.Context, c run.Cmd) error {
	r.cmds = append(r.cmds, c)
	for _, a := range c.Args {
		if f, ok := strings.CutPrefix(a, "@"); ok {
			text, err := os.ReadFile(f)
			if err != nil {
				return err
			}
			r.text = append(r.text, string(text))
		}
	}
	return r.err
}

// file makes an executable file of dir/name and returns its path.
func file(t *testing.T, dir, name string) string {
	t.Helper()
	p := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(p, nil, 0o755); err != nil {
		t.Fatal(err)
	}
	return p
}

func call(argv0 string, r run.Runner, path string, args ...string) (bool, int, string, string) {
	var out, errs bytes.Buffer
	handled, code := Main(context.Background(), Call{Argv0: argv0, Args: args, Env: []string{"PATH=" + path, "LIBRARY_PATH=/x", "LLD_REPRODUCE=x.tar", "HOME=/h"},
		Stdout: &out, Stderr: &errs, Runner: r})
	return handled, code, out.String(), errs.String()
}

func TestMainIsOnlyADriverByItsPath(t *testing.T) {
	for argv0, want := range map[string]bool{
		"/c/drivers/x86_64-unknown-linux-musl/cc":      true,
		"/c/drivers/armv7-unknown-linux-musleabihf/cc": true,
		"/c/drivers/x86_64-unknown-linux-gnu/cc":       false,
		"/c/drivers/x86_64-unknown-linux-musl/sampan":  false,
		"/c/drivers/sparc64-unknown-linux-musl/cc":     false,
		"/usr/bin/cc": false,
		"sampan":      false,
		"":            false,
		"/c/drivers/x86_64-unknown-linux-musl/cc/build": false,
	} {
		if got, _, _, _ := call(argv0, &recorder{}, "", "-dumpmachine"); got != want {
			t.Errorf("Main(%q) handled = %v", argv0, got)
		}
	}
}

func TestLinkRunsTheToolchainsOwnLinker(t *testing.T) {
	root := t.TempDir()
	sysroot := filepath.Join(root, "tool [1] chain")
	file(t, sysroot, "lib/rustlib/a-host/bin/rust-lld")
	lld := file(t, sysroot, "lib/rustlib/the-host/bin/rust-lld")
	crt := file(t, sysroot, "lib/rustlib/x86_64-unknown-linux-musl/lib/self-contained/rcrt1.o")
	file(t, root, "bin/ld.lld")
	r := &recorder{}
	path := filepath.Dir(lld) + ":" + filepath.Join(root, "bin")
	handled, code, _, errs := call("/d/x86_64-unknown-linux-musl/cc", r, path, crt, "a.o", "-static-pie", "-nostdlib", "-o", "out")
	if !handled || code != 0 || len(r.cmds) != 1 {
		t.Fatalf("handled %v, code %d, %d starts, %s", handled, code, len(r.cmds), errs)
	}
	c := r.cmds[0]
	if c.Path != lld || !slices.Equal(c.Args[:2], []string{"-flavor", "gnu"}) || c.Args[len(c.Args)-1] != "out" {
		t.Errorf("started %s", run.Quote(c))
	}
	if !c.Foreground {
		t.Error("the linker leaves cargo's process group: Ctrl-C would not end it")
	}
	if want := []string{"LC_ALL=C", "PATH=" + path, "HOME=/h"}; !slices.Equal(c.Env, want) {
		t.Errorf("environment %q, want %q", c.Env, want)
	}
}

func TestLinkerOrder(t *testing.T) {
	arch := map[string]string{"amd64": "x86_64", "arm64": "aarch64"}[runtime.GOARCH]
	if arch == "" {
		arch = "x86_64"
	}
	host := cargo.Triple(arch + "-unknown-linux-musl")
	foreign := cargo.Triple("s390x-unknown-linux-musl")
	for _, c := range []struct {
		name   string
		triple cargo.Triple
		bins   []string
		want   string // "" for none
		ask    bool
	}{
		{"newest lld", host, []string{"ld.lld", "ld.lld-9", "ld.lld-14", "ld.lld-x", "cc"}, "ld.lld-14", false},
		{"plain lld", host, []string{"ld.lld", "cc", "ld", "ld.lld-"}, "ld.lld", false},
		{"GNU ld", host, []string{"ld", "cc"}, "ld", false},
		{"a cc without ld in PATH", host, []string{"cc"}, "cc", true},
		{"nothing", host, []string{"ldx", "rust-lldx"}, "", false},
		{"cross linker", foreign, []string{"cc", "ld", "s390x-linux-gnu-ld"}, "s390x-linux-gnu-ld", false},
		{"cross compiler", foreign, []string{"cc", "ld", "s390x-linux-gnu-gcc"}, "s390x-linux-gnu-gcc", true},
		{"the host's tools link for the host only", foreign, []string{"cc", "ld"}, "", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			for _, b := range c.bins {
				file(t, dir, b)
			}
			m, _ := machineOf(c.triple)
			s := newSite(c.triple, m, "/self/cc", nil, []string{"PATH=relative:" + dir})
			l, err := s.linker()
			if c.want == "" {
				if e, ok := err.(*LinkerError); !ok || e.Hint() == "" || e.Triple != c.triple {
					t.Errorf("linker = %v, %v", l, err)
				}
				return
			}
			if err != nil || l.path != filepath.Join(dir, c.want) || l.ask != c.ask {
				t.Errorf("linker = %+v, %v", l, err)
			}
			if lld := strings.Contains(c.want, "lld"); lld == slices.Contains(l.prefix, "-nostdlib") {
				t.Errorf("%s is told %q", c.want, l.prefix)
			}
		})
	}
}

func TestWeDoNotAskOurselves(t *testing.T) {
	dir := t.TempDir()
	m, _ := machineOf(musl)
	m.goarch = runtime.GOARCH
	s := newSite(musl, m, file(t, dir, "cc"), nil, []string{"PATH=" + dir})
	if l, err := s.linker(); err == nil {
		t.Errorf("links with %s", l.path)
	}
}

// asked is a cc that answers, and a linker that links.
type asked struct {
	recorder
	ld string
}

func (a *asked) Run(ctx context.Context, c run.Cmd) error {
	if slices.Equal(c.Args, []string{"-print-prog-name=ld"}) {
		_, err := c.Stdout.Write([]byte(a.ld + "\n"))
		return err
	}
	return a.recorder.Run(ctx, c)
}

func TestTheLinkerBehindCC(t *testing.T) {
	dir := t.TempDir()
	file(t, dir, "bin/s390x-linux-gnu-gcc")
	ld := file(t, dir, "libexec/ld")
	r := &asked{ld: ld}
	_, code, _, errs := call("/d/s390x-unknown-linux-musl/cc", r, filepath.Join(dir, "bin"), "a.o", "-static", "-nostdlib")
	if code != 0 || len(r.cmds) != 1 || r.cmds[0].Path != ld || r.cmds[0].Args[0] != "-nostdlib" {
		t.Errorf("code %d, %v, %s", code, r.cmds, errs)
	}
	r = &asked{ld: "ld"}
	if _, code, _, errs := call("/d/s390x-unknown-linux-musl/cc", r, filepath.Join(dir, "bin"), "a.o"); code != 1 || !strings.Contains(errs, "find linker") {
		t.Errorf("a cc that has no ld: code %d, %s", code, errs)
	}
}

func TestResponseFilesStayResponseFiles(t *testing.T) {
	dir := t.TempDir()
	file(t, dir, "bin/ld.lld")
	rsp := filepath.Join(dir, "linker-arguments")
	if err := os.WriteFile(rsp, []byte("/a\\ b.o\n-static\n-nostdlib\n-o\nout\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	r := &recorder{}
	_, code, _, errs := call("/d/x86_64-unknown-linux-musl/cc", r, filepath.Join(dir, "bin"), "@"+rsp)
	if code != 0 || len(r.text) != 1 || len(r.cmds[0].Args) != 1 {
		t.Fatalf("code %d, %v, %s", code, r.cmds, errs)
	}
	if got := splitResponse(r.text[0]); !slices.Contains(got, "/a b.o") || got[len(got)-1] != "out" {
		t.Errorf("arguments %q", got)
	}
	left, _ := filepath.Glob(filepath.Join(dir, "*.sampan"))
	if len(left) != 0 {
		t.Errorf("left behind %q", left)
	}
}

func TestExitCodesAndErrorsOfLinks(t *testing.T) {
	bin := t.TempDir()
	file(t, bin, "ld.lld")
	const self = "/d/x86_64-unknown-linux-musl/cc"
	if _, code, _, errs := call(self, &recorder{err: &run.ExitError{Path: "ld.lld", Code: 3}}, bin, "a.o"); code != 3 || errs != "" {
		t.Errorf("failed link: code %d, %q", code, errs)
	}
	if _, code, _, errs := call(self, &recorder{err: &run.ExitError{Path: "ld.lld", Code: -1, Signal: "killed"}}, bin, "a.o"); code != 1 || !strings.Contains(errs, "killed") {
		t.Errorf("killed link: code %d, %q", code, errs)
	}
	if _, code, _, errs := call(self, &recorder{}, "/nowhere", "a.o"); code != 1 || !strings.Contains(errs, "sampan: hint: install lld") {
		t.Errorf("no linker: code %d, %q", code, errs)
	}
	if _, code, _, errs := call(self, &recorder{}, bin, "-c", "a.c"); code != 1 || !strings.Contains(errs, "compile a.c") {
		t.Errorf("compile: code %d, %q", code, errs)
	}
	if _, code, _, errs := call(self, &recorder{}, bin); code != 1 || !strings.Contains(errs, "no input files") {
		t.Errorf("nothing: code %d, %q", code, errs)
	}
}

func TestAnswers(t *testing.T) {
	sysroot := t.TempDir()
	libc := file(t, sysroot, "lib/rustlib/x86_64-unknown-linux-musl/lib/self-contained/libc.a")
	path := filepath.Join(sysroot, "lib/rustlib/x86_64-unknown-linux-gnu/bin")
	for arg, want := range map[string]string{
		"-dumpmachine":                  "x86_64-unknown-linux-musl\n",
		"-print-file-name=libc.a":       libc + "\n",
		"-print-file-name=libstdc++.so": "libstdc++.so\n",
	} {
		if _, code, out, _ := call("/d/x86_64-unknown-linux-musl/cc", &recorder{}, path, arg); code != 0 || out != want {
			t.Errorf("cc %s = %d, %q, want %q", arg, code, out, want)
		}
	}
	if _, code, out, _ := call("/d/x86_64-unknown-linux-musl/cc", &recorder{}, path, "--version"); code != 0 || !strings.Contains(out, "compatible with GNU linkers") {
		t.Errorf("--version = %d, %q", code, out)
	}
	if _, code, _, errs := call("/d/x86_64-unknown-linux-musl/cc", &recorder{}, path, "-v"); code != 0 || !strings.Contains(errs, "x86_64") {
		t.Errorf("-v = %d, %q", code, errs)
	}
}

func TestEnsure(t *testing.T) {
	cache := filepath.Join(t.TempDir(), "my cache")
	linker, err := Ensure(cache, "/opt/sampan", musl)
	if err != nil || linker != filepath.Join(cache, "drivers", string(musl), "cc") {
		t.Fatalf("Ensure = %q, %v", linker, err)
	}
	before, err := os.Lstat(linker)
	if err != nil {
		t.Fatal(err)
	}
	// Nothing is written when it is right: a folder that cannot be written does not matter then.
	again, err := Ensure(cache, "/opt/sampan", musl)
	after, statErr := os.Lstat(linker)
	if err != nil || statErr != nil || again != linker || !os.SameFile(before, after) {
		t.Errorf("second Ensure = %q, %v, %v", again, err, statErr)
	}
	if _, err := Ensure(cache, "/opt/other", musl); err != nil {
		t.Fatal(err)
	}
	if to, _ := os.Readlink(linker); to != "/opt/other" {
		t.Errorf("driver leads to %q", to)
	}
	if entries, _ := os.ReadDir(filepath.Dir(linker)); len(entries) != 2 { // the driver and the script of aliases
		t.Errorf("left behind: %v", entries)
	}
	if _, err := Ensure(cache, "/opt/sampan", "x86_64-unknown-linux-gnu"); err == nil {
		t.Error("a driver for glibc")
	}
	blocked := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(blocked, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Ensure(blocked, "/opt/sampan", musl); err == nil || !strings.HasPrefix(err.Error(), "make link driver: create "+blocked) {
		t.Errorf("Ensure in a file = %v", err)
	}
}

func TestEveryMuslTripleOfTheTableLinks(t *testing.T) {
	for _, triple := range cargo.Triples() {
		if Links(triple) != triple.Musl() {
			t.Errorf("Links(%s) = %v", triple, Links(triple))
		}
	}
}
