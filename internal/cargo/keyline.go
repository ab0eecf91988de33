// SPDX-License-Identifier: MIT OR Apache-2.0

package cargo

import (
	"slices"
	"strconv"

	"github.com/pelletier/go-toml/v2/unstable"
)

// KeyLine is the line (from 1) of a manifest's text where a key stands, 0 when it stands nowhere. keyPath holds one
// word for each table and key on the way; elements of arrays are named by their index, "0" first:
//
//	KeyLine(text, []string{"package", "metadata", "sampan", "image", "1", "name"})
//
// A path that ends at a table or an array gives the line of its header, or of the first key in it.
func KeyLine(manifest string, keyPath []string) int {
	k := &keyFinder{want: keyPath, counts: map[string]int{}}
	k.p.Reset([]byte(manifest))
	for k.line == 0 && k.p.NextExpression() {
		e := k.p.Expression()
		switch e.Kind {
		case unstable.Table:
			k.table = k.walk(nil, e.Key(), false)
		case unstable.ArrayTable:
			k.table = k.walk(nil, e.Key(), true)
		case unstable.KeyValue:
			k.keyValue(k.table, e)
		}
	}
	return k.line
}

// keyFinder goes through a document and stops at the first key that is the one wanted, or stands below it.
type keyFinder struct {
	p      unstable.Parser
	want   []string
	table  []string       // path of the table that the parser is in
	counts map[string]int // arrays of tables: how many there were so far, by path
	line   int
}

// keyDepth bounds how deep inline tables and arrays may nest.
const keyDepth = 128

// walk goes along a dotted key below base, and returns the path at its end. Where a word names an array of tables,
// its last element is meant; last says that the key's end begins a new one.
func (k *keyFinder) walk(base []string, key unstable.Iterator, last bool) []string {
	path := slices.Clone(base)
	for key.Next() {
		node := key.Node()
		path = append(path, string(node.Data))
		id := joinPath(path)
		if last && key.IsLast() {
			k.counts[id]++
		}
		if n := k.counts[id]; n > 0 {
			path = append(path, strconv.Itoa(n-1))
		}
		k.at(path, node)
	}
	return path
}

func (k *keyFinder) keyValue(base []string, e *unstable.Node) {
	path := k.walk(base, e.Key(), false)
	k.value(path, e.Value(), keyDepth)
}

// value looks into inline tables and arrays.
func (k *keyFinder) value(path []string, v *unstable.Node, depth int) {
	if k.line != 0 || depth == 0 {
		return
	}
	it := v.Children()
	switch v.Kind {
	case unstable.InlineTable:
		for it.Next() {
			inner := k.walk(path, it.Node().Key(), false)
			k.value(inner, it.Node().Value(), depth-1)
		}
	case unstable.Array:
		for i := 0; it.Next(); i++ {
			inner := append(slices.Clone(path), strconv.Itoa(i))
			k.at(inner, it.Node())
			k.value(inner, it.Node(), depth-1)
		}
	}
}

// at notes the line, when path is the one wanted or lies below it.
func (k *keyFinder) at(path []string, node *unstable.Node) {
	if k.line != 0 || len(path) < len(k.want) || !slices.Equal(path[:len(k.want)], k.want) {
		return
	}
	raw := node.Raw
	if raw.Length == 0 {
		return // a table or an array has no place of its own; its first key has
	}
	k.line = k.p.Shape(raw).Start.Line
}

// joinPath makes one word of a path; quoting keeps "a.b" apart from a, b.
func joinPath(path []string) string {
	var out []byte
	for _, w := range path {
		out = strconv.AppendQuote(out, w)
	}
	return string(out)
}
