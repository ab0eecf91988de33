// SPDX-License-Identifier: MIT OR Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"sampan/internal/output"
	src "sampan/internal/source"
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
	path, name := sourceOf(path)
	place, err := src.Open(path)
	if err != nil {
		return err
	}
	defer place.Close()
	ps, err := payloadsIn(place, name)
	if err != nil {
		return err
	}
	_, named := set["name"]
	if named && len(ps) > 1 {
		return &usageError{err: fmt.Errorf("one name for %d images", len(ps)), hint: "choose one: oci:DIR:NAME"}
	}
	for i := range ps {
		if named {
			ps[i].Name = set["name"].text
		}
		if tag, ok := set["tag"]; ok {
			ps[i].Tags = tag.list
		}
	}
	receipts, err := out.Write(ctx, ps)
	if err != nil {
		return err
	}
	return a.told(set, receipts)
}

// payloadsIn reads the images of a place, or the one that is named, with their names and all their tags.
func payloadsIn(place *src.Place, chosen string) ([]output.Payload, error) {
	var ps []output.Payload
	known := map[string]int{}
	if chosen != "" {
		e, err := entryOf(place, chosen)
		if err != nil {
			return nil, err
		}
		place.Entries = []src.Entry{e}
	}
	for _, e := range place.Entries {
		name, tag := nameOf(e, strings.TrimSuffix(filepath.Base(place.Path), ".tar"))
		key := name + "@" + e.Descriptor.Digest.String()
		if i, ok := known[key]; ok {
			ps[i].Tags = append(ps[i].Tags, tag)
			continue
		}
		images, index, err := place.Load(e)
		if err != nil {
			return nil, err
		}
		known[key] = len(ps)
		ps = append(ps, output.Payload{Name: name, Tags: []string{tag}, Digest: e.Descriptor.Digest, Images: images, Index: index})
	}
	return ps, nil
}

// nameOf tells name and tag of an image of a place, which may be all that it is called by there. docker.io's own prefix is
// left out: people do not say it.
func nameOf(e src.Entry, place string) (name, tag string) {
	ref := strings.TrimPrefix(strings.TrimPrefix(e.Descriptor.Annotations["io.containerd.image.name"], "docker.io/"), "library/")
	if ref == "" {
		ref = e.Name
	}
	i := strings.LastIndexByte(ref, ':')
	switch {
	case ref == "":
		return place, "latest"
	case i > strings.LastIndexByte(ref, '/'):
		return ref[:i], ref[i+1:]
	}
	return place, ref
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
