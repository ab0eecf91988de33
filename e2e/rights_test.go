// SPDX-License-Identifier: MIT OR Apache-2.0

//go:build e2e && linux

package e2e

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"sampan/e2e/engine"
)

// low listens on port 80 and says so; with "check" it is asked whether it is well.
const low = `use std::{env, net::TcpListener, process, thread, time::Duration};

fn main() {
    match env::args().nth(1).as_deref() {
        Some("check") => return,
        Some("stay") => loop { thread::sleep(Duration::from_secs(1)) },
        _ => {}
    }
    match TcpListener::bind("127.0.0.1:80") {
        Ok(_) => println!("listens on 80"),
        Err(e) => { println!("{:?}", e.kind()); process::exit(9) }
    }
}
`

// TestRights: with its capability a program that is not root listens on port 80 in every engine, and without it in none;
// another's reader sees the attribute; docker asks after the program's health.
func TestRights(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "low")
	for name, text := range map[string]string{
		"Cargo.toml":  "[package]\nname = \"low\"\nversion = \"0.1.0\"\nedition = \"2021\"\n",
		"Cargo.lock":  "version = 3\n\n[[package]]\nname = \"low\"\nversion = \"0.1.0\"\n",
		"src/main.rs": low,
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	env := []string{Cache(t)}
	without := Built(t, dir, env, "--name", "without", "-o", "oci:without", "-o", "docker-archive:without.tar")
	with := Built(t, dir, env, "--name", "with", "--capability", "net_bind_service", "-o", "oci:with", "-o", "docker-archive:with.tar")
	again := Built(t, dir, []string{Cache(t)}, "--name", "with", "--capability", "CAP_NET_BIND_SERVICE", "-o", "oci:again")
	if with[0][1] == without[0][1] || again[0][1] != with[0][1] {
		t.Errorf("digests: without %s, with %s, again in a new cache %s", without[0][1], with[0][1], again[0][1])
	}
	want := []byte{1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}
	Must(t, dir, nil, "skopeo", "copy", "-q", "oci:with:latest", "oci:copy:latest")
	for layout, attribute := range map[string][]byte{"with": want, "copy": want, "without": nil} {
		got := make([]byte, 64)
		n, err := syscall.Getxattr(filepath.Join(Unpack(t, filepath.Join(dir, layout)).Root, "low"), "security.capability", got)
		if n = max(n, 0); !bytes.Equal(got[:n], attribute) {
			t.Errorf("umoci unpacks %s: %x, %v, want %x", layout, got[:n], err, attribute)
		}
	}
	for _, e := range Engines {
		t.Run(e.Name, func(t *testing.T) {
			eng := e.Start(t)
			for name, code := range map[string]int{"with": 0, "without": 9} {
				image := eng.Load(filepath.Join(dir, name+".tar"))
				r := lowPort(t, dir, eng, image)
				if r.Code != code || strings.Contains(r.Stdout, "listens on 80") != (code == 0) {
					t.Errorf("%s: code %d, want %d: %s%s", name, r.Code, code, r.Stdout, r.Stderr)
				}
			}
			if e.Name == "docker" {
				health(t, dir, eng, env)
			}
		})
	}
	if out := Exec(t, dir, env, Sampan(t), "run", "--capability", "net_bind_service", "--", "stay-not"); !strings.Contains(out.Stderr, "without its capabilities") {
		t.Errorf("sampan run does not say what it leaves out: %s", out.Stderr)
	}
}

// lowPort runs an image where ports below 1024 are kept from users, as Linux has it. Docker opens them, unless it is told.
func lowPort(t *testing.T, dir string, e *Engine, image string) engine.Result {
	t.Helper()
	if e.Name != "docker" {
		return e.RunWith(image, engine.RunOptions{})
	}
	argv, env := e.Client("run", "--rm", "--network", "none", "--sysctl", "net.ipv4.ip_unprivileged_port_start=1024", image)
	out := Exec(t, dir, env, argv[0], argv[1:]...)
	return engine.Result{Stdout: out.Stdout, Stderr: out.Stderr, Code: out.Code}
}

// health: what goes to docker alone has its healthcheck, and docker asks.
func health(t *testing.T, dir string, docker *Engine, env []string) {
	t.Helper()
	receipts(t, dir, append(client(t, docker), env...), "build", "-o", "docker:low:health", "--arg", "stay", "--healthcheck", "--interval=200ms --retries=1 /low check")
	argv, denv := docker.Client("run", "-d", "--network", "none", "--name", "asked", "low:health")
	Must(t, dir, denv, argv[0], argv[1:]...)
	var state struct{ Status string }
	for limit := time.Now().Add(time.Minute); state.Status != "healthy" && time.Now().Before(limit); time.Sleep(50 * time.Millisecond) {
		argv, denv = docker.Client("inspect", "--format", "{{json .State.Health}}", "asked")
		if err := json.Unmarshal([]byte(Must(t, dir, denv, argv[0], argv[1:]...)), &state); err != nil {
			t.Fatal(err)
		}
	}
	if state.Status != "healthy" {
		t.Errorf("docker finds the program %q", state.Status)
	}
	argv, denv = docker.Client("rm", "-f", "asked")
	Must(t, dir, denv, argv[0], argv[1:]...)
}
