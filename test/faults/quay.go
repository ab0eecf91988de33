// SPDX-License-Identifier: MIT OR Apache-2.0

//go:build linux

package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// quayKind is a registry program.
type quayKind struct{ name, path string }

// quays are the real registries: the newest of the project, which scripts/setup builds, and Debian's, an old one.
var quays = []quayKind{{"distribution", filepath.Join(".cache", "bin", "registry")}, {"docker-registry", "docker-registry"}}

func chosenQuays(list string) ([]quayKind, error) {
	var out []quayKind
	for _, name := range words(list) {
		i := slices.IndexFunc(quays, func(k quayKind) bool { return k.name == name })
		if i < 0 {
			return nil, fmt.Errorf("choose a registry: no %s", name)
		}
		out = append(out, quays[i])
	}
	if out == nil {
		return quays, nil
	}
	return out, nil
}

// quay is a real registry that runs as a process of its own.
type quay struct {
	name, version string
	address       string // 127.0.0.1:PORT
	cmd           *exec.Cmd
}

// readyWithin is how long a registry may take to answer.
const readyWithin = 30 * time.Second

func startQuay(ctx context.Context, kind quayKind, dir string) (*quay, error) {
	path, err := exec.LookPath(kind.path)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w (scripts/setup installs it)", kind.name, err)
	}
	if path, err = filepath.Abs(path); err != nil {
		return nil, err
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	q := &quay{name: kind.name, address: free.Addr().String()}
	free.Close()
	if out, err := exec.CommandContext(ctx, path, "--version").Output(); err == nil {
		if f := strings.Fields(string(out)); len(f) > 0 {
			q.version = strings.TrimSuffix(f[len(f)-1], "+unknown")
		}
	}
	config := filepath.Join(dir, kind.name+".yml")
	text := fmt.Sprintf("version: 0.1\nlog: {level: error}\nstorage: {filesystem: {rootdirectory: %s}, delete: {enabled: true}}\nhttp: {addr: '%s'}\n",
		filepath.Join(dir, kind.name), q.address)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return nil, err
	}
	var said bytes.Buffer
	q.cmd = exec.Command(path, "serve", config)
	q.cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "OTEL_TRACES_EXPORTER=none"}
	q.cmd.Stdout, q.cmd.Stderr = &said, &said
	q.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := q.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", kind.name, err)
	}
	for began := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		if resp, err := http.Get("http://" + q.address + "/v2/"); err == nil {
			resp.Body.Close()
			return q, nil
		}
		if ctx.Err() != nil || time.Since(began) > readyWithin {
			q.stop()
			return nil, fmt.Errorf("start %s: it does not answer: %.1000s", kind.name, said.String())
		}
	}
}

// stop ends it. Nothing that it says then is of interest.
func (q *quay) stop() {
	_ = q.cmd.Process.Kill()
	_ = q.cmd.Wait()
}
