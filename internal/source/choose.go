// SPDX-License-Identifier: MIT OR Apache-2.0

package source

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Blobs is a cache of blobs: a folder without an index, with blobs/sha256/<hex>, of which the caller knows digests. A blob
// that turns out to be damaged is removed, so that whoever looks next fetches it anew.
func Blobs(path string) *Place { return &Place{Path: path, cache: true} }

// Has tells whether a blob is there with its size. Its bytes are hashed when they are read.
func (p *Place) Has(d v1.Descriptor) bool {
	path, err := blobPath(d.Digest)
	if err != nil {
		return false
	}
	info, err := os.Lstat(filepath.Join(p.Path, filepath.FromSlash(path)))
	return err == nil && info.Mode().IsRegular() && info.Size() == d.Size
}

// Document reads a manifest, an index or a config of which only the digest is known.
func (p *Place) Document(digest v1.Hash) ([]byte, error) {
	path, err := blobPath(digest)
	if err != nil {
		return nil, err
	}
	data, err := p.small(path)
	if err != nil {
		return nil, err
	}
	return p.document(v1.Descriptor{Digest: digest, Size: int64(len(data))})
}

// drop takes a damaged blob out of a cache.
func (p *Place) drop(digest v1.Hash) {
	if path, err := blobPath(digest); err == nil && p.cache {
		_ = os.Remove(filepath.Join(p.Path, filepath.FromSlash(path)))
	}
}

// PlatformError says that a place has no image for a platform.
type PlatformError struct {
	Path string
	Want string
	Have []string // platforms that there are
}

func (e *PlatformError) Error() string {
	return fmt.Sprintf("read %s: it has no image for %s; there is %s", e.Path, e.Want, strings.Join(e.Have, ", "))
}

// Hint says which platform to ask for.
func (e *PlatformError) Hint() string {
	if i := slices.IndexFunc(e.Have, func(p string) bool { return strings.HasPrefix(p, "linux/") }); i >= 0 {
		return "--platform " + e.Have[i] + ", or an image that has it"
	}
	return "an image that has it"
}

// For chooses of an image or an index the image for a platform. Other images of an index need not be there. The error
// is an *Error or a *PlatformError.
func (p *Place) For(d v1.Descriptor, want v1.Platform) (v1.Image, v1.Hash, error) {
	img, got, err := p.choose(d, want)
	if _, ok := err.(*PlatformError); err != nil && !ok {
		err = &Error{Path: p.Path, Err: err, hint: "it is damaged, or not for images: take another base"}
	}
	return img, got.Digest, err
}

// Pick is Load of the image for one platform alone. The entry that it gives names just that.
func (p *Place) Pick(e Entry, platform string) (v1.Image, Entry, error) {
	want, err := v1.ParsePlatform(platform)
	if err != nil {
		return nil, e, &Error{Path: p.Path, Err: err, hint: "a platform such as linux/arm64"}
	}
	img, digest, err := p.For(e.Descriptor, *want)
	e.Descriptor.Digest = digest
	return img, e, err
}

func (p *Place) choose(d v1.Descriptor, want v1.Platform) (v1.Image, v1.Descriptor, error) {
	if d.MediaType.IsIndex() {
		raw, err := p.document(d)
		if err != nil {
			return nil, d, err
		}
		if d, err = InIndex(p.Path, raw, want); err != nil {
			return nil, d, err
		}
	}
	if !d.MediaType.IsImage() {
		return nil, d, fmt.Errorf("%s is neither an image nor an index: %q", d.Digest, d.MediaType)
	}
	img, err := p.image(d)
	if err != nil {
		return nil, d, err
	}
	config, err := img.ConfigFile()
	if err != nil {
		return nil, d, fmt.Errorf("parse config of %s: %w", d.Digest, err)
	}
	if have := config.Platform(); have == nil || rank(*have, want) == 0 {
		return nil, d, &PlatformError{Path: p.Path, Want: want.String(), Have: []string{platformName(have)}}
	}
	return img, d, nil
}

// InIndex chooses of an index the descriptor of the image for a platform; path is for errors alone. A descriptor that
// names no platform counts only where it is the only one.
func InIndex(path string, raw []byte, want v1.Platform) (v1.Descriptor, error) {
	var m v1.IndexManifest
	if err := json.Unmarshal(raw, &m); err != nil {
		return v1.Descriptor{}, fmt.Errorf("parse index: %w", err)
	}
	var best v1.Descriptor
	var have []string
	points := 0
	for _, d := range m.Manifests {
		if !d.MediaType.IsImage() {
			continue
		}
		n := 0
		switch {
		case d.Platform != nil:
			n = rank(*d.Platform, want)
		case len(m.Manifests) == 1:
			n = 1 // its config tells
		}
		if n > points {
			best, points = d, n
		}
		if name := platformName(d.Platform); !slices.Contains(have, name) && name != "unknown/unknown" {
			have = append(have, name)
		}
	}
	if points == 0 {
		return best, &PlatformError{Path: path, Want: want.String(), Have: have}
	}
	return best, nil
}

// Serves tells whether an index has an image for each of the platforms; a lone image tells that in its config only. The
// error is a *PlatformError.
func Serves(path string, raw []byte, platforms []v1.Platform) error {
	var doc struct {
		Manifests []json.RawMessage `json:"manifests"`
	}
	if err := json.Unmarshal(raw, &doc); err != nil {
		return fmt.Errorf("parse %s: %w", path, err)
	}
	for _, p := range platforms {
		if doc.Manifests == nil {
			break
		}
		if _, err := InIndex(path, raw, p); err != nil {
			return err
		}
	}
	return nil
}

func platformName(p *v1.Platform) string {
	if p == nil {
		return "an image without a platform"
	}
	return p.String()
}

// rank tells how well an image for one platform serves another: 0 not at all, 2 exactly. A variant that one of the two
// does not name is no hindrance, and arm64 has but one.
func rank(have, want v1.Platform) int {
	h, w := variant(have), variant(want)
	switch {
	case have.OS != want.OS || have.Architecture != want.Architecture:
		return 0
	case h == w:
		return 2
	case h == "" || w == "":
		return 1
	}
	return 0
}

func variant(p v1.Platform) string {
	if p.Architecture == "arm64" && p.Variant == "v8" {
		return ""
	}
	return p.Variant
}
