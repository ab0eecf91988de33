// SPDX-License-Identifier: MIT OR Apache-2.0

//go:build e2e && linux

package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sampan/e2e/engine"
)

// deaf is a program that handles no signal. Its words choose what it does; the first thing that it says is its own
// process number.
const deaf = `use std::{env, process, process::Command, thread, time::Duration};

fn main() {
    println!("pid {}", process::id());
    match env::args().nth(1).as_deref() {
        Some("code") => process::exit(7),
        Some("abort") => process::abort(),
        Some("orphan") => {
            // A child of a child that is gone: process 1 must wait for it.
            let me = env::current_exe().unwrap();
            Command::new(&me).arg("leave").status().unwrap();
            thread::sleep(Duration::from_millis(600));
            let left = std::fs::read_dir("/proc").unwrap().flatten().filter_map(|e| {
                std::fs::read_to_string(e.path().join("stat")).ok()
            }).filter(|s| s.contains(") Z ")).count();
            println!("zombies {left}");
        }
        Some("leave") => {
            Command::new(env::current_exe().unwrap()).arg("short").spawn().unwrap();
        }
        Some("short") => thread::sleep(Duration::from_millis(200)),
        Some("read") => {
            let mut line = String::new();
            std::io::stdin().read_line(&mut line).unwrap();
            print!("read {line}");
        }
        _ => loop { thread::sleep(Duration::from_secs(1)) },
    }
}
`

// TestInit: with an init SIGTERM ends a program that does not handle it, at once; without one the engine has to kill it.
// Orphans are waited for, and the program's end is the container's.
func TestInit(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "deaf")
	for name, text := range map[string]string{
		"Cargo.toml":  "[package]\nname = \"deaf\"\nversion = \"0.1.0\"\nedition = \"2021\"\n",
		"Cargo.lock":  "version = 3\n\n[[package]]\nname = \"deaf\"\nversion = \"0.1.0\"\n",
		"src/main.rs": deaf,
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	cache := t.TempDir()
	docker := Docker(t)
	env := append(client(t, docker), "SAMPAN_CACHE_DIR="+cache)
	receipts(t, dir, env, "build", "-o", "docker:deaf:bare")
	receipts(t, dir, env, "build", "-o", "docker:deaf:init", "--init")
	found, err := filepath.Glob(filepath.Join(cache, "init", "*"))
	if err != nil || len(found) != 1 {
		t.Fatalf("the init in the cache: %q, %v", found, err)
	}
	if info, err := os.Stat(found[0]); err != nil || info.Size() > 16<<10 {
		t.Errorf("the init: %v, %v; at most 16 KiB are wanted", info, err)
	} else {
		t.Logf("the init has %d bytes", info.Size())
	}
	for _, c := range []struct {
		image, pid string
		code       int
		atOnce     bool
	}{{"deaf:init", "pid ", 143, true}, {"deaf:bare", "pid 1", 137, false}} {
		name := strings.ReplaceAll(c.image, ":", "-")
		argv, denv := docker.Client("run", "-d", "--network", "none", "--name", name, c.image)
		Must(t, dir, denv, argv[0], argv[1:]...)
		running := func() string {
			argv, denv := docker.Client("logs", name)
			return Must(t, dir, denv, argv[0], argv[1:]...)
		}
		for limit := time.Now().Add(time.Minute); !strings.HasPrefix(running(), c.pid) && time.Now().Before(limit); {
			time.Sleep(20 * time.Millisecond)
		}
		began := time.Now()
		argv, denv = docker.Client("stop", "--time", "8", name)
		Must(t, dir, denv, argv[0], argv[1:]...)
		took := time.Since(began)
		argv, denv = docker.Client("inspect", "--format", "{{.State.ExitCode}}", name)
		code := strings.TrimSpace(Must(t, dir, denv, argv[0], argv[1:]...))
		t.Logf("%s: stopped after %s with %s", c.image, took, code)
		if atOnce := took < 6*time.Second; atOnce != c.atOnce || code != map[bool]string{true: "143", false: "137"}[c.atOnce] {
			t.Errorf("%s: stopped after %s with code %s, want at once: %t, %d", c.image, took, code, c.atOnce, c.code)
		}
	}
	for word, want := range map[string]struct {
		code int
		says string
	}{"code": {7, "pid "}, "abort": {134, "pid "}, "orphan": {0, "zombies 0"}} {
		if r := docker.RunWith("deaf:init", engine.RunOptions{Args: []string{word}}); r.Code != want.code || !strings.Contains(r.Stdout, want.says) || strings.Contains(r.Stdout, "pid 1\n") {
			t.Errorf("%s: code %d, want %d: %s%s", word, r.Code, want.code, r.Stdout, r.Stderr)
		}
	}
	if r := docker.RunWith("deaf:bare", engine.RunOptions{Args: []string{"orphan"}}); !strings.Contains(r.Stdout, "zombies 1") {
		t.Errorf("without an init there is no zombie, so this test shows nothing: %s", r.Stdout)
	}
	// On a terminal the program is in front: it may read, and Ctrl-C ends it.
	argv, denv := docker.Client("run", "-it", "--rm", "--network", "none", "deaf:init")
	for word, typed := range map[string]string{"read": "boat\n", "sleep": "\x03"} {
		// Nothing is typed before the program runs: until then the terminal is the client's.
		const session = `rm -f in out; mkfifo in; timeout 60 script -qfec "$2" out <in & exec 3>in
			until grep -q pid out 2>/dev/null || ! kill -0 $!; do sleep 0.1; done; printf "$1" >&3; wait $!`
		out := Exec(t, t.TempDir(), denv, "bash", "-c", session, "bash", typed, strings.Join(argv, " ")+" "+word)
		if want := map[string]string{"read": "read boat", "sleep": "^C"}[word]; !strings.Contains(out.Stdout, want) || out.Code != map[string]int{"read": 0, "sleep": 130}[word] {
			t.Errorf("%s on a terminal: code %d, %q", word, out.Code, out.Stdout)
		}
	}
	// In the sandbox it is the same image; there SIGTERM goes through two inits.
	if out := Exec(t, dir, env, Sampan(t), "run", "-q", "--init", "--", "code"); out.Code != 7 {
		t.Errorf("sampan run: code %d\n%s", out.Code, out.Stderr)
	}
}
