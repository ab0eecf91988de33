// SPDX-License-Identifier: MIT OR Apache-2.0

// Package pipeline is the whole program on one page.
//
// Run takes a Plan and walks it: preflight, compile, gate, layers, images, outputs. Data moves down only; progress
// leaves sideways as Event values. Nothing is delivered before every image of the Plan has passed the gate.
package pipeline

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sync/errgroup"

	"sampan/internal/builder"
	"sampan/internal/check"
	"sampan/internal/image"
	"sampan/internal/output"
	"sampan/internal/plan"
	"sampan/internal/rootfs"
)

// Tools are the impure ends and the places that Run may use.
type Tools struct {
	Builder  builder.Builder         // nil when the Plan has no Compile
	Outputs  []output.Output         // where every image goes
	Store    *image.Store            // cache of layers; nil for none
	Scratch  string                  // folder of this run alone for blobs when the Store cannot be used; Run removes it
	Root     string                  // folder that sources of files are relative to, per package: see Folder
	Folder   func(pkg string) string // a package's folder
	DebugDir string                  // where debug halves go; "" for nowhere
	Workers  int                     // compressors at once, over all images
	Event    func(Event)             // progress; nil for none
	Now      func() time.Time        // the clock, for durations only
	Base     Bases                   // finds what images are built upon; nil when none is
	Runs     func(im Image) error    // called for each image instead of outputs when not nil (sampan run)

	begun []output.Delivery // of each of Outputs; nil for those that cannot begin early
}

// Event is one step of progress. Kind is one of "compile", "layer", "note", "warning", "image".
type Event struct {
	Kind        string
	Image       string
	Crate       string
	Done, Total int64
	Text        string
}

// Image is one image for one platform, with the trees that its layers were made of.
type Image struct {
	Plan     plan.Image
	Platform string
	Trees    []rootfs.Tree
}

// Result is what one run did.
type Result struct {
	Images   []Summary
	Receipts []output.Receipt
	Findings []check.Finding
	Compile  time.Duration // spent in cargo
	Rest     time.Duration // spent in everything else
}

// Summary is one image in figures. Sizes are bytes.
type Summary struct {
	Name    string `json:"name"`
	Digest  string `json:"digest"`
	Size    int64  `json:"size"`    // all blobs and manifests, compressed, of all platforms; each digest once
	Program int64  `json:"program"` // the programs as they are in the image, compressed, of all platforms
	Debug   string `json:"debug,omitempty"`

	Base *plan.Base `json:"base,omitempty"` // what it is built upon
}

// Run carries out a Plan.
func Run(ctx context.Context, p *plan.Plan, t Tools) (*Result, error) {
	r := &Result{}
	start := t.Now()
	if t.Scratch != "" {
		defer os.RemoveAll(t.Scratch)
	}
	added, err := preflight(ctx, p, t)
	if err != nil {
		return r, err
	}
	ready := t.Now()
	built, err := compile(ctx, p, t)
	r.Compile = t.Now().Sub(ready)
	if err != nil {
		return r, err
	}
	columns, err := inspect(ctx, p, built, added, t)
	if err != nil {
		return r, err
	}
	for _, c := range columns {
		r.Findings = append(r.Findings, c.findings...)
	}
	if err := check.Fatal(r.Findings); err != nil {
		return r, err
	}
	report(t, r.Findings)
	if t.Runs != nil {
		return r, runTrees(columns, t)
	}
	// All project code has stopped: from here on credentials may be read.
	defer t.begin(ctx)()
	payloads, err := assemble(ctx, p, columns, t, r)
	if err != nil {
		return r, err
	}
	for i, out := range t.Outputs {
		write := out.Write
		if t.begun[i] != nil {
			write = t.begun[i].Write
		}
		receipts, err := write(ctx, payloads)
		r.Receipts = append(r.Receipts, receipts...)
		if err != nil {
			return r, err
		}
	}
	r.Rest = t.Now().Sub(start) - r.Compile
	return r, nil
}

