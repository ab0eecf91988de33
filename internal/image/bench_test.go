// SPDX-License-Identifier: MIT OR Apache-2.0

package image

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"testing"

	"github.com/klauspost/compress/flate"

	"sampan/internal/rootfs"
)

// benchSize is that of a middling Rust program, in bytes.
const benchSize = 20 << 20

// BenchmarkSHA is the rate at which anything can be given a digest.
func BenchmarkSHA(b *testing.B) {
	data := synthetic(1, benchSize)
	b.SetBytes(benchSize)
	for b.Loop() {
		sha256.Sum256(data)
	}
}

// BenchmarkTar is the stream alone, hashed (which cannot be left out) and thrown away.
func BenchmarkTar(b *testing.B) {
	benchPack(b, Compression{Algorithm: "none"}, 1)
}

// BenchmarkGzip is one stream on one core, as the library does it: the yardstick of the pipeline.
func BenchmarkGzip(b *testing.B) {
	data := synthetic(1, benchSize)
	for _, level := range []int{1, 6, 9} {
		b.Run(fmt.Sprint(level), func(b *testing.B) {
			w, err := flate.NewWriter(io.Discard, level)
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(benchSize)
			b.ReportAllocs()
			for b.Loop() {
				w.Reset(io.Discard)
				if _, err := w.Write(data); err != nil {
					b.Fatal(err)
				}
				if err := w.Close(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkPipeline is tar, both hashes and deflate together, to nowhere.
func BenchmarkPipeline(b *testing.B) {
	for _, level := range []int{1, 6} {
		for _, workers := range []int{1, 2, 4, 8} {
			b.Run(fmt.Sprintf("gzip-%d/workers-%d", level, workers), func(b *testing.B) {
				benchPack(b, Compression{"gzip", level}, workers)
			})
		}
	}
}

func benchPack(b *testing.B, c Compression, workers int) {
	in := rootfs.Tree{file("program", synthetic(1, benchSize))}
	crew := newCrew(workers)
	b.SetBytes(benchSize)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := pack(context.Background(), in, c, crew, job{w: io.Discard}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkLayer is a cold layer with its file on the disk.
func BenchmarkLayer(b *testing.B) {
	in := rootfs.Tree{file("program", synthetic(1, benchSize))}
	for _, c := range []Compression{{"gzip", 6}, {Algorithm: "none"}} {
		b.Run(fmt.Sprintf("%s-%d", c.Algorithm, c.Level), func(b *testing.B) {
			o := LayerOptions{Compression: c, Scratch: b.TempDir()}
			b.SetBytes(benchSize)
			for b.Loop() {
				if _, err := NewLayer(context.Background(), in, o); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkHit is a layer that is in the store, looked up by a new process.
func BenchmarkHit(b *testing.B) {
	in := rootfs.Tree{file("program", bytes.Repeat([]byte("x"), 1000))}
	s := &Store{Dir: b.TempDir() + "/cache", Now: clock}
	o := LayerOptions{Store: s, Key: "k", Workers: 2}
	if _, err := NewLayer(context.Background(), in, o); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		o.Store = s.again()
		if _, err := NewLayer(context.Background(), in, o); err != nil {
			b.Fatal(err)
		}
	}
}
