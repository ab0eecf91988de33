// SPDX-License-Identifier: MIT OR Apache-2.0

package output

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"sampan/internal/durable"
)

// dir is the folder of an OCI image layout. The folder itself may be a symbolic link; nothing in it may.
type dir string

func (d dir) join(elem ...string) string {
	return filepath.Join(append([]string{string(d)}, elem...)...)
}

// blob is the path of a blob. Only digests that were checked reach it.
func (d dir) blob(h v1.Hash) string { return d.join("blobs", h.Algorithm, h.Hex) }

// bad makes the error of this room about d.
func (d dir) bad(reason string, err error, hint string) error {
	return &PlaceError{Place: "oci:" + string(d), Reason: reason, Err: err, hint: hint}
}

// state is what stands at the path of a layout.
type state int

const (
	absent state = iota // nothing, or a folder with nothing in it but what a killed run left
	opened              // a layout
)

// survey tells what stands at d, and fails when it is nothing that may become or be a layout.
func (d dir) survey() (state, error) {
	info, err := os.Stat(string(d))
	if errors.Is(err, fs.ErrNotExist) {
		return absent, nil
	}
	if err != nil {
		return absent, d.bad("look at the folder", plain(err), "ls -ld "+string(d))
	}
	if !info.IsDir() {
		return absent, d.bad("a file is there, not a folder", nil,
			fmt.Sprintf("-o oci:%s.oci, or -o oci-archive:%s for a file", string(d), string(d)))
	}
	entries, err := os.ReadDir(string(d))
	if err != nil {
		return absent, d.bad("list the folder", plain(err), "ls -ld "+string(d))
	}
	foreign := ""
	for _, e := range entries {
		if e.Name() == "oci-layout" {
			return opened, d.checkVersion()
		}
		if !durable.IsTemp(e.Name()) && foreign == "" {
			foreign = e.Name()
		}
	}
	if foreign != "" {
		return absent, d.bad(fmt.Sprintf("the folder is not empty (%q) and is no OCI layout", foreign), nil,
			"-o oci:"+filepath.ToSlash(d.join("image"))+" for a new folder in it, or choose an empty one")
	}
	return absent, nil
}

// checkVersion reads oci-layout.
func (d dir) checkVersion() error {
	data, err := readFile(d.join("oci-layout"), 4096)
	if err != nil {
		return d.bad("read oci-layout", err, d.elsewhere())
	}
	var v struct {
		Version string `json:"imageLayoutVersion"`
	}
	if err := json.Unmarshal(data, &v); err != nil {
		return d.bad("read oci-layout", err, d.elsewhere())
	}
	if v.Version != "1.0.0" {
		return d.bad(fmt.Sprintf("the layout has version %q; only 1.0.0 is known", v.Version), nil, d.elsewhere())
	}
	return nil
}

