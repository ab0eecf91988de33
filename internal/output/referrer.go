// SPDX-License-Identifier: MIT OR Apache-2.0

package output

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"golang.org/x/sync/errgroup"

	"sampan/internal/transport"
)

// Referrer is an artifact about an image: an SBOM, a statement, debug symbols. Its manifest names the image as its
// subject (image specification 1.1, "Guidelines for Artifact Usage").
type Referrer struct {
	Subject     v1.Hash           // the index or one of the images of the same payload
	Type        string            // artifactType
	Layers      []v1.Layer        // at least one; MediaType of each goes into the manifest
	Annotations map[string]string // of the manifest, and of its line in the list of referrers
}

// ReferrerReceipt is what became of a referrer.
type ReferrerReceipt struct {
	Digest  string `json:"digest"`
	Subject string `json:"subject"`
	Type    string `json:"type"`
	Size    int64  `json:"size"` // of its manifest and its blobs, in bytes
}

// referrer is a Referrer taken apart.
type referrer struct {
	manifest blob
	subject  v1.Hash
	listing  v1.Descriptor
	kind     string
	size     int64
}

// artifact is the manifest of a Referrer; the order of its fields is that of its bytes.
type artifact struct {
	SchemaVersion int               `json:"schemaVersion"`
	MediaType     types.MediaType   `json:"mediaType"`
	ArtifactType  string            `json:"artifactType"`
	Config        v1.Descriptor     `json:"config"`
	Layers        []v1.Descriptor   `json:"layers"`
	Subject       v1.Descriptor     `json:"subject"`
	Annotations   map[string]string `json:"annotations,omitempty"`
}

// emptyConfig is the config of what has none (image specification 1.1, "Guidance for an Empty Descriptor").
var emptyConfig = []byte("{}")

const emptyConfigType types.MediaType = "application/vnd.oci.empty.v1+json"

// addReferrers writes the manifests of referrers. known are the digests of the image itself.
func (c *content) addReferrers(rs []Referrer, known map[v1.Hash]bool) error {
	for _, r := range rs {
		if err := c.addReferrer(r, known); err != nil {
			return fmt.Errorf("add %s: %w", r.Type, err)
		}
	}
	return nil
}

func (c *content) addReferrer(r Referrer, known map[v1.Hash]bool) error {
	at := slices.IndexFunc(c.blobs, func(b blob) bool { return b.manifest != "" && b.digest == r.Subject })
	if at < 0 {
		return fmt.Errorf("it refers to %s, which is not among the images", r.Subject)
	}
	if r.Type == "" || len(r.Layers) == 0 {
		return errors.New("it has no type, or no content")
	}
	of := c.blobs[at]
	config := blob{digest: digestOf(emptyConfig), size: int64(len(emptyConfig)), data: emptyConfig}
	m := artifact{SchemaVersion: 2, MediaType: types.OCIManifestSchema1, ArtifactType: r.Type, Annotations: r.Annotations,
		Config:  v1.Descriptor{MediaType: emptyConfigType, Size: config.size, Digest: config.digest, Data: emptyConfig},
		Subject: v1.Descriptor{MediaType: of.manifest, Size: of.size, Digest: of.digest}}
	out := referrer{subject: r.Subject, kind: r.Type}
	needs := []v1.Hash{config.digest}
	c.extra(config, known)
	for _, l := range r.Layers {
		d, err := descriptorOf(l)
		if err != nil {
			return err
		}
		m.Layers, needs, out.size = append(m.Layers, d), append(needs, d.Digest), out.size+d.Size
		c.extra(blob{digest: d.Digest, size: d.Size, layer: l}, known)
	}
	raw, err := json.Marshal(m)
	if err != nil {
		return err
	}
	out.manifest = blob{digest: digestOf(raw), size: int64(len(raw)), data: raw, manifest: m.MediaType, needs: needs}
	out.size += out.manifest.size + config.size
	out.listing = v1.Descriptor{MediaType: m.MediaType, Size: out.manifest.size, Digest: out.manifest.digest, ArtifactType: r.Type, Annotations: r.Annotations}
	c.referrers = append(c.referrers, out)
	return nil
}

func descriptorOf(l v1.Layer) (d v1.Descriptor, err error) {
	if d.Digest, err = l.Digest(); err != nil {
		return d, err
	}
	if !isSHA256(d.Digest.String()) {
		return d, fmt.Errorf("%q is not a SHA-256 digest", d.Digest)
	}
	if d.Size, err = l.Size(); err != nil {
		return d, err
	}
	d.MediaType, err = l.MediaType()
	return d, err
}

// extra takes a blob of a referrer once.
func (c *content) extra(b blob, known map[v1.Hash]bool) {
	if !known[b.digest] {
		known[b.digest] = true
		c.extras = append(c.extras, b)
	}
}

// key is what a push of the content is remembered by: the image's digest, and what refers to it.
func (c *content) key() string {
	key := c.top.Digest.String()
	if len(c.referrers) == 0 {
		return key
	}
	var all []string
	for _, r := range c.referrers {
		all = append(all, r.manifest.digest.String())
	}
	return key + "+" + digestOf([]byte(strings.Join(all, "\n"))).Hex
}

