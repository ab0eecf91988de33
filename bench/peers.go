// SPDX-License-Identifier: MIT OR Apache-2.0

//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"sampan/e2e/engine"
)

// tools are what peers need; an empty path or nil is a peer that is not there.
type tools struct {
	umoci, buildah, crane          string
	oras, regctl, skopeo, registry string
	docker, buildkit               *engine.Engine
	missing                        []string
}

// findTools looks for peers, in PATH and where scripts/setup --peers puts them, and starts the daemons.
func findTools(ctx context.Context) *tools {
	t := &tools{}
	look := func(name string) string {
		for _, candidate := range []string{filepath.Join(".cache", "bin", name), name} {
			if path, err := exec.LookPath(candidate); err == nil {
				abs, _ := filepath.Abs(path)
				return abs
			}
		}
		t.missing = append(t.missing, name+": not installed")
		return ""
	}
	t.umoci, t.buildah, t.crane = look("umoci"), look("buildah"), look("crane")
	t.oras, t.regctl, t.skopeo, t.registry = look("oras"), look("regctl"), look("skopeo"), look("registry")
	start := func(name string, open func() (*engine.Engine, error)) *engine.Engine {
		e, err := open()
		if err != nil {
			t.missing = append(t.missing, name+": "+err.Error())
		}
		return e
	}
	t.docker = start("docker", func() (*engine.Engine, error) { return engine.StartDocker(ctx) })
	if d, c := look("buildkitd"), look("buildctl"); d != "" && c != "" {
		t.buildkit = start("buildkit", func() (*engine.Engine, error) { return engine.StartBuildKit(ctx, d, c) })
	}
	return t
}

func (t *tools) stop() error {
	var errs []error
	for _, e := range []*engine.Engine{t.docker, t.buildkit} {
		if e != nil {
			errs = append(errs, e.Stop())
		}
	}
	return errors.Join(errs...)
}

// layouts are the peers' ways from a program to an image on disk. cold: nothing is left from the run before;
// otherwise caches and the destination stay.
func (t *tools) layouts(dir string, in *input, cold bool) []*variant {
	var found []*variant
	add := func(v *variant, there bool) {
		if there {
			found = append(found, v)
		}
	}
	add(t.umociLayout(filepath.Join(dir, "umoci"), in), t.umoci != "")
	add(t.craneTar(filepath.Join(dir, "crane"), in), t.crane != "")
	add(t.buildahLayout(filepath.Join(dir, "buildah"), in, cold), t.buildah != "")
	add(t.dockerTar(filepath.Join(dir, "docker.tar"), in, cold, true), t.docker != nil)
	add(t.dockerTar(filepath.Join(dir, "docker-classic.tar"), in, cold, false), t.docker != nil)
	add(t.buildkitTar(filepath.Join(dir, "buildkit.tar"), in, cold), t.buildkit != nil)
	return found
}

// umociLayout has no cache: cold or not is the same.
func (t *tools) umociLayout(out string, in *input) *variant {
	image := out + ":x"
	root := filepath.Dir(in.program)
	return &variant{
		name: "umoci init, new, insert ×2, config",
		before: func() error {
			return remove(out)()
		},
		steps: func() []step {
			return []step{
				{argv: []string{t.umoci, "init", "--layout", out}},
				{argv: []string{t.umoci, "new", "--image", image}},
				{argv: []string{t.umoci, "insert", "--image", image, filepath.Join(root, "etc"), "/etc"}},
				{argv: []string{t.umoci, "insert", "--image", image, in.program, "/app"}},
				{argv: []string{t.umoci, "config", "--image", image, "--config.user", "1000:1000", "--config.entrypoint", "/app"}},
			}
		},
		after: remove(out),
	}
}

// craneTar sets no user and no entrypoint, and has no cache.
func (t *tools) craneTar(out string, in *input) *variant {
	layer, image := out+"-layer.tar", out+"-image.tar"
	return &variant{
		name: "tar, crane append -o",
		steps: func() []step {
			return []step{
				{argv: []string{"tar", "-C", filepath.Dir(in.program), "-cf", layer, "."}},
				{argv: []string{t.crane, "append", "--new_layer", layer, "--new_tag", "x", "--output", image}},
			}
		},
		after: remove(layer, image),
	}
}

