// SPDX-License-Identifier: MIT OR Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"sampan/internal/output"
	images "sampan/internal/source"
	"sampan/internal/ui"
)

func loadCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "load LAYOUT|ARCHIVE ENGINE: [flags]",
		Short: "Load images that are built already into an engine",
		Long: "Load the images of an OCI layout or an archive into an engine: docker:[NAME], podman:[NAME], containerd:[NAMESPACE],\n" +
			"kind:[CLUSTER], k3d:[CLUSTER] or minikube:[PROFILE]. What the engine has is not sent again.",
		Example: "  sampan load target/sampan/hello docker:\n" +
			"  sampan load app.tar kind:dev --tag v1",
	}
	held := a.bind(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) != 2 {
			return &usageError{err: fmt.Errorf("load takes what to load, and where to: two words, not %d", len(args)), hint: "sampan load target/sampan/NAME docker:"}
		}
		return a.load(cmd.Context(), flags(cmd, held), args[0], args[1])
	}
	return cmd
}

func (a *app) load(ctx context.Context, set level, path, engine string) error {
	if err := a.terminal(settle(set).calls()); err != nil {
		return err
	}
	defer a.progress.Close()
	out, err := a.machine().Parse(engine)
	if err != nil {
		return err
	}
	if !output.Loads(engine) {
		return &usageError{err: fmt.Errorf("%s is no engine", engine), hint: "docker:, podman:, containerd:, kind:, k3d: or minikube:"}
	}
	src, err := images.Open(path)
	if err != nil {
		return err
	}
	defer src.Close()
	_, named := set["name"]
	if named && len(src.Images) > 1 {
		return &usageError{err: fmt.Errorf("one name for %d images", len(src.Images)), hint: "choose one: oci:DIR:TAG"}
	}
	var ps []output.Payload
	for _, im := range src.Images {
		p := output.Payload{Name: im.Name, Tags: im.Tags, Digest: im.Digest, Images: im.Platforms, Index: im.Index}
		if named {
			p.Name = set["name"].text
		}
		if tag, ok := set["tag"]; ok {
			p.Tags = tag.list
		}
		ps = append(ps, p)
	}
	receipts, err := out.Write(ctx, ps)
	if err != nil {
		return err
	}
	return a.told(set, receipts)
}

// told prints what was loaded where.
func (a *app) told(set level, receipts []output.Receipt) error {
	if set["json"].on {
		return writeJSON(a.streams.Out, report{Receipts: receipts})
	}
	var errs []error
	for _, r := range receipts {
		text := "loaded, " + ui.Bytes(r.Written)
		if r.Written == 0 {
			text = "is there already"
		}
		a.progress.Handle(ui.Event{Kind: "done", Image: r.Image, Text: text})
	}
	a.progress.Close()
	for _, r := range receipts {
		_, err := fmt.Fprintln(a.streams.Out, r.Reference)
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