// refer pushes the referrers. Most registries take them before their subject, which saves a wait; from one that does
// not, they are asked again when it is there: named is closed then.
func (d *shipment) refer(ctx context.Context, p *parcel, named <-chan struct{}) error {
	err := d.putReferrers(ctx, p)
	status, refused := errors.AsType[*transport.StatusError](err)
	if err == nil || !refused || status.Status >= 500 {
		return err
	}
	select {
	case <-named:
		return d.putReferrers(ctx, p)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// putReferrers stores the manifests of all referrers, reads them back, and sees to it that they are listed.
func (d *shipment) putReferrers(ctx context.Context, p *parcel) error {
	p.t.mark(func() { clear(p.unlisted) })
	g, gctx := errgroup.WithContext(ctx)
	for _, r := range p.c.referrers {
		g.Go(func() error { return d.putReferrer(gctx, p, r) })
	}
	for _, b := range p.c.extras {
		if f := d.flight(p.t, b, false); f.how() != there {
			g.Go(func() error { return d.readBlob(gctx, p, b, f) })
		}
	}
	if err := g.Wait(); err != nil {
		return err
	}
	return d.listed(ctx, p)
}

// putReferrer stores one manifest and reads it back.
func (d *shipment) putReferrer(ctx context.Context, p *parcel, r referrer) error {
	put := func() (listed bool, err error) {
		return p.t.repo.PutReferrer(ctx, r.subject.String(), string(r.manifest.manifest), r.manifest.data)
	}
	listed, err := put()
	if _, ok := errors.AsType[*transport.UnknownBlobError](err); ok {
		if err = d.again(ctx, p, r.manifest); err == nil {
			listed, err = put()
		}
	}
	if err != nil {
		return err
	}
	if !listed {
		p.t.mark(func() { p.unlisted[r.subject] = append(p.unlisted[r.subject], r.listing) })
	}
	return d.readManifest(ctx, p, r.manifest)
}

// listed makes the lists of referrers that the registry does not keep itself name ours, and leaves alone what others
// wrote there. Such a list is read, changed and written, and no registry guards it: it is read again until ours are in
// it, and once more after the tags, for writers who read it before us and wrote it after.
func (d *shipment) listed(ctx context.Context, p *parcel) error {
	g, ctx := errgroup.WithContext(ctx)
	for subject, ours := range p.unlisted {
		slices.SortFunc(ours, func(a, b v1.Descriptor) int { return strings.Compare(a.Digest.Hex, b.Digest.Hex) })
		g.Go(func() error { return d.list(ctx, p, subject, ours) })
	}
	return g.Wait()
}

// maxMerges bounds how often a list is written anew because others write it too.
const maxMerges = 16

// list brings descriptors into the index at the tag that lists the referrers of a subject.
func (d *shipment) list(ctx context.Context, p *parcel, subject v1.Hash, ours []v1.Descriptor) error {
	tag := transport.ReferrersTag(subject.String())
	for range maxMerges {
		data, err := p.t.repo.TagManifest(ctx, tag)
		if err != nil {
			return err
		}
		merged, err := mergeListing(data, ours)
		if err != nil {
			return &PlaceError{Place: p.t.name.String() + ":" + tag, Reason: "list the referrers of the image there", Err: err,
				hint: "another tool put something else under this tag; remove the tag"}
		}
		if merged == nil {
			return nil
		}
		if _, err := p.t.repo.PutManifest(ctx, tag, string(types.OCIImageIndex), merged); err != nil {
			return err
		}
	}
	return &PlaceError{Place: p.t.name.String() + ":" + tag, Reason: fmt.Sprintf("others changed it %d times in between", maxMerges),
		hint: "push again when they are done"}
}

// mergeListing adds descriptors to an index that may not be there yet. What else is in it stays as it is. It returns
// nil when there is nothing to add.
func mergeListing(data []byte, ours []v1.Descriptor) ([]byte, error) {
	whole := map[string]json.RawMessage{"schemaVersion": json.RawMessage("2"), "mediaType": json.RawMessage(`"` + types.OCIImageIndex + `"`)}
	var members []json.RawMessage
	if data != nil {
		whole = nil
		if err := json.Unmarshal(data, &whole); err != nil {
			return nil, fmt.Errorf("parse index: %w", err)
		}
		if err := json.Unmarshal(whole["manifests"], &members); err != nil {
			return nil, errors.New("parse index: it has no manifests")
		}
	}
	have := map[string]bool{}
	for _, m := range members {
		var d struct {
			Digest string `json:"digest"`
		}
		if json.Unmarshal(m, &d) == nil {
			have[d.Digest] = true
		}
	}
	added := false
	for _, d := range ours {
		if have[d.Digest.String()] {
			continue
		}
		raw, err := json.Marshal(d)
		if err != nil {
			return nil, err
		}
		members, added = append(members, raw), true
	}
	if !added {
		return nil, nil
	}
	raw, err := json.Marshal(members)
	if err != nil {
		return nil, err
	}
	whole["manifests"] = raw
	return json.Marshal(whole)
}

// referrerReceipts say what refers to the image now.
func (p *parcel) referrerReceipts() []ReferrerReceipt {
	var out []ReferrerReceipt
	for _, r := range p.c.referrers {
		out = append(out, ReferrerReceipt{Digest: r.manifest.digest.String(), Subject: r.subject.String(), Type: r.kind, Size: r.size})
	}
	return out
}
