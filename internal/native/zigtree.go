// SPDX-License-Identifier: MIT OR Apache-2.0

package native

import (
	"archive/zip"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"sampan/internal/durable"
)

// zigFile is a file of a zig folder, as it was when its bytes were last compared with the pinned ones.
type zigFile struct {
	Path string `json:"p"`
	Size int64  `json:"s"`
	Time int64  `json:"t"` // of modification, ns since 1970
}

// zigManifest lies in a zig folder. It is written last: a folder without one is not whole.
const zigManifest = "manifest.json"

// manifestLimit bounds what is read of a manifest, bytes.
const manifestLimit = 4 << 20

// intact reports whether every file of a zig folder is as it was when it was checked: size and time of each. A write to
// any of them, a file that is missing or half written, shows.
func intact(dir string) bool {
	f, err := durable.OpenRegular(filepath.Join(dir, zigManifest))
	if err != nil {
		return false
	}
	defer f.Close()
	var files []zigFile
	if json.NewDecoder(io.LimitReader(f, manifestLimit)).Decode(&files) != nil || len(files) < 2 {
		return false
	}
	for _, want := range files {
		info, err := os.Lstat(filepath.Join(dir, filepath.FromSlash(want.Path)))
		if err != nil || !info.Mode().IsRegular() || info.Size() != want.Size || info.ModTime().UnixNano() != want.Time {
			return false
		}
	}
	return true
}

// restored reports whether the bytes of a zig folder are the pinned ones all the same, and notes their times then.
func restored(dir string, w wheel) bool {
	if !exists(dir) {
		return false
	}
	files, err := checkZig(dir, w)
	return err == nil && writeManifest(dir, files) == nil
}

// errZigBytes says that a zig folder does not hold what is pinned.
var errZigBytes = errors.New("not the pinned bytes")

// checkZig hashes a whole zig folder and compares it with what is pinned.
func checkZig(dir string, w wheel) ([]zigFile, error) {
	var files []zigFile
	var lines []string
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(dir, name)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		if !wanted(rel) {
			return nil
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if !info.Mode().IsRegular() {
			return fmt.Errorf("%s: %w", rel, errZigBytes)
		}
		sum, err := hashFile(name)
		if err != nil {
			return err
		}
		files = append(files, zigFile{rel, info.Size(), info.ModTime().UnixNano()})
		if isZigExe(rel) {
			if sum != w.exe {
				return fmt.Errorf("%s: %w", rel, errZigBytes)
			}
			return nil
		}
		lines = append(lines, rel+"\x00"+sum)
		return nil
	})
	if err != nil {
		return nil, err
	}
	if !slices.ContainsFunc(files, func(f zigFile) bool { return isZigExe(f.Path) }) || treeSum(lines) != zigTree {
		return nil, errZigBytes
	}
	return files, nil
}

// treeSum is the sum of "path\x00sha256" words; see zigTree.
func treeSum(words []string) string {
	slices.SortFunc(words, func(a, b string) int { return cmp.Compare(a, b) })
	h := sha256.New()
	for _, w := range words {
		name, sum, _ := strings.Cut(w, "\x00")
		fmt.Fprintf(h, "%s  %s\n", sum, name)
	}
	return hex.EncodeToString(h.Sum(nil))
}

func writeManifest(dir string, files []zigFile) error {
	data, err := json.Marshal(files)
	if err != nil {
		return err
	}
	return durable.WriteFile(filepath.Join(dir, zigManifest), data, 0o644)
}

func isZigExe(name string) bool { return name == "zig" || name == "zig.exe" }

// wanted picks, from the 19 500 files of a zig, the 3 500 that we use: clang's own headers, those of musl and Linux, and
// the sources of the C++ library.
func wanted(name string) bool {
	if isZigExe(name) || name == "LICENSE" {
		return true
	}
	for _, dir := range []string{"lib/include/", "lib/libcxx/", "lib/libcxxabi/", "lib/libunwind/include/"} {
		if strings.HasPrefix(name, dir) {
			return true
		}
	}
	rest, ok := strings.CutPrefix(name, "lib/libc/include/")
	set, _, inside := strings.Cut(rest, "/")
	return ok && inside && (set == "generic-musl" || strings.HasSuffix(set, "-linux-any") || strings.Contains(set, "-linux-musl"))
}

// Bounds of what a wheel may unpack to. Its hash is known before it is opened: they guard against our own mistakes.
const (
	zipFiles = 50_000
	zipBytes = 1 << 30
)

// unpackZig unpacks what we want of a wheel into dir.
func unpackZig(wheelFile, dir string) error {
	z, err := zip.OpenReader(wheelFile)
	if err != nil {
		return fmt.Errorf("open %s: %w", filepath.Base(wheelFile), cause(err))
	}
	defer z.Close()
	if len(z.File) > zipFiles {
		return fmt.Errorf("unpack %s: %d files", filepath.Base(wheelFile), len(z.File))
	}
	var total uint64
	made := map[string]bool{}
	for _, f := range z.File {
		name, ok := strings.CutPrefix(f.Name, "ziglang/")
		if !ok || strings.HasSuffix(name, "/") || !wanted(name) {
			continue
		}
		if !filepath.IsLocal(filepath.FromSlash(name)) || path.Clean(name) != name || strings.Contains(name, `\`) {
			return fmt.Errorf("unpack %s: bad name %q", filepath.Base(wheelFile), f.Name)
		}
		if total += f.UncompressedSize64; total > zipBytes {
			return fmt.Errorf("unpack %s: too large", filepath.Base(wheelFile))
		}
		to := filepath.Join(dir, filepath.FromSlash(name))
		if parent := filepath.Dir(to); !made[parent] {
			if err := os.MkdirAll(parent, 0o755); err != nil {
				return err
			}
			made[parent] = true
		}
		if err := unpackFile(f, to); err != nil {
			return fmt.Errorf("unpack %s: %w", name, err)
		}
	}
	return nil
}

// prune removes what we do not want of an unpacked wheel.
func prune(dir string) error {
	return filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(dir, name)
		if err != nil || wanted(filepath.ToSlash(rel)) {
			return err
		}
		return os.Remove(name)
	})
}

// unpackFile writes one file, with the mode that the archive gives it.
func unpackFile(f *zip.File, to string) error {
	mode := fs.FileMode(0o644)
	if f.Mode()&0o100 != 0 || isZigExe(path.Base(f.Name)) {
		mode = 0o755
	}
	in, err := f.Open()
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, io.LimitReader(in, int64(f.UncompressedSize64)+1)); err != nil {
		out.Close()
		return err
	}
	return out.Close()
}
