// SPDX-License-Identifier: MIT OR Apache-2.0

package source

import (
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

// core is one image for one platform, as ggcr wants it told.
type core struct {
	s         *Source
	mediaType types.MediaType
	raw       []byte
	config    []byte
	layers    map[v1.Hash]v1.Descriptor
}

// platform reads manifest and config.
func (s *Source) platform(d v1.Descriptor) (v1.Image, error) {
	if !d.MediaType.IsImage() {
		return nil, fmt.Errorf("its media type is %q, that of no image", d.MediaType)
	}
	raw, err := s.document(blobName(d.Digest), &d)
	if err != nil {
		return nil, err
	}
	var both struct {
		Manifests, FSLayers json.RawMessage
		MediaType           types.MediaType
	}
	var m v1.Manifest
	if err := errors.Join(json.Unmarshal(raw, &both), json.Unmarshal(raw, &m)); err != nil {
		return nil, err
	}
	if both.Manifests != nil || both.FSLayers != nil || both.MediaType != "" && both.MediaType != d.MediaType {
		return nil, errors.New("it is no manifest of an image")
	}
	c := &core{s: s, mediaType: d.MediaType, raw: raw, layers: map[v1.Hash]v1.Descriptor{}}
	if c.config, err = s.document(blobName(m.Config.Digest), &m.Config); err != nil {
		return nil, err
	}
	for _, l := range m.Layers {
		if !l.MediaType.IsLayer() || len(l.URLs) > 0 {
			return nil, fmt.Errorf("layer %s is of a kind that is not taken: %q", l.Digest, l.MediaType)
		}
		c.layers[l.Digest] = l
	}
	return partial.CompressedToImage(c)
}

func (c *core) RawConfigFile() ([]byte, error)      { return c.config, nil }
func (c *core) MediaType() (types.MediaType, error) { return c.mediaType, nil }
func (c *core) RawManifest() ([]byte, error)        { return c.raw, nil }
func (c *core) LayerByDigest(h v1.Hash) (partial.CompressedLayer, error) {
	d, ok := c.layers[h]
	if !ok {
		return nil, fmt.Errorf("there is no layer %s", h)
	}
	return &layer{s: c.s, d: d}, nil
}

// layer is a blob that is hashed while it is read.
type layer struct {
	s *Source
	d v1.Descriptor
}

func (l *layer) Digest() (v1.Hash, error)            { return l.d.Digest, nil }
func (l *layer) Size() (int64, error)                { return l.d.Size, nil }
func (l *layer) MediaType() (types.MediaType, error) { return l.d.MediaType, nil }
func (l *layer) Compressed() (io.ReadCloser, error) {
	r, size, err := l.s.files.open(blobName(l.d.Digest))
	if err != nil {
		return nil, err
	}
	if size != l.d.Size {
		r.Close()
		return nil, fmt.Errorf("layer %s has %d bytes, and should have %d", l.d.Digest, size, l.d.Size)
	}
	return &verified{ReadCloser: r, hash: sha256.New(), want: l.d.Digest}, nil
}

// verified gives an error at the end of bytes that are not those of the digest.
type verified struct {
	io.ReadCloser
	hash hash.Hash
	want v1.Hash
}

func (v *verified) Read(p []byte) (int, error) {
	n, err := v.ReadCloser.Read(p)
	v.hash.Write(p[:n])
	if err == io.EOF && hex.EncodeToString(v.hash.Sum(nil)) != v.want.Hex {
		return n, fmt.Errorf("layer %s holds other bytes", v.want)
	}
	return n, err
}

// index is an index whose images are all there.
type index struct {
	raw        []byte
	parsed     *v1.IndexManifest
	descriptor v1.Descriptor
	images     []v1.Image
}

func (x *index) MediaType() (types.MediaType, error)       { return x.descriptor.MediaType, nil }
func (x *index) Digest() (v1.Hash, error)                  { return x.descriptor.Digest, nil }
func (x *index) Size() (int64, error)                      { return x.descriptor.Size, nil }
func (x *index) IndexManifest() (*v1.IndexManifest, error) { return x.parsed.DeepCopy(), nil }
func (x *index) RawManifest() ([]byte, error)              { return x.raw, nil }
func (x *index) ImageIndex(h v1.Hash) (v1.ImageIndex, error) {
	return nil, fmt.Errorf("there is no index %s", h)
}
func (x *index) Image(h v1.Hash) (v1.Image, error) {
	for _, im := range x.images {
		if got, err := im.Digest(); err == nil && got == h {
			return im, nil
		}
	}
	return nil, fmt.Errorf("there is no image %s", h)
}
