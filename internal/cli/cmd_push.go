// SPDX-License-Identifier: MIT OR Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"sampan/internal/output"
	"sampan/internal/plan"
	src "sampan/internal/source"
	"sampan/internal/transport"
	"sampan/internal/ui"
)

// spoken are the options of verbs that speak with registries and build nothing.
var spoken = []string{"insecure", "insecure-registry", "registry-ca", "trust-realm", "stall", "quiet", "verbose", "json", "progress"}

// read are the options of verbs that read from registries.
var read = []string{"mirror"}

func pushCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "push SOURCE REF... [flags]",
		Short: "Push an image that is built already, from a layout or an archive",
		Long: "Push an image that is built already. SOURCE is a layout's folder or an archive, as `sampan build -o` writes them, or oci:DIR:NAME for\n" +
			"one of several images in a layout. REF is HOST/PATH[:TAG]; without a tag it is the image's own there. Several give it several tags.",
		Example: "  sampan push target/sampan/hello ghcr.io/team/hello:v1\n" +
			"  sampan push hello.tar registry.example.com/hello:v1 registry.example.com/hello:latest",
		Args: cobra.ArbitraryArgs,
	}
	held := a.bind(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) < 2 {
			return &usageError{err: errors.New("push wants a source and where to push it"), hint: "sampan push target/sampan/NAME HOST/PATH:TAG"}
		}
		return a.push(cmd.Context(), flags(cmd, held), args[0], args[1:])
	}
	return cmd
}

// speak prepares a verb that speaks with registries and builds nothing.
func (a *app) speak(set level) (wishes, error) {
	if err := a.locate(); err != nil {
		return wishes{}, err
	}
	env, err := fromEnvironment(a.env)
	if err != nil {
		return wishes{}, err
	}
	w := settle(set, env).calls()
	return w, a.terminal(w)
}

func (a *app) push(ctx context.Context, set level, from string, refs []string) error {
	w, err := a.speak(set)
	if err != nil {
		return err
	}
	defer a.progress.Close()
	path, name := sourceOf(from)
	place, err := src.Open(path)
	if err != nil {
		return err
	}
	defer place.Close()
	entry, err := entryOf(place, name)
	if err != nil {
		return err
	}
	payloads, hosts, err := payloadsOf(entry, refs)
	if err != nil {
		return err
	}
	images, index, err := place.Load(entry)
	if err != nil {
		return err
	}
	for i := range payloads {
		payloads[i].Images, payloads[i].Index, payloads[i].Digest = images, index, entry.Descriptor.Digest
	}
	client, err := a.client(w.registry, hosts)
	if err != nil {
		return err
	}
	defer client.Close()
	out := a.toRegistry(client)
	if err := out.Preflight(ctx, payloads); err != nil {
		return err
	}
	receipts, err := out.Write(ctx, payloads)
	if err != nil {
		return err
	}
	if err := writeRefs(w.imageRefs, receipts); err != nil {
		return err
	}
	return a.pushed(w, receipts)
}

// pushed prints what was pushed.
func (a *app) pushed(w wishes, receipts []output.Receipt) error {
	if w.json {
		return writeJSON(a.streams.Out, struct {
			Receipts []output.Receipt `json:"receipts"`
		}{receipts})
	}
	for _, r := range receipts {
		a.progress.Handle(ui.Event{Kind: "done", Image: r.Image, Text: ui.Bytes(r.Size) + sent([]output.Receipt{r}, r.Image)})
	}
	a.progress.Close()
	for _, r := range receipts {
		if _, err := fmt.Fprintln(a.streams.Out, r.Reference); err != nil {
			return err
		}
	}
	return nil
}

// sourceOf reads the word for a source: a path, or what -o takes; only a layout may name one of its images.
func sourceOf(word string) (path, name string) {
	if rest, ok := strings.CutPrefix(word, "oci:"); ok {
		if at := strings.LastIndexByte(rest, ':'); at > 1 && !strings.Contains(rest[at:], "/") {
			return rest[:at], rest[at+1:]
		}
		return rest, ""
	}
	for _, scheme := range []string{"oci-archive:", "docker-archive:"} {
		if rest, ok := strings.CutPrefix(word, scheme); ok {
			return rest, ""
		}
	}
	return word, ""
}

// entryOf chooses an image of a place: the one that is named, or the only one.
func entryOf(p *src.Place, name string) (src.Entry, error) {
	var names []string
	for _, e := range p.Entries {
		if name != "" && e.Name == name {
			return e, nil
		}
		names = append(names, e.Name)
	}
	first := p.Entries[0]
	if name != "" {
		return first, &plan.ChoiceError{Reason: fmt.Sprintf("%s has no image %q", p.Path, name), Advice: plan.Nearest(name, names)}
	}
	for _, e := range p.Entries {
		if e.Descriptor.Digest != first.Descriptor.Digest {
			return first, &plan.ChoiceError{Reason: fmt.Sprintf("%s holds several images: %s", p.Path, strings.Join(names, ", ")), Advice: "choose one: oci:" + p.Path + ":" + e.Name}
		}
	}
	return first, nil
}

// payloadsOf makes one payload for each repository that is named, with its tags.
func payloadsOf(e src.Entry, refs []string) (payloads []output.Payload, hosts []string, err error) {
	own := e.Name
	if at := strings.LastIndexAny(own, ":/"); at >= 0 {
		own = own[at+1:] // "<name>:<tag>" in a layout of several
	}
	at := map[string]int{}
	for _, ref := range refs {
		repo, tag := ref, own
		if i := strings.LastIndexByte(ref, ':'); i > strings.LastIndexByte(ref, '/') && strings.Contains(ref, "/") {
			repo, tag = ref[:i], ref[i+1:]
		}
		n, err := transport.ParseName(repo)
		if err != nil {
			return nil, nil, err
		}
		i, known := at[repo]
		if !known {
			i, at[repo] = len(payloads), len(payloads)
			payloads = append(payloads, output.Payload{Name: n.Path, Repository: repo})
			hosts = append(hosts, n.Host)
		}
		if tag != "" {
			payloads[i].Tags = append(payloads[i].Tags, tag)
		}
	}
	return payloads, hosts, nil
}
