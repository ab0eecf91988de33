// SPDX-License-Identifier: MIT OR Apache-2.0

package cli

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"sampan/internal/kube"
	"sampan/internal/plan"
)

func initCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "init kubernetes [PATH] [flags]",
		Short: "Print a first Deployment for the package",
		Long: "Print a first Deployment for each image of the package, and a Service where it names ports: with no more rights than\n" +
			"the image needs (not root, a read-only root with an empty /tmp, no capabilities, the runtime's seccomp profile).\n" +
			"Nothing is compiled and no file is written.",
		Example: "  sampan init kubernetes > app.yaml\n" +
			"  sampan apply -f app.yaml -o kind:",
	}
	held := a.bind(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 || args[0] != "kubernetes" {
			return &usageError{err: fmt.Errorf("init makes a first file for kubernetes, and for nothing else"), hint: "sampan init kubernetes"}
		}
		path, rest, err := parts(cmd, args[1:])
		if err != nil {
			return err
		}
		s, err := a.prepare(cmd.Context(), flags(cmd, held), path, rest)
		if err != nil {
			return err
		}
		if len(s.plan.Compiles) == 0 {
			return &usageError{err: errors.New("init kubernetes and --binary exclude each other: sampan:// names packages, and there is none"),
				hint: "in a package: sampan init kubernetes; for a program: sampan build --binary FILE --repo HOST/PATH prints the reference for your YAML"}
		}
		_, err = a.streams.Out.Write(kube.First(s.apps(path)))
		return err
	}
	return cmd
}

// apps are the images of the plan, as kube wants them told.
func (s *session) apps(path string) []kube.App {
	var out []kube.App
	for _, im := range s.plan.Images {
		ref := im.Package
		if s.foreign {
			ref = path
		}
		for _, c := range s.choices {
			if c.Package.Name == im.Package && len(c.Package.Bins) > 1 {
				ref += "#" + im.Programs[0].Bin
			}
		}
		out = append(out, kube.App{Name: im.Name, Image: kube.Scheme + ref, Root: im.UID == 0, Init: im.Init, Capabilities: im.Capabilities, Health: probe(im.Health),
			Ports: slices.Sorted(maps.Keys(im.Config.ExposedPorts)), Volumes: slices.Sorted(maps.Keys(im.Config.Volumes))})
	}
	return out
}

// probe is a healthcheck for a kubelet, which counts in whole seconds.
func probe(h *plan.Health) *kube.Probe {
	if h == nil {
		return nil
	}
	seconds := func(d time.Duration) int { return int(math.Ceil(d.Seconds())) }
	return &kube.Probe{Command: h.Command, Interval: seconds(h.Interval), Timeout: seconds(h.Timeout), StartPeriod: seconds(h.StartPeriod), Retries: h.Retries}
}
