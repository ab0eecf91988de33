// SPDX-License-Identifier: MIT OR Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"sampan/internal/base"
	"sampan/internal/plan"
	src "sampan/internal/source"
	"sampan/internal/transport"
	"sampan/internal/ui"
)

// ground is one base and where it is. Places stay open while the process lives: layers are read from them to the end.
type ground struct {
	place  *src.Place
	entry  src.Entry
	ref    *baseRef               // in a registry; nil for a place on this machine
	images map[string]*base.Image // by platform
}

// baseRef is a base in a registry.
type baseRef struct {
	name   transport.Name
	word   string // with its tag, without its digest: what a lock pins, and what others call it
	tag    string
	digest string // "" until it is known
}

// baseOf reads the word of a base as a reference: a host first, and a path. It is nil for a path of this machine.
func baseOf(word string) (*baseRef, error) {
	first, _, slash := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(word, "https://"), "http://"), "/")
	local, _ := sourceOf(word)
	if !slash || local != word || strings.HasPrefix(word, ".") || first != "localhost" && !strings.ContainsAny(first, ".:") {
		return nil, nil
	}
	r := &baseRef{tag: "latest"}
	rest, digest, pinned := strings.Cut(word, "@")
	r.word, r.digest = rest, digest
	if at := strings.LastIndexByte(rest, ':'); at > strings.LastIndexByte(rest, '/') {
		rest, r.tag = rest[:at], rest[at+1:]
	}
	if pinned && !transport.IsDigest(digest) {
		return nil, &transport.NameError{Word: word, Why: "what follows @ is no SHA-256 digest"}
	}
	var err error
	r.name, err = transport.ParseName(rest)
	return r, err
}

// based finds what images are built upon, as far as names and digests go. Nothing is fetched.
func (s *session) based() error {
	s.bases = map[plan.Base]*ground{}
	known := map[string]*ground{}
	for i := range s.plan.Images {
		im := &s.plan.Images[i]
		if im.Base == nil {
			continue
		}
		g, err := s.ground(im, known)
		if err != nil {
			if set, ok := errors.AsType[*plan.SettingError](err); ok {
				set.Package, set.Row = im.Package, im.Row
			}
			return err
		}
		if im.Base.Digest = g.entry.Descriptor.Digest.String(); g.ref != nil {
			im.Base.Digest = g.ref.digest
		}
		s.bases[*im.Base] = g
	}
	return nil
}

// ground finds the base of one image.
func (s *session) ground(im *plan.Image, known map[string]*ground) (*ground, error) {
	ref, err := baseOf(im.Base.Name)
	if err != nil {
		return nil, &plan.SettingError{Key: "base", Reason: err.Error(), Advice: "HOST/PATH:TAG, HOST/PATH@sha256:…, or a folder"}
	}
	path, name := sourceOf(im.Base.Name)
	if ref == nil && !filepath.IsAbs(path) {
		path = filepath.Join(s.beside(im.Row, "base"), path)
	}
	key := path + ":" + name
	if known[key] != nil {
		return known[key], nil
	}
	g := &ground{ref: ref, images: map[string]*base.Image{}}
	if ref != nil {
		err = s.pinned(ref)
	} else if g.place, g.entry, err = placeAt(path, name); err != nil {
		e := &plan.SettingError{Key: "base", Reason: err.Error(),
			Advice: "a folder or an archive with an OCI image layout, or HOST/PATH:TAG with its registry's host, such as registry.example.com/team/debian:13"}
		if c, ok := errors.AsType[*plan.ChoiceError](err); ok {
			e.Advice = c.Advice
		}
		err = e
	}
	known[key] = g
	return g, err
}

func placeAt(path, name string) (*src.Place, src.Entry, error) {
	place, err := src.Open(path)
	if err != nil {
		return nil, src.Entry{}, err
	}
	entry, err := entryOf(place, name)
	if err != nil {
		place.Close()
	}
	return place, entry, err
}

