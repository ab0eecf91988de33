// SPDX-License-Identifier: MIT OR Apache-2.0

//go:build e2e && linux

package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestLoadNodes: a cluster whose nodes are containers, as kind and k3d make them: containerd runs in each, and the
// labels are theirs. The nodes are of this machine's own programs; there is no Kubernetes in them.
func TestLoadNodes(t *testing.T) {
	docker := Docker(t)
	env := append(client(t, docker), Cache(t))
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "app"), smallELF(62), 0o755); err != nil {
		t.Fatal(err)
	}
	receipts(t, dir, env, "build", "--binary", "app", "-o", "docker:node")
	for _, labels := range [][]string{
		{"c1-control-plane", "io.x-k8s.kind.cluster=c1", "io.x-k8s.kind.role=control-plane"},
		{"c1-worker", "io.x-k8s.kind.cluster=c1", "io.x-k8s.kind.role=worker"},
		{"k3d-c2-server-0", "k3d.cluster=c2", "k3d.role=server"},
		{"k3d-c2-serverlb", "k3d.cluster=c2", "k3d.role=loadbalancer"},
	} {
		words := []string{"run", "-d", "--cap-add", "SYS_ADMIN", "--security-opt", "seccomp=unconfined", "--network", "none", "--name", labels[0], "--label", labels[1], "--label", labels[2],
			"--tmpfs", "/run", "--tmpfs", "/var", "--user", "0:0", "--entrypoint", "/usr/bin/containerd"}
		for _, folder := range []string{"/usr", "/lib", "/lib64", "/bin", "/sbin"} {
			if _, err := os.Stat(folder); err == nil {
				words = append(words, "--volume", folder+":"+folder+":ro")
			}
		}
		argv, denv := docker.Client(append(words, "node", "--config", "/dev/null")...)
		Must(t, dir, denv, argv[0], argv[1:]...)
	}
	node := func(name string, words ...string) string {
		argv, denv := docker.Client(append([]string{"exec", name, "ctr", "--namespace", "k8s.io"}, words...)...)
		return Exec(t, dir, denv, argv[0], argv[1:]...).Stdout
	}
	for _, name := range []string{"c1-control-plane", "c1-worker", "k3d-c2-server-0"} {
		for limit := time.Now().Add(time.Minute); !strings.Contains(node(name, "version"), "Server:"); time.Sleep(100 * time.Millisecond) {
			if time.Now().After(limit) {
				argv, denv := docker.Client("logs", name)
				t.Fatalf("containerd in %s does not answer: %+v", name, Exec(t, dir, denv, argv[0], argv[1:]...))
			}
		}
	}
	for spec, names := range map[string][]string{"kind:c1": {"c1-control-plane", "c1-worker"}, "k3d:c2": {"k3d-c2-server-0"}} {
		written, refs := receipts(t, dir, env, "build", "--binary", "app", "-o", spec)
		if written == 0 || len(refs) != 1 {
			t.Errorf("%s: %d bytes, %q", spec, written, refs)
		}
		for _, name := range names {
			if out := node(name, "images", "ls", "-q"); !strings.Contains(out, refs[0]) {
				t.Errorf("%s: node %s has %q, want %s", spec, name, out, refs[0])
			}
		}
		if written, _ := receipts(t, dir, env, "build", "--binary", "app", "-o", spec); written != 0 {
			t.Errorf("%s: the second load sent %d bytes", spec, written)
		}
		// A node that lacks it gets it, and it alone. (In a node it has another name by its id, which Kubernetes' part of
		// containerd gives it; while that is there, a name is given back without sending anything.)
		for limit := time.Now().Add(20 * time.Second); !strings.Contains(node(names[0], "images", "ls", "-q"), "sha256:") && time.Now().Before(limit); {
			time.Sleep(20 * time.Millisecond)
		}
		node(names[0], "images", "rm", refs[0])
		again, _ := receipts(t, dir, env, "build", "--binary", "app", "-o", spec)
		if out := node(names[0], "images", "ls", "-q"); again != 0 || !strings.Contains(out, refs[0]) {
			t.Errorf("%s: %d bytes sent for a name; the node has %q", spec, again, out)
		}
		node(names[0], append([]string{"images", "rm", "--sync"}, strings.Fields(node(names[0], "images", "ls", "-q"))...)...)
		if again, _ = receipts(t, dir, env, "build", "--binary", "app", "-o", spec); again == 0 || again*int64(len(names)) != written {
			t.Errorf("%s: %d bytes sent to one node of %d, and %d to all", spec, again, len(names), written)
		}
	}
}
