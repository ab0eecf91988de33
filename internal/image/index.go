// SPDX-License-Identifier: MIT OR Apache-2.0

package image

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Index makes the OCI index of images, one for each platform, in the order given: image-spec, image-index.md. Equal
// images in equal order give equal bytes. Two images for one platform are an error: engines would differ about them.
func Index(images []v1.Image, annotations map[string]string) (v1.ImageIndex, error) {
	m := &v1.IndexManifest{
		SchemaVersion: 2,
		MediaType:     types.OCIImageIndex,
		Manifests:     make([]v1.Descriptor, 0, len(images)),
		Annotations:   maps.Clone(annotations),
	}
	x := &index{images: map[v1.Hash]v1.Image{}}
	platforms := map[string]bool{}
	for _, img := range images {
		d, err := describe(img)
		if err != nil {
			return nil, fmt.Errorf("make index: %w", err)
		}
		if platforms[d.Platform.String()] {
			return nil, fmt.Errorf("make index: two images are for %s", d.Platform)
		}
		platforms[d.Platform.String()] = true
		m.Manifests = append(m.Manifests, d)
		x.images[d.Digest] = img
	}
	raw, err := json.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("make index: %w", err)
	}
	x.manifest, x.digest = raw, hashOf(raw)
	if x.parsed, err = v1.ParseIndexManifest(bytes.NewReader(raw)); err != nil {
		return nil, fmt.Errorf("make index: %w", err)
	}
	return x, nil
}

func describe(img v1.Image) (v1.Descriptor, error) {
	mediaType, err := img.MediaType()
	if err != nil {
		return v1.Descriptor{}, err
	}
	digest, err := img.Digest()
	if err != nil {
		return v1.Descriptor{}, err
	}
	size, err := img.Size()
	if err != nil {
		return v1.Descriptor{}, err
	}
	config, err := img.ConfigFile()
	if err != nil {
		return v1.Descriptor{}, err
	}
	platform := config.Platform()
	if platform == nil {
		return v1.Descriptor{}, fmt.Errorf("image %s names no platform", digest)
	}
	return v1.Descriptor{MediaType: mediaType, Size: size, Digest: digest, Platform: platform}, nil
}

type index struct {
	manifest []byte
	digest   v1.Hash
	parsed   *v1.IndexManifest
	images   map[v1.Hash]v1.Image
}

func (x *index) MediaType() (types.MediaType, error)         { return types.OCIImageIndex, nil }
func (x *index) Digest() (v1.Hash, error)                    { return x.digest, nil }
func (x *index) Size() (int64, error)                        { return int64(len(x.manifest)), nil }
func (x *index) IndexManifest() (*v1.IndexManifest, error)   { return x.parsed.DeepCopy(), nil }
func (x *index) RawManifest() ([]byte, error)                { return bytes.Clone(x.manifest), nil }
func (x *index) ImageIndex(h v1.Hash) (v1.ImageIndex, error) { return nil, notIn(h) }

func (x *index) Image(h v1.Hash) (v1.Image, error) {
	if img, ok := x.images[h]; ok {
		return img, nil
	}
	return nil, notIn(h)
}

func notIn(h v1.Hash) error { return fmt.Errorf("find image %s: the index has none such", h) }
