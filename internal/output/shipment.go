// SPDX-License-Identifier: MIT OR Apache-2.0

package output

import (
	"bytes"
	"context"
	"io"
	"slices"
	"sync"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"sampan/internal/transport"
)

// What became of a blob.
const (
	pushed  = "pushed"
	there   = "there"
	mounted = "mounted"
)

// maxUploads is how many blobs are on their way at once.
const maxUploads = 6

// shipment is one push, of any number of images.
type shipment struct {
	r      *Registry
	memory memory
	slots  chan struct{}
	spawn  func(f func(ctx context.Context)) // ends with the delivery
	cancel context.CancelFunc
	work   sync.WaitGroup

	mu      sync.Mutex
	targets map[string]*target
	leaders map[string]*flight // the first to bring a blob to a registry, by host and digest
	fresh   map[string]bool    // digests of layers that were made just now
}

// target is one repository.
type target struct {
	name transport.Name
	repo *transport.Repository

	mu      sync.Mutex
	flights map[string]*flight // by digest
	opened  chan *transport.Upload
	pending int    // places that were asked for and not taken yet
	busy    bool   // something new will be pushed
	held    []blob // layers that are not asked after before that is known: an image that is there already costs one request
	tagged  []string
}

func (t *target) mark(f func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	f()
}

func (t *target) done() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := slices.Clone(t.tagged)
	t.tagged = nil // two images of one repository tell of it once
	return out
}

func (d *shipment) target(p Payload) (*target, error) {
	n, err := repositoryOf(p)
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	t := d.targets[p.Repository]
	if t == nil {
		t = &target{name: n, repo: d.r.Client.Repository(n), flights: map[string]*flight{}, opened: make(chan *transport.Upload, maxOpened)}
		d.targets[p.Repository] = t
	}
	return t, nil
}

// maxOpened bounds the places that are asked for in advance in one repository.
const maxOpened = 16

// Soon opens places for blobs while they are being made: their digests come later.
func (d *shipment) Soon(p Payload, blobs int) {
	t, err := d.target(p)
	if err != nil {
		return // Write says it
	}
	d.begin(t)
	for range blobs {
		t.mu.Lock()
		full := t.pending >= maxOpened
		if !full {
			t.pending++
		}
		t.mu.Unlock()
		if full {
			return
		}
		d.spawn(func(ctx context.Context) {
			// What goes wrong here goes wrong again where it can be told.
			u, _ := t.repo.Begin(ctx)
			t.opened <- u
		})
	}
}

// place takes a place that was opened in advance; nil when there is none.
func (t *target) place(ctx context.Context) *transport.Upload {
	t.mu.Lock()
	if t.pending == 0 {
		t.mu.Unlock()
		return nil
	}
	t.pending--
	t.mu.Unlock()
	select {
	case u := <-t.opened:
		return u
	case <-ctx.Done():
		return nil
	}
}

// Layer begins to upload a layer while others are still being made.
func (d *shipment) Layer(p Payload, l v1.Layer, fresh bool) {
	t, err := d.target(p)
	if err != nil {
		return
	}
	digest, err := l.Digest()
	if err != nil {
		return
	}
	size, err := l.Size()
	if err != nil {
		return
	}
	b := blob{digest: digest, size: size, layer: l}
	if fresh {
		d.mu.Lock()
		d.fresh[digest.String()] = true
		d.mu.Unlock()
		d.begin(t)
	}
	held := false
	t.mark(func() {
		if held = !t.busy; held {
			t.held = append(t.held, b)
		}
	})
	if !held {
		d.flight(t, b, fresh)
	}
}

// begin sends what was held back: the image is a new one.
func (d *shipment) begin(t *target) {
	var held []blob
	t.mark(func() { t.busy, held, t.held = true, t.held, nil })
	for _, b := range held {
		d.flight(t, b, false)
	}
}

// Close ends what is under way and gives back places that nobody took.
func (d *shipment) Close() {
	d.mu.Lock()
	targets := make([]*target, 0, len(d.targets))
	for _, t := range d.targets {
		targets = append(targets, t)
	}
	d.mu.Unlock()
	d.spawn(func(ctx context.Context) {
		ctx, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		for _, t := range targets {
			for u := t.place(ctx); u != nil; u = t.place(ctx) {
				t.repo.Cancel(ctx, u)
			}
		}
		d.cancel()
	})
	d.work.Wait()
}

// flight is one blob on its way to one repository.
type flight struct {
	b      blob
	looked chan struct{} // closed when it is known whether the repository had it
	ended  chan struct{}

	mu   sync.Mutex
	kind string
	err  error
}

// moment is one that can be waited for.
type moment func(*flight) chan struct{}

