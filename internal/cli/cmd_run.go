// SPDX-License-Identifier: MIT OR Apache-2.0

package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"sampan/internal/pipeline"
	"sampan/internal/plan"
	"sampan/internal/sandbox"
	"sampan/internal/ui"
)

func runCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "run [PATH | crate:NAME[@VERSION]] [flags] [-- ARGS]",
		Short: "Build, and start the image's program at once",
		Long: "Build, and start the image's program at once: in namespaces of its own, on the image's files alone, read-only but for\n" +
			"/tmp, as the image's user. Ports are the host's. Words after -- go to the program in place of the image's args.\n" +
			"With --with docker or --with podman the engine is given the image and runs it; with --with kubectl a cluster that can\n" +
			"fetch it: from a registry (--repo), or from its own nodes (-o kind:).",
		Example: "  sampan run -- --help\n" +
			"  sampan run --bin server --env RUST_LOG=debug\n" +
			"  sampan run --with docker",
	}
	held := a.bind(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		path, rest, err := parts(cmd, args)
		if err != nil {
			return err
		}
		return a.run(cmd.Context(), flags(cmd, held), path, rest)
	}
	return cmd
}

func (a *app) run(ctx context.Context, set level, path string, args []string) error {
	if err := nothingDelivered(set); err != nil && set["with"].text != "kubectl" {
		return err
	}
	if with, given := set["with"]; given && !slices.Contains(runners, with.text) {
		return &usageError{err: fmt.Errorf("unknown engine %q", with.text), hint: plan.Nearest(with.text, runners)}
	}
	s, err := a.prepareBuild(ctx, set, path, nil)
	if err != nil {
		return err
	}
	defer a.progress.Close()
	if n := len(s.plan.Images); n != 1 {
		var names []string
		for _, im := range s.plan.Images {
			names = append(names, im.Name)
		}
		return &plan.ChoiceError{Reason: fmt.Sprintf("%d images cannot run at once: %s", n, strings.Join(names, ", ")), Advice: "choose one: --bin NAME"}
	}
	if len(s.plan.Images[0].Platforms) != 1 {
		return &plan.ChoiceError{Reason: "an image for several platforms cannot run at once", Advice: "choose one: --target TRIPLE"}
	}
	if err := s.install(ctx); err != nil {
		return err
	}
	t, err := s.tools(ctx)
	if err != nil {
		return err
	}
	if s.w.with != "" {
		if s.w.with == "kubectl" {
			return s.runInCluster(ctx, args)
		}
		return s.runWith(ctx, t, args)
	}
	if caps := s.plan.Images[0].Capabilities; len(caps) > 0 {
		s.progress.Handle(ui.Event{Kind: "warning", Text: "the program runs without its capabilities here (" + strings.Join(caps, ", ") +
			"): the sandbox gives nobody more rights than they have; sampan run --with docker does"})
	}
	var im pipeline.Image
	t.Runs = func(i pipeline.Image) error { im = i; return nil }
	if _, err := pipeline.Run(ctx, s.plan, t); err != nil {
		a.fail(err)
		return s.decorate(err)
	}
	a.progress.Close()
	return s.start(ctx, im, args)
}

// nothingDelivered refuses the flags that say where an image goes and how its reference is told: run makes none.
func nothingDelivered(set level) error {
	for _, flag := range []string{"output", "repo", "image-refs", "tarball", "oci-layout-path", "local", "json"} {
		if _, given := set[flag]; given {
			return &usageError{err: fmt.Errorf("run makes no image, so there is nothing for --%s", flag),
				hint: "drop --" + flag + ", or make an image with: sampan build"}
		}
	}
	return nil
}

// start hands the trees to the sandbox, with the process as the image's config describes it.
func (s *session) start(ctx context.Context, im pipeline.Image, args []string) error {
	c := im.Plan.Config
	if len(args) == 0 {
		args = c.Cmd
	}
	// From here signals are the program's: the sandbox hands them on, and the program's end is ours.
	code, err := sandbox.Run(context.WithoutCancel(ctx), sandbox.Spec{
		Trees: im.Trees, Command: append(append([]string{}, c.Entrypoint...), args...), Env: c.Env, Dir: c.WorkingDir,
		UID: im.Plan.UID, GID: im.Plan.GID, Hostname: strings.ReplaceAll(im.Plan.Name, "/", "-"),
		Stdin: s.stdin, Stdout: s.stdout, Stderr: s.stderr, Self: s.self,
	})
	if err != nil {
		return err
	}
	if code != 0 {
		return &programExit{code: code}
	}
	return nil
}
