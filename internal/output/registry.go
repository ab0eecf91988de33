// SPDX-License-Identifier: MIT OR Apache-2.0

package output

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sync/errgroup"

	"sampan/internal/transport"
)

// Registry pushes images to the repositories that their payloads name.
type Registry struct {
	Client *transport.Client
	Memory string // folder that remembers what was pushed where; "" for none

	// Progress is told how many bytes of a large blob are on their way, from several goroutines at once; nil for nobody.
	Progress func(repository string, done, total int64)
}

// Write pushes, one delivery from beginning to end.
func (r *Registry) Write(ctx context.Context, ps []Payload) ([]Receipt, error) {
	d := r.Open(ctx)
	defer d.Close()
	return d.Write(ctx, ps)
}

// Preflight looks at names and tags, and lets connections be opened that will be needed. Nobody is asked anything.
func (r *Registry) Preflight(ctx context.Context, ps []Payload) error {
	owner, hosts := map[string]bool{}, map[transport.Name]bool{}
	for _, p := range ps {
		n, err := repositoryOf(p)
		if err != nil {
			return err
		}
		hosts[transport.Name{Scheme: n.Scheme, Host: n.Host}] = true
		tags, err := tagsOf(p)
		if err != nil {
			return err
		}
		for _, t := range tags {
			name := p.Repository + ":" + t
			if owner[name] {
				return &NameError{What: "repository", Text: name, Why: "two images would have this name", hint: "leave --bare out, or choose one with --bin"}
			}
			owner[name] = true
		}
	}
	for n := range hosts {
		go r.Client.Warm(ctx, n)
	}
	return ctx.Err()
}

func repositoryOf(p Payload) (transport.Name, error) {
	n, err := transport.ParseName(p.Repository)
	if err == nil && n.Path == "" {
		err = &NameError{What: "repository", Text: p.Repository, Why: "there is a host and no path", hint: "--repo " + n.Host + "/" + suggestName(p.Name)}
	}
	return n, err
}

// PushError is a push that ended midway. No tag of its images was touched, unless Tagged says so.
type PushError struct {
	Repository string
	Pushed     []string // references by digest that the registry took before that
	Tagged     []string // tags that already point at the new image
	Err        error
}

func (e *PushError) Error() string {
	s := fmt.Sprintf("push %s: %v", e.Repository, e.Err)
	if len(e.Pushed) > 0 {
		s += "; pushed before that: " + strings.Join(e.Pushed, ", ")
	}
	if len(e.Tagged) > 0 {
		s += "; tagged before that: " + strings.Join(e.Tagged, ", ")
	}
	return s
}

// Unwrap returns the cause.
func (e *PushError) Unwrap() error { return e.Err }

// Open begins a delivery. Nothing goes out before it is told of a layer or an image.
func (r *Registry) Open(ctx context.Context) Delivery {
	ctx, cancel := context.WithCancel(ctx)
	d := &shipment{r: r, memory: memory{dir: r.Memory}, targets: map[string]*target{}, leaders: map[string]*flight{}, fresh: map[string]bool{},
		slots: make(chan struct{}, maxUploads), cancel: cancel}
	d.spawn = func(f func(ctx context.Context)) { d.work.Go(func() { f(ctx) }) }
	return d
}

// parcel is one image on its way to its repository.
type parcel struct {
	t    *target
	c    *content
	tags []string
	noop bool // every tag points at it already

	// Manifests by digest, under the target's lock: those that were read as they should be, those of them that were
	// there before, and those that the registry took.
	have, found, stored map[string]bool

	// Descriptors of referrers that the registry does not list by itself, by subject, under the target's lock.
	unlisted map[v1.Hash][]v1.Descriptor
}

func (p *parcel) has(b blob) bool {
	p.t.mu.Lock()
	defer p.t.mu.Unlock()
	return p.have[b.digest.String()]
}