// pinned finds the digest of a reference: its own, or that of the lock. A tag alone moves, and with it the image that a
// build gives.
func (s *session) pinned(r *baseRef) error {
	if r.digest != "" || s.moves {
		return nil
	}
	lock, err := readLock(s.lockFile())
	if err != nil {
		return err
	}
	if r.digest = lock[r.word]; r.digest != "" {
		return nil
	}
	advice := "sampan base update"
	if s.lockFile() == "" {
		advice = "name its digest: " + r.word + "@sha256:…"
	}
	return &plan.SettingError{Key: "base", Reason: r.word + " is a tag, which moves, and sampan.lock does not pin it", Advice: advice}
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

// base reads the base of an image for a platform, once; nil for one that is near only when it is fetched.
func (s *session) base(ctx context.Context, b plan.Base, platform string, near bool) (*base.Image, error) {
	g := s.bases[b]
	if img := g.images[platform]; img != nil {
		return img, nil
	}
	place, entry, fetched := g.place, g.entry, false
	if g.ref != nil {
		var err error
		if place, entry, fetched, err = s.fetch(ctx, g.ref, platform, near); err != nil || place == nil {
			return nil, err
		}
	}
	o := base.Options{Memory: filepath.Join(s.cacheDir(), "bases", "seen")}
	img, err := base.Open(place, entry, platform, o)
	if _, damaged := errors.AsType[*src.Error](err); damaged && g.ref != nil && !fetched {
		if near {
			return nil, nil // what was damaged is no longer in the cache, and is fetched when that may be
		}
		if place, entry, _, err = s.fetch(ctx, g.ref, platform, false); err == nil {
			img, err = base.Open(place, entry, platform, o)
		}
	}
	if err != nil {
		return nil, err
	}
	if g.ref != nil {
		img.From(g.ref.name.Host, g.ref.name.Path, strings.TrimPrefix(g.ref.word, g.ref.name.Scheme+"://"))
	}
	g.images[platform] = img
	return img, nil
}

// fetch finds a base of a registry in the cache, or brings it there. place is nil for one that is not near.
func (s *session) fetch(ctx context.Context, r *baseRef, platform string, near bool) (place *src.Place, entry src.Entry, fetched bool, err error) {
	cache := &base.Cache{Dir: filepath.Join(s.cacheDir(), "bases"), Say: func(text string) {
		s.progress.Handle(ui.Event{Kind: "note", Text: text})
	}}
	if place, entry, err = cache.Near(r.digest, platform); err != nil || place != nil || near {
		return place, entry, false, err
	}
	client, err := s.client(s.w.registry, []string{r.name.Host})
	if err != nil {
		return nil, entry, false, err
	}
	defer client.Close()
	repos, err := mirrored(client, s.w.registry.mirrors, r.name)
	if err != nil {
		return nil, entry, false, err
	}
	for i, repo := range repos {
		place, entry, err = cache.Fetch(ctx, repo, r.digest, platform)
		if err == nil || i == len(repos)-1 || ctx.Err() != nil {
			break
		}
		s.progress.Handle(ui.Event{Kind: "note", Text: fmt.Sprintf("mirror %s did not help, %s is asked: %v", repo.Name, r.name, err)})
	}
	return place, entry, true, err
}

// lockFile is where digests of bases are pinned: beside the workspace's Cargo.toml. "" for sources that are nobody's here.
func (s *session) lockFile() string {
	switch {
	case s.ws == nil || s.foreign:
		return ""
	case s.source != nil:
		return filepath.Join(s.source.Root, lockName) // s.ws is a copy
	}
	return filepath.Join(s.ws.Root, lockName)
}

// lockName is the file that `sampan base update` writes, and nothing else.
const lockName = "sampan.lock"

// describe is a reference with its digest.
func (r *baseRef) describe() string { return fmt.Sprintf("%s@%s", r.word, r.digest) }