// begin begins the deliveries that can begin before images are whole; what it gives ends them.
func (t *Tools) begin(ctx context.Context) (end func()) {
	t.begun = make([]output.Delivery, len(t.Outputs))
	for i, out := range t.Outputs {
		if o, ok := out.(output.Opener); ok {
			t.begun[i] = o.Open(ctx)
		}
	}
	return func() {
		for _, d := range t.begun {
			if d != nil {
				d.Close()
			}
		}
	}
}

// payload is an image that is not there yet.
func payload(im plan.Image) output.Payload {
	return output.Payload{Name: im.Name, Tags: im.Tags, Repository: im.Repository}
}

// preflight asks what can be asked quickly, before anything is compiled, and finds the files that settings add.
func preflight(ctx context.Context, p *plan.Plan, t Tools) (map[string]rootfs.Tree, error) {
	if b, ok := t.Builder.(builder.Preflighter); ok {
		if err := b.Preflight(ctx, p.Compiles); err != nil {
			return nil, err
		}
	}
	var names []output.Payload
	for _, im := range p.Images {
		names = append(names, payload(im))
	}
	for _, out := range t.Outputs {
		if o, ok := out.(output.Preflighter); ok {
			if err := o.Preflight(ctx, names); err != nil {
				return nil, err
			}
		}
	}
	added := map[string]rootfs.Tree{}
	for _, im := range p.Images {
		tree, err := files(im, t)
		if err != nil {
			return nil, setting(im, err)
		}
		added[im.Name] = tree
		for _, pf := range im.Platforms {
			if _, err := t.base(ctx, im, pf, true); err != nil {
				return nil, err
			}
		}
	}
	return added, nil
}

// compile runs the Compiles one after another: cargo keeps the cores busy by itself and holds a lock on its folder.
func compile(ctx context.Context, p *plan.Plan, t Tools) ([]builder.Built, error) {
	var out []builder.Built
	for _, c := range p.Compiles {
		b, err := t.Builder.Build(ctx, c)
		if err != nil {
			return nil, err
		}
		out = append(out, b)
	}
	return out, nil
}

// assemble makes all layers side by side with one pool of compressors, then the images from them.
func assemble(ctx context.Context, p *plan.Plan, columns []column, t Tools, r *Result) ([]output.Payload, error) {
	if len(columns) == 1 {
		// One needs no goroutine, whose thread a build with nothing to do would wait for longer than it works.
		if err := columns[0].make(ctx, p, t); err != nil {
			return nil, err
		}
		return payloads(p, columns, r)
	}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(2)
	for i := range columns {
		g.Go(func() error { return columns[i].make(gctx, p, t) })
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return payloads(p, columns, r)
}

// setting says of an error about files that settings name which setting it is.
func setting(im plan.Image, err error) error {
	var (
		file     *rootfs.FileError
		conflict *rootfs.ConflictError
		ca       *rootfs.CAError
		e        = plan.SettingError{Package: im.Package, Row: im.Row, Key: "files", Reason: err.Error()}
	)
	switch {
	case errors.As(err, &file):
		e.Advice = file.Hint()
	case errors.As(err, &conflict):
		e.Advice = conflict.Hint()
	case errors.As(err, &ca):
		e.Key, e.Advice = "ca-files", ca.Hint()
	default:
		return fmt.Errorf("image %s: %w", im.Name, err)
	}
	return &e
}

func report(t Tools, findings []check.Finding) {
	for _, f := range findings {
		text := f.Message
		if f.Hint != "" {
			text += " (" + f.Hint + ")"
		}
		t.event(Event{Kind: "warning", Image: f.Subject, Text: text})
	}
}

func runTrees(columns []column, t Tools) error {
	for _, c := range columns {
		trees := c.trees
		if c.base != nil {
			below, err := c.base.Tree()
			if err != nil {
				return err
			}
			trees = append([]rootfs.Tree{below}, trees...)
		}
		if err := t.Runs(Image{Plan: c.image, Platform: c.platform.String(), Trees: trees}); err != nil {
			return err
		}
	}
	return nil
}

func (t Tools) event(e Event) {
	if t.Event != nil {
		t.Event(e)
	}
}
