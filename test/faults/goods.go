// SPDX-License-Identifier: MIT OR Apache-2.0

//go:build linux

package main

import (
	"math/rand"
	"path/filepath"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// goods are the images that are pushed, the same ones every time.
type goods struct {
	layout  string // one image: a layer of 130 KB, one of 8 MiB, as tag v1
	archive string // the same for docker
	pair    string // a layout of an index of two small images, as tag v1
	index   string // its digest
}

const archiveName = "faults.test/app:v1"

func newGoods(dir string) (*goods, error) {
	g := &goods{layout: filepath.Join(dir, "layout"), archive: filepath.Join(dir, "docker.tar"), pair: filepath.Join(dir, "pair")}
	img, err := newImage("amd64", 130<<10, 8<<20)
	if err != nil {
		return nil, err
	}
	tag := layout.WithAnnotations(map[string]string{"org.opencontainers.image.ref.name": "v1"})
	place, err := layout.Write(g.layout, empty.Index)
	if err != nil {
		return nil, err
	}
	if err := place.AppendImage(img, tag); err != nil {
		return nil, err
	}
	ref, err := name.NewTag(archiveName)
	if err != nil {
		return nil, err
	}
	if err := tarball.WriteToFile(g.archive, ref, img); err != nil {
		return nil, err
	}
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, cpu := range []string{"amd64", "arm64"} {
		one, err := newImage(cpu, 32<<10, 32<<10)
		if err != nil {
			return nil, err
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: one,
			Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: cpu}}})
	}
	if place, err = layout.Write(g.pair, empty.Index); err != nil {
		return nil, err
	}
	if err := place.AppendIndex(index, tag); err != nil {
		return nil, err
	}
	digest, err := index.Digest()
	g.index = digest.String()
	return g, err
}

// newImage makes an OCI image of layers with random bytes, so many each.
func newImage(cpu string, sizes ...int64) (v1.Image, error) {
	img := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	config := &v1.ConfigFile{OS: "linux", Architecture: cpu, RootFS: v1.RootFS{Type: "layers"}}
	img, err := mutate.ConfigFile(img, config)
	if err != nil {
		return nil, err
	}
	for i, size := range sizes {
		seed := rand.NewSource(int64(i) + size + int64(len(cpu)*int(cpu[0])) + int64(cpu[1]))
		l, err := random.Layer(size, types.OCILayer, random.WithSource(seed))
		if err != nil {
			return nil, err
		}
		if img, err = mutate.AppendLayers(img, l); err != nil {
			return nil, err
		}
	}
	return img, nil
}
