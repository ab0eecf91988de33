// SPDX-License-Identifier: MIT OR Apache-2.0

//go:build linux

package engine

import (
	"context"
	"errors"
	"os"
	"path/filepath"
)

// StartDocker starts dockerd, with a containerd of its own: left to itself, dockerd would join the machine's.
func StartDocker(ctx context.Context) (*Engine, error) {
	dockerd, err := find("dockerd", "/usr/sbin/dockerd")
	if err != nil {
		return nil, err
	}
	// The client that came with the daemon: a `docker` that stands earlier in PATH may be a bare, newer one.
	client, err := find("/usr/bin/docker", "docker")
	if err != nil {
		return nil, err
	}
	e, err := newEngine("docker")
	if err != nil {
		return nil, err
	}
	socket := filepath.Join(e.Dir, "docker.sock")
	e.words = docker{path: client, socket: socket}
	e.env = append(e.env, "DOCKER_CONFIG="+filepath.Join(e.Dir, "client"), "DOCKER_BUILDKIT=0")
	if err := e.startDockerd(ctx, dockerd, socket); err != nil {
		return nil, errors.Join(err, e.Stop())
	}
	return e, nil
}

func (e *Engine) startDockerd(ctx context.Context, dockerd, socket string) error {
	address, err := e.startContainerd(ctx)
	if err != nil {
		return err
	}
	// An empty file, so that the machine's own settings are not read.
	settings := filepath.Join(e.Dir, "daemon.json")
	if err := os.WriteFile(settings, []byte("{}\n"), 0o600); err != nil {
		return err
	}
	argv := []string{dockerd, "--config-file", settings, "--data-root", filepath.Join(e.Dir, "data"), "--exec-root", filepath.Join(e.Dir, "exec"),
		"--pidfile", filepath.Join(e.Dir, "docker.pid"), "-H", "unix://" + socket, "--containerd", address,
		"--bridge", "none", "--iptables=false", "--ip6tables=false"} // no network of its own: none and the host's are enough
	return e.startDaemon(ctx, argv, func(ctx context.Context) error {
		_, err := e.Output(ctx, "version", "--format", "{{.Server.Version}}")
		return err
	})
}

type docker struct{ path, socket string }

func (d docker) client(args ...string) []string {
	return append([]string{d.path, "-H", "unix://" + d.socket}, args...)
}

func (d docker) images() []string {
	return []string{"images", "--format", "{{.Repository}}:{{.Tag}}"}
}

func (d docker) load(ctx context.Context, e *Engine, file string) ([]string, error) {
	out, err := e.Output(ctx, "load", "-i", file)
	if err != nil {
		return nil, err
	}
	if names := lines(out, "Loaded image: "); len(names) > 0 {
		return names, nil
	}
	if ids := lines(out, "Loaded image ID: "); len(ids) > 0 { // an archive that names nothing
		return ids, nil
	}
	return nil, errors.New("no image in the answer: " + out)
}

func (d docker) run(_ context.Context, e *Engine, image string, o RunOptions) ([]string, error) {
	argv := d.client("run", "--rm", "--name", e.next(), "--network", network(o))
	return append(append(append(argv, flags(o)...), image), o.Args...), nil
}

// network is the word of docker and podman for the wished network.
func network(o RunOptions) string {
	if o.HostNetwork {
		return "host"
	}
	return "none"
}

// flags are the words of RunOptions that docker, podman and ctr have in common.
func flags(o RunOptions) []string {
	var words []string
	for _, pair := range o.Env {
		words = append(words, "--env", pair)
	}
	if o.ReadOnly {
		words = append(words, "--read-only")
	}
	return words
}
