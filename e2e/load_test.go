// SPDX-License-Identifier: MIT OR Apache-2.0

//go:build e2e && linux

package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// client puts an engine's client into a folder under its plain name, with what it needs on the machines that tests run
// on, and gives the environment that finds the engine.
func client(t testing.TB, e *Engine) []string {
	t.Helper()
	argv, env := e.Client()
	dir := t.TempDir()
	run := ""
	if e.Name == "podman" { // see engine/podman.go
		run = `if [ "$1" = run ]; then shift; set -- run --runtime runc --ulimit nofile=1024:1024 --ulimit nproc=1024:1024 --network none "$@"; fi` + "\n"
	}
	words := ""
	for _, w := range argv {
		words += " '" + w + "'"
	}
	name := map[string]string{"docker": "docker", "podman": "podman", "containerd": "ctr"}[e.Name]
	if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+run+"exec"+words+` "$@"`+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	out := []string{"PATH=" + dir + ":" + os.Getenv("PATH"), "DOCKER_HOST=unix://" + filepath.Join(e.Dir, "docker.sock")}
	for _, pair := range env {
		if strings.HasPrefix(pair, "CONTAINERS_") {
			out = append(out, pair)
		}
	}
	return out
}

// receipts runs sampan with --json and gives what was written, in bytes, and the references.
func receipts(t testing.TB, dir string, env []string, args ...string) (written int64, refs []string) {
	t.Helper()
	out := Must(t, dir, env, Sampan(t), append(args, "--json")...)
	var said struct {
		Receipts []struct {
			Reference string
			Written   int64
		}
	}
	if err := json.Unmarshal([]byte(out), &said); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, r := range said.Receipts {
		written, refs = written+r.Written, append(refs, r.Reference)
	}
	return written, refs
}

// TestLoad: every engine takes the image, runs it as user 1000, and is sent nothing the second time.
func TestLoad(t *testing.T) {
	cache := Cache(t)
	hello := Sources(t, "hello")
	for _, e := range Engines {
		t.Run(e.Name, func(t *testing.T) {
			engine := e.Start(t)
			env := append(client(t, engine), cache)
			written, refs := receipts(t, hello, env, "build", "-o", e.Name+":")
			if len(refs) != 1 || written == 0 {
				t.Fatalf("%d bytes, %q", written, refs)
			}
			if out, code := engine.Run(refs[0], "one"); code != 0 || !strings.Contains(out, "1000") || !strings.Contains(out, "one") {
				t.Errorf("code %d, %q", code, out)
			}
			if written, _ := receipts(t, hello, env, "build", "-o", e.Name+":"); written != 0 {
				t.Errorf("the second load sent %d bytes", written)
			}
			before := len(engine.Images())
			if written, _ := receipts(t, hello, env, "build", "-o", e.Name+":", "-t", "latest", "-t", "v2"); written != 0 {
				t.Errorf("another tag sent %d bytes", written)
			}
			if after := engine.Images(); len(after) != before+1 {
				t.Errorf("images %q, want one more than %d", after, before)
			}
			// What another form of the same image was made of, gzip and all, is the same image to an engine that names
			// images by their config.
			Built(t, hello, []string{cache}, "-o", "docker-archive:hello.tar", "-o", "oci:out")
			written, refs = receipts(t, hello, env, "load", "hello.tar", e.Name+":", "--name", "team/boat")
			if out, code := engine.Run(refs[0]); code != 0 || !strings.Contains(refs[0], "team/boat:latest") {
				t.Errorf("from an archive: code %d, %q", code, out)
			}
			if e.Name != "containerd" && written != 0 {
				t.Errorf("%d bytes sent of an image that is there", written)
			}
			if written, _ := receipts(t, hello, env, "load", "out", e.Name+":", "--name", "team/boat"); written != 0 {
				t.Errorf("%d bytes sent of a layout that is there", written)
			}
			zstd(t, engine, hello, env)
			withEngine(t, e.Name, hello, env)
		})
	}
}

// zstd is what some engines read, in frames that are made apart, and others are not given.
func zstd(t *testing.T, engine *Engine, dir string, env []string) {
	t.Helper()
	args := []string{"build", "--compression", "zstd", "--name", "small", "-o", engine.Name + ":"}
	if engine.Name == "docker" {
		if out := Exec(t, dir, env, Sampan(t), args...); out.Code != 2 || !strings.Contains(out.Stderr, "does not read zstd") {
			t.Errorf("%+v", out)
		}
		Must(t, dir, env, Sampan(t), "build", "--compression", "zstd", "--name", "small", "-o", "oci:small")
		if out := Exec(t, dir, env, Sampan(t), "load", "small", "docker:"); out.Code != 1 || !strings.Contains(out.Stderr, "does not read layers of zstd") {
			t.Errorf("%+v", out)
		}
		return
	}
	_, refs := receipts(t, dir, env, args...)
	if out, code := engine.Run(refs[0], "one"); code != 0 || !strings.Contains(out, "1000") {
		t.Errorf("code %d, %q", code, out)
	}
}

