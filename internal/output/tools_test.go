// SPDX-License-Identifier: MIT OR Apache-2.0

package output

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"sampan/internal/run"
)

// fakeTools plays the programs that engines are spoken to by. Every call is remembered.
type fakeTools struct {
	calls  []string
	answer func(call string, c run.Cmd) (string, error)
}

func (f *fakeTools) Run(ctx context.Context, c run.Cmd) error {
	call := strings.Join(append([]string{c.Path}, c.Args...), " ")
	f.calls = append(f.calls, call)
	out, err := f.answer(call, c)
	if _, werr := io.WriteString(c.Stdout, out); werr != nil {
		return werr
	}
	if e, ok := errors.AsType[*run.ExitError](err); ok {
		_, _ = io.WriteString(c.Stderr, e.Stderr)
	}
	return err
}

func exit(stderr string) error { return &run.ExitError{Code: 1, Stderr: stderr} }

// tools makes a Machine on which the named programs are there.
func tools(t testing.TB, answer func(call string, c run.Cmd) (string, error), names ...string) (Machine, *fakeTools) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("programs have other names there")
	}
	dir := t.TempDir()
	for _, n := range names {
		if err := os.WriteFile(filepath.Join(dir, n), []byte("#!/bin/false\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	f := &fakeTools{answer: answer}
	return Machine{Env: []string{"PATH=" + dir}, Runner: f}, f
}

// fakeStore is what such an engine holds: names to digests of manifests and of configs.
type fakeStore struct {
	manifests, configs map[string]string
	loads              int
}

func (s *fakeStore) take(c run.Cmd) (string, error) {
	data, err := io.ReadAll(c.Stdin)
	if err != nil {
		return "", err
	}
	config, _, _, err := dockerUnpack(strings.NewReader(string(data)), false)
	if err != nil {
		return "", exit(err.Error())
	}
	manifest, _, _, err := dockerUnpack(strings.NewReader(string(data)), true)
	if err != nil {
		return "", exit(err.Error())
	}
	s.loads++
	for _, part := range strings.Split(string(data), containerdName+`":"`)[1:] {
		name, _, _ := strings.Cut(part, `"`)
		s.manifests[name], s.configs[name] = manifest, config
	}
	return "", nil
}

func newFakeStore() *fakeStore {
	return &fakeStore{manifests: map[string]string{}, configs: map[string]string{}}
}

// ctr answers as `ctr`, less what stands before its verb.
func (s *fakeStore) ctr(words string, c run.Cmd) (string, error) {
	switch {
	case strings.HasPrefix(words, "images ls -q "):
		for name, d := range s.manifests {
			if strings.HasSuffix(words, "=="+d) {
				return name + "\n", nil
			}
		}
		return "", nil
	case strings.HasPrefix(words, "images ls "):
		out := "REF TYPE DIGEST SIZE PLATFORMS LABELS \n"
		for name, d := range s.manifests {
			if strings.HasSuffix(words, "=="+d) {
				out += name + " application/vnd.oci.image.manifest.v1+json " + d + " 1.2 KiB linux/amd64 -\n"
			}
		}
		return out, nil
	case strings.HasPrefix(words, "images tag --force "):
		f := strings.Fields(words)[3:]
		for _, name := range f[1:] {
			s.manifests[name] = s.manifests[f[0]]
		}
		return "", nil
	case words == "images import --all-platforms -":
		return s.take(c)
	}
	return "", exit("unknown words: " + words)
}

const helloName = "docker.io/library/hello:latest"

// TestContainerd: one program asks, one loads; with nothing to do, one asks and no more.
func TestContainerd(t *testing.T) {
	s := newFakeStore()
	m, f := tools(t, func(call string, c run.Cmd) (string, error) {
		words, ok := strings.CutPrefix(call, "ctr --namespace k8s.io ")
		if !ok {
			return "", exit("wrong namespace")
		}
		return s.ctr(words, c)
	}, "ctr", "nerdctl")
	p := payloadOf(t, "hello", 1)
	if r := loaded(t, m, "containerd:k8s.io", p)[0]; r.Reference != helloName || r.Written == 0 || s.manifests[helloName] != r.Digest {
		t.Errorf("receipt %+v, the store has %v", r, s.manifests)
	}
	f.calls = nil
	if r := loaded(t, m, "containerd:k8s.io", p)[0]; r.Written != 0 || len(f.calls) != 1 {
		t.Errorf("again: %d bytes, calls %q", r.Written, f.calls)
	}
	p.Tags = []string{"v1", "latest"}
	loaded(t, m, "containerd:k8s.io", p)
	if s.loads != 1 || s.manifests["docker.io/library/hello:v1"] != s.manifests[helloName] {
		t.Errorf("another tag: %d loads, %v", s.loads, s.manifests)
	}
	f.answer = func(string, run.Cmd) (string, error) {
		return "", exit("time=x level=warning\nctr: failed to dial \"/run/containerd/containerd.sock\": permission denied\n")
	}
	_, err := loadInto(t, m, "containerd:", p)
	if err == nil || !strings.Contains(err.Error(), "ctr says: ctr: failed to dial") || strings.Contains(err.Error(), "level=warning") {
		t.Errorf("error %v", err)
	}
	hinted(t, err, "sudo")
}

// TestNerdctl: it is taken where there is no ctr.
func TestNerdctl(t *testing.T) {
	s := newFakeStore()
	m, f := tools(t, func(call string, c run.Cmd) (string, error) {
		words := strings.TrimPrefix(call, "nerdctl ")
		if name, ok := strings.CutPrefix(words, "image inspect --mode native --format {{.Image.Target.Digest}} "); ok {
			if s.manifests[name] == "" {
				return "", exit("no such image: " + name)
			}
			return s.manifests[name] + "\n", nil
		}
		if from, ok := strings.CutPrefix(words, "tag "); ok {
			a, b, _ := strings.Cut(from, " ")
			s.manifests[b] = s.manifests[a]
			return "", nil
		}
		if words == "load --all-platforms" {
			return s.take(c)
		}
		return "", exit("unknown words: " + words)
	}, "nerdctl")
	p := payloadOf(t, "hello", 1)
	loaded(t, m, "containerd:", p)
	p.Tags = []string{"latest", "v1"}
	loaded(t, m, "containerd:", p)
	if s.loads != 1 || s.manifests["docker.io/library/hello:v1"] == "" {
		t.Errorf("%d loads, %v, calls %q", s.loads, s.manifests, f.calls)
	}
}

// TestPodman: all names are told by one answer.
func TestPodman(t *testing.T) {
	s := newFakeStore()
	m, f := tools(t, func(call string, c run.Cmd) (string, error) {
		words := strings.TrimPrefix(call, "podman ")
		if known, ok := strings.CutPrefix(words, "image inspect "); ok {
			for name, id := range s.configs {
				if name != known && id != "sha256:"+known {
					continue
				}
				var names []string
				for n, other := range s.configs {
					if other == id {
						names = append(names, `"`+n+`"`)
					}
				}
				return fmt.Sprintf(`[{"Id":%q,"RepoTags":[%s]}]`, strings.TrimPrefix(id, "sha256:"), strings.Join(names, ",")), nil
			}
			return "[]\n", exit("Error: inspecting object: " + known + ": image not known")
		}
		if from, ok := strings.CutPrefix(words, "tag "); ok {
			f := strings.Fields(from)
			for _, n := range f[1:] {
				s.configs[n] = "sha256:" + f[0]
			}
			return "", nil
		}
		if words == "load -q" {
			return s.take(c)
		}
		if strings.HasPrefix(words, "info ") {
			return "linux arm64\n", nil
		}
		return "", exit("unknown words: " + words)
	}, "podman")
	p := payloadOf(t, "hello", 1)
	loaded(t, m, "podman:", p)
	f.calls = nil
	if r := loaded(t, m, "podman:", p)[0]; r.Written != 0 || len(f.calls) != 1 || r.Reference != helloName {
		t.Errorf("again: %+v, calls %q", r, f.calls)
	}
	loaded(t, m, "podman:other:v9", p)
	if s.loads != 1 || s.configs["docker.io/library/other:v9"] != s.configs[helloName] {
		t.Errorf("another name: %d loads, %v", s.loads, s.configs)
	}
	loaded(t, m, "podman:two", platforms(t, "hello", 4))
	if s.loads != 2 {
		t.Errorf("%d loads, want 2", s.loads)
	}
}

// TestClusters: every node is asked and fed for itself, through the engine that runs it; what is no node is left alone.
func TestClusters(t *testing.T) {
	for _, c := range []struct{ spec, env, engine, asks string }{
		{"kind:", "KIND_CLUSTER_NAME=dev", "docker", "ps --format {{.Names}} --filter label=io.x-k8s.kind.cluster=dev"},
		{"kind:dev", "KIND_EXPERIMENTAL_PROVIDER=podman", "podman", "ps --format {{.Names}} --filter label=io.x-k8s.kind.cluster=dev"},
		{"k3d:dev", "", "docker", "ps --format {{.Names}} --filter label=k3d.cluster=dev --filter label=k3d.role=server"},
	} {
		t.Run(c.spec+c.engine, func(t *testing.T) {
			nodes := map[string]*fakeStore{"dev-control-plane": newFakeStore(), "dev-worker": newFakeStore()}
			m, f := tools(t, func(call string, cmd run.Cmd) (string, error) {
				words := strings.TrimPrefix(call, c.engine+" ")
				if words == c.asks {
					return "dev-control-plane\ndev-worker\ndev-external-load-balancer\n--privileged\n", nil
				}
				if strings.HasPrefix(words, "ps ") {
					return "", nil
				}
				name, words, _ := strings.Cut(strings.TrimPrefix(words, "exec -i "), " ctr --namespace k8s.io ")
				if nodes[name] == nil {
					return "", exit("no node " + name)
				}
				return nodes[name].ctr(words, cmd)
			}, "docker", "podman")
			m.Env = append(m.Env, c.env)
			if strings.HasPrefix(c.spec, "k3d") {
				nodes["dev-external-load-balancer"] = newFakeStore() // the ending means nothing there
			}
			loaded(t, m, c.spec, payloadOf(t, "hello", 1))
			f.calls = nil
			if r := loaded(t, m, c.spec, payloadOf(t, "hello", 1))[0]; r.Written != 0 {
				t.Errorf("again: %d bytes", r.Written)
			}
			for name, s := range nodes {
				if s.loads != 1 || s.manifests[helloName] == "" {
					t.Errorf("node %s: %d loads, %v", name, s.loads, s.manifests)
				}
			}
		})
	}
	m, _ := tools(t, func(string, run.Cmd) (string, error) { return "", nil }, "docker")
	_, err := loadInto(t, m, "kind:none", payloadOf(t, "hello", 1))
	if err == nil || !strings.Contains(err.Error(), "no running cluster none") {
		t.Errorf("error %v", err)
	}
	hinted(t, err, "kind create cluster --name none")
	_, err = loadInto(t, m, "k3d:", payloadOf(t, "hello", 1))
	hinted(t, err, "k3d cluster create k3s-default")
}

// TestMinikube: what it lists is not sent again.
func TestMinikube(t *testing.T) {
	s := newFakeStore()
	m, f := tools(t, func(call string, c run.Cmd) (string, error) {
		switch call {
		case "minikube --profile dev image ls --format json":
			var rows []string
			for name, id := range s.configs {
				rows = append(rows, fmt.Sprintf(`{"id":%q,"repoDigests":[],"repoTags":[%q],"size":"1"}`, strings.TrimPrefix(id, "sha256:"), name))
			}
			return "[" + strings.Join(rows, ",") + "]", nil
		case "minikube --profile dev image load -":
			return s.take(c)
		case "minikube --profile dev ssh -- uname -m":
			return "aarch64\n", nil
		}
		return "", exit("* Profile \"dev\" not found. Run \"minikube profile list\" to view all profiles.")
	}, "minikube")
	loaded(t, m, "minikube:dev", platforms(t, "hello", 1))
	f.calls = nil
	if r := loaded(t, m, "minikube:dev", platforms(t, "hello", 1))[0]; r.Written != 0 || s.loads != 1 || len(f.calls) != 2 {
		t.Errorf("again: %+v, %d loads, calls %q", r, s.loads, f.calls)
	}
	_, err := loadInto(t, m, "minikube:", payloadOf(t, "hello", 1))
	hinted(t, err, "minikube start")
}

// TestNoTool: a command that is missing is told before anything is built.
func TestNoTool(t *testing.T) {
	m, _ := tools(t, nil)
	for _, spec := range []string{"podman:", "containerd:", "kind:", "k3d:", "minikube:"} {
		o, err := m.Parse(spec)
		if err != nil {
			t.Fatal(err)
		}
		err = o.(Preflighter).Preflight(t.Context(), []Payload{{Name: "a"}})
		if err == nil || !strings.Contains(err.Error(), "in PATH") {
			t.Errorf("%s: %v", spec, err)
		}
		hinted(t, err, "install ")
	}
	for _, spec := range []string{"containerd:--x", "kind:a b", "k3d:-h", "docker:{nme}"} {
		if _, err := m.Parse(spec); err == nil {
			t.Errorf("%s is taken", spec)
		}
	}
	if !Loads("docker:") || !Loads("kind:x") || Loads("oci:docker") || Loads("docker") {
		t.Error("Loads is wrong about a word")
	}
}

// TestDockerSSH: the engine's API through the stdin and stdout of a program.
func TestDockerSSH(t *testing.T) {
	f := newFakeDocker()
	s := httptest.NewServer(f)
	defer s.Close()
	var called string
	m, _ := tools(t, nil, "ssh")
	m.Env = append(m.Env, "DOCKER_HOST=ssh://me@far.example:2222")
	m.Runner = runnerFunc(func(ctx context.Context, c run.Cmd) error {
		called = strings.Join(append([]string{c.Path}, c.Args...), " ")
		return relay(s.Listener.Addr().String(), c)
	})
	loaded(t, m, "docker:", payloadOf(t, "hello", 1))
	if want := "ssh -o ConnectTimeout=30 -T -l me -p 2222 -- far.example docker system dial-stdio"; called != want {
		t.Errorf("called %q, want %q", called, want)
	}
	m.Runner = runnerFunc(func(_ context.Context, c run.Cmd) error {
		_, _ = io.WriteString(c.Stderr, "me@far.example: Permission denied (publickey).\n")
		return &run.ExitError{Path: "ssh", Code: 255}
	})
	_, err := loadInto(t, m, "docker:", payloadOf(t, "hello", 1))
	if err == nil || !strings.Contains(err.Error(), "Permission denied (publickey)") {
		t.Errorf("error %v", err)
	}
	hinted(t, err, "ssh far.example docker version")
}

type runnerFunc func(ctx context.Context, c run.Cmd) error

func (f runnerFunc) Run(ctx context.Context, c run.Cmd) error { return f(ctx, c) }

// relay is `docker system dial-stdio`.
func relay(address string, c run.Cmd) error {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return err
	}
	defer conn.Close()
	go func() { _, _ = io.Copy(conn, c.Stdin); conn.Close() }()
	_, _ = bufio.NewReader(conn).WriteTo(c.Stdout) // ends when either side does
	return nil
}
