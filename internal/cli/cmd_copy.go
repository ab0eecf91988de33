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
	"sampan/internal/transport"
	"sampan/internal/ui"
)

func copyCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "copy SOURCE DESTINATION... [flags]",
		Short: "Copy an image that is built already, from a registry, a layout or an archive to another",
		Long: "Copy an image byte for byte: its digest stays, whoever made it. SOURCE is HOST/PATH[:TAG|@sha256:...], a layout's folder or an archive.\n" +
			"DESTINATION is HOST/PATH[:TAG], of which there may be several, or one of oci:DIR, oci-archive:FILE, docker-archive:FILE. An index is copied\n" +
			"whole, or with --platform the image for that platform alone. What the destination has is not sent; within one registry nothing is sent.\n" +
			"What refers to the image (SBOMs, signatures) is not copied.",
		Example: "  sampan copy ghcr.io/team/hello:v1 registry.example.com/hello:v1\n" +
			"  sampan copy ghcr.io/team/hello:v1 oci-archive:hello.tar --platform linux/arm64",
		Args: cobra.ArbitraryArgs,
	}
	held := a.bind(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) < 2 {
			return &usageError{err: errors.New("copy wants a source and where to copy it"), hint: "sampan copy HOST/PATH:TAG HOST/PATH:TAG"}
		}
		return a.copy(cmd.Context(), flags(cmd, held), args[0], args[1:])
	}
	return cmd
}

func (a *app) copy(ctx context.Context, set level, from string, to []string) error {
	w, err := a.speak(set)
	if err != nil {
		return err
	}
	defer a.progress.Close()
	ref, err := baseOf(from)
	if err != nil {
		return err
	}
	var hosts []string
	if ref != nil {
		hosts = append(hosts, ref.name.Host)
	}
	for _, word := range to {
		if n, err := transport.ParseName(word); err == nil {
			hosts = append(hosts, n.Host)
		}
	}
	client, err := a.client(w.registry, hosts)
	if err != nil {
		return err
	}
	defer client.Close()
	place, entry, err := a.sourceFor(ctx, w, client, from, ref)
	if err != nil {
		return err
	}
	defer place.Close()
	out, payloads, err := a.destination(client, entry, from, to)
	if err != nil {
		return err
	}
	if err := filled(payloads, place, entry, set["platform"].list); err != nil {
		return err
	}
	if p, ok := out.(output.Preflighter); ok {
		if err := p.Preflight(ctx, payloads); err != nil {
			return err
		}
	}
	receipts, err := out.Write(ctx, payloads)
	if err != nil {
		return err
	}
	place.Forget()
	if err := writeRefs(w.imageRefs, receipts); err != nil {
		return err
	}
	return a.pushed(w, receipts)
}

// sourceFor opens what is copied.
func (a *app) sourceFor(ctx context.Context, w wishes, client *transport.Client, from string, ref *baseRef) (*src.Place, src.Entry, error) {
	if ref == nil {
		path, name := sourceOf(from)
		return placeAt(path, name)
	}
	repos, err := mirrored(client, w.registry.mirrors, ref.name)
	if err != nil {
		return nil, src.Entry{}, err
	}
	tag := ref.tag
	if ref.digest != "" && !strings.HasSuffix(ref.word, ":"+tag) {
		tag = ""
	}
	place, err := src.Fetch(ctx, src.Remote{Repos: repos, Dir: filepath.Join(a.cacheDir(), "copied"), Say: func(text string) {
		a.progress.Handle(ui.Event{Kind: "note", Text: text})
	}}, tag, ref.digest)
	if err != nil {
		return nil, src.Entry{}, err
	}
	return place, place.Entries[0], nil
}

// mirrored are the repositories to read from: that of a mirror, if the user named one for the host, then the origin.
func mirrored(client *transport.Client, mirrors map[string]string, n transport.Name) ([]*transport.Repository, error) {
	origin := client.Source(n)
	mirror := mirrors[n.Host]
	if mirror == "" {
		return []*transport.Repository{origin}, nil
	}
	m, err := transport.ParseName(strings.TrimSuffix(mirror, "/") + "/" + n.Path)
	if err != nil {
		return nil, &usageError{err: fmt.Errorf("--mirror %s=%s: %w", n.Host, mirror, err), hint: "--mirror " + n.Host + "=mirror.example.com:5000"}
	}
	return []*transport.Repository{client.Source(m), origin}, nil
}

// filled gives payloads the images of an entry: all of them, or that of the platform that is asked for.
func filled(payloads []output.Payload, place *src.Place, entry src.Entry, platforms []string) error {
	var all output.Payload
	switch platforms = strings.FieldsFunc(strings.Join(platforms, ","), func(r rune) bool { return r == ',' }); len(platforms) {
	case 0:
		images, index, err := place.Load(entry)
		if err != nil {
			return err
		}
		all.Images, all.Index = images, index
	case 1:
		img, one, err := place.Pick(entry, platforms[0])
		if err != nil {
			return err
		}
		entry, all.Images = one, append(all.Images, img)
	default:
		return &usageError{err: errors.New("copy takes one --platform, or the whole index"), hint: "drop --platform, or name one"}
	}
	for i := range payloads {
		payloads[i].Images, payloads[i].Index, payloads[i].Digest = all.Images, all.Index, entry.Descriptor.Digest
	}
	return nil
}

// destination is where an entry goes: to repositories, or into one file or folder.
func (a *app) destination(client *transport.Client, entry src.Entry, from string, to []string) (output.Output, []output.Payload, error) {
	if scheme, _, ok := strings.Cut(to[0], ":"); ok && (scheme == "oci" || scheme == "oci-archive" || scheme == "docker-archive") {
		if len(to) > 1 {
			return nil, nil, &usageError{err: errors.New("one file or folder is written at a time"), hint: "drop " + to[1]}
		}
		out, err := a.machine().Parse(to[0])
		name, tag := nameOf(entry, strings.TrimSuffix(filepath.Base(from), ".tar"))
		if n, err := transport.ParseName(strings.SplitN(from, "@", 2)[0]); err == nil {
			name = n.Path
		} else if i := strings.LastIndexByte(from, ':'); i > 0 {
			if n, err := transport.ParseName(from[:i]); err == nil {
				name, tag = n.Path, entry.Name
			}
		}
		p := output.Payload{Name: name}
		if tag != "" {
			p.Tags = []string{tag}
		}
		return out, []output.Payload{p}, err
	}
	payloads, _, err := payloadsOf(entry, to)
	return a.toRegistry(client), payloads, err
}