// withEngine is `run --with`: the program's words, its stdin, and its end.
func withEngine(t *testing.T, name, dir string, env []string) {
	t.Helper()
	if name == "containerd" {
		return
	}
	out := Exec(t, dir, env, Sampan(t), "run", "-q", "--with", name, "--", "--exit", "3")
	if out.Code != 3 || out.Stderr != "" {
		t.Errorf("run --with %s: code %d, want 3\n%s%s", name, out.Code, out.Stdout, out.Stderr)
	}
	if out := Exec(t, dir, env, Sampan(t), "run", "-q", "--with", name, "--", "one"); out.Code != 0 || !strings.Contains(out.Stdout, "1000") {
		t.Errorf("run --with %s: code %d\n%s%s", name, out.Code, out.Stdout, out.Stderr)
	}
}

// TestLoadIndex: of an image for two platforms an engine gets its own.
func TestLoadIndex(t *testing.T) {
	dir := t.TempDir()
	var args []string
	for arch, machine := range map[string]uint16{"amd64": 62, "arm64": 183} {
		path := filepath.Join(dir, arch)
		if err := os.WriteFile(path, smallELF(machine), 0o755); err != nil {
			t.Fatal(err)
		}
		args = append(args, "--binary", path)
	}
	cache := Cache(t)
	args = append(append([]string{"build"}, args...), "--name", "two")
	for _, e := range Engines {
		t.Run(e.Name, func(t *testing.T) {
			engine := e.Start(t)
			env := append(client(t, engine), cache)
			written, refs := receipts(t, dir, env, append(args, "-o", e.Name+":")...)
			if written == 0 {
				t.Error("nothing was sent")
			}
			if _, code := engine.Run(refs[0]); code != 7 {
				t.Errorf("code %d, want 7", code)
			}
			if written, _ := receipts(t, dir, env, append(args, "-o", e.Name+":")...); written != 0 {
				t.Errorf("the second load sent %d bytes", written)
			}
		})
	}
}

// smallELF is a static program for linux that ends with code 7: for amd64; for others its shell.
func smallELF(machine uint16) []byte {
	code := []byte{0xb8, 60, 0, 0, 0, 0xbf, 7, 0, 0, 0, 0x0f, 0x05} // mov eax, 60; mov edi, 7; syscall
	b := make([]byte, 120, 200)
	copy(b, "\x7fELF\x02\x01\x01")
	put := func(at int, v uint64, n int) {
		for i := range n {
			b[at+i] = byte(v >> (8 * i))
		}
	}
	const base, text = 0x400000, 120
	put(16, 2, 2)
	put(18, uint64(machine), 2)
	put(20, 1, 4)
	put(24, base+text, 8)
	put(32, 64, 8)
	put(52, 64, 2)
	put(54, 56, 2)
	put(56, 1, 2)
	put(58, 64, 2)
	put(64, 1, 4)
	put(68, 5, 4)
	put(80, base, 8)
	put(88, base, 8)
	put(96, uint64(text+len(code)), 8)
	put(104, uint64(text+len(code)), 8)
	put(112, 0x1000, 8)
	return append(b, code...)
}

// TestLoadSaysWhy: what the engine refuses, and an engine that is gone.
func TestLoadSaysWhy(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "app"), smallELF(62), 0o755); err != nil {
		t.Fatal(err)
	}
	cache := Cache(t)
	for _, c := range []struct{ spec, env, says, hint string }{
		{"docker:", fmt.Sprintf("DOCKER_HOST=unix://%s/none.sock", dir), "ask the engine at unix://", "start Docker"},
		{"docker:", "DOCKER_HOST=tcp://127.0.0.1:1", "connection refused", "DOCKER_HOST"},
		{"containerd:", fmt.Sprintf("CONTAINERD_ADDRESS=%s/none.sock", dir), "ctr says: ", "systemctl start containerd"},
		{"kind:none", fmt.Sprintf("DOCKER_HOST=unix://%s/none.sock", dir), "docker says: ", "docker info"},
	} {
		out := Exec(t, dir, []string{cache, c.env}, Sampan(t), "build", "--binary", "app", "-o", c.spec)
		if out.Code != 1 || !strings.Contains(out.Stderr, c.says) || !strings.Contains(out.Stderr, "hint: ") || !strings.Contains(out.Stderr, c.hint) || out.Stdout != "" {
			t.Errorf("%s: code %d\n%s", c.spec, out.Code, out.Stderr)
		}
	}
}
