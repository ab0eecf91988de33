// SPDX-License-Identifier: MIT OR Apache-2.0

//go:build linux

package main

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// input is a program and the folder that others' tools build an image from: rootfs/ with the program and the CA
// bundle, and a Dockerfile. Every tool packs the same files.
type input struct {
	name, from string // from: where it comes from, for the report
	context    string // the folder
	program    string // context/rootfs/app
	slot       int64  // where touch may write; negative: behind the end
	touched    uint64
}

const dockerfile = "FROM scratch\nCOPY rootfs/ /\nUSER 1000:1000\nENTRYPOINT [\"/app\"]\n"

// hostCA is the bundle of Debian's ca-certificates; Sampan brings its own.
const hostCA = "/etc/ssl/certs/ca-certificates.crt"

func newInput(dir, name, from string, slot int64) (*input, error) {
	in := &input{name: name, from: from, context: filepath.Join(dir, name), slot: slot}
	in.program = filepath.Join(in.context, "rootfs", "app")
	if err := os.MkdirAll(filepath.Join(in.context, "rootfs", filepath.Dir(hostCA)), 0o755); err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(in.context, "Dockerfile"), []byte(dockerfile), 0o644); err != nil {
		return nil, err
	}
	return in, copyFile(hostCA, filepath.Join(in.context, "rootfs", hostCA), 0o644)
}

// size is the program's, in bytes.
func (in *input) size() int64 { return sizeOf(in.program) }

// touch changes sixteen bytes of the program, to some that it never had.
func (in *input) touch() error {
	in.touched++
	seed := sha256.Sum256(binary.LittleEndian.AppendUint64([]byte(in.name), in.touched))
	f, err := os.OpenFile(in.program, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	at := in.slot
	if at < 0 {
		if at, err = f.Seek(0, io.SeekEnd); err != nil {
			return err
		}
	}
	if _, err := f.WriteAt(seed[:16], at); err != nil {
		return err
	}
	return f.Close()
}

// realInput wraps the active toolchain's cargo, some forty megabytes of real Rust, as the data of a static program:
// the executable itself is dynamic, which Sampan refuses.
func realInput(ctx context.Context, dir string) (*input, error) {
	_, root, err := step{argv: []string{"rustc", "--print", "sysroot"}}.run(ctx)
	if err != nil {
		return nil, err
	}
	cargo, err := os.Open(filepath.Join(strings.TrimSpace(root), "bin", "cargo"))
	if err != nil {
		return nil, err
	}
	defer cargo.Close()
	info, err := cargo.Stat()
	if err != nil {
		return nil, err
	}
	in, err := newInput(dir, "real", "the toolchain's cargo as data of a static program", elfAlign)
	if err != nil {
		return nil, err
	}
	return in, writeStatic(in.program, info.Size(), cargo)
}

// syntheticInput generates a static program of size bytes.
func syntheticInput(dir, name string, size int64) (*input, error) {
	in, err := newInput(dir, name, "generated, seed 1", elfAlign)
	if err != nil {
		return nil, err
	}
	return in, writeStatic(in.program, size, newSynthetic(1))
}

// exampleInput compiles an example of ours for musl, as anyone would.
func exampleInput(ctx context.Context, dir, name string) (*input, error) {
	target := filepath.Join(dir, "target")
	st := step{argv: []string{"cargo", "build", "--release", "--locked", "--target", muslTriple(), "--target-dir", target}, dir: filepath.Join("examples", name)}
	if _, _, err := st.run(ctx); err != nil {
		return nil, err
	}
	in, err := newInput(dir, name, "examples/"+name+", musl, release", -1)
	if err != nil {
		return nil, err
	}
	return in, copyFile(filepath.Join(target, muslTriple(), "release", name), in.program, 0o755)
}

// muslTriple is this machine's, for musl.
func muslTriple() string {
	cpus := map[string]string{"amd64": "x86_64", "arm64": "aarch64"}
	return cpus[runtime.GOARCH] + "-unknown-linux-musl"
}

func copyFile(from, to string, mode os.FileMode) error {
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, data, mode)
}

// copyTree copies a package, without what cargo made of it.
func copyTree(from, to string) error {
	return filepath.WalkDir(from, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rest, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		switch {
		case d.IsDir() && d.Name() == "target":
			return filepath.SkipDir
		case d.IsDir():
			return os.MkdirAll(filepath.Join(to, rest), 0o755)
		case !d.Type().IsRegular():
			return fmt.Errorf("copy %s: not a file", path)
		}
		return copyFile(path, filepath.Join(to, rest), 0o644)
	})
}
