// SPDX-License-Identifier: MIT OR Apache-2.0

//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"sampan/internal/faulty"
)

// pushSize is how much of the toolchain's cargo is pushed: what services of some size have.
const pushSize = 21e6

// quay is a registry of our own, a process as it would be elsewhere.
type quay struct {
	address string
	cmd     *exec.Cmd
	pushes  int
}

func (s *suite) newQuay(ctx context.Context) (*quay, error) {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	q := &quay{address: free.Addr().String()}
	free.Close()
	config := filepath.Join(s.dir, "registry.yml")
	text := fmt.Sprintf("version: 0.1\nlog: {level: error}\nstorage: {filesystem: {rootdirectory: %s}}\nhttp: {addr: '%s'}\n", filepath.Join(s.dir, "registry"), q.address)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return nil, err
	}
	var said bytes.Buffer
	q.cmd = exec.CommandContext(ctx, s.tools.registry, "serve", config)
	q.cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "OTEL_TRACES_EXPORTER=none"}
	q.cmd.Stderr = &said
	q.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := q.cmd.Start(); err != nil {
		return nil, err
	}
	for range 1500 {
		if resp, err := http.Get("http://" + q.address + "/v2/"); err == nil {
			resp.Body.Close()
			return q, nil
		}
		time.Sleep(20 * time.Millisecond)
	}
	q.stop()
	return nil, fmt.Errorf("the registry does not answer: %s", tail(said.String()))
}

func (q *quay) stop() {
	_ = q.cmd.Process.Kill()
	_ = q.cmd.Wait()
}

// fresh is a name that nobody pushed to before.
func (q *quay) fresh(host string) string {
	q.pushes++
	return fmt.Sprintf("%s/bench-%d", host, q.pushes)
}

// pushInput is the beginning of the toolchain's cargo, as the data of a static program.
func pushInput(ctx context.Context, dir string) (*input, error) {
	_, root, err := step{argv: []string{"rustc", "--print", "sysroot"}}.run(ctx)
	if err != nil {
		return nil, err
	}
	cargo, err := os.Open(filepath.Join(strings.TrimSpace(root), "bin", "cargo"))
	if err != nil {
		return nil, err
	}
	defer cargo.Close()
	in, err := newInput(dir, "pushed", "the first part of the toolchain's cargo as data of a static program", elfAlign)
	if err != nil {
		return nil, err
	}
	return in, writeStatic(in.program, pushSize, io.LimitReader(cargo, pushSize))
}

// pushOurs builds an image of the program and pushes it, with an empty cache when cold.
func (s *suite) pushOurs(in *input, name func() string, cache string) *variant {
	return &variant{name: "sampan build --repo", steps: func() []step {
		return []step{{argv: []string{s.sampan, "build", "--quiet", "--binary", in.program, "--repo", name(), "--bare", "-t", "v1"},
			env: []string{"SAMPAN_CACHE_DIR=" + cache}}}
	}}
}

// pushPeers are ways from a program to an image in a registry.
func (t *tools) pushPeers(dir string, in *input, name func() string) []*variant {
	var found []*variant
	add := func(there bool, v func() *variant) {
		if there {
			found = append(found, v())
		}
	}
	add(t.crane != "", func() *variant {
		layer := filepath.Join(dir, "crane-push.tar")
		return &variant{name: "tar, crane append, crane mutate", after: remove(layer), steps: func() []step {
			at := name() + ":v1"
			return []step{
				{argv: []string{"tar", "-C", filepath.Dir(in.program), "-cf", layer, "."}},
				{argv: []string{t.crane, "append", "--new_layer", layer, "--new_tag", at}},
				{argv: []string{t.crane, "mutate", at, "--user", "1000:1000", "--entrypoint", "/app", "--tag", at}},
			}
		}}
	})
	add(t.buildah != "", func() *variant {
		storage := filepath.Join(dir, "buildah-push")
		word := func(words ...string) step {
			return step{argv: append([]string{t.buildah, "--root", filepath.Join(storage, "root"), "--runroot", filepath.Join(storage, "run"),
				"--storage-driver", "overlay"}, words...), env: []string{"BUILDAH_ISOLATION=chroot"}}
		}
		return &variant{name: "buildah bud, push", steps: func() []step {
			return []step{word("bud", "--no-cache", "-q", "-t", "bench", in.context), word("push", "-q", "--tls-verify=false", "bench", "docker://"+name()+":v1")}
		}, after: func() error {
			_, _, err := word("rmi", "-a", "-f").run(context.Background())
			return err
		}}
	})
	add(t.docker != nil, func() *variant { return t.dockerPush(in, name, true) })
	add(t.docker != nil, func() *variant { return t.dockerPush(in, name, false) })
	add(t.buildkit != nil, func() *variant {
		return &variant{name: "BuildKit, push=true", steps: func() []step {
			argv, env := t.buildkit.Client("build", "--frontend", "dockerfile.v0", "--local", "context="+in.context, "--local", "dockerfile="+in.context,
				"--output", "type=image,name="+name()+":v1,push=true,registry.insecure=true", "--progress", "plain", "--no-cache")
			return []step{{argv: argv, env: env}}
		}, after: func() error {
			argv, env := t.buildkit.Client("prune", "--all")
			_, _, err := step{argv: argv, env: env}.run(context.Background())
			return err
		}}
	})
	return found
}

