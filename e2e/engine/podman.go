// SPDX-License-Identifier: MIT OR Apache-2.0

//go:build linux

package engine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// StartPodman makes a storage of its own for podman, which has no daemon, and sees that podman answers.
func StartPodman(ctx context.Context) (*Engine, error) {
	client, err := find("podman")
	if err != nil {
		return nil, err
	}
	if _, err := find("runc"); err != nil {
		return nil, err
	}
	e, err := newEngine("podman")
	if err != nil {
		return nil, err
	}
	e.words = podman{path: client, dir: e.Dir}
	if err := e.configurePodman(); err != nil {
		return nil, errors.Join(err, e.Stop())
	}
	if _, err := e.Output(ctx, "version", "--format", "{{.Client.Version}}"); err != nil {
		return nil, errors.Join(fmt.Errorf("start podman: %w", err), e.Stop())
	}
	return e, nil
}

// configurePodman writes settings of our own, so that the machine's are not read.
func (e *Engine) configurePodman() error {
	files := map[string]string{
		"containers.conf": fmt.Sprintf("[network]\nnetwork_backend = \"netavark\"\nnetwork_config_dir = %q\n", filepath.Join(e.Dir, "networks")),
		"storage.conf":    fmt.Sprintf("[storage]\ndriver = \"overlay\"\ngraphroot = %q\nrunroot = %q\n", filepath.Join(e.Dir, "root"), filepath.Join(e.Dir, "run")),
		"registries.conf": "unqualified-search-registries = []\n",
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(e.Dir, name), []byte(text), 0o600); err != nil {
			return err
		}
	}
	e.env = append(e.env, "CONTAINERS_CONF="+filepath.Join(e.Dir, "containers.conf"),
		"CONTAINERS_STORAGE_CONF="+filepath.Join(e.Dir, "storage.conf"), "CONTAINERS_REGISTRIES_CONF="+filepath.Join(e.Dir, "registries.conf"))
	return nil
}

type podman struct{ path, dir string }

func (p podman) client(args ...string) []string {
	return append([]string{p.path, "--root", filepath.Join(p.dir, "root"), "--runroot", filepath.Join(p.dir, "run"), "--tmpdir", filepath.Join(p.dir, "tmp"),
		"--cgroup-manager", "cgroupfs", "--events-backend", "none"}, args...)
}

func (p podman) images() []string {
	return []string{"images", "--format", "{{.Repository}}:{{.Tag}}"}
}

func (p podman) load(ctx context.Context, e *Engine, file string) ([]string, error) {
	out, err := e.Output(ctx, "load", "-q", "-i", file)
	if err != nil {
		return nil, err
	}
	if names := lines(out, "Loaded image: "); len(names) > 0 {
		return names, nil
	}
	return nil, errors.New("no image in the answer: " + out)
}

// run chooses runc and low limits: inside a container, where tests like to run, crun refuses some layouts of cgroups
// and the kernel refuses to raise limits, which podman's defaults would.
func (p podman) run(_ context.Context, e *Engine, image string, o RunOptions) ([]string, error) {
	argv := p.client("run", "--rm", "--name", e.next(), "--runtime", "runc", "--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024", "--network", network(o))
	return append(append(append(argv, flags(o)...), image), o.Args...), nil
}