// Write pushes all images: what they consist of first, then what names it, and tags when everything else is there.
func (d *shipment) Write(ctx context.Context, ps []Payload) ([]Receipt, error) {
	parcels := make([]*parcel, len(ps))
	for i, p := range ps {
		c, err := gather(p)
		if err != nil {
			return nil, err
		}
		t, err := d.target(p)
		if err != nil {
			return nil, err
		}
		tags, err := tagsOf(p)
		if err != nil {
			return nil, err
		}
		parcels[i] = &parcel{t: t, c: c, tags: tags, have: map[string]bool{}, found: map[string]bool{}, stored: map[string]bool{},
			unlisted: map[v1.Hash][]v1.Descriptor{}}
	}
	steps := []func(context.Context, *parcel) error{d.look, d.blobs, d.name}
	for _, step := range steps {
		if err := each(ctx, parcels, step); err != nil {
			return nil, failed(err, parcels)
		}
	}
	if err := each(ctx, parcels, d.tag); err != nil {
		return nil, failed(err, parcels)
	}
	if err := each(ctx, parcels, d.listed); err != nil {
		return nil, failed(err, parcels)
	}
	receipts := make([]Receipt, len(parcels))
	for i, p := range parcels {
		receipts[i] = d.receipt(p)
		d.memory.keep(p.t.name, p.c.key(), p.tags, receipts[i].Blobs)
	}
	return receipts, nil
}

// stepError tells whose step failed.
type stepError struct {
	p   *parcel
	err error
}

func (e *stepError) Error() string { return e.err.Error() }
func (e *stepError) Unwrap() error { return e.err }

// each does a step for all images side by side. One that every registry has already needs no more of them.
func each(ctx context.Context, parcels []*parcel, step func(context.Context, *parcel) error) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, p := range parcels {
		if p.noop {
			continue
		}
		g.Go(func() error {
			if err := step(ctx, p); err != nil {
				return &stepError{p, err}
			}
			return nil
		})
	}
	return g.Wait()
}

// failed says what is there all the same.
func failed(err error, parcels []*parcel) error {
	var at *stepError
	if !errors.As(err, &at) {
		return err
	}
	out := &PushError{Repository: at.p.t.name.String(), Err: at.err}
	for _, p := range parcels {
		for _, b := range p.c.blobs {
			if b.manifest != "" && p.stored[b.digest.String()] {
				out.Pushed = append(out.Pushed, p.t.name.String()+"@"+b.digest.String())
			}
		}
		out.Tagged = append(out.Tagged, p.t.done()...)
	}
	return out
}

// look finds out what need not be done. Where nothing was made just now and a push of the same image is remembered,
// its tags are asked about and nothing else; else everything that the image consists of is asked about at once.
func (d *shipment) look(ctx context.Context, p *parcel) error {
	if d.isFresh(p.c) {
		return nil
	}
	if d.memory.knows(p.t.name, p.c.key(), p.tags) {
		same, err := d.tagsPoint(ctx, p)
		if err != nil {
			return err
		}
		if p.noop = same; same {
			return nil
		}
	}
	g, ctx := errgroup.WithContext(ctx)
	for _, b := range p.c.blobs {
		digest := b.digest.String()
		if b.manifest == "" {
			f := d.flight(p.t, b, false)
			g.Go(func() error { return f.wait(ctx, lookedUp) })
			continue
		}
		g.Go(func() error {
			data, err := p.t.repo.Manifest(ctx, digest)
			if _, wrong := errors.AsType[*transport.DigestError](err); wrong {
				return nil // it is put again, and then has to be right
			}
			if err == nil && data != nil {
				p.t.mark(func() { p.have[digest], p.found[digest] = true, true })
			}
			return err
		})
	}
	return g.Wait()
}

// tagsPoint tells whether every tag points at the image already.
func (d *shipment) tagsPoint(ctx context.Context, p *parcel) (bool, error) {
	same := true
	g, ctx := errgroup.WithContext(ctx)
	for _, tag := range p.tags {
		g.Go(func() error {
			digest, err := p.t.repo.Tagged(ctx, tag)
			if err == nil && digest != p.c.top.Digest.String() {
				p.t.mark(func() { same = false })
			}
			return err
		})
	}
	err := g.Wait()
	return same, err
}

// blobs waits until everything is there that manifests name.
func (d *shipment) blobs(ctx context.Context, p *parcel) error {
	g, ctx := errgroup.WithContext(ctx)
	fresh := d.isFresh(p.c)
	for i, b := range slices.Concat(p.c.blobs, p.c.extras) {
		if b.manifest == "" {
			about := i >= len(p.c.blobs) // made just now, as the image was
			f := d.flight(p.t, b, fresh && (b.layer == nil || about))
			g.Go(func() error { return f.wait(ctx, landed) })
		}
	}
	return g.Wait()
}