func (t *tools) dockerPush(in *input, name func() string, buildkit bool) *variant {
	title, env := "docker build (classic), push", "DOCKER_BUILDKIT=0"
	if buildkit {
		title, env = "docker build (BuildKit inside), push", "DOCKER_BUILDKIT=1"
	}
	word := func(words ...string) step {
		argv, own := t.docker.Client(words...)
		return step{argv: argv, env: append(own, env)}
	}
	at := ""
	return &variant{name: title, steps: func() []step {
		at = name() + ":v1"
		return []step{word("build", "--no-cache", "-q", "-t", at, in.context), word("push", "-q", at)}
	}, after: func() error {
		_, _, err := word("rmi", "-f", at).run(context.Background())
		return err
	}}
}

// copyPeers are ways from a layout that is there to a registry, ours first.
func (s *suite) copyPeers(layout string, name func() string) []*variant {
	var found []*variant
	add := func(title, path string, words func(at string) []string) {
		if path != "" {
			found = append(found, &variant{name: title, steps: func() []step {
				return []step{{argv: append([]string{path}, words(name()+":v1")...), env: []string{"SAMPAN_CACHE_DIR=" + filepath.Join(s.dir, "b4-memory")}}}
			}})
		}
	}
	add("sampan push", s.sampan, func(at string) []string { return []string{"push", "-q", layout, at} })
	add("crane push", s.tools.crane, func(at string) []string { return []string{"push", layout, at} })
	add("oras cp", s.tools.oras, func(at string) []string {
		return []string{"cp", "--no-tty", "--to-plain-http", "--from-oci-layout", layout + ":v1", at}
	})
	add("regctl image copy", s.tools.regctl, func(at string) []string {
		host, _, _ := strings.Cut(at, "/")
		return []string{"--host", "reg=" + host + ",tls=disabled", "image", "copy", "ocidir://" + layout + ":v1", at}
	})
	add("skopeo copy", s.tools.skopeo, func(at string) []string {
		return []string{"copy", "-q", "--dest-tls-verify=false", "oci:" + layout + ":v1", "docker://" + at}
	})
	return found
}

// b4 measures pushes to a registry on this machine: cold, of a layout that is there, and with nothing to do (B4).
func (s *suite) b4(ctx context.Context) error {
	if s.tools.registry == "" {
		fmt.Fprintln(s.report.w, "\nB4 is left out: there is no registry.")
		return nil
	}
	in, err := pushInput(ctx, s.dir)
	if err != nil {
		return err
	}
	q, err := s.newQuay(ctx)
	if err != nil {
		return err
	}
	defer func() { q.stop(); _ = remove(in.context, filepath.Join(s.dir, "registry"))() }()
	cache, layout := filepath.Join(s.dir, "b4-cache"), filepath.Join(s.dir, "b4-layout")
	defer remove(cache, layout, filepath.Join(s.dir, "b4-memory"))()
	name := func() string { return q.fresh(q.address) }
	ours := s.pushOurs(in, name, cache)
	ours.before = remove(cache)
	all := append([]*variant{ours}, s.tools.pushPeers(s.dir, in, name)...)
	if err := interleave(ctx, s.rounds, in.touch, all...); err != nil {
		return err
	}
	s.report.section("B4: a changed program, no caches, to a registry on this machine", fmt.Sprintf(
		"Input: %s (%s MB). Each push goes to a new repository of one `registry serve` (CNCF distribution) with its files on the disk.", in.from, mb(in.size())))
	s.report.variants(all...)
	goals := map[string]float64{"tar, crane append, crane mutate": 2.8, "BuildKit, push=true": 4.5}
	for _, v := range all {
		if want, ok := goals[v.name]; ok && v.err == nil && ours.err == nil {
			times := paired(v, ours)
			s.report.goal("B4", fmt.Sprintf("≥ %.1f × faster than %s", want, v.name), fmt.Sprintf("%.2f ×", times), times >= want)
		}
	}
	if ours.err != nil {
		return fmt.Errorf("B4: %w", ours.err)
	}
	return errors.Join(s.b4copy(ctx, in, q, layout), s.b4noop(ctx, in, q, cache))
}

