// SPDX-License-Identifier: MIT OR Apache-2.0

//go:build linux

package main

import (
	"bytes"
	"compress/gzip"
	"debug/elf"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

func TestWriteStatic(t *testing.T) {
	for _, size := range []int64{1, 4096, 3<<20 + 5} {
		path := filepath.Join(t.TempDir(), "program")
		payload := make([]byte, size)
		if _, err := io.ReadFull(newSynthetic(1), payload); err != nil {
			t.Fatal(err)
		}
		if err := writeStatic(path, size, bytes.NewReader(payload)); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command(path).CombinedOutput(); err != nil {
			t.Fatalf("%d bytes of payload: does not run: %v %s", size, err, out)
		}
		f, err := elf.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if got, err := f.Section(".rodata").Data(); err != nil || !bytes.Equal(got, payload) {
			t.Errorf("%d bytes of payload: .rodata has %d (%v)", size, len(got), err)
		}
		if f.Section(".text") == nil || f.Section(".interp") != nil || f.Type != elf.ET_EXEC {
			t.Errorf("%d bytes of payload: sections %v, type %v", size, f.Sections, f.Type)
		}
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if held := info.Sys().(*syscall.Stat_t).Blocks * 512; held < size {
			t.Errorf("%d bytes of payload: sparse: %d bytes on disk", size, held)
		}
	}
}

func TestWriteStaticShortPayload(t *testing.T) {
	if err := writeStatic(filepath.Join(t.TempDir(), "program"), 10, bytes.NewReader([]byte("short"))); err == nil {
		t.Error("a payload that ends early is no error")
	}
}

func TestSynthetic(t *testing.T) {
	const size = 4 << 20
	first, again, other := make([]byte, size), make([]byte, size), make([]byte, size)
	for data, seed := range map[*[]byte]uint64{&first: 7, &again: 7, &other: 8} {
		if _, err := io.ReadFull(newSynthetic(seed), *data); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(first, again) {
		t.Error("the same seed gives other bytes")
	}
	if bytes.Equal(first, other) {
		t.Error("another seed gives the same bytes")
	}
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	z.Write(first)
	z.Close()
	if share := float64(b.Len()) / size; share < 0.35 || share > 0.5 {
		t.Errorf("compresses to %.2f of its size; real programs to about 0.4", share)
	}
}