func (d dir) elsewhere() string {
	return fmt.Sprintf("-o oci:%s-new for a fresh layout, or remove what is there", strings.TrimRight(string(d), `/\`))
}

// readIndex reads index.json; nil when there is none. The bytes come too.
func (d dir) readIndex() (*index, []byte, error) {
	data, err := readFile(d.join("index.json"), maxJSON)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, d.bad("read index.json", err, d.elsewhere())
	}
	x, err := parseIndex(data)
	if err != nil {
		return nil, nil, d.bad("read index.json", err, d.elsewhere())
	}
	return x, data, nil
}

// open makes d a layout if it is none yet, and takes its lock: the one on oci-layout, a file that is never replaced
// once it has its name.
func (d dir) open(ctx context.Context) (unlock func() error, err error) {
	marker := d.join("oci-layout")
	for range 100 {
		s, err := d.survey()
		if err != nil {
			return nil, err
		}
		if s == absent {
			if err := d.found(); err != nil {
				return nil, err
			}
		}
		before, err := os.Lstat(marker)
		if err != nil {
			continue // somebody removed the whole layout meanwhile
		}
		// A temporary twin of the marker is held by the marker's lock, so this cannot wait until we have it.
		if err := durable.Sweep(string(d)); err != nil {
			return nil, err
		}
		unlock, err := durable.Lock(ctx, marker)
		if err != nil {
			return nil, err
		}
		after, err := os.Lstat(marker)
		if err == nil && os.SameFile(before, after) {
			return unlock, nil
		}
		unlock()
	}
	return nil, d.bad("the folder is removed again and again", nil, d.elsewhere())
}

// found writes the marker of a new layout: whole, and never over one that another process wrote first.
func (d dir) found() error {
	if err := durable.MkdirAll(string(d)); err != nil {
		return err
	}
	marker := d.join("oci-layout")
	f, err := durable.Create(marker, 0o644)
	if err != nil {
		return err
	}
	defer f.Abort()
	if _, err := f.Write([]byte(layoutFile)); err != nil {
		return err
	}
	err = os.Link(f.Name(), marker)
	if err == nil || errors.Is(err, fs.ErrExist) {
		return nil
	}
	if _, err := os.Lstat(marker); err == nil {
		return nil
	}
	return f.Commit() // a file system without hard links
}

// sweep removes what killed runs left, where nothing else is to be done. Files that live processes write stay.
func (d dir) sweep() {
	durable.Sweep(string(d))
	durable.Sweep(d.join("blobs", "sha256"))
}

// prepare makes the folders of the blobs and refuses links in their place.
func (d dir) prepare() error {
	if err := d.realFolders(); err != nil {
		return err
	}
	blobs := d.join("blobs", "sha256")
	if err := durable.MkdirAll(blobs); err != nil {
		return err
	}
	return durable.Sweep(blobs)
}

// realFolders refuses links and files where the folders of the blobs are or will be.
func (d dir) realFolders() error {
	for _, folder := range []string{d.join("blobs"), d.join("blobs", "sha256")} {
		info, err := os.Lstat(folder)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return d.bad("look at "+filepath.Base(folder), plain(err), "ls -ld "+folder)
		}
		if !info.IsDir() {
			return d.bad(fmt.Sprintf("%q is not a folder", filepath.Base(folder)), nil, d.elsewhere())
		}
	}
	return nil
}

// has tells whether a blob is there. The bytes of small ones are compared. Of layers the size must be right, which is
// what a file that was renamed to its digest can be trusted with; with deep set, a layer that is not the very file
// that would be linked is read and hashed.
func (d dir) has(ctx context.Context, b blob, deep bool) bool {
	path := d.blob(b.digest)
	info, err := os.Lstat(path)
	if err != nil || !info.Mode().IsRegular() || info.Size() != b.size {
		return false
	}
	if b.layer == nil {
		data, err := readFile(path, b.size)
		return err == nil && bytes.Equal(data, b.data)
	}
	if !deep {
		return true
	}
	if local, err := os.Stat(b.localPath()); err == nil && os.SameFile(local, info) {
		return true
	}
	f, err := durable.OpenRegular(path)
	if err != nil {
		return false
	}
	defer f.Close()
	return b.copyFrom(ctx, io.Discard, f) == nil
}

// put brings a blob into the layout if it is not there, and tells how many bytes that were.
func (d dir) put(ctx context.Context, b blob) (int64, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	if d.has(ctx, b, true) {
		return 0, nil
	}
	path := d.blob(b.digest)
	if b.layer == nil {
		return b.size, durable.WriteFile(path, b.data, 0o644)
	}
	if local := b.localPath(); local != "" {
		if err := b.verify(ctx); err != nil {
			return 0, fmt.Errorf("verify layer %s: %w", b.digest, err)
		}
		if err := durable.Link(local, path, 0o644); err != nil {
			return 0, err
		}
		return b.size, d.rightSize(path, b)
	}
	f, err := durable.Create(path, 0o644)
	if err != nil {
		return 0, err
	}
	defer f.Abort()
	f.Expect(b.size)
	if err := b.copyTo(ctx, f); err != nil {
		return 0, fmt.Errorf("write layer: %w", err)
	}
	return b.size, f.Commit()
}

// rightSize catches a layer's file that changed between its verification and its linking.
func (d dir) rightSize(path string, b blob) error {
	info, err := os.Lstat(path)
	if err != nil {
		return plain(err)
	}
	if info.Size() != b.size {
		os.Remove(path)
		return &ContentError{Digest: b.digest, Got: fmt.Sprintf("%d bytes of %d", info.Size(), b.size)}
	}
	return nil
}

// readFile reads a small regular file, and fails when it is larger than limit.
func readFile(path string, limit int64) ([]byte, error) {
	f, err := durable.OpenRegular(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, plain(err)
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("more than %d bytes", limit)
	}
	return data, nil
}

// plain drops the path from an error of package os, where the path is told already.
func plain(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}
