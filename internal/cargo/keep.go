// SPDX-License-Identifier: MIT OR Apache-2.0

package cargo

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"sampan/internal/durable"
)

// keep holds answers of cargo and rustc from run to run: one JSON file for each, named by the question. The zero
// value keeps nothing. It is a convenience: what cannot be read is asked again, what cannot be written is forgotten.
type keep struct {
	dir string // "" keeps nothing
}

const (
	keptHeader = "sampan-kept-1 "
	keptLimit  = 64 << 20 // bytes of one file
	keptFiles  = 256      // more than that, and the oldest quarter goes
)

// question names an answer by all that was asked; equal lists, and only those, give equal names.
func question(kind string, parts ...any) string {
	h := sha256.New()
	for _, p := range parts {
		fmt.Fprintf(h, "%q\n", p)
	}
	return kind + "-" + hex.EncodeToString(h.Sum(nil)[:16]) + ".json"
}

// get reads an answer into v, and reports whether it is there and whole.
func (k keep) get(name string, v any) bool {
	if k.dir == "" {
		return false
	}
	data, err := readBounded(filepath.Join(k.dir, name), keptLimit)
	if err != nil {
		return false
	}
	head, body, ok := bytes.Cut(data, []byte("\n"))
	if !ok || string(head) != header(body) {
		return false
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	return d.Decode(v) == nil
}

// put writes an answer, unless a file that the answer came from changed since began: the answer may then be older
// than the file, and would be taken for its own from now on.
func (k keep) put(name string, v any, newest, began time.Time) {
	if k.dir == "" || began.IsZero() || newest.After(began) {
		return
	}
	body, err := json.Marshal(v)
	if err != nil || len(body) > keptLimit/2 {
		return
	}
	k.prune()
	_ = durable.WriteFile(filepath.Join(k.dir, name), append([]byte(header(body)+"\n"), body...), 0o600)
}

func header(body []byte) string {
	sum := sha256.Sum256(body)
	return keptHeader + hex.EncodeToString(sum[:])
}

// clock is the time by the clock that stamps files, the zero time when the folder cannot be written.
func (k keep) clock() time.Time {
	if k.dir == "" || durable.MkdirAll(k.dir) != nil {
		return time.Time{}
	}
	f, err := os.CreateTemp(k.dir, "clock-")
	if err != nil {
		return time.Time{}
	}
	defer os.Remove(f.Name())
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return time.Time{}
	}
	return info.ModTime()
}

// prune keeps the folder small. Answers cost milliseconds to ask for again, so which go matters little.
func (k keep) prune() {
	entries, err := os.ReadDir(k.dir)
	if err != nil || len(entries) <= keptFiles {
		return
	}
	type aged struct {
		name string
		at   time.Time
	}
	var all []aged
	for _, e := range entries {
		if info, err := e.Info(); err == nil && strings.HasSuffix(e.Name(), ".json") && info.Mode().IsRegular() {
			all = append(all, aged{e.Name(), info.ModTime()})
		}
	}
	slices.SortFunc(all, func(a, b aged) int { return a.at.Compare(b.at) })
	for _, a := range all[:max(0, len(all)-keptFiles*3/4)] {
		_ = os.Remove(filepath.Join(k.dir, a.name))
	}
}
