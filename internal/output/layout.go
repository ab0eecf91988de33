// SPDX-License-Identifier: MIT OR Apache-2.0

package output

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"

	"sampan/internal/durable"
)

// layout delivers to OCI image layouts (image-spec, image-layout.md), one for each path.
type layout struct {
	path string // may hold {name}
	tag  string // "" when it is the payload's own; may hold {name}
}

// delivery is one payload on its way into one layout.
type delivery struct {
	content     *content
	names       []string // reference names
	descriptors []descriptor
}

// Write delivers every payload to the layout that its name gives.
func (l *layout) Write(ctx context.Context, ps []Payload) ([]Receipt, error) {
	all, err := places(l.path, ps)
	if err != nil {
		return nil, err
	}
	plans := make([][]delivery, len(all))
	for i, p := range all {
		if plans[i], err = l.plan(p); err != nil {
			return nil, err
		}
	}
	receipts := make([]Receipt, len(ps))
	var done []Receipt
	for i, p := range all {
		written, err := dir(p.path).deliver(ctx, plans[i])
		if err != nil {
			return done, err
		}
		for j, v := range plans[i] {
			r := v.content.receipt("oci", p.path, v.names)
			r.Written = written[j]
			receipts[p.index[j]] = r
			done = append(done, r)
		}
	}
	return receipts, nil
}

// Preflight looks whether the layouts could be written.
func (l *layout) Preflight(ctx context.Context, ps []Payload) error {
	all, err := places(l.path, ps)
	if err != nil {
		return err
	}
	for _, p := range all {
		if _, err := l.names(p); err != nil {
			return err
		}
		d := dir(p.path)
		s, err := d.survey()
		if err != nil {
			return err
		}
		if s == opened {
			if _, _, err := d.readIndex(); err != nil {
				return err
			}
			if err := d.realFolders(); err != nil {
				return err
			}
		}
		if err := writable(p.path); err != nil {
			return d.bad("the folder cannot be written", err, notWritable(p.path))
		}
	}
	return ctx.Err()
}

// plan takes the payloads of one place apart and names them.
func (l *layout) plan(p place) ([]delivery, error) {
	names, err := l.names(p)
	if err != nil {
		return nil, err
	}
	out := make([]delivery, len(p.payloads))
	for i, payload := range p.payloads {
		c, err := gather(payload)
		if err != nil {
			return nil, err
		}
		out[i] = delivery{content: c, names: names[i]}
		for _, name := range names[i] {
			d, err := describe(c, name, "")
			if err != nil {
				return nil, err
			}
			out[i].descriptors = append(out[i].descriptors, d)
		}
	}
	return out, nil
}

// names gives the reference names of each payload of one place.
func (l *layout) names(p place) ([][]string, error) {
	out := make([][]string, len(p.payloads))
	owner := map[string]string{}
	for i, payload := range p.payloads {
		tags, err := tagsOf(payload)
		if err != nil {
			return nil, err
		}
		switch {
		case l.tag != "":
			tag := strings.ReplaceAll(l.tag, nameHole, payload.Name)
			if !isTag(tag) {
				return nil, badTag(tag)
			}
			out[i] = []string{tag}
		case len(p.payloads) == 1:
			out[i] = tags
		default:
			for _, tag := range tags {
				out[i] = append(out[i], payload.Name+":"+tag)
			}
		}
		for _, name := range out[i] {
			if first, taken := owner[name]; taken {
				return nil, &PlaceError{Place: "oci:" + p.path,
					Reason: fmt.Sprintf("%q would name both %s and %s", name, first, payload.Name),
					hint:   "-o oci:" + strings.TrimRight(l.path, "/") + "/" + nameHole}
			}
			owner[name] = payload.Name
		}
	}
	return out, nil
}

// deliver brings deliveries into the layout; written tells the new bytes of each.
func (d dir) deliver(ctx context.Context, vs []delivery) (written []int64, err error) {
	if d.holds(ctx, vs) {
		d.sweep()
		return make([]int64, len(vs)), nil
	}
	unlock, err := d.open(ctx)
	if err != nil {
		return nil, d.wrap(err)
	}
	written, err = d.update(ctx, vs)
	if unlockErr := unlock(); err == nil {
		err = unlockErr
	}
	return written, d.wrap(err)
}

// wrap names the place, once.
func (d dir) wrap(err error) error {
	switch err.(type) {
	case nil:
		return nil
	case *PlaceError:
		return err
	}
	return fmt.Errorf("write oci:%s: %w", string(d), err)
}

// holds tells whether nothing is left to be done. It takes no lock and writes nothing: index.json is replaced as a
// whole, so what it says was true at one moment after the call began.
func (d dir) holds(ctx context.Context, vs []delivery) bool {
	if d.checkVersion() != nil || d.realFolders() != nil {
		return false
	}
	x, _, err := d.readIndex()
	if err != nil || x == nil {
		return false
	}
	for _, v := range vs {
		for _, desc := range v.descriptors {
			if !x.names(desc) {
				return false
			}
		}
		for _, b := range v.content.blobs {
			if !d.has(ctx, b, false) {
				return false
			}
		}
	}
	return true
}

// update is deliver under the layout's lock: blobs first, index.json last, garbage after that.
func (d dir) update(ctx context.Context, vs []delivery) ([]int64, error) {
	x, old, err := d.readIndex()
	if err != nil {
		return nil, err
	}
	fresh := x == nil
	if fresh {
		x = newIndex()
	}
	if err := d.prepare(); err != nil {
		return nil, err
	}
	written := make([]int64, len(vs))
	indexer := -1 // the first delivery that changes the index
	for i, v := range vs {
		for _, b := range v.content.blobs {
			n, err := d.put(ctx, b)
			if err != nil {
				return nil, err
			}
			written[i] += n
		}
		for _, desc := range v.descriptors {
			if indexer < 0 && !x.names(desc) {
				indexer = i
			}
			x.set(desc)
		}
	}
	data, err := x.encode()
	if err != nil {
		return nil, d.bad("write index.json", err, d.elsewhere())
	}
	if !bytes.Equal(data, old) && indexer >= 0 {
		if err := durable.WriteFile(d.join("index.json"), data, 0o644); err != nil {
			return nil, err
		}
		written[indexer] += int64(len(data))
	}
	// Blobs without an index.json are somebody's work that is not finished, or that lost its index: not garbage yet.
	if !fresh && slices.Max(written) > 0 {
		d.collect(x)
	}
	return written, nil
}
