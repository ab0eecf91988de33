// SPDX-License-Identifier: MIT OR Apache-2.0

package pipeline

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"sampan/internal/binary"
	"sampan/internal/durable"
	"sampan/internal/image"
	"sampan/internal/output"
	"sampan/internal/plan"
)

// weigh notes what a puller of the image fetches: layers, config and manifest.
func (c *column) weigh(layers []*image.Layer) error {
	c.weights = map[v1.Hash]int64{}
	if c.base != nil {
		for _, l := range c.base.Layers {
			if err := c.put(l); err != nil {
				return err
			}
		}
	}
	for _, l := range layers {
		if err := c.put(l); err != nil {
			return err
		}
	}
	var err error
	if c.layer, err = layers[len(layers)-1].Digest(); err != nil {
		return err
	}
	config, err := c.result.RawConfigFile()
	if err != nil {
		return err
	}
	name, err := c.result.ConfigName()
	if err != nil {
		return err
	}
	c.weights[name] = int64(len(config))
	return c.put(c.result)
}

func (c *column) put(blob interface {
	Digest() (v1.Hash, error)
	Size() (int64, error)
}) error {
	digest, err := blob.Digest()
	if err != nil {
		return err
	}
	c.weights[digest], err = blob.Size()
	return err
}

// part writes the debug halves where a debugger finds them by build id. One that is there is not written again.
func (c *column) part(t Tools) error {
	if t.DebugDir == "" || !c.image.Strip {
		return nil
	}
	for _, p := range c.programs {
		f := p.binary.Facts
		if p.binary.Reason != "" {
			t.event(Event{Kind: "warning", Image: c.image.Name, Text: fmt.Sprintf("%s is not stripped: %s", p.plan.Bin, p.binary.Reason)})
		}
		if f.BuildID == "" || !f.HasDebug && !f.HasSymtab {
			t.event(Event{Kind: "note", Image: c.image.Name, Text: fmt.Sprintf(
				"%s has no symbols to keep beside the image: its profile strips, or it has no build id", p.plan.Bin)})
			continue
		}
		path := filepath.Join(t.DebugDir, filepath.FromSlash(binary.DebugPath(f.BuildID)))
		c.debug = path
		if _, err := os.Stat(path); err == nil {
			continue
		}
		if err := writeDebug(p.path, path); err != nil && !errors.Is(err, binary.ErrNoDebug) {
			return err
		}
	}
	return nil
}

func writeDebug(from, to string) error {
	if err := durable.MkdirAll(filepath.Dir(to)); err != nil {
		return err
	}
	f, err := durable.Create(to, 0o644)
	if err != nil {
		return err
	}
	defer f.Abort()
	if _, err := binary.WriteDebug(from, f); err != nil {
		return err
	}
	return f.Commit()
}

// payloads joins the columns of each image: one image, or an index over its platforms.
func payloads(p *plan.Plan, columns []column, r *Result) ([]output.Payload, error) {
	var out []output.Payload
	for i := 0; i < len(columns); {
		im := columns[i].image
		pay := payload(im)
		sum := Summary{Name: im.Name, Base: im.Base}
		// Platforms share layers: Static nearly always. A digest is stored, and pulled, once.
		blobs, layers := map[v1.Hash]int64{}, map[v1.Hash]int64{}
		for ; i < len(columns) && columns[i].image.Name == im.Name; i++ {
			c := columns[i]
			pay.Images = append(pay.Images, c.result)
			maps.Copy(blobs, c.weights)
			layers[c.layer] = c.weights[c.layer]
			sum.Debug = c.debug
		}
		if err := root(&pay, im); err != nil {
			return nil, err
		}
		if pay.Index != nil {
			var err error
			if blobs[pay.Digest], err = pay.Index.Size(); err != nil {
				return nil, err
			}
		}
		sum.Digest, sum.Size, sum.Program = pay.Digest.String(), total(blobs), total(layers)
		r.Images = append(r.Images, sum)
		out = append(out, pay)
	}
	return out, nil
}

func total(sizes map[v1.Hash]int64) (sum int64) {
	for _, n := range sizes {
		sum += n
	}
	return sum
}

func root(pay *output.Payload, im plan.Image) (err error) {
	if len(pay.Images) > 1 {
		if pay.Index, err = image.Index(pay.Images, im.Annotations); err != nil {
			return err
		}
		if pay.MediaType, err = pay.Index.MediaType(); err != nil {
			return err
		}
		pay.Digest, err = pay.Index.Digest()
		return err
	}
	if pay.MediaType, err = pay.Images[0].MediaType(); err != nil {
		return err
	}
	pay.Digest, err = pay.Images[0].Digest()
	return err
}
