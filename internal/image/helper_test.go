// SPDX-License-Identifier: MIT OR Apache-2.0

package image

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"io/fs"
	"math/rand/v2"
	"sort"
	"testing"
	"time"

	"sampan/internal/rootfs"
)

// synthetic gives size bytes that deflate about as far as programs do: words of a small vocabulary like machine code,
// stretches of text, zeros, and some noise. It follows from the seed alone.
func synthetic(seed uint64, size int) []byte {
	random := rand.New(rand.NewPCG(seed, 7))
	words := make([]uint64, 512)
	for i := range words {
		words[i] = random.Uint64()
	}
	const text = "thread panicked at called `Option::unwrap()` on a `None` value assertion failed: core::fmt::Formatter "
	out := make([]byte, 0, size+64)
	for len(out) < size {
		switch pick := random.IntN(100); {
		case pick < 60:
			word := words[min(random.IntN(512), random.IntN(512))]
			out = binary.LittleEndian.AppendUint64(out, word)[:len(out)+3+random.IntN(5)]
		case pick < 75:
			start := random.IntN(len(text) - 16)
			out = append(out, text[start:start+4+random.IntN(12)]...)
		case pick < 80:
			out = append(out, make([]byte, random.IntN(24))...)
		default:
			out = append(out, byte(random.Uint32()), byte(random.Uint32()))
		}
	}
	return out[:size]
}

func file(path string, data []byte) rootfs.Entry {
	return rootfs.Entry{Path: path, Mode: 0o555, Size: int64(len(data)), Open: func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(data)), nil
	}}
}

func dir(path string) rootfs.Entry { return rootfs.Entry{Path: path, Mode: fs.ModeDir | 0o755} }

func link(path, to string) rootfs.Entry {
	return rootfs.Entry{Path: path, Mode: fs.ModeSymlink | 0o777, Link: to}
}

func tree(entries ...rootfs.Entry) rootfs.Tree {
	t := rootfs.Tree(entries)
	sort.Slice(t, func(i, j int) bool { return t[i].Path < t[j].Path })
	return t
}

func scratch(t *testing.T, c Compression) LayerOptions {
	return LayerOptions{Compression: c, Scratch: t.TempDir()}
}

func mustLayer(t *testing.T, tree rootfs.Tree, o LayerOptions) *Layer {
	t.Helper()
	l, err := NewLayer(context.Background(), tree, o)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func readAll(t *testing.T, open func() (io.ReadCloser, error)) []byte {
	t.Helper()
	r, err := open()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	data, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func clock() time.Time { return time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC) }