// name stores what names everything and reads it back; what refers to the image goes beside it.
func (d *shipment) name(ctx context.Context, p *parcel) error {
	g, ctx := errgroup.WithContext(ctx)
	named := make(chan struct{})
	g.Go(func() error {
		for _, step := range []func(context.Context, *parcel) error{d.images, d.index, d.readBack} {
			if err := step(ctx, p); err != nil {
				return err
			}
		}
		close(named)
		return nil
	})
	if len(p.c.referrers) > 0 {
		g.Go(func() error { return d.refer(ctx, p, named) })
	}
	return g.Wait()
}

// isFresh tells whether a layer of the image was made just now: then nobody has its config and manifest.
func (d *shipment) isFresh(c *content) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, part := range c.parts {
		for _, l := range part.layers {
			if d.fresh[l.String()] {
				return true
			}
		}
	}
	return false
}

// images stores the manifests of all platforms under their digests.
func (d *shipment) images(ctx context.Context, p *parcel) error {
	var g errgroup.Group // when one fails, the others are still brought to an end that can be told
	for _, b := range p.c.blobs {
		if b.manifest.IsImage() && !p.has(b) {
			g.Go(func() error { return d.put(ctx, p, b) })
		}
	}
	return g.Wait()
}

// index stores the index, when all that it names is there.
func (d *shipment) index(ctx context.Context, p *parcel) error {
	for _, b := range p.c.blobs {
		if b.manifest.IsIndex() && !p.has(b) {
			if err := d.put(ctx, p, b); err != nil {
				return err
			}
		}
	}
	return nil
}

// store stores a manifest under its digest or a tag. When the registry misses what it names, that is brought once more,
// whatever the registry said of it before, and the manifest a second time.
func (d *shipment) store(ctx context.Context, p *parcel, b blob, reference string) (confirmed bool, err error) {
	confirmed, err = p.t.repo.PutManifest(ctx, reference, string(b.manifest), b.data)
	if _, ok := errors.AsType[*transport.UnknownBlobError](err); ok {
		if err = d.again(ctx, p, b); err == nil {
			confirmed, err = p.t.repo.PutManifest(ctx, reference, string(b.manifest), b.data)
		}
	}
	return confirmed, err
}

// put stores a manifest under its digest.
func (d *shipment) put(ctx context.Context, p *parcel, b blob) error {
	_, err := d.store(ctx, p, b, b.digest.String()) // it is read back in any case
	if err == nil {
		p.t.mark(func() { p.stored[b.digest.String()] = true })
	}
	return err
}

// again brings what a manifest names once more.
func (d *shipment) again(ctx context.Context, p *parcel, of blob) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, h := range of.needs {
		for _, b := range slices.Concat(p.c.blobs, p.c.extras) {
			if b.digest != h {
				continue
			}
			g.Go(func() error {
				if b.manifest != "" {
					_, err := p.t.repo.PutManifest(ctx, b.digest.String(), string(b.manifest), b.data)
					return err
				}
				return d.flight(p.t, b, false).again(ctx, d, p.t)
			})
			break
		}
	}
	return g.Wait()
}

// receipt says what was pushed.
func (d *shipment) receipt(p *parcel) Receipt {
	r := p.c.receipt("registry", p.t.name.String(), nil)
	r.Reference = p.t.name.String() + "@" + r.Digest
	for _, tag := range p.tags {
		r.Tags = append(r.Tags, p.t.name.String()+":"+tag)
	}
	for _, b := range p.c.blobs {
		if b.manifest != "" {
			if !p.noop && !p.found[b.digest.String()] {
				r.Written += b.size
			}
			continue
		}
		how := there
		if !p.noop {
			how = d.flight(p.t, b, false).how()
		}
		if how == pushed {
			r.Written += b.size
		}
		r.Blobs = append(r.Blobs, BlobReceipt{Digest: b.digest.String(), Size: b.size, How: how})
	}
	r.Referrers = p.referrerReceipts()
	return r
}
