// SPDX-License-Identifier: MIT OR Apache-2.0

//go:build linux

package main

import (
	"archive/tar"
	"crypto/sha256"
	"io"
	"os"
	"runtime"
	"time"

	"github.com/klauspost/compress/gzip"
)

const (
	gzipLevel  = 6                       // Sampan's default
	startLimit = 3500 * time.Microsecond // what starting a lean Go program costs
)

// limit measures what one thread of this machine needs for the parts that nobody can leave out: read the program, frame
// it as tar, hash it, compress it as Sampan does, hash that, write it. With all cores at work and a process to start,
// no image step can be faster than startLimit + that/cores: see best.
func limit(program, scratch string) (sample, error) {
	defer os.Remove(scratch)
	start := time.Now()
	in, err := os.Open(program)
	if err != nil {
		return sample{}, err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return sample{}, err
	}
	out, err := os.Create(scratch)
	if err != nil {
		return sample{}, err
	}
	defer out.Close()
	z, err := gzip.NewWriterLevel(io.MultiWriter(out, sha256.New()), gzipLevel)
	if err != nil {
		return sample{}, err
	}
	w := tar.NewWriter(io.MultiWriter(sha256.New(), z))
	if err := w.WriteHeader(&tar.Header{Name: "app", Mode: 0o555, Size: info.Size(), Format: tar.FormatPAX}); err != nil {
		return sample{}, err
	}
	// Without ReadFrom and WriteTo, so that the buffer is used.
	if _, err := io.CopyBuffer(struct{ io.Writer }{w}, struct{ io.Reader }{in}, make([]byte, 256<<10)); err != nil {
		return sample{}, err
	}
	for _, c := range []io.Closer{w, z, out} {
		if err := c.Close(); err != nil {
			return sample{}, err
		}
	}
	took := time.Since(start)
	return sample{wall: took, cpu: took}, nil
}

// best is the limit of a whole run, from one thread's time.
func best(single time.Duration) time.Duration {
	return startLimit + single/time.Duration(runtime.NumCPU())
}
