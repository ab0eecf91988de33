// SPDX-License-Identifier: MIT OR Apache-2.0

//go:build linux

package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// StartContainerd starts containerd.
func StartContainerd(ctx context.Context) (*Engine, error) {
	e, err := newEngine("containerd")
	if err != nil {
		return nil, err
	}
	address, err := e.startContainerd(ctx)
	if err != nil {
		return nil, errors.Join(err, e.Stop())
	}
	client, err := find("ctr")
	if err != nil {
		return nil, errors.Join(err, e.Stop())
	}
	e.words = containerd{path: client, socket: address}
	return e, nil
}

// startContainerd starts the daemon, returns its socket.
func (e *Engine) startContainerd(ctx context.Context) (socket string, err error) {
	path, err := find("containerd")
	if err != nil {
		return "", err
	}
	client, err := find("ctr")
	if err != nil {
		return "", err
	}
	// A file of our own, so that the machine's is not read. The CRI plug-in would open a port and wants a network.
	settings := filepath.Join(e.Dir, "containerd.toml")
	if err := os.WriteFile(settings, []byte("version = 2\ndisabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n"), 0o600); err != nil {
		return "", err
	}
	socket = filepath.Join(e.Dir, "containerd.sock")
	argv := []string{path, "--config", settings, "--root", filepath.Join(e.Dir, "containerd"), "--state", filepath.Join(e.Dir, "state"), "--address", socket}
	return socket, e.startDaemon(ctx, argv, func(ctx context.Context) error {
		return e.command(ctx, []string{client, "-a", socket, "version"}).Run()
	})
}

type containerd struct{ path, socket string }

func (c containerd) client(args ...string) []string {
	return append([]string{c.path, "-a", c.socket}, args...)
}

func (c containerd) images() []string { return []string{"images", "ls", "-q"} }

func (c containerd) load(ctx context.Context, e *Engine, file string) ([]string, error) {
	out, err := e.Output(ctx, "images", "import", file)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, line := range lines(out, "unpacking ") { // NAME (DIGEST)...done
		name, _, _ := strings.Cut(line, " ")
		names = append(names, name)
	}
	if len(names) == 0 {
		return nil, errors.New("no image in the answer: " + out)
	}
	return names, nil
}

// run puts the image's entrypoint before the arguments, because ctr's own arguments take its place.
func (c containerd) run(ctx context.Context, e *Engine, image string, o RunOptions) ([]string, error) {
	argv := c.client("run", "--rm")
	if o.HostNetwork {
		argv = append(argv, "--net-host")
	}
	argv = append(append(argv, flags(o)...), image, e.next())
	if len(o.Args) == 0 {
		return argv, nil
	}
	entrypoint, err := c.entrypoint(ctx, e, image)
	if err != nil {
		return nil, err
	}
	return append(append(argv, entrypoint...), o.Args...), nil
}

// kill is the command that ends a container by SIGTERM. The client passes signals on, but not from its first moment: one
// that comes earlier ends the client alone.
func (c containerd) kill(image string, argv []string) []string {
	return c.client("tasks", "kill", "--signal", "SIGTERM", argv[slices.Index(argv, image)+1])
}

// entrypoint reads an image's entrypoint out of containerd's content store.
func (c containerd) entrypoint(ctx context.Context, e *Engine, image string) ([]string, error) {
	list, err := e.Output(ctx, "images", "ls", "name=="+image)
	if err != nil {
		return nil, err
	}
	at := slices.IndexFunc(strings.Fields(list), func(word string) bool { return strings.HasPrefix(word, "sha256:") })
	if at < 0 {
		return nil, fmt.Errorf("find image %s: not in %q", image, list)
	}
	digest := strings.Fields(list)[at]
	for {
		var document struct {
			Manifests []struct {
				Digest   string
				Platform struct{ OS, Architecture string }
			}
			Config json.RawMessage
		}
		data, err := e.Output(ctx, "content", "get", digest)
		if err != nil {
			return nil, err
		}
		if err := json.Unmarshal([]byte(data), &document); err != nil {
			return nil, fmt.Errorf("read %s: %w", digest, err)
		}
		switch {
		case len(document.Manifests) > 0: // an index: go on with this machine's platform
			digest = document.Manifests[0].Digest
			for _, m := range document.Manifests {
				if m.Platform.OS == "linux" && m.Platform.Architecture == runtime.GOARCH {
					digest = m.Digest
				}
			}
		default:
			return c.configured(ctx, e, document.Config)
		}
	}
}

// configured reads Entrypoint from the config that a manifest's descriptor names.
func (c containerd) configured(ctx context.Context, e *Engine, descriptor json.RawMessage) ([]string, error) {
	var named struct{ Digest string }
	if err := json.Unmarshal(descriptor, &named); err != nil {
		return nil, fmt.Errorf("read the manifest: %w", err)
	}
	data, err := e.Output(ctx, "content", "get", named.Digest)
	if err != nil {
		return nil, err
	}
	var image struct {
		Config struct{ Entrypoint []string } `json:"config"`
	}
	if err := json.Unmarshal([]byte(data), &image); err != nil {
		return nil, fmt.Errorf("read the config: %w", err)
	}
	return image.Config.Entrypoint, nil
}
