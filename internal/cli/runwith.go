// SPDX-License-Identifier: MIT OR Apache-2.0

package cli

import (
	"context"
	"errors"
	"maps"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"sampan/internal/kube"
	"sampan/internal/pipeline"
	"sampan/internal/run"
)

// runners are what --with names: engines with the words of `docker run`, and kubectl.
var runners = []string{"docker", "podman", "kubectl"}

// runWith loads the image into an engine and has its command run it.
func (s *session) runWith(ctx context.Context, t pipeline.Tools, args []string) error {
	out, err := s.machine().Parse(s.w.with + ":")
	if err != nil {
		return err
	}
	t.Outputs = append(t.Outputs, out)
	r, err := pipeline.Run(ctx, s.plan, t)
	if err != nil {
		s.fail(err)
		return s.decorate(err)
	}
	if err := s.keepLock(); err != nil {
		return err
	}
	s.progress.Close()
	words := []string{"run", "--rm", "-i"}
	if s.streams.InTTY && s.streams.OutTTY {
		words = append(words, "-t")
	}
	for _, port := range slices.Sorted(maps.Keys(s.plan.Images[0].Config.ExposedPorts)) {
		number, _, _ := strings.Cut(port, "/")
		words = append(words, "-p", number+":"+port)
	}
	return s.hand(ctx, run.Cmd{Path: s.w.with, Args: append(append(words, r.Receipts[0].Reference), args...), Stdin: s.stdin, Stdout: s.stdout, Stderr: s.stderr})
}

// runInCluster delivers the image where a cluster finds it, and has kubectl run it in a pod that goes away with it.
func (s *session) runInCluster(ctx context.Context, args []string) error {
	if err := s.kubectlThere(); err != nil {
		return err
	}
	if !slices.ContainsFunc(s.plan.Outputs, fetchable) {
		return unfetchable()
	}
	ref, err := s.reference(ctx)
	if err != nil {
		return err
	}
	s.progress.Close()
	words := []string{"run", kube.Label(s.plan.Images[0].Name), "--image=" + ref, "--restart=Never", "--rm", "--quiet", "-i"}
	if s.streams.InTTY && s.streams.OutTTY {
		words = append(words, "-t")
	}
	return s.hand(ctx, run.Cmd{Path: "kubectl", Args: append(append(words, "--"), args...), Stdin: s.stdin, Stdout: s.stdout, Stderr: s.stderr})
}

// hand gives the terminal to another command, and our signals; its end is ours. What the terminal itself sends to
// all of its foreground reaches the command without us, and must not come twice.
func (a *app) hand(ctx context.Context, c run.Cmd) error {
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGHUP)
	if !a.streams.InTTY {
		signal.Notify(signals, os.Interrupt)
	}
	defer signal.Stop(signals)
	c.Env, c.Signals, c.Foreground = a.env, signals, true
	err := a.runner.Run(context.WithoutCancel(ctx), c)
	if e, ok := errors.AsType[*run.ExitError](err); ok && e.Code > 0 {
		return &programExit{code: e.Code}
	}
	return err
}
