// SPDX-License-Identifier: MIT OR Apache-2.0

package image

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Spec is all that an image is made of.
type Spec struct {
	Config      v1.Config
	Platform    v1.Platform // OS and Architecture must be set
	Created     time.Time   // of the image and each history entry; the zero time is the Unix epoch
	Below       *Below      // what it is built upon; nil for nothing
	Layers      []*Layer    // the lowest first
	History     []string    // "created by", one for each layer
	Annotations map[string]string
	Author      string

	// StartInterval is Config.Healthcheck's, in Docker's format (Docker Image Specification v1.3); 0 for none.
	StartInterval time.Duration
}

// Below is what an image is built upon: layers that are taken as they are.
type Below struct {
	Layers  []v1.Layer // of OCI's media types
	DiffIDs []v1.Hash
	History []v1.History
}

// New makes the OCI image of a spec: image-spec, config.md and manifest.md. Equal specs give equal bytes, which are
// made here; the methods of the image only give them back. Configs and manifests they return are the caller's own.
func New(s Spec) (v1.Image, error) {
	if s.Platform.OS == "" || s.Platform.Architecture == "" {
		return nil, fmt.Errorf("make image: its platform %q is not whole", s.Platform.String())
	}
	if len(s.History) != len(s.Layers) {
		return nil, fmt.Errorf("make image: %d history entries for %d layers", len(s.History), len(s.Layers))
	}
	config, err := s.encodeConfig()
	if err != nil {
		return nil, fmt.Errorf("make image: encode config: %w", err)
	}
	m := &v1.Manifest{
		SchemaVersion: 2,
		MediaType:     types.OCIManifestSchema1,
		Config:        v1.Descriptor{MediaType: types.OCIConfigJSON, Size: int64(len(config)), Digest: hashOf(config)},
		Layers:        make([]v1.Descriptor, 0, len(s.Layers)),
		Annotations:   maps.Clone(s.Annotations),
	}
	i := &image{config: config, configName: m.Config.Digest}
	if s.Below != nil {
		i.layers = append(i.layers, s.Below.Layers...)
		if m.Layers, err = descriptors(i.layers); err != nil {
			return nil, fmt.Errorf("make image: %w", err)
		}
	}
	for _, l := range s.Layers {
		m.Layers = append(m.Layers, v1.Descriptor{MediaType: l.mediaType, Size: l.size, Digest: l.digest})
	}
	manifest, err := json.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("make image: encode manifest: %w", err)
	}
	i.manifest, i.digest = manifest, hashOf(manifest)
	for _, l := range s.Layers {
		i.layers = append(i.layers, l)
	}
	return i, nil
}

func descriptors(layers []v1.Layer) (out []v1.Descriptor, err error) {
	for _, l := range layers {
		var d v1.Descriptor
		if d.MediaType, err = l.MediaType(); err != nil {
			return nil, err
		}
		if d.Digest, err = l.Digest(); err != nil {
			return nil, err
		}
		if d.Size, err = l.Size(); err != nil {
			return nil, err
		}
		out = append(out, d)
	}
	return out, nil
}

// encodeConfig writes the config. The library knows all of its fields but one.
func (s *Spec) encodeConfig() ([]byte, error) {
	file := s.configFile()
	if s.StartInterval == 0 || file.Config.Healthcheck == nil {
		return json.Marshal(file)
	}
	type health struct {
		*v1.HealthConfig
		StartInterval time.Duration
	}
	type config struct {
		v1.Config
		Healthcheck health
	}
	return json.Marshal(struct {
		*v1.ConfigFile
		Config config `json:"config"`
	}{file, config{file.Config, health{file.Config.Healthcheck, s.StartInterval}}})
}

func (s *Spec) configFile() *v1.ConfigFile {
	created := v1.Time{Time: time.Unix(0, 0).UTC()}
	if !s.Created.IsZero() {
		created.Time = s.Created.UTC()
	}
	c := &v1.ConfigFile{
		Architecture: s.Platform.Architecture,
		OS:           s.Platform.OS,
		OSVersion:    s.Platform.OSVersion,
		OSFeatures:   s.Platform.OSFeatures,
		Variant:      s.Platform.Variant,
		Author:       s.Author,
		Created:      created,
		Config:       s.Config,
		RootFS:       v1.RootFS{Type: "layers", DiffIDs: make([]v1.Hash, 0, len(s.Layers))},
	}
	if s.Below != nil {
		c.RootFS.DiffIDs = append(c.RootFS.DiffIDs, s.Below.DiffIDs...)
		c.History = append(c.History, s.Below.History...)
	}
	for i, l := range s.Layers {
		c.RootFS.DiffIDs = append(c.RootFS.DiffIDs, l.diffID)
		c.History = append(c.History, v1.History{Created: created, CreatedBy: s.History[i]})
	}
	return c
}

func hashOf(data []byte) v1.Hash {
	h := sha256.Sum256(data)
	return v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(h[:])}
}

type image struct {
	config, manifest   []byte
	configName, digest v1.Hash
	layers             []v1.Layer
}

func (i *image) Layers() ([]v1.Layer, error)         { return append([]v1.Layer(nil), i.layers...), nil }
func (i *image) MediaType() (types.MediaType, error) { return types.OCIManifestSchema1, nil }
func (i *image) Size() (int64, error)                { return int64(len(i.manifest)), nil }
func (i *image) ConfigName() (v1.Hash, error)        { return i.configName, nil }
func (i *image) RawConfigFile() ([]byte, error)      { return bytes.Clone(i.config), nil }
func (i *image) Digest() (v1.Hash, error)            { return i.digest, nil }
func (i *image) RawManifest() ([]byte, error)        { return bytes.Clone(i.manifest), nil }

// ConfigFile and Manifest read back what was written, so that they give what others will read.
func (i *image) ConfigFile() (*v1.ConfigFile, error) {
	return v1.ParseConfigFile(bytes.NewReader(i.config))
}

func (i *image) Manifest() (*v1.Manifest, error) {
	return v1.ParseManifest(bytes.NewReader(i.manifest))
}

func (i *image) LayerByDigest(h v1.Hash) (v1.Layer, error) {
	if h == i.configName {
		return configLayer{i}, nil
	}
	return i.find(h, v1.Layer.Digest)
}

func (i *image) LayerByDiffID(h v1.Hash) (v1.Layer, error) { return i.find(h, v1.Layer.DiffID) }

func (i *image) find(h v1.Hash, name func(v1.Layer) (v1.Hash, error)) (v1.Layer, error) {
	for _, l := range i.layers {
		if got, err := name(l); err == nil && got == h {
			return l, nil
		}
	}
	return nil, fmt.Errorf("find layer %s: the image has none such", h)
}

// configLayer shows the config as a blob. (The library's own brings packages whose start-up every build would pay for.)
type configLayer struct{ of *image }

func (c configLayer) Digest() (v1.Hash, error)            { return c.of.configName, nil }
func (c configLayer) DiffID() (v1.Hash, error)            { return c.of.configName, nil }
func (c configLayer) Size() (int64, error)                { return int64(len(c.of.config)), nil }
func (c configLayer) MediaType() (types.MediaType, error) { return types.OCIConfigJSON, nil }
func (c configLayer) Compressed() (io.ReadCloser, error)  { return c.Uncompressed() }
func (c configLayer) Uncompressed() (io.ReadCloser, error) {
	return io.NopCloser(bytes.NewReader(c.of.config)), nil
}
