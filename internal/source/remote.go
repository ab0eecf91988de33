// SPDX-License-Identifier: MIT OR Apache-2.0

package source

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"sampan/internal/durable"
	"sampan/internal/transport"
)

// Remote is where a registry's images are read from, and where what was fetched waits to be passed on.
type Remote struct {
	Repos []*transport.Repository // asked in this order: mirrors, then the origin
	Dir   string                  // folder for blobs, by digest; what is there already is hashed and used
	Say   func(text string)       // is told when a mirror did not help; may be nil
}

// remote is a registry as a Place.
type remote struct {
	Remote
	with  func(f func(ctx context.Context) error) error // while the caller of Fetch wants it
	cache *Place

	mu      sync.Mutex
	fetched []v1.Hash
	busy    map[v1.Hash]*sync.Mutex
}

// Fetch finds an image of a registry by a digest or, where that is "", by a tag. Its layers are fetched when they are
// read, each once, while ctx lives. Forget removes them.
func Fetch(ctx context.Context, r Remote, tag, digest string) (*Place, error) {
	origin := r.Repos[len(r.Repos)-1].Name
	p := &Place{Path: origin.String(), remote: &remote{Remote: r, with: func(f func(context.Context) error) error { return f(ctx) }, cache: Blobs(r.Dir), busy: map[v1.Hash]*sync.Mutex{}}}
	if digest == "" {
		err := p.remote.each(func(ctx context.Context, repo *transport.Repository) (err error) {
			if digest, err = repo.Tagged(ctx, tag); err == nil && digest == "" {
				err = fmt.Errorf("there is no tag %q: %w", tag, fs.ErrNotExist)
			}
			return err
		})
		if err != nil {
			return nil, p.remote.told(p.Path, err, "is the tag written right?")
		}
	}
	hash, err := v1.NewHash(digest)
	if err != nil {
		return nil, &Error{Path: p.Path, Err: err, hint: "HOST/PATH:TAG, or HOST/PATH@sha256:…"}
	}
	raw, err := p.remote.manifest(hash)
	if err != nil {
		return nil, p.remote.told(p.Path, err, "is the digest written right?")
	}
	kind, err := KindOf(raw)
	if err != nil {
		return nil, &Error{Path: p.Path + "@" + digest, Err: err, hint: "an image or an index of images is wanted"}
	}
	p.Entries = []Entry{{Name: tag, Descriptor: v1.Descriptor{MediaType: kind, Digest: hash, Size: int64(len(raw))}}}
	return p, nil
}

// told is an error about a place; those of registries have hints of their own.
func (r *remote) told(path string, err error, hint string) error {
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return &Error{Path: path, Err: err, hint: hint}
}

// each asks one repository after another until one has what is wanted.
func (r *remote) each(ask func(context.Context, *transport.Repository) error) error {
	return r.with(func(ctx context.Context) error {
		for i, repo := range r.Repos {
			err := ask(ctx, repo)
			if err == nil || i == len(r.Repos)-1 || ctx.Err() != nil {
				return err
			}
			if _, local := errors.AsType[*fs.PathError](err); local {
				return err
			}
			if r.Say != nil {
				r.Say(fmt.Sprintf("mirror %s did not help, %s is asked: %v", repo.Name, r.Repos[i+1].Name, err))
			}
		}
		return nil
	})
}

// manifest reads a manifest or an index, checked by its digest.
func (r *remote) manifest(h v1.Hash) (raw []byte, err error) {
	err = r.each(func(ctx context.Context, repo *transport.Repository) (err error) {
		if raw, err = repo.Manifest(ctx, h.String()); err == nil && raw == nil {
			err = fmt.Errorf("there is no manifest %s: %w", h, fs.ErrNotExist)
		}
		return err
	})
	return raw, err
}

// document reads what a descriptor names into memory.
func (r *remote) document(d v1.Descriptor) ([]byte, error) {
	if d.Size > maxJSON {
		return nil, fmt.Errorf("%s is larger than %d bytes", d.Digest, maxJSON)
	}
	if d.MediaType.IsImage() || d.MediaType.IsIndex() {
		raw, err := r.manifest(d.Digest)
		if err == nil && int64(len(raw)) != d.Size {
			err = fmt.Errorf("%s has %d bytes, and its descriptor says %d", d.Digest, len(raw), d.Size)
		}
		return raw, err
	}
	var f memory
	err := r.each(func(ctx context.Context, repo *transport.Repository) error {
		f = nil
		return repo.GetBlob(ctx, d.Digest.String(), d.Size, &f)
	})
	return f, err
}

