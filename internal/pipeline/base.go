// SPDX-License-Identifier: MIT OR Apache-2.0

package pipeline

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"sampan/internal/base"
	"sampan/internal/binary"
	"sampan/internal/check"
	"sampan/internal/image"
	"sampan/internal/plan"
	"sampan/internal/rootfs"
)

// Bases finds what an image is built upon. With near nothing is fetched, since project code has not run yet and no
// credential may be read: the answer is nil for what is not on this machine.
type Bases func(ctx context.Context, b plan.Base, platform string, near bool) (*base.Image, error)

// base finds the base of an image for a platform, nil when it has none.
func (t Tools) base(ctx context.Context, im plan.Image, pf v1.Platform, near bool) (*base.Image, error) {
	if im.Base == nil {
		return nil, nil
	}
	return t.Base(ctx, *im.Base, pf.String(), near)
}

// upon finds what the column's image is built upon.
func (c *column) upon(ctx context.Context, t Tools) (err error) {
	if c.base, err = t.base(ctx, c.image, c.platform, false); err == nil && c.base != nil {
		c.image.Config.Env = c.base.Environ(c.image.Config.Env)
	}
	return err
}

// below tells a check about the base, and what the program wants of it.
func (c *column) below(s *check.Subject, p program) (err error) {
	if c.base == nil {
		return nil
	}
	s.Base = &check.Below{Files: c.base.Files, Search: c.base.Search, Links: c.base.Links}
	if s.Facts.Interp != "" || len(s.Facts.Needed) > 0 {
		s.Links, err = binary.InspectLinks(p.path)
	}
	return err
}

// ontoBase fits the trees to what is below them: of Static only what the base lacks. The answer names Static's content.
func (c *column) ontoBase(key string, static, added, prog *rootfs.Tree) (string, error) {
	whole := len(*static)
	left, err := static.Missing(c.base.Files)
	if err != nil {
		return "", c.conflict(err)
	}
	*static = left
	for _, t := range []*rootfs.Tree{added, prog} {
		if *t, err = t.Upon(c.base.Files); err != nil {
			return "", c.conflict(err)
		}
	}
	if len(left) == whole {
		return key, nil
	}
	var paths strings.Builder
	for _, e := range left {
		paths.WriteString(" /" + e.Path)
	}
	return key + " only" + paths.String(), nil
}

// conflict is a tree that cannot lie upon the base.
func (c *column) conflict(err error) error {
	e, ok := errors.AsType[*rootfs.TreeError](err)
	if !ok {
		return err
	}
	return &plan.SettingError{Package: c.image.Package, Row: c.image.Row, Key: "base", Reason: fmt.Sprintf("/%s %s", e.Path, e.Problem),
		Advice: "choose another destination, or another base"}
}

// layersBelow are the base's layers with what the config says of them.
func (c *column) layersBelow() *image.Below {
	if c.base == nil {
		return nil
	}
	return &image.Below{Layers: c.base.Layers, DiffIDs: c.base.DiffIDs, History: c.base.History}
}

// annotations are the user's, and what image-spec, annotations.md, has for the base. A path on this machine is no name
// that others could use, and would make the same image differ between machines.
func (c *column) annotations() map[string]string {
	if c.base == nil {
		return c.image.Annotations
	}
	out := map[string]string{"org.opencontainers.image.base.digest": c.base.Digest.String()}
	if name := c.base.Name; name != "" {
		out["org.opencontainers.image.base.name"] = name
	}
	maps.Copy(out, c.image.Annotations)
	return out
}