func (s *suite) b4copy(ctx context.Context, in *input, q *quay, layout string) error {
	make := step{argv: []string{s.sampan, "build", "--quiet", "--binary", in.program, "-o", "oci:" + layout, "-t", "v1"}, env: []string{"SAMPAN_CACHE_DIR=" + filepath.Join(s.dir, "b4-cache")}}
	again := func() error {
		if err := errors.Join(remove(layout)(), in.touch()); err != nil {
			return err
		}
		_, _, err := make.run(ctx)
		return err
	}
	all := s.copyPeers(layout, func() string { return q.fresh(q.address) })
	if err := interleave(ctx, s.rounds, again, all...); err != nil {
		return err
	}
	s.report.section("B4: a layout that is there, to a registry on this machine", "The image of the table before; a new repository each time.")
	s.report.variants(all...)
	return all[0].err
}

func (s *suite) b4noop(ctx context.Context, in *input, q *quay, cache string) error {
	proxy := faulty.NewProxy(faulty.Before("http://"+q.address), false, time.Now)
	defer proxy.Close()
	at := q.fresh(proxy.Host)
	same := s.pushOurs(in, func() string { return at }, cache)
	version := s.version()
	same.before = func() error { proxy.Forget(); return nil }
	if err := interleave(ctx, s.rounds, nil, same, version); err != nil {
		return err
	}
	s.report.section("B4: nothing changed, to a registry on this machine", "Ours again, through a proxy that counts.")
	s.report.variants(same, version)
	if err := errors.Join(same.err, version.err); err != nil {
		return fmt.Errorf("B4: %w", err)
	}
	n := proxy.Count("")
	s.report.goal("B4", "nothing to do: 1 request", fmt.Sprintf("%d, + %s ms over `sampan version`", n, ms(pairedExtra(same, version))), n == 1)
	return nil
}

// far is what each request costs in B5.
const far = 25 * time.Millisecond

// b5 measures pushes to a registry that is far away (B5). Requests in a row are counted by the proxy.
func (s *suite) b5(ctx context.Context) error {
	if s.tools.registry == "" {
		fmt.Fprintln(s.report.w, "\nB5 is left out: there is no registry.")
		return nil
	}
	in, err := pushInput(ctx, s.dir)
	if err != nil {
		return err
	}
	q, err := s.newQuay(ctx)
	if err != nil {
		return err
	}
	defer func() { q.stop(); _ = remove(in.context, filepath.Join(s.dir, "registry"))() }()
	proxy := faulty.NewProxy(faulty.Before("http://"+q.address), false, time.Now)
	defer proxy.Close()
	proxy.Delay = far
	cache := filepath.Join(s.dir, "b5-cache")
	defer remove(cache)()
	name := func() string { return q.fresh(proxy.Host) }
	ours := s.pushOurs(in, name, cache)
	ours.before = remove(cache)
	all := append([]*variant{ours}, s.tools.pushPeers(s.dir, in, name)...)
	counts := map[string]int{}
	for _, v := range all {
		before, after := v.before, v.after
		v.before = func() error {
			proxy.Forget()
			if before != nil {
				return before()
			}
			return nil
		}
		v.after = func() error {
			counts[v.name] = proxy.Count("")
			if after != nil {
				return after()
			}
			return nil
		}
	}
	if err := interleave(ctx, s.rounds, in.touch, all...); err != nil {
		return err
	}
	s.report.section("B5: a changed program, no caches, to a registry 25 ms away", "Each request is held until 25 ms have passed in which no other came. Requests: those of the last round.")
	s.report.variants(all...)
	var rows [][]string
	for _, v := range all {
		rows = append(rows, []string{v.name, fmt.Sprint(counts[v.name])})
	}
	s.report.table([]string{"", "requests"}, rows)
	if ours.err != nil {
		return fmt.Errorf("B5: %w", ours.err)
	}
	return nil
}
