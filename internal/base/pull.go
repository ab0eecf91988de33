// SPDX-License-Identifier: MIT OR Apache-2.0

package base

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"golang.org/x/sync/errgroup"

	"sampan/internal/durable"
	"sampan/internal/source"
	"sampan/internal/transport"
)

// Cache is a folder of blobs that were fetched, by digest. Any number of processes may use one at once.
type Cache struct {
	Dir string
	Say func(text string) // is told what is fetched; may be nil
}

// maxConfig bounds a config in bytes, as documents are bounded everywhere.
const maxConfig = 4 << 20

// atOnce is how many blobs are fetched side by side.
const atOnce = 4

// errAbsent says that something is not in the cache.
var errAbsent = errors.New("it is not in the cache")

// Near finds an image in the cache, for a platform, by the digest of its manifest or index; place is nil when not all of it
// is there. The error is of what fetching the rest would not change.
func (c *Cache) Near(digest, platform string) (place *source.Place, e source.Entry, err error) {
	e, err = c.bring(context.Background(), nil, digest, platform)
	if errors.Is(err, errAbsent) {
		return nil, e, nil
	}
	return source.Blobs(c.Dir), e, err
}

// Fetch brings into the cache what it lacks of an image, for a platform.
func (c *Cache) Fetch(ctx context.Context, repo *transport.Repository, digest, platform string) (*source.Place, source.Entry, error) {
	e, err := c.bring(ctx, repo, digest, platform)
	if err != nil {
		return nil, e, fmt.Errorf("fetch base %s@%s: %w", repo.Name, digest, err)
	}
	return source.Blobs(c.Dir), e, nil
}

func (c *Cache) bring(ctx context.Context, repo *transport.Repository, digest, platform string) (source.Entry, error) {
	want, err := v1.ParsePlatform(platform)
	if err != nil {
		return source.Entry{}, err
	}
	raw, top, err := c.manifest(ctx, repo, digest)
	if err != nil {
		return source.Entry{}, err
	}
	e := source.Entry{Descriptor: top}
	if top.MediaType.IsIndex() {
		child, err := source.InIndex(digest, raw, *want)
		if err != nil {
			return e, err
		}
		if raw, top, err = c.manifest(ctx, repo, child.Digest.String()); err != nil {
			return e, err
		}
	}
	if !top.MediaType.IsImage() {
		return e, &Error{Path: top.Digest.String(), Err: fmt.Errorf("it is %q, and no image", top.MediaType), hint: "name an image"}
	}
	var m v1.Manifest
	if err := json.Unmarshal(raw, &m); err != nil {
		return e, fmt.Errorf("parse manifest %s: %w", top.Digest, err)
	}
	return e, c.blobs(ctx, repo, &m)
}

// manifest reads a manifest or an index: from the cache, else from the registry.
func (c *Cache) manifest(ctx context.Context, repo *transport.Repository, digest string) ([]byte, v1.Descriptor, error) {
	var d v1.Descriptor
	var err error
	if d.Digest, err = v1.NewHash(digest); err != nil {
		return nil, d, err
	}
	raw, err := source.Blobs(c.Dir).Document(d.Digest)
	if err != nil {
		if repo == nil {
			return nil, d, errAbsent
		}
		if raw, err = repo.Manifest(ctx, digest); err != nil {
			return nil, d, err
		}
		if raw == nil {
			return nil, d, &Error{Path: digest, Err: errors.New("there is none in the registry"), hint: "sampan base update, or name another digest"}
		}
		if err := c.store(d.Digest, func(f *durable.File) error { _, err := f.Write(raw); return err }); err != nil {
			return nil, d, err
		}
	}
	d.Size = int64(len(raw))
	d.MediaType, err = kindOf(raw)
	return raw, d, err
}

// kindOf is source.KindOf for a base.
func kindOf(raw []byte) (types.MediaType, error) {
	kind, err := source.KindOf(raw)
	if err != nil {
		return "", &Error{Path: "its manifest", Err: err, hint: "take another base"}
	}
	return kind, nil
}

// blobs brings config and layers.
func (c *Cache) blobs(ctx context.Context, repo *transport.Repository, m *v1.Manifest) error {
	var missing []v1.Descriptor
	var total int64
	for _, d := range append([]v1.Descriptor{m.Config}, m.Layers...) {
		if d.Size < 0 || d.Size > maxUnpacked || total > maxUnpacked {
			return &Error{Path: d.Digest.String(), Err: errors.New("it is larger than 16 GiB"), hint: "take another base"}
		}
		if !source.Blobs(c.Dir).Has(d) {
			missing, total = append(missing, d), total+d.Size
		}
	}
	if m.Config.Size > maxConfig {
		return &Error{Path: m.Config.Digest.String(), Err: errors.New("its config is larger than 4 MiB"), hint: "take another base"}
	}
	for _, d := range m.Layers {
		if _, err := layerType(d.MediaType); err != nil {
			return &Error{Path: d.Digest.String(), Err: err, hint: "take another base"} // before anything of it is fetched
		}
	}
	if len(missing) == 0 {
		return nil
	}
	if repo == nil {
		return errAbsent
	}
	_ = durable.Sweep(filepath.Join(c.Dir, "blobs", "sha256")) // what killed processes left
	if c.Say != nil {
		c.Say(fmt.Sprintf("base: %d blobs of %s are fetched, %.1f MB", len(missing), repo.Name, float64(total)/1e6))
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(atOnce)
	for _, d := range missing {
		g.Go(func() error {
			return c.store(d.Digest, func(f *durable.File) error {
				f.Expect(d.Size)
				return repo.GetBlob(ctx, d.Digest.String(), d.Size, f)
			})
		})
	}
	return g.Wait()
}

// store writes a blob that fill gives and checks.
func (c *Cache) store(digest v1.Hash, fill func(*durable.File) error) error {
	dir := filepath.Join(c.Dir, "blobs", "sha256")
	for _, d := range []string{c.Dir, filepath.Dir(dir), dir} {
		if err := durable.MkdirPrivate(d); err != nil {
			return err
		}
	}
	f, err := durable.Create(filepath.Join(dir, digest.Hex), 0o644)
	if err != nil {
		return err
	}
	defer f.Abort()
	if err := fill(f); err != nil {
		return err
	}
	return f.Commit()
}
