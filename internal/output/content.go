// SPDX-License-Identifier: MIT OR Apache-2.0

package output

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// blob is one piece of an image. Small ones (configs, manifests, indexes) are in data; layer is nil for them.
type blob struct {
	digest v1.Hash
	size   int64
	data   []byte
	layer  v1.Layer

	manifest types.MediaType // of a manifest or an index; "" for what those name
	needs    []v1.Hash       // of a manifest: what has to be there before it
}

// part is one image of a content, as docker's manifest.json wants to know it.
type part struct {
	platform v1.Platform
	config   v1.Hash
	layers   []v1.Hash
}

// content is a payload taken apart: every blob once, children before parents.
type content struct {
	payload Payload
	top     v1.Descriptor // of the image or the index; without annotations
	blobs   []blob
	parts   []part
	size    int64

	referrers []referrer
	extras    []blob // what referrers consist of
}

// gather takes a payload apart and checks that its pieces name each other. No layer is read.
func gather(p Payload) (*content, error) {
	c := &content{payload: p}
	if len(p.Images) == 0 {
		return nil, fmt.Errorf("read image %s: it has no platform", p.Name)
	}
	if p.Index == nil && len(p.Images) > 1 {
		return nil, fmt.Errorf("read image %s: %d platforms and no index", p.Name, len(p.Images))
	}
	known := map[v1.Hash]bool{}
	for _, img := range p.Images {
		if err := c.addImage(img, known); err != nil {
			return nil, fmt.Errorf("read image %s: %w", p.Name, err)
		}
	}
	if p.Index != nil {
		if err := c.addIndex(p.Index, known); err != nil {
			return nil, fmt.Errorf("read image %s: %w", p.Name, err)
		}
	}
	if p.Digest != (v1.Hash{}) && p.Digest != c.top.Digest {
		return nil, fmt.Errorf("read image %s: %w", p.Name, &ContentError{Digest: p.Digest, Got: c.top.Digest.String()})
	}
	if p.MediaType != "" && p.MediaType != c.top.MediaType {
		return nil, fmt.Errorf("read image %s: media type %q in the manifest, %q beside it", p.Name, c.top.MediaType, p.MediaType)
	}
	for _, b := range c.blobs {
		c.size += b.size
	}
	if err := c.addReferrers(p.Referrers, known); err != nil {
		return nil, fmt.Errorf("read image %s: %w", p.Name, err)
	}
	return c, nil
}

// add takes a blob once. Its digest becomes part of paths, and its bytes are hashed with SHA-256.
func (c *content) add(b blob, known map[v1.Hash]bool) error {
	if !isSHA256(b.digest.String()) {
		return fmt.Errorf("%q is not a SHA-256 digest", b.digest)
	}
	if !known[b.digest] {
		known[b.digest] = true
		c.blobs = append(c.blobs, b)
	}
	return nil
}

// addImage adds layers, config and manifest, and makes the manifest the top.
func (c *content) addImage(img v1.Image, known map[v1.Hash]bool) error {
	raw, err := img.RawManifest()
	if err != nil {
		return err
	}
	var m v1.Manifest
	if err := json.Unmarshal(raw, &m); err != nil {
		return fmt.Errorf("parse manifest: %w", err)
	}
	layers, err := img.Layers()
	if err != nil {
		return err
	}
	if len(layers) != len(m.Layers) {
		return fmt.Errorf("%d layers, %d in the manifest", len(layers), len(m.Layers))
	}
	one := part{config: m.Config.Digest}
	for i, l := range layers {
		digest, err := l.Digest()
		if err != nil {
			return err
		}
		if digest != m.Layers[i].Digest {
			return &ContentError{Digest: m.Layers[i].Digest, Got: digest.String()}
		}
		one.layers = append(one.layers, digest)
		if err := c.add(blob{digest: digest, size: m.Layers[i].Size, layer: l}, known); err != nil {
			return err
		}
	}
	config, err := img.RawConfigFile()
	if err != nil {
		return err
	}
	if got := digestOf(config); got != m.Config.Digest || int64(len(config)) != m.Config.Size {
		return &ContentError{Digest: m.Config.Digest, Got: fmt.Sprintf("%s (%d bytes)", got, len(config))}
	}
	if err := c.add(blob{digest: m.Config.Digest, size: m.Config.Size, data: config}, known); err != nil {
		return err
	}
	if err := json.Unmarshal(config, &one.platform); err != nil {
		return fmt.Errorf("parse config: %w", err)
	}
	c.parts = append(c.parts, one)
	c.top = v1.Descriptor{MediaType: m.MediaType, Digest: digestOf(raw), Size: int64(len(raw))}
	if c.top.MediaType == "" {
		c.top.MediaType = types.OCIManifestSchema1
	}
	if one.platform.OS != "" {
		platform := one.platform
		c.top.Platform = &platform
	}
	return c.add(blob{digest: c.top.Digest, size: c.top.Size, data: raw, manifest: c.top.MediaType, needs: append([]v1.Hash{one.config}, one.layers...)}, known)
}

