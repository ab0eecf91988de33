// SPDX-License-Identifier: MIT OR Apache-2.0

package image

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/validate"
)

func sample(t *testing.T, arch string, c Compression) Spec {
	lower := mustLayer(t, tree(dir("etc"), file("etc/passwd", []byte("root:x:0:0:root:/:\n"))), scratch(t, c))
	upper := mustLayer(t, tree(file("hello", synthetic(1, 30000))), scratch(t, c))
	return Spec{
		Config: v1.Config{
			Entrypoint:   []string{"/hello"},
			Env:          []string{"SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt"},
			User:         "1000:1000",
			WorkingDir:   "/",
			Labels:       map[string]string{"org.opencontainers.image.title": "hello", "a": "<&>", "b": "é"},
			ExposedPorts: map[string]struct{}{"8080/tcp": {}, "53/udp": {}},
			StopSignal:   "SIGTERM",
		},
		Platform:    v1.Platform{OS: "linux", Architecture: arch},
		Layers:      []*Layer{lower, upper},
		History:     []string{"sampan: static", "sampan: program hello"},
		Annotations: map[string]string{"z": "1", "a": "2"},
		Author:      "someone",
	}
}

func mustImage(t *testing.T, s Spec) v1.Image {
	t.Helper()
	img, err := New(s)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

func TestImageIsValid(t *testing.T) {
	for _, c := range compressions {
		s := sample(t, "amd64", c)
		img := mustImage(t, s)
		var options []validate.Option
		if !c.effort().gzip() {
			// The validator takes every layer for gzip; TestLayerReadsBack looks at these.
			options = append(options, validate.Fast)
		}
		if err := validate.Image(img, options...); err != nil {
			t.Errorf("%v: %v", c, err)
		}
		name, _ := img.ConfigName()
		config, err := img.LayerByDigest(name)
		if err != nil {
			t.Fatal(err)
		}
		raw, _ := img.RawConfigFile()
		if got := readAll(t, config.Compressed); !bytes.Equal(got, raw) {
			t.Errorf("config as a blob: %q", got)
		}
		if _, err := img.LayerByDigest(hashOf(nil)); err == nil {
			t.Error("found a layer that is not there")
		}
		if _, err := img.LayerByDiffID(s.Layers[1].diffID); err != nil {
			t.Error(err)
		}
	}
}

func TestEmptyImage(t *testing.T) {
	img := mustImage(t, Spec{Platform: v1.Platform{OS: "linux", Architecture: "arm", Variant: "v7"}})
	if err := validate.Image(img); err != nil {
		t.Error(err)
	}
	manifest, _ := img.RawManifest()
	config, _ := img.RawConfigFile()
	// The specification asks for arrays, not null.
	if !bytes.Contains(manifest, []byte(`"layers":[]`)) || !bytes.Contains(config, []byte(`"diff_ids":[]`)) {
		t.Errorf("%s\n%s", manifest, config)
	}
}

// The JSON as others will read it, of images and an index over them.
func TestGoldenJSON(t *testing.T) {
	none := Compression{Algorithm: "none"} // the bytes of the encoder have a golden of their own
	amd := sample(t, "amd64", none)
	amd.Created = time.Date(2024, 2, 29, 13, 0, 0, 0, time.FixedZone("CET", 3600))
	arm := sample(t, "arm64", none)
	arm.Platform.Variant = "v8"
	images := []v1.Image{mustImage(t, amd), mustImage(t, arm)}
	index, err := Index(images, map[string]string{"org.opencontainers.image.created": "1970-01-01T00:00:00Z"})
	if err != nil {
		t.Fatal(err)
	}
	var got []byte
	for _, img := range images {
		config, _ := img.RawConfigFile()
		manifest, _ := img.RawManifest()
		got = append(append(append(append(got, config...), '\n'), manifest...), '\n')
	}
	raw, _ := index.RawManifest()
	got = append(append(got, raw...), '\n')
	golden := filepath.Join("testdata", "image.golden")
	if *update {
		if err := os.WriteFile(golden, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(string(got), "\n")); diff != "" {
		t.Errorf("JSON changed (-want +got):\n%s", diff)
	}
}

func TestCallersCannotChangeAnImage(t *testing.T) {
	s := sample(t, "amd64", Compression{})
	img := mustImage(t, s)
	before, _ := img.Digest()
	s.Config.Labels["a"] = "changed"
	s.Annotations["a"] = "changed"
	s.Layers[0] = s.Layers[1]
	config, _ := img.ConfigFile()
	config.Config.Labels["a"] = "changed"
	manifest, _ := img.Manifest()
	manifest.Layers[0].Size = 0
	for _, raw := range []func() ([]byte, error){img.RawManifest, img.RawConfigFile} {
		data, _ := raw()
		clear(data)
	}
	layers, _ := img.Layers()
	layers[0] = nil
	if after, _ := img.Digest(); after != before {
		t.Error("the digest changed")
	}
	if err := validate.Image(img); err != nil {
		t.Error(err)
	}
}

func TestImageRefuses(t *testing.T) {
	for name, change := range map[string]func(*Spec){
		"history":  func(s *Spec) { s.History = s.History[:1] },
		"platform": func(s *Spec) { s.Platform.OS = "" },
		"year":     func(s *Spec) { s.Created = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) },
	} {
		s := sample(t, "amd64", Compression{})
		change(&s)
		if _, err := New(s); err == nil || !strings.HasPrefix(err.Error(), "make image: ") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestIndexIsValid(t *testing.T) {
	var images []v1.Image
	for _, arch := range []string{"amd64", "arm64"} {
		images = append(images, mustImage(t, sample(t, arch, Compression{})))
	}
	index, err := Index(images, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Index(index); err != nil {
		t.Error(err)
	}
	for i, img := range images {
		digest, _ := img.Digest()
		if got, err := index.Image(digest); err != nil || got != img {
			t.Errorf("%d: %v, %v", i, got, err)
		}
		if _, err := index.ImageIndex(digest); err == nil {
			t.Error("an image is no index")
		}
	}
	if _, err := index.Image(hashOf(nil)); err == nil {
		t.Error("found an image that is not there")
	}
	if _, err := Index([]v1.Image{images[0], images[0]}, nil); err == nil {
		t.Error("two images for one platform")
	}
}
