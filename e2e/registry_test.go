// SPDX-License-Identifier: MIT OR Apache-2.0

//go:build e2e && linux

package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sampan/internal/faulty"
)

// registries are the real ones: Debian's, and the newest of the same project, which scripts/setup builds.
var registries = map[string]string{"docker-registry": "docker-registry", "distribution 3": "../.cache/bin/registry"}

// harbour is a real registry with a proxy before it.
type harbour struct {
	t       testing.TB
	address string // of the registry itself
	proxy   *faulty.Proxy
	dir     string
	program string
}

// newHarbour starts a registry on this machine for one test.
func newHarbour(t *testing.T, program string) *harbour {
	t.Helper()
	if strings.Contains(program, "/") {
		abs, err := filepath.Abs(program)
		if err != nil {
			t.Fatal(err)
		}
		program = abs
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h := &harbour{t: t, address: free.Addr().String(), dir: t.TempDir(), program: Sampan(t)}
	free.Close()
	config := filepath.Join(h.dir, "config.yml")
	text := fmt.Sprintf("version: 0.1\nlog: {level: error}\nstorage: {filesystem: {rootdirectory: %s}, delete: {enabled: true}}\nhttp: {addr: '%s'}\n", filepath.Join(h.dir, "data"), h.address)
	if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	cmd := exec.Command(program, "serve", config)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "OTEL_TRACES_EXPORTER=none"}
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatalf("start a registry: %v (scripts/setup installs it)", err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("%s:\n%.4000s", program, said.String())
		}
	})
	for began := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		if resp, err := http.Get("http://" + h.address + "/v2/"); err == nil {
			resp.Body.Close()
			break
		}
		if time.Since(began) > 30*time.Second {
			t.Fatalf("%s does not answer:\n%s", program, said.String())
		}
	}
	h.proxy = faulty.NewProxy(faulty.Before("http://"+h.address), false, time.Now)
	t.Cleanup(h.proxy.Close)
	return h
}

// build runs `sampan build` of a program that is there already, with a cache and a home of this test's own.
func (h *harbour) build(args ...string) Output {
	h.t.Helper()
	env := []string{"SAMPAN_CACHE_DIR=" + filepath.Join(h.dir, "cache"), "HOME=" + h.dir, "DOCKER_CONFIG=", "REGISTRY_AUTH_FILE="}
	return Exec(h.t, h.dir, env, h.program, append([]string{"build", "--binary", h.program, "--compression", "gzip:1", "-q"}, args...)...)
}

// whole lets another tool read every byte of an image from the registry, past the proxy, and compares its digest.
func (h *harbour) whole(reference string) {
	h.t.Helper()
	name, digest, ok := strings.Cut(strings.TrimSpace(reference), "@")
	if !ok {
		h.t.Fatalf("no reference: %q", reference)
	}
	at := "docker://" + strings.Replace(name, h.proxy.Host, h.address, 1)
	Must(h.t, h.dir, nil, "skopeo", "copy", "-q", "--src-tls-verify=false", at+"@"+digest, "oci:"+filepath.Join(h.t.TempDir(), "copy"))
	var seen struct{ Digest string }
	if err := json.Unmarshal([]byte(Must(h.t, h.dir, nil, "skopeo", "inspect", "--tls-verify=false", at+":v1")), &seen); err != nil || seen.Digest != digest {
		h.t.Errorf("the tag points at %s, not at %s: %v", seen.Digest, digest, err)
	}
}

func TestPushToRealRegistries(t *testing.T) {
	for name, program := range registries {
		t.Run(name, func(t *testing.T) {
			h := newHarbour(t, program)
			first := h.build("--repo", h.proxy.Host+"/team", "--name", "boat", "-t", "v1")
			if first.Code != 0 {
				t.Fatal(first.Stderr)
			}
			h.whole(first.Stdout)

			h.proxy.Forget()
			again := h.build("--repo", h.proxy.Host+"/team", "--name", "boat", "-t", "v1")
			if n := h.proxy.Count(""); n != 1 || again.Stdout != first.Stdout {
				t.Errorf("nothing to do took %d requests: %s%s", n, again.Stdout, again.Stderr)
			}
			h.proxy.Forget()
			if out := h.build("--repo", h.proxy.Host+"/team", "--name", "boat", "-t", "v2"); out.Code != 0 || h.proxy.Count(faulty.Start) != 0 {
				t.Errorf("a new tag opened %d uploads: %s", h.proxy.Count(faulty.Start), out.Stderr)
			}
			h.proxy.Forget()
			other := h.build("--repo", h.proxy.Host+"/other", "--name", "boat", "-t", "v1")
			if n := h.proxy.Count(faulty.Body); n != 0 {
				t.Errorf("another repository took %d uploads", n)
			}
			h.whole(other.Stdout)
		})
	}
}

// What a fault leaves is asked of the real registry, by another tool.
func TestFaultsBeforeRealRegistries(t *testing.T) {
	for name, program := range registries {
		t.Run(name, func(t *testing.T) {
			h := newHarbour(t, program)
			for what, fault := range map[string]faulty.Fault{
				"r01-rate-limit":  {Kind: faulty.Manifest, Act: faulty.Status(429, "", "Retry-After: 1")},
				"r04-500":         {Kind: faulty.Start, Times: 2, Act: faulty.Status(500, "")},
				"r06-reset":       {Kind: faulty.Body, Times: 2, Act: faulty.Cut(100_000, true)},
				"r06-fin":         {Kind: faulty.Body, Times: 2, Act: faulty.Cut(100_000, false)},
				"r07-lost-blob":   {Kind: faulty.Body, Act: faulty.Lose},
				"r07-lost-tag":    {Kind: faulty.Tag, Act: faulty.Lose},
				"r08-head-lies":   {Kind: faulty.Look, Times: 3, Act: faulty.Status(200, "")},
				"r09-not-stored":  {Kind: faulty.Manifest, Act: faulty.Swallow(201)},
				"r15-silence":     {Kind: faulty.Manifest, Act: faulty.Silence(true)},
				"r21-mount-is-no": {Kind: faulty.Start, Match: "mount=", Times: -1, Act: faulty.Status(405, "")},
			} {
				h.proxy.Play(fault)
				out := h.build("--repo", h.proxy.Host+"/"+what, "--name", "boat", "-t", "v1", "--stall", "2s")
				if out.Code != 0 {
					t.Errorf("%s: %s", what, out.Stderr)
					continue
				}
				h.whole(out.Stdout)
				h.proxy.Calm()
			}
		})
	}
}