func (t *tools) buildahLayout(out string, in *input, cold bool) *variant {
	storage := out + "-storage"
	common := []string{t.buildah, "--root", filepath.Join(storage, "root"), "--runroot", filepath.Join(storage, "run"), "--storage-driver", "overlay"}
	word := func(words ...string) step {
		return step{argv: append(append([]string{}, common...), words...), env: []string{"BUILDAH_ISOLATION=chroot"}}
	}
	cache := "--layers"
	if cold {
		cache = "--no-cache"
	}
	v := &variant{
		name: "buildah bud, push oci:",
		steps: func() []step {
			return []step{word("bud", cache, "-q", "-t", "bench", in.context), word("push", "-q", "bench", "oci:"+out+":x")}
		},
	}
	if cold {
		v.before = remove(out)
		v.after = func() error {
			_, _, err := word("rmi", "-a", "-f").run(context.Background())
			return errors.Join(err, remove(out)())
		}
	}
	return v
}

func (t *tools) dockerTar(out string, in *input, cold, buildkit bool) *variant {
	name, env := "docker build (classic), save", "DOCKER_BUILDKIT=0"
	if buildkit {
		name, env = "docker build (BuildKit inside), save", "DOCKER_BUILDKIT=1"
	}
	word := func(words ...string) step {
		argv, own := t.docker.Client(words...)
		return step{argv: argv, env: append(own, env)}
	}
	build := []string{"build", "-q", "-t", "bench", in.context}
	if cold {
		build = []string{"build", "--no-cache", "-q", "-t", "bench", in.context}
	}
	v := &variant{name: name, steps: func() []step { return []step{word(build...), word("save", "-o", out, "bench")} }}
	if cold {
		v.before = remove(out)
		v.after = func() error {
			_, _, err := word("rmi", "-f", "bench").run(context.Background())
			if buildkit {
				_, _, pruned := word("builder", "prune", "-a", "-f").run(context.Background())
				err = errors.Join(err, pruned)
			}
			return errors.Join(err, remove(out)())
		}
	}
	return v
}

func (t *tools) buildkitTar(out string, in *input, cold bool) *variant {
	word := func(words ...string) step {
		argv, own := t.buildkit.Client(words...)
		return step{argv: argv, env: own}
	}
	build := []string{"build", "--frontend", "dockerfile.v0", "--local", "context=" + in.context, "--local", "dockerfile=" + in.context,
		"--output", "type=oci,dest=" + out, "--progress", "plain"}
	if cold {
		build = append(build, "--no-cache")
	}
	v := &variant{name: "BuildKit, OCI tar", steps: func() []step { return []step{word(build...)} }}
	if cold {
		v.before = remove(out)
		v.after = func() error {
			_, _, err := word("prune", "--all").run(context.Background())
			return errors.Join(err, remove(out)())
		}
	}
	return v
}

// versions says what was measured against.
func (t *tools) versions(ctx context.Context) []string {
	var found []string
	add := func(name string, argv, env []string) {
		if argv[0] == "" {
			return
		}
		cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
		cmd.Env = append(os.Environ(), env...)
		if out, err := cmd.Output(); err == nil {
			found = append(found, fmt.Sprintf("%s %s", name, firstVersion(string(out))))
		}
	}
	add("umoci", []string{t.umoci, "--version"}, nil)
	add("buildah", []string{t.buildah, "--version"}, nil)
	if t.crane != "" {
		found = append(found, "crane "+moduleVersion(t.crane))
	}
	add("skopeo", []string{t.skopeo, "--version"}, nil)
	for name, path := range map[string]string{"oras": t.oras, "regctl": t.regctl, "distribution": t.registry} {
		if path != "" {
			found = append(found, name+" "+moduleVersion(path))
		}
	}
	if t.docker != nil {
		argv, env := t.docker.Client("version", "--format", "{{.Server.Version}}")
		add("dockerd", argv, env)
	}
	if t.buildkit != nil {
		argv, _ := t.buildkit.Client()
		found = append(found, "BuildKit "+moduleVersion(argv[0]))
	}
	return found
}
