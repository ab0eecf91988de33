// SPDX-License-Identifier: MIT OR Apache-2.0

//go:build linux

package main

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// b9 measures what an image weighs (B9).
func (s *suite) b9(ctx context.Context) error {
	var rows [][]string
	for _, name := range []string{"hello", "service"} {
		in, err := exampleInput(ctx, s.dir, name)
		if err != nil {
			return err
		}
		docker, err := gzipped(in.program)
		if err != nil {
			return err
		}
		for _, c := range []struct {
			ca   string
			most int64
		}{{"false", 1500}, {"true", 130_000}} {
			whole, program, err := s.weigh(ctx, in, c.ca)
			if err != nil {
				return fmt.Errorf("B9: %w", err)
			}
			over := whole - program
			rows = append(rows, []string{name, c.ca, fmt.Sprint(whole), fmt.Sprint(program), fmt.Sprint(over), fmt.Sprint(docker)})
			s.report.goal("B9", fmt.Sprintf("%s, CA bundle %s: ≤ %d bytes over the program's layer", name, c.ca, c.most), fmt.Sprint(over), over <= c.most)
			s.report.goal("B9", name+": program's layer ≤ 1.00 × Go's gzip -6 of the whole program", fmt.Sprintf("%.2f ×", float64(program)/float64(docker)), program <= docker)
		}
	}
	s.report.section("B9: bytes", "Config, manifest and layers, compressed. The last column is the unstripped program in the gzip that docker uses.")
	s.report.table([]string{"input", "CA bundle", "image", "program's layer", "over it", "gzip -6 of the program"}, rows)
	return nil
}

// weigh makes an image and adds up what its manifest names.
func (s *suite) weigh(ctx context.Context, in *input, ca string) (whole, program int64, err error) {
	out, cache := filepath.Join(s.dir, "b9"), filepath.Join(s.dir, "b9-cache")
	clean := remove(out, cache)
	if err := clean(); err != nil {
		return 0, 0, err
	}
	defer clean()
	_, answer, err := s.image(in, out, cache, "--ca="+ca).run(ctx)
	if err != nil {
		return 0, 0, err
	}
	_, digest, _ := strings.Cut(strings.TrimSpace(answer), "@sha256:")
	data, err := os.ReadFile(filepath.Join(out, "blobs", "sha256", digest))
	if err != nil {
		return 0, 0, err
	}
	var manifest struct {
		Config struct{ Size int64 }
		Layers []struct{ Size int64 }
	}
	if err := json.Unmarshal(data, &manifest); err != nil {
		return 0, 0, err
	}
	whole = int64(len(data)) + manifest.Config.Size
	for _, layer := range manifest.Layers {
		whole += layer.Size
		program = layer.Size // the program's is the last
	}
	return whole, program, nil
}

// gzipped is the size of a file in the standard library's gzip at its default level.
func gzipped(path string) (int64, error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	var n counter
	z := gzip.NewWriter(&n)
	if _, err := io.Copy(z, f); err != nil {
		return 0, err
	}
	err = z.Close()
	return int64(n), err
}

type counter int64

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}
