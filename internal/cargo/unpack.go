// SPDX-License-Identifier: MIT OR Apache-2.0

package cargo

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"sampan/internal/durable"
	"sampan/internal/run"
)

// SourceCrate is one release of a crate, by what the registry's index says of it.
type SourceCrate struct {
	Name     string
	Version  string // exact, with its build metadata
	Checksum string // SHA-256 of the .crate file, in hex
}

// ChecksumError says that a crate is not what was expected under its name.
type ChecksumError struct {
	Crate SourceCrate
	Path  string // of the file that differs
	Got   string // its SHA-256, "" when it is not known
}

func (e *ChecksumError) Error() string {
	s := fmt.Sprintf("unpack crate %s %s: %s has another checksum", e.Crate.Name, e.Crate.Version, e.Path)
	if e.Got != "" {
		s += ": " + e.Got + " instead of " + e.Crate.Checksum
	}
	return s
}

// Hint is how to get the right one.
func (e *ChecksumError) Hint() string {
	return "remove " + e.Path + ", so that cargo downloads it again; if it comes back the same, the mirror serves another crate"
}

// Limits of what is unpacked: sources of C libraries, the largest of which has 190 MB in 12 000 files.
const (
	unpackedBytes = 2 << 30
	unpackedFiles = 200_000
)

// Unpack has the user's cargo download a crate, unless it is there, and puts its files into the empty folder at into.
// What cargo unpacked itself is not used, since anybody may have changed it meanwhile: the files come from the archive
// that cargo keeps, or from a vendored folder, and are compared with the crate's checksum.
//
// Errors: *CrateError, *ChecksumError, and those of the file system.
func Unpack(ctx context.Context, r run.Runner, o LoadOptions, c SourceCrate, into string) error {
	l, err := newLoader(r, o)
	if err != nil {
		return err
	}
	done, err := l.unpackInto(c, into)
	if done || err != nil {
		return err
	}
	spec := c.Name + "@" + c.Version
	if _, _, err := l.find(ctx, spec); err != nil {
		return err
	}
	if done, err = l.unpackInto(c, into); err == nil && !done {
		err = &CrateError{Spec: spec, Reason: NotUnpacked}
	}
	return err
}

// unpackInto is false when the crate is nowhere.
func (l *loader) unpackInto(c SourceCrate, into string) (bool, error) {
	pattern := filepath.Join(globQuote(filepath.Join(l.config.CargoHome, "registry", "cache")), "*", c.Name+"-"+c.Version+".crate")
	archives, err := filepath.Glob(pattern)
	if err != nil {
		return false, err
	}
	var wrong error
	for _, path := range archives {
		got, err := fileSum(path)
		if err != nil {
			return false, err
		}
		if got == c.Checksum {
			return true, unpackArchive(path, c.Name+"-"+c.Version, into)
		}
		wrong = &ChecksumError{Crate: c, Path: path, Got: got}
	}
	if wrong != nil {
		return false, wrong
	}
	for _, vendor := range l.config.SourceDirs {
		for _, base := range []string{c.Name + "-" + c.Version, c.Name} {
			if dir := filepath.Join(vendor, base); versionIn(dir, c.Name) == c.Version {
				return true, copyVendored(c, dir, into)
			}
		}
	}
	return false, nil
}

// globQuote takes the meaning off the characters that filepath.Glob knows.
func globQuote(path string) string {
	if os.PathSeparator == '\\' { // no quoting there; such characters are not usual in paths either
		return path
	}
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}

func fileSum(path string) (string, error) {
	f, err := durable.OpenRegular(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", fmt.Errorf("read %s: %w", path, err)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// unpackArchive unpacks a .crate file, whose entries all lie in the folder top.
func unpackArchive(path, top, into string) error {
	failed := func(err error) error { return fmt.Errorf("unpack %s: %w", path, err) }
	f, err := durable.OpenRegular(path)
	if err != nil {
		return err
	}
	defer f.Close()
	gz, err := gzip.NewReader(f)
	if err != nil {
		return failed(err)
	}
	in := tar.NewReader(io.LimitReader(gz, unpackedBytes))
	for files := 0; ; files++ {
		h, err := in.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil || files == unpackedFiles {
			return failed(errors.Join(err, errors.New("not a crate")))
		}
		name, ok := strings.CutPrefix(h.Name, top+"/")
		if !ok || !filepath.IsLocal(filepath.FromSlash(name)) {
			return failed(fmt.Errorf("entry %q lies outside", h.Name))
		}
		if h.Typeflag != tar.TypeReg {
			continue // folders come with their files, and cargo packs nothing else
		}
		mode := os.FileMode(0o644)
		if h.Mode&0o111 != 0 {
			mode = 0o755
		}
		if err := scratchFile(filepath.Join(into, filepath.FromSlash(name)), in, mode); err != nil {
			return failed(err)
		}
	}
}

// scratchFile writes a file that lives only as long as a build: nothing is brought to the disk.
func scratchFile(path string, in io.Reader, mode os.FileMode) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	out, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// copyVendored copies a crate from a folder of vendored ones, whose checksum file holds that of the archive and those
// of its files.
func copyVendored(c SourceCrate, dir, into string) error {
	list := filepath.Join(dir, ".cargo-checksum.json")
	data, err := readBounded(list, keptLimit)
	if err != nil {
		return fmt.Errorf("unpack crate %s %s: %w", c.Name, c.Version, err)
	}
	var sums struct {
		Package string            `json:"package"`
		Files   map[string]string `json:"files"`
	}
	if err := json.Unmarshal(data, &sums); err != nil || sums.Package != c.Checksum {
		return &ChecksumError{Crate: c, Path: list, Got: sums.Package}
	}
	for name, want := range sums.Files {
		if !filepath.IsLocal(filepath.FromSlash(name)) {
			return &ChecksumError{Crate: c, Path: list}
		}
		from := filepath.Join(dir, filepath.FromSlash(name))
		if got, err := fileSum(from); err != nil {
			return err
		} else if got != want {
			return &ChecksumError{Crate: c, Path: from}
		}
		info, err := os.Stat(from)
		if err != nil {
			return err
		}
		f, err := durable.OpenRegular(from)
		if err != nil {
			return err
		}
		err = scratchFile(filepath.Join(into, filepath.FromSlash(name)), f, info.Mode().Perm())
		if err = errors.Join(err, f.Close()); err != nil {
			return err
		}
	}
	return nil
}
