// SPDX-License-Identifier: MIT OR Apache-2.0

//go:build ignore

// Command zoneinfo makes the archive of time zones that rootfs embeds, from the one that comes with Go.
//
// It prints the database's version and the archive's digest: both stand in rootfs, as ZoneinfoVersion and in a test, and
// are to be changed together with the file.
package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"flag"
	"fmt"
	"go/build"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"sort"

	"github.com/klauspost/compress/gzip"
)

func main() {
	out := flag.String("out", "zoneinfo.tar.gz", "file to write")
	flag.Parse()
	if err := generate(*out); err != nil {
		fmt.Fprintln(os.Stderr, "zoneinfo:", err)
		os.Exit(1)
	}
}

func generate(out string) error {
	dir := filepath.Join(build.Default.GOROOT, "lib", "time")
	script, err := os.ReadFile(filepath.Join(dir, "update.bash"))
	if err != nil {
		return err
	}
	version := regexp.MustCompile(`(?m)^DATA=(\S+)$`).FindSubmatch(script)
	if version == nil {
		return fmt.Errorf("find version in %s", dir)
	}
	files, err := unzip(filepath.Join(dir, "zoneinfo.zip"))
	if err != nil {
		return err
	}
	packed, err := pack(files)
	if err != nil {
		return err
	}
	if err := os.WriteFile(out, packed, 0o644); err != nil {
		return err
	}
	fmt.Printf("%s: %d zones of %s, %d bytes, sha256:%x\n", out, len(files), version[1], len(packed), sha256.Sum256(packed))
	return nil
}

func unzip(name string) (map[string][]byte, error) {
	z, err := zip.OpenReader(name)
	if err != nil {
		return nil, err
	}
	defer z.Close()
	files := map[string][]byte{}
	for _, f := range z.File {
		if f.FileInfo().IsDir() {
			continue
		}
		r, err := f.Open()
		if err != nil {
			return nil, err
		}
		data, err := io.ReadAll(r)
		if err != nil {
			return nil, err
		}
		if !bytes.HasPrefix(data, []byte("TZif")) {
			return nil, fmt.Errorf("%s is no time zone", f.Name)
		}
		files[f.Name] = data
	}
	return files, nil
}

// pack writes names in order and nothing of the machine into the archive. gzip, since it is in the executable anyway:
// a reader of anything smaller would be larger than what it saves, and be set up at each start.
func pack(files map[string][]byte) ([]byte, error) {
	var names []string
	for name := range files {
		names = append(names, name)
	}
	sort.Strings(names)
	var buf bytes.Buffer
	z, err := gzip.NewWriterLevel(&buf, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	w := tar.NewWriter(z)
	for _, name := range names {
		h := &tar.Header{Name: name, Mode: 0o644, Size: int64(len(files[name])), Format: tar.FormatUSTAR}
		if err := w.WriteHeader(h); err != nil {
			return nil, err
		}
		if _, err := w.Write(files[name]); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return buf.Bytes(), nil
}
