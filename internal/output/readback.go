// SPDX-License-Identifier: MIT OR Apache-2.0

package output

import (
	"context"

	"golang.org/x/sync/errgroup"

	"sampan/internal/transport"
)

// readBack reads what was stored as a stranger would, and asks after every blob that came there in this run.
func (d *shipment) readBack(ctx context.Context, p *parcel) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, b := range p.c.blobs {
		switch {
		case b.manifest != "" && !p.has(b):
			g.Go(func() error { return d.readManifest(ctx, p, b) })
		case b.manifest == "":
			if f := d.flight(p.t, b, false); f.how() != there {
				g.Go(func() error { return d.readBlob(ctx, p, b, f) })
			}
		}
	}
	return g.Wait()
}

// readManifest reads a manifest by digest. One that is not there is stored once more.
func (d *shipment) readManifest(ctx context.Context, p *parcel, b blob) error {
	digest := b.digest.String()
	data, err := p.t.repo.Manifest(ctx, digest)
	if err == nil && data == nil {
		if err = d.put(ctx, p, b); err == nil {
			data, err = p.t.repo.Manifest(ctx, digest)
		}
	}
	if err == nil && data == nil {
		err = &transport.DigestError{Host: p.t.name.Host, What: "manifest", Want: digest, Got: "nothing"}
	}
	if err == nil {
		p.t.mark(func() { p.have[digest] = true })
	}
	return err
}

// readBlob asks after a blob. One that was lost is uploaded once more.
func (d *shipment) readBlob(ctx context.Context, p *parcel, b blob, f *flight) error {
	digest := b.digest.String()
	has, err := p.t.repo.HasBlob(ctx, digest)
	if err == nil && !has {
		if err = f.again(ctx, d, p.t); err == nil {
			has, err = p.t.repo.HasBlob(ctx, digest)
		}
	}
	if err == nil && !has {
		err = &transport.DigestError{Host: p.t.name.Host, What: "blob", Want: digest, Got: "nothing"}
	}
	return err
}

// tag lets the tags point at the image, last of all.
func (d *shipment) tag(ctx context.Context, p *parcel) error {
	top := p.c.blobs[len(p.c.blobs)-1]
	g, ctx := errgroup.WithContext(ctx)
	for _, tag := range p.tags {
		g.Go(func() error {
			confirmed, err := d.store(ctx, p, top, tag)
			if err == nil && !confirmed {
				err = d.confirm(ctx, p, top, tag)
			}
			if err == nil {
				p.t.mark(func() { p.t.tagged = append(p.t.tagged, p.t.name.String()+":"+tag) })
			}
			return err
		})
	}
	return g.Wait()
}

// confirm asks what a tag points at, where the registry did not say it by itself, and puts it once more if it is wrong.
func (d *shipment) confirm(ctx context.Context, p *parcel, top blob, tag string) error {
	want := top.digest.String()
	got, err := p.t.repo.Tagged(ctx, tag)
	if err == nil && got != want {
		if _, err = d.store(ctx, p, top, tag); err == nil {
			got, err = p.t.repo.Tagged(ctx, tag)
		}
	}
	if err == nil && got != want {
		if got == "" {
			got = "nothing"
		}
		err = &transport.DigestError{Host: p.t.name.Host, What: "tag " + tag + " for", Want: want, Got: got}
	}
	return err
}
