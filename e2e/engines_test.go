// SPDX-License-Identifier: MIT OR Apache-2.0

//go:build e2e && linux

package e2e

import (
	"context"
	"testing"
	"time"

	"sampan/e2e/engine"
)

// engineWithin bounds one call of an engine's client.
const engineWithin = 2 * time.Minute

// Engine is a container engine of this test's own; what goes wrong ends the test.
type Engine struct {
	*engine.Engine
	t testing.TB
}

// Docker starts dockerd for this test, and ends it with the test.
func Docker(t testing.TB) *Engine { t.Helper(); return start(t, engine.StartDocker) }

// Containerd starts containerd for this test, and ends it with the test.
func Containerd(t testing.TB) *Engine { t.Helper(); return start(t, engine.StartContainerd) }

// Podman makes a podman storage for this test, and removes it with the test.
func Podman(t testing.TB) *Engine { t.Helper(); return start(t, engine.StartPodman) }

// Engines are all engines, by name, for tests that want each of them.
var Engines = []struct {
	Name  string
	Start func(testing.TB) *Engine
}{{"docker", Docker}, {"containerd", Containerd}, {"podman", Podman}}

func start(t testing.TB, open func(context.Context) (*engine.Engine, error)) *Engine {
	t.Helper()
	e, err := open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Stop(); err != nil {
			t.Error(err)
		}
	})
	return &Engine{Engine: e, t: t}
}

// Load imports an archive of one image, returns the name that the engine shows.
func (e *Engine) Load(file string) string {
	e.t.Helper()
	ctx, cancel := context.WithTimeout(e.t.Context(), engineWithin)
	defer cancel()
	names, err := e.Engine.Load(ctx, file)
	if err != nil {
		e.t.Fatal(err)
	}
	if len(names) != 1 {
		e.t.Fatalf("load %s into %s: names %q, want one", file, e.Name, names)
	}
	return names[0]
}

// Images returns the names of all images, sorted.
func (e *Engine) Images() []string {
	e.t.Helper()
	ctx, cancel := context.WithTimeout(e.t.Context(), engineWithin)
	defer cancel()
	names, err := e.Engine.Images(ctx)
	if err != nil {
		e.t.Fatal(err)
	}
	return names
}

// Run runs an image to its end with args after its entrypoint and no network. stderr goes to the test's log.
func (e *Engine) Run(image string, args ...string) (stdout string, code int) {
	e.t.Helper()
	r := e.RunWith(image, engine.RunOptions{Args: args})
	return r.Stdout, r.Code
}

// RunWith runs an image to its end. stderr goes to the test's log too.
func (e *Engine) RunWith(image string, o engine.RunOptions) engine.Result {
	e.t.Helper()
	ctx, cancel := context.WithTimeout(e.t.Context(), engineWithin)
	defer cancel()
	r, err := e.Engine.RunWith(ctx, image, o)
	if err != nil {
		e.t.Fatal(err)
	}
	if r.Stderr != "" {
		e.t.Logf("%s run %s: %s", e.Name, image, r.Stderr)
	}
	return r
}

// Container is a program in the background.
type Container struct {
	*engine.Container
	t testing.TB
}

// Start runs an image in the background with the host's network; env are pairs NAME=value.
func (e *Engine) Start(image string, env ...string) *Container {
	e.t.Helper()
	c, err := e.Engine.Start(e.t.Context(), image, engine.RunOptions{Env: env, HostNetwork: true})
	if err != nil {
		e.t.Fatal(err)
	}
	return &Container{Container: c, t: e.t}
}

// Stop sends SIGTERM to the program, returns its exit code.
func (c *Container) Stop() (code int) {
	c.t.Helper()
	code, err := c.Container.Stop()
	if err != nil {
		c.t.Fatal(err)
	}
	return code
}

// Await returns when done answers true; it gives up when the program has ended, or after a minute.
func (c *Container) Await(done func() bool) {
	c.t.Helper()
	for limit := time.Now().Add(time.Minute); !done(); time.Sleep(20 * time.Millisecond) {
		if c.Ended() || time.Now().After(limit) {
			c.t.Fatalf("wait for the container: ended %t: %s", c.Ended(), c.Output())
		}
	}
}