func lookedUp(f *flight) chan struct{} { return f.looked }
func landed(f *flight) chan struct{}   { return f.ended }

func (f *flight) wait(ctx context.Context, until moment) error {
	select {
	case <-until(f):
	case <-ctx.Done():
		return ctx.Err()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.err
}

func (f *flight) how() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.kind
}

func (f *flight) end(kind string, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.kind, f.err = kind, err
}

// again uploads a blob whatever was found out before.
func (f *flight) again(ctx context.Context, d *shipment, t *target) error {
	err := d.upload(ctx, t, f.b, nil)
	f.end(pushed, err)
	return err
}

// flight finds the way of a blob, or begins it. A fresh one is not asked after: nobody can have it.
func (d *shipment) flight(t *target, b blob, fresh bool) *flight {
	t.mu.Lock()
	defer t.mu.Unlock()
	digest := b.digest.String()
	f := t.flights[digest]
	if f == nil {
		f = &flight{b: b, looked: make(chan struct{}), ended: make(chan struct{})}
		t.flights[digest] = f
		d.spawn(func(ctx context.Context) {
			defer close(f.ended)
			kind, err := d.bring(ctx, t, f, fresh)
			f.end(kind, err)
		})
	}
	return f
}

// bring makes a blob be in a repository: it is there, or in another of the same registry, or it is uploaded.
func (d *shipment) bring(ctx context.Context, t *target, f *flight, fresh bool) (string, error) {
	digest := f.b.digest.String()
	has, err := false, error(nil)
	if !fresh {
		if has, err = d.has(ctx, t, digest); err != nil {
			f.end("", err)
		}
	}
	close(f.looked)
	if err != nil || has {
		return there, err
	}
	var u *transport.Upload
	if from := d.elsewhere(ctx, t, f, fresh); from != "" {
		ok, place, err := t.repo.Mount(ctx, digest, from)
		if ok {
			return mounted, nil
		}
		if err == nil {
			u = place // else it is not allowed, or not known: an upload always is
		}
	}
	if u == nil {
		u = t.place(ctx)
	}
	return pushed, d.upload(ctx, t, f.b, u)
}

func (d *shipment) has(ctx context.Context, t *target, digest string) (bool, error) {
	if err := d.enter(ctx); err != nil {
		return false, err
	}
	defer d.leave()
	return t.repo.HasBlob(ctx, digest)
}

// elsewhere gives another repository of the same registry that has a blob: one of this push, which is waited for, or
// one that is remembered, but not of what was made just now. "" when there is none.
func (d *shipment) elsewhere(ctx context.Context, t *target, f *flight, fresh bool) string {
	key := t.name.Host + " " + f.b.digest.String()
	d.mu.Lock()
	leader := d.leaders[key]
	if leader == nil {
		d.leaders[key] = f
	}
	d.mu.Unlock()
	if leader == nil && fresh {
		return ""
	}
	if leader == nil {
		from := d.memory.source(t.name.Host, f.b.digest.String())
		if from == "" {
			from = f.b.origin(t.name.Host)
		}
		if from != t.name.Path {
			return from
		}
		return ""
	}
	if leader.wait(ctx, landed) != nil {
		return ""
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, other := range d.targets {
		if other.name.Host == t.name.Host && other.holds(leader) {
			return other.name.Path
		}
	}
	return ""
}

func (t *target) holds(f *flight) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.flights[f.b.digest.String()] == f
}

func (d *shipment) upload(ctx context.Context, t *target, b blob, u *transport.Upload) error {
	if err := d.enter(ctx); err != nil {
		return err
	}
	defer d.leave()
	return t.repo.PutBlob(ctx, transport.Blob{Digest: b.digest.String(), Size: b.size, Open: func() (io.ReadCloser, error) {
		if b.layer == nil {
			return io.NopCloser(bytes.NewReader(b.data)), nil
		}
		r, err := b.layer.Compressed()
		if err != nil || d.r.Progress == nil || b.size < largeBlob {
			return r, err
		}
		return &toldReader{ReadCloser: r, tell: func(done int64) { d.r.Progress(t.name.String(), done, b.size) }}, nil
	}}, u)
}

// largeBlob is the size from which a blob's way is told of, in bytes.
const largeBlob = 1 << 20

// toldReader tells how much was read.
type toldReader struct {
	io.ReadCloser
	tell func(done int64)
	done int64
}

func (r *toldReader) Read(p []byte) (int, error) {
	n, err := r.ReadCloser.Read(p)
	if n > 0 {
		r.done += int64(n)
		r.tell(r.done)
	}
	return n, err
}

func (d *shipment) enter(ctx context.Context) error {
	select {
	case d.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (d *shipment) leave() { <-d.slots }