// addIndex adds the index and makes it the top. It may name only what was added before.
func (c *content) addIndex(idx v1.ImageIndex, known map[v1.Hash]bool) error {
	raw, err := idx.RawManifest()
	if err != nil {
		return err
	}
	var m v1.IndexManifest
	if err := json.Unmarshal(raw, &m); err != nil {
		return fmt.Errorf("parse index: %w", err)
	}
	if len(m.Manifests) == 0 {
		return fmt.Errorf("parse index: it names no image")
	}
	var needs []v1.Hash
	for _, d := range m.Manifests {
		if !known[d.Digest] {
			return fmt.Errorf("parse index: it names %s, which is not among the images", d.Digest)
		}
		needs = append(needs, d.Digest)
	}
	c.top = v1.Descriptor{MediaType: m.MediaType, Digest: digestOf(raw), Size: int64(len(raw))}
	if c.top.MediaType == "" {
		c.top.MediaType = types.OCIImageIndex
	}
	return c.add(blob{digest: c.top.Digest, size: c.top.Size, data: raw, manifest: c.top.MediaType, needs: needs}, known)
}

// receipt begins the receipt of a content at a place.
func (c *content) receipt(scheme, path string, tags []string) Receipt {
	return Receipt{
		Image:     c.payload.Name,
		Output:    scheme + ":" + path,
		Reference: scheme + ":" + path + "@" + c.top.Digest.String(),
		Digest:    c.top.Digest.String(),
		MediaType: string(c.top.MediaType),
		Size:      c.size,
		Tags:      tags,
	}
}

func digestOf(data []byte) v1.Hash {
	sum := sha256.Sum256(data)
	return v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(sum[:])}
}

// localPath is the file that holds a layer's compressed bytes, if it has one.
func (b blob) localPath() string {
	if p, ok := b.layer.(interface{ Path() string }); ok {
		return p.Path()
	}
	return ""
}

// origin is the repository of a registry that a layer came from: that of a base. "" when it came from elsewhere.
func (b blob) origin(host string) string {
	if o, ok := b.layer.(interface{ Origin() (host, path string) }); ok {
		if h, path := o.Origin(); h == host {
			return path
		}
	}
	return ""
}

// verify makes sure that the layer's file holds what its digest names: by the layer's own word if it gives one.
func (b blob) verify(ctx context.Context) error {
	if v, ok := b.layer.(interface{ Verify() error }); ok {
		return v.Verify()
	}
	f, err := os.Open(b.localPath())
	if err != nil {
		return err
	}
	defer f.Close()
	return b.copyFrom(ctx, io.Discard, f)
}

// copyTo writes the blob's bytes to w, and fails when they are not those that the digest and size name. What w got
// must then be thrown away.
func (b blob) copyTo(ctx context.Context, w io.Writer) error {
	if b.layer == nil {
		return b.copyFrom(ctx, w, bytes.NewReader(b.data))
	}
	r, err := b.layer.Compressed()
	if err != nil {
		return err
	}
	if err := b.copyFrom(ctx, w, r); err != nil {
		r.Close()
		return err
	}
	return r.Close()
}

func (b blob) copyFrom(ctx context.Context, w io.Writer, r io.Reader) error {
	hash := sha256.New()
	// One byte more than promised is enough to know that there are too many.
	limited := io.LimitReader(r, b.size+1)
	untilDone := readFunc(func(p []byte) (int, error) {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		return limited.Read(p)
	})
	n, err := io.CopyBuffer(io.MultiWriter(hash, w), untilDone, make([]byte, 128<<10))
	if err != nil {
		return err
	}
	if n > b.size {
		return &ContentError{Digest: b.digest, Got: fmt.Sprintf("more than %d bytes", b.size)}
	}
	got := v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(hash.Sum(nil))}
	if n != b.size || got != b.digest {
		return &ContentError{Digest: b.digest, Got: fmt.Sprintf("%s (%d bytes of %d)", got, n, b.size)}
	}
	return nil
}

// readFunc is a function that is an io.Reader.
type readFunc func(p []byte) (int, error)

func (f readFunc) Read(p []byte) (int, error) { return f(p) }
