// SPDX-License-Identifier: MIT OR Apache-2.0

package source

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Load reads an image, for one or several platforms: index is nil for one that is in no index of its own.
func (p *Place) Load(e Entry) (images []v1.Image, index v1.ImageIndex, err error) {
	images, index, err = p.load(e.Descriptor)
	if err != nil {
		return nil, nil, &Error{Path: p.Path, Err: err, hint: "it is damaged, or not for images: make it anew with sampan build"}
	}
	return images, index, nil
}

func (p *Place) load(d v1.Descriptor) ([]v1.Image, v1.ImageIndex, error) {
	if d.MediaType.IsImage() {
		img, err := p.image(d)
		return []v1.Image{img}, nil, err
	}
	if !d.MediaType.IsIndex() {
		return nil, nil, fmt.Errorf("%s is neither an image nor an index: %q", d.Digest, d.MediaType)
	}
	raw, err := p.document(d)
	if err != nil {
		return nil, nil, err
	}
	var m v1.IndexManifest
	if err := json.Unmarshal(raw, &m); err != nil {
		return nil, nil, fmt.Errorf("parse index %s: %w", d.Digest, err)
	}
	var images []v1.Image
	for _, child := range m.Manifests {
		if !child.MediaType.IsImage() {
			return nil, nil, fmt.Errorf("index %s holds %q, and only images are read", d.Digest, child.MediaType)
		}
		img, err := p.image(child)
		if err != nil {
			return nil, nil, err
		}
		images = append(images, img)
	}
	return images, &indexOf{d: d, raw: raw, m: &m, images: images}, nil
}

// document reads a manifest, an index or a config, and checks that it is the one that its descriptor names.
func (p *Place) document(d v1.Descriptor) ([]byte, error) {
	if p.remote != nil {
		return p.remote.document(d)
	}
	path, err := blobPath(d.Digest)
	if err != nil {
		return nil, err
	}
	data, err := p.small(path)
	if err != nil {
		return nil, err
	}
	if sum := sha256.Sum256(data); hex.EncodeToString(sum[:]) != d.Digest.Hex || int64(len(data)) != d.Size {
		p.drop(d.Digest)
		return nil, fmt.Errorf("%s holds other bytes (%d of them)", d.Digest, len(data))
	}
	return data, nil
}

// blobPath makes a path of a digest that was checked: v1.Hash holds whatever somebody put into it.
func blobPath(h v1.Hash) (string, error) {
	if raw, err := hex.DecodeString(h.Hex); h.Algorithm != "sha256" || err != nil || len(raw) != sha256.Size || hex.EncodeToString(raw) != h.Hex {
		return "", fmt.Errorf("%q is not a SHA-256 digest", h.String())
	}
	return "blobs/sha256/" + h.Hex, nil
}

func (p *Place) image(d v1.Descriptor) (v1.Image, error) {
	raw, err := p.document(d)
	if err != nil {
		return nil, err
	}
	var m v1.Manifest
	if err := json.Unmarshal(raw, &m); err != nil {
		return nil, fmt.Errorf("parse manifest %s: %w", d.Digest, err)
	}
	if m.MediaType != "" && m.MediaType != d.MediaType {
		return nil, fmt.Errorf("manifest %s says that it is %q, and its descriptor %q", d.Digest, m.MediaType, d.MediaType)
	}
	config, err := p.document(m.Config)
	if err != nil {
		return nil, err
	}
	img, err := partial.CompressedToImage(&imageOf{p: p, d: d, raw: raw, m: &m, config: config})
	if err != nil || p.remote == nil {
		return img, err
	}
	return p.remote.image(img)
}

// imageOf is what partial wants to know of an image.
type imageOf struct {
	p           *Place
	d           v1.Descriptor
	raw, config []byte
	m           *v1.Manifest
}

func (i *imageOf) RawManifest() ([]byte, error)        { return i.raw, nil }
func (i *imageOf) RawConfigFile() ([]byte, error)      { return i.config, nil }
func (i *imageOf) MediaType() (types.MediaType, error) { return i.d.MediaType, nil }
func (i *imageOf) LayerByDigest(h v1.Hash) (partial.CompressedLayer, error) {
	if h == i.m.Config.Digest {
		return &layerOf{i.p, i.m.Config}, nil
	}
	for _, d := range i.m.Layers {
		if d.Digest == h {
			return &layerOf{i.p, d}, nil
		}
	}
	return nil, fmt.Errorf("manifest %s names no layer %s", i.d.Digest, h)
}

// layerOf is a layer in a file.
type layerOf struct {
	p *Place
	d v1.Descriptor
}

func (l *layerOf) Digest() (v1.Hash, error)            { return l.d.Digest, nil }
func (l *layerOf) Size() (int64, error)                { return l.d.Size, nil }
func (l *layerOf) MediaType() (types.MediaType, error) { return l.d.MediaType, nil }

// Compressed reads the layer. The last byte is given only when all of them are those that the digest names.
func (l *layerOf) Compressed() (io.ReadCloser, error) {
	if l.p.remote != nil {
		return l.p.remote.open(l.d)
	}
	path, err := blobPath(l.d.Digest)
	if err != nil {
		return nil, err
	}
	f, err := l.p.open(path)
	if err != nil {
		return nil, &Error{Path: l.p.Path, Err: err, hint: "it is not whole: make it anew with sampan build"}
	}
	return &checked{f: f, l: l, sum: sha256.New(), left: l.d.Size}, nil
}

// checked hashes what is read.
type checked struct {
	f    io.ReadCloser
	l    *layerOf
	sum  hash.Hash
	left int64
}

func (c *checked) Read(b []byte) (int, error) {
	n, err := c.f.Read(b)
	c.left -= int64(n)
	c.sum.Write(b[:n])
	ended := err == io.EOF
	if err != nil && !ended {
		return n, err
	}
	if c.left < 0 || ended && c.left > 0 || (ended || c.left == 0) && hex.EncodeToString(c.sum.Sum(nil)) != c.l.d.Digest.Hex {
		c.l.p.drop(c.l.d.Digest)
		hint := "it is damaged: make it, or fetch it, anew"
		if c.l.p.cache {
			hint = "it was damaged and is removed: run the same command again"
		}
		return 0, &Error{Path: c.l.p.Path, Err: fmt.Errorf("layer %s holds other bytes", c.l.d.Digest), hint: hint}
	}
	return n, err
}

func (c *checked) Close() error { return c.f.Close() }

// indexOf is an index over images that were read.
type indexOf struct {
	d      v1.Descriptor
	raw    []byte
	m      *v1.IndexManifest
	images []v1.Image
}

func (i *indexOf) MediaType() (types.MediaType, error)       { return i.d.MediaType, nil }
func (i *indexOf) Digest() (v1.Hash, error)                  { return i.d.Digest, nil }
func (i *indexOf) Size() (int64, error)                      { return int64(len(i.raw)), nil }
func (i *indexOf) IndexManifest() (*v1.IndexManifest, error) { return i.m.DeepCopy(), nil }
func (i *indexOf) RawManifest() ([]byte, error)              { return bytes.Clone(i.raw), nil }
func (i *indexOf) ImageIndex(h v1.Hash) (v1.ImageIndex, error) {
	return nil, errors.New("no index within an index")
}

func (i *indexOf) Image(h v1.Hash) (v1.Image, error) {
	for at, d := range i.m.Manifests {
		if d.Digest == h {
			return i.images[at], nil
		}
	}
	return nil, fmt.Errorf("index %s names no image %s", i.d.Digest, h)
}
