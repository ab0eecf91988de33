// SPDX-License-Identifier: MIT OR Apache-2.0

//go:build linux

package engine

import (
	"context"
	"errors"
	"path/filepath"
)

// StartBuildKit starts buildkitd with runc. What it offers is Client and Output: it builds, it does not run.
func StartBuildKit(ctx context.Context, buildkitd, buildctl string) (*Engine, error) {
	daemon, err := find(buildkitd)
	if err != nil {
		return nil, err
	}
	client, err := find(buildctl)
	if err != nil {
		return nil, err
	}
	e, err := newEngine("buildkit")
	if err != nil {
		return nil, err
	}
	socket := "unix://" + filepath.Join(e.Dir, "buildkitd.sock")
	e.words = buildkit{path: client, socket: socket}
	argv := []string{daemon, "--config", filepath.Join(e.Dir, "buildkitd.toml"), "--root", filepath.Join(e.Dir, "root"), "--addr", socket,
		"--oci-worker-binary", "runc", "--oci-worker-net", "host", "--containerd-worker=false"}
	err = e.startDaemon(ctx, argv, func(ctx context.Context) error {
		_, err := e.Output(ctx, "debug", "workers")
		return err
	})
	if err != nil {
		return nil, errors.Join(err, e.Stop())
	}
	return e, nil
}

type buildkit struct{ path, socket string }

var errBuildsOnly = errors.New("buildkit only builds")

func (b buildkit) client(args ...string) []string {
	return append([]string{b.path, "--addr", b.socket}, args...)
}

func (b buildkit) images() []string { return []string{"du"} }

func (b buildkit) load(context.Context, *Engine, string) ([]string, error) {
	return nil, errBuildsOnly
}

func (b buildkit) run(context.Context, *Engine, string, RunOptions) ([]string, error) {
	return nil, errBuildsOnly
}