// memory is a small file.
type memory []byte

func (m *memory) Write(p []byte) (int, error) {
	*m = append(*m, p...)
	return len(p), nil
}

// Truncate makes it empty: nothing else is asked of it.
func (m *memory) Truncate(int64) error {
	*m = (*m)[:0]
	return nil
}

// open fetches a blob unless it is there, and reads it.
func (r *remote) open(d v1.Descriptor) (io.ReadCloser, error) {
	if _, err := blobPath(d.Digest); err != nil {
		return nil, err
	}
	r.mu.Lock()
	one := r.busy[d.Digest]
	if one == nil {
		one = &sync.Mutex{}
		r.busy[d.Digest] = one
	}
	r.mu.Unlock()
	one.Lock()
	defer one.Unlock()
	if !r.cache.Has(d) {
		if err := r.bring(d); err != nil {
			return nil, err
		}
	}
	return (&layerOf{r.cache, d}).Compressed()
}

func (r *remote) bring(d v1.Descriptor) error {
	dir := filepath.Join(r.Dir, "blobs", "sha256")
	for _, d := range []string{r.Dir, filepath.Dir(dir), dir} {
		if err := durable.MkdirPrivate(d); err != nil {
			return err
		}
	}
	f, err := durable.Create(filepath.Join(dir, d.Digest.Hex), 0o644)
	if err != nil {
		return err
	}
	defer f.Abort()
	f.Expect(d.Size)
	err = r.each(func(ctx context.Context, repo *transport.Repository) error {
		if err := f.Truncate(0); err != nil {
			return err
		}
		return repo.GetBlob(ctx, d.Digest.String(), d.Size, f)
	})
	if err != nil {
		return err
	}
	r.mu.Lock()
	r.fetched = append(r.fetched, d.Digest)
	r.mu.Unlock()
	return f.Commit()
}

// Forget removes what was fetched.
func (p *Place) Forget() {
	if p.remote == nil {
		return
	}
	p.remote.mu.Lock()
	defer p.remote.mu.Unlock()
	for _, h := range p.remote.fetched {
		_ = os.Remove(filepath.Join(p.remote.Dir, "blobs", "sha256", h.Hex)) // the next run uses what stays
	}
	p.remote.fetched = nil
}

// remoteImage is an image of a registry: its layers say where they are, so that the same registry can take them over.
type remoteImage struct {
	v1.Image
	layers []v1.Layer
}

func (i *remoteImage) Layers() ([]v1.Layer, error) { return i.layers, nil }

// remoteLayer is a layer in a registry.
type remoteLayer struct {
	v1.Layer
	at transport.Name
}

// Origin is the repository that has the layer.
func (l *remoteLayer) Origin() (host, path string) { return l.at.Host, l.at.Path }

func (r *remote) image(img v1.Image) (v1.Image, error) {
	layers, err := img.Layers()
	if err != nil {
		return nil, err
	}
	out := &remoteImage{Image: img}
	for _, l := range layers {
		out.layers = append(out.layers, &remoteLayer{l, r.Repos[len(r.Repos)-1].Name})
	}
	return out, nil
}

// KindOf tells what a manifest is by what it says of itself; one that says nothing, by what is in it, and never both.
func KindOf(raw []byte) (types.MediaType, error) {
	var doc struct {
		Schema    int               `json:"schemaVersion"`
		MediaType types.MediaType   `json:"mediaType"`
		Config    json.RawMessage   `json:"config"`
		Layers    []json.RawMessage `json:"layers"`
		Manifests []json.RawMessage `json:"manifests"`
	}
	if err := json.Unmarshal(raw, &doc); err != nil {
		return "", errors.New("it is no JSON")
	}
	isImage, isIndex := doc.Config != nil || doc.Layers != nil, doc.Manifests != nil
	switch {
	case doc.Schema != 2:
		return "", fmt.Errorf("it is of schema version %d, and only 2 is read", doc.Schema)
	case isImage == isIndex:
		return "", errors.New("it is an image and an index at once, or neither")
	case doc.MediaType == "" && isIndex:
		return types.OCIImageIndex, nil
	case doc.MediaType == "":
		return types.OCIManifestSchema1, nil
	case doc.MediaType.IsIndex() != isIndex || doc.MediaType.IsImage() != isImage:
		return "", fmt.Errorf("it says that it is %q, and holds something else", doc.MediaType)
	}
	return doc.MediaType, nil
}
