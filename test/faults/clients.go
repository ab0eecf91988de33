// SPDX-License-Identifier: MIT OR Apache-2.0

//go:build linux

package main

import (
	"context"
	"debug/buildinfo"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"sampan/e2e/engine"
)

// client is a program that pushes the image. All are started with their defaults.
type client struct {
	name, version string
	push          func(host, repo string) (argv, env []string)
	before, after func(ctx context.Context, host, repo string) error // may be nil
}

// findClients looks for those that are wanted and there: in PATH, and where scripts/setup puts them.
func (h *harness) findClients(ctx context.Context) ([]*client, error) {
	all := []struct {
		name string
		make func(path string) *client
	}{{"sampan", h.ours}, {"crane", h.crane}, {"oras", h.oras}, {"regctl", h.regctl}, {"skopeo", h.skopeo}, {"docker", nil}}
	wanted := words(h.clients)
	for _, w := range wanted {
		if !slices.ContainsFunc(all, func(c struct {
			name string
			make func(path string) *client
		}) bool {
			return c.name == w
		}) {
			return nil, fmt.Errorf("choose clients: no %s", w)
		}
	}
	var found []*client
	for _, c := range all {
		if wanted != nil && !slices.Contains(wanted, c.name) {
			continue
		}
		if c.make == nil {
			d, err := h.dockers(ctx)
			if err != nil {
				say("docker stays out: %v", err)
				continue
			}
			found = append(found, d)
			continue
		}
		path, err := h.find(c.name)
		if err != nil {
			say("%s stays out: %v", c.name, err)
			continue
		}
		one := c.make(path)
		one.name, one.version = c.name, versionOf(ctx, path)
		found = append(found, one)
	}
	return found, nil
}

func (h *harness) find(name string) (string, error) {
	if name == "sampan" {
		return h.sampan, nil
	}
	for _, candidate := range []string{filepath.Join(".cache", "bin", name), name} {
		if path, err := exec.LookPath(candidate); err == nil {
			return filepath.Abs(path)
		}
	}
	return "", errors.New("not installed; scripts/setup --peers installs it")
}

var versionLike = regexp.MustCompile(`v?\d+\.\d+\.\d+\S*`)

// versionOf is what a program was built from, or what it says.
func versionOf(ctx context.Context, path string) string {
	if info, err := buildinfo.ReadFile(path); err == nil && versionLike.MatchString(info.Main.Version) {
		return strings.TrimPrefix(info.Main.Version, "v")
	}
	out, _ := exec.CommandContext(ctx, path, "--version").Output()
	return versionLike.FindString(string(out))
}

func (h *harness) ours(path string) *client {
	return &client{push: func(host, repo string) (argv, env []string) {
		return []string{path, "push", h.goods.layout, host + "/" + repo + ":v1"}, nil
	}}
}

func (h *harness) crane(path string) *client {
	return &client{push: func(host, repo string) (argv, env []string) {
		return []string{path, "push", h.goods.layout, host + "/" + repo + ":v1"}, nil
	}}
}

func (h *harness) oras(path string) *client {
	return &client{push: func(host, repo string) (argv, env []string) {
		return []string{path, "cp", "--no-tty", "--to-plain-http", "--from-oci-layout", h.goods.layout + ":v1", host + "/" + repo + ":v1"}, nil
	}}
}

func (h *harness) regctl(path string) *client {
	return &client{push: func(host, repo string) (argv, env []string) {
		return []string{path, "--host", "reg=" + host + ",tls=disabled", "image", "copy", "ocidir://" + h.goods.layout + ":v1", host + "/" + repo + ":v1"}, nil
	}}
}

func (h *harness) skopeo(path string) *client {
	return &client{push: func(host, repo string) (argv, env []string) {
		return []string{path, "copy", "-q", "--dest-tls-verify=false", "oci:" + h.goods.layout + ":v1", "docker://" + host + "/" + repo + ":v1"}, nil
	}}
}

// dockers starts a dockerd that has the image.
func (h *harness) dockers(ctx context.Context) (*client, error) {
	d, err := engine.StartDocker(ctx)
	if err != nil {
		return nil, err
	}
	h.docker = d
	if _, err := d.Load(ctx, h.goods.archive); err != nil {
		return nil, err
	}
	version, err := d.Output(ctx, "version", "--format", "{{.Server.Version}}")
	if err != nil {
		return nil, err
	}
	return &client{name: "docker", version: versionLike.FindString(version),
		push: func(host, repo string) (argv, env []string) {
			argv, env = d.Client("push", host+"/"+repo+":v1")
			return argv, slices.DeleteFunc(env, func(s string) bool { return strings.HasPrefix(s, "DOCKER_CONFIG=") || strings.HasPrefix(s, "HOME=") })
		},
		before: func(ctx context.Context, host, repo string) error {
			_, err := d.Output(ctx, "tag", archiveName, host+"/"+repo+":v1")
			return err
		},
		after: func(ctx context.Context, host, repo string) error {
			_, err := d.Output(ctx, "rmi", host+"/"+repo+":v1")
			return err
		}}, nil
}

// surroundings are the folder and environment of one push: nothing of the caller's, and a login for the host.
func surroundings(dir, login string) ([]string, error) {
	for _, sub := range []string{"home/.docker", "tmp"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o700); err != nil {
			return nil, err
		}
	}
	config := filepath.Join(dir, "home", ".docker")
	if err := os.WriteFile(filepath.Join(config, "config.json"), []byte(login), 0o600); err != nil {
		return nil, err
	}
	return []string{"PATH=" + os.Getenv("PATH"), "HOME=" + filepath.Join(dir, "home"), "TMPDIR=" + filepath.Join(dir, "tmp"), "LC_ALL=C",
		"DOCKER_CONFIG=" + config, "XDG_RUNTIME_DIR=" + filepath.Join(dir, "home"), "SAMPAN_CACHE_DIR=" + filepath.Join(dir, "cache")}, nil
}
