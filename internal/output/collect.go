// SPDX-License-Identifier: MIT OR Apache-2.0

package output

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
)

// Bounds of the walk over what an index reaches. A layout beyond them keeps its garbage.
const (
	maxManifests = 100_000
	maxDepth     = 16
	maxWalked    = 256 << 20 // bytes of manifests
)

// collect removes the blobs that nothing in the index reaches. It removes nothing at all when it cannot read
// everything that is reached, and only regular files of blobs/sha256 whose names are digests. Tools that write into
// the layout at the same moment without its lock may lose blobs that their index.json does not name yet.
//
// What could not be removed is left for the next run: the delivery is complete without it.
func (d dir) collect(x *index) {
	live, err := d.reached(x)
	if err != nil {
		return
	}
	entries, err := os.ReadDir(d.join("blobs", "sha256"))
	if err != nil {
		return
	}
	for _, e := range entries {
		digest := "sha256:" + e.Name()
		if e.Type().IsRegular() && isSHA256(digest) && !live[digest] {
			os.Remove(d.join("blobs", "sha256", e.Name()))
		}
	}
}

// walk is one look at everything that an index reaches.
type walk struct {
	d      dir
	live   map[string]bool
	todo   []step
	seen   map[string]bool
	walked int64
}

type step struct {
	digest string
	depth  int
}

// reached gives the digests of all blobs that a descriptor of the index reaches, through indexes and manifests of any
// kind. It errs on the side of more.
func (d dir) reached(x *index) (map[string]bool, error) {
	w := &walk{d: d, live: map[string]bool{}, seen: map[string]bool{}}
	for _, desc := range x.manifests {
		if err := w.mark(desc.raw); err != nil {
			return nil, err
		}
		w.push(desc, 0)
	}
	for _, f := range x.fields {
		if f.key == "manifests" {
			continue
		}
		if err := w.mark(f.value); err != nil {
			return nil, err
		}
	}
	for len(w.todo) > 0 {
		next := w.todo[len(w.todo)-1]
		w.todo = w.todo[:len(w.todo)-1]
		if err := w.visit(next); err != nil {
			return nil, fmt.Errorf("read %s: %w", next.digest, err)
		}
	}
	return w.live, nil
}

func (w *walk) push(desc descriptor, depth int) {
	if !w.seen[desc.digest] {
		w.seen[desc.digest] = true
		w.todo = append(w.todo, step{desc.digest, depth})
	}
}

// visit reads one index or manifest.
func (w *walk) visit(s step) error {
	if s.depth > maxDepth || len(w.seen) > maxManifests {
		return errors.New("too deep or too many")
	}
	algorithm, encoded, _ := strings.Cut(s.digest, ":") // a checked digest: neither half leaves its folder
	data, err := readFile(w.d.join("blobs", algorithm, encoded), maxJSON)
	if errors.Is(err, fs.ErrNotExist) && s.depth > 0 {
		return nil // a copy of some platforms only: what is not there reaches nothing
	}
	if err != nil {
		return err
	}
	if w.walked += int64(len(data)); w.walked > maxWalked {
		return errors.New("too many bytes")
	}
	fields, err := object(data)
	if err != nil {
		return err
	}
	for _, f := range fields {
		if err := w.mark(f.value); err != nil {
			return err
		}
		var children []json.RawMessage
		switch f.key {
		case "manifests":
			if err := json.Unmarshal(f.value, &children); err != nil {
				return err
			}
		case "subject":
			children = []json.RawMessage{f.value}
		}
		for _, raw := range children {
			if string(raw) == "null" {
				continue
			}
			child, err := parseDescriptor(raw)
			if err != nil {
				return err
			}
			w.push(child, s.depth+1)
		}
	}
	return nil
}

// mark takes every string in a JSON value that looks like a digest for a blob that is needed: configs and layers,
// and the like of them in manifests that do not exist yet.
func (w *walk) mark(value json.RawMessage) error {
	var v any
	if err := json.Unmarshal(value, &v); err != nil {
		return err
	}
	w.markValue(v)
	return nil
}

func (w *walk) markValue(v any) {
	switch v := v.(type) {
	case string:
		if isSHA256(v) {
			w.live[v] = true
		}
	case []any:
		for _, e := range v {
			w.markValue(e)
		}
	case map[string]any:
		for _, e := range v {
			w.markValue(e)
		}
	}
}
