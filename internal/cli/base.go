// SPDX-License-Identifier: MIT OR Apache-2.0

package cli

import (
	"context"
	"errors"
	"path/filepath"
	"strings"

	"sampan/internal/base"
	"sampan/internal/plan"
	src "sampan/internal/source"
)

// ground is one base and where it is. Places stay open while the process lives: layers are read from them to the end.
type ground struct {
	place  *src.Place
	entry  src.Entry
	images map[string]*base.Image // by platform
}

// based finds what images are built upon, as far as names and digests go.
func (s *session) based() error {
	s.bases = map[plan.Base]*ground{}
	opened := map[string]*ground{}
	for i := range s.plan.Images {
		im := &s.plan.Images[i]
		if im.Base == nil {
			continue
		}
		path, name := sourceOf(im.Base.Name)
		if !filepath.IsAbs(path) {
			path = filepath.Join(s.beside(im.Row, "base"), path)
		}
		g := opened[path+":"+name]
		if g == nil {
			var err error
			if g, err = groundAt(path, name); err != nil {
				e := &plan.SettingError{Package: im.Package, Row: im.Row, Key: "base", Reason: err.Error(),
					Advice: "a folder or an archive with an OCI image layout, such as: skopeo copy docker://REF oci:DIR"}
				if c, ok := errors.AsType[*plan.ChoiceError](err); ok {
					e.Advice = c.Advice
				}
				return e
			}
			opened[path+":"+name] = g
		}
		im.Base.Digest = g.entry.Descriptor.Digest.String()
		s.bases[*im.Base] = g
	}
	return nil
}

func groundAt(path, name string) (*ground, error) {
	place, err := src.Open(path)
	if err != nil {
		return nil, err
	}
	entry, err := entryOf(place, name)
	if err != nil {
		place.Close()
		return nil, err
	}
	return &ground{place: place, entry: entry, images: map[string]*base.Image{}}, nil
}

// beside is the folder that a path in a setting is relative to: the manifest's or the configuration's that it stands in,
// else the working directory.
func (s *session) beside(row int, flag string) string {
	if row < 1 || row > len(s.settled) {
		return s.dir
	}
	from := s.settled[row-1][flag].from()
	if from == "--"+flag || from == byFlag(flag).variable() {
		return s.dir
	}
	file, _, _ := strings.Cut(from, ".toml")
	if file += ".toml"; !filepath.IsAbs(file) && s.ws != nil {
		file = filepath.Join(s.ws.Root, filepath.FromSlash(file))
	}
	return filepath.Dir(file)
}

// base reads the base of an image for a platform, once.
func (s *session) base(_ context.Context, b plan.Base, platform string, _ bool) (*base.Image, error) {
	g := s.bases[b]
	if img := g.images[platform]; img != nil {
		return img, nil
	}
	img, err := base.Open(g.place, g.entry, platform, base.Options{Memory: filepath.Join(s.cacheDir(), "bases", "seen")})
	if err != nil {
		return nil, err
	}
	g.images[platform] = img
	return img, nil
}
