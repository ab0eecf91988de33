// SPDX-License-Identifier: MIT OR Apache-2.0

//go:build linux

package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"debug/elf"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"sampan/internal/binary"
)

// archive is an image read from a docker-archive that is an OCI layout too.
type archive struct {
	config   config
	packed   int64 // bytes of layers, config and manifest
	unpacked int64 // bytes of all files in the layers
	layers   [][]byte
}

// config is what we read of an image's configuration (OCI image spec, config.md).
type config struct {
	Architecture string
	Config       struct {
		User       string
		Entrypoint []string
		Env        []string
		Labels     map[string]string
	}
}

// descriptor is what we read of one (OCI image spec, descriptor.md).
type descriptor struct {
	Digest string
	Size   int64
}

// readArchive reads an archive of one image for one platform.
func readArchive(file string) (*archive, error) {
	members, err := readTar(file)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", filepath.Base(file), err)
	}
	blob := func(d descriptor) []byte { return members["blobs/"+strings.Replace(d.Digest, ":", "/", 1)] }
	var index struct{ Manifests []descriptor }
	if err := json.Unmarshal(members["index.json"], &index); err != nil {
		return nil, fmt.Errorf("read index.json: %w", err)
	}
	if len(index.Manifests) != 1 {
		return nil, fmt.Errorf("read index.json: %d manifests, want one", len(index.Manifests))
	}
	var manifest struct {
		Config descriptor
		Layers []descriptor
	}
	if err := json.Unmarshal(blob(index.Manifests[0]), &manifest); err != nil {
		return nil, fmt.Errorf("read the manifest: %w", err)
	}
	a := &archive{packed: index.Manifests[0].Size + manifest.Config.Size}
	if err := json.Unmarshal(blob(manifest.Config), &a.config); err != nil {
		return nil, fmt.Errorf("read the configuration: %w", err)
	}
	for _, l := range manifest.Layers {
		a.packed += l.Size
		a.layers = append(a.layers, blob(l))
	}
	return a, nil
}

// readTar reads all files of a tar into memory: an image's are a few dozen megabytes.
func readTar(file string) (map[string][]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	members := map[string][]byte{}
	for r := tar.NewReader(f); ; {
		head, err := r.Next()
		if errors.Is(err, io.EOF) {
			return members, nil
		}
		if err != nil {
			return nil, err
		}
		if head.Typeflag != tar.TypeReg {
			continue
		}
		if members[path.Clean(head.Name)], err = io.ReadAll(r); err != nil {
			return nil, err
		}
	}
}

// unpack writes the image's files under a new folder, and counts their bytes. Owners are left out: ours are root's.
func (a *archive) unpack(dir string) error {
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	root, err := os.OpenRoot(dir) // nothing in the archive leads out of it
	if err != nil {
		return err
	}
	defer root.Close()
	for _, layer := range a.layers {
		var r io.Reader = bytes.NewReader(layer)
		if bytes.HasPrefix(layer, []byte{0x1f, 0x8b}) {
			if r, err = gzip.NewReader(r); err != nil {
				return err
			}
		}
		if err := a.unpackLayer(root, tar.NewReader(r)); err != nil {
			return fmt.Errorf("unpack a layer: %w", err)
		}
	}
	return nil
}

func (a *archive) unpackLayer(root *os.Root, r *tar.Reader) error {
	for {
		head, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		name := strings.TrimPrefix(path.Clean("/"+head.Name), "/")
		if head.Typeflag != tar.TypeDir { // a layer's file stands in the place of one below, as of the CA bundle
			if err := root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
		switch head.Typeflag {
		case tar.TypeDir:
			if err := root.MkdirAll(name, 0o755); err != nil {
				return err
			}
			// os.Root.Chmod takes permission bits and the sticky bit as os.FileMode has them.
			if err := root.Chmod(name, head.FileInfo().Mode()&(fs.ModePerm|fs.ModeSticky)); err != nil {
				return err
			}
		case tar.TypeSymlink:
			if err := root.Symlink(head.Linkname, name); err != nil {
				return err
			}
		case tar.TypeReg:
			a.unpacked += head.Size
			if err := writeMember(root, name, head, r); err != nil {
				return err
			}
		default:
			return fmt.Errorf("%s: type %q is not expected in an image of ours", name, head.Typeflag)
		}
	}
}

func writeMember(root *os.Root, name string, head *tar.Header, r io.Reader) error {
	f, err := root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, head.FileInfo().Mode().Perm())
	if err != nil {
		return err
	}
	_, err = io.Copy(f, r)
	return errors.Join(err, f.Close())
}

// program returns the path of the program inside the image.
func (a *archive) program() (string, error) {
	if len(a.config.Config.Entrypoint) == 0 || !path.IsAbs(a.config.Config.Entrypoint[0]) {
		return "", fmt.Errorf("find the program: entrypoint %q", a.config.Config.Entrypoint)
	}
	return a.config.Config.Entrypoint[0], nil
}

// static tells why the ELF file is not a static program for the platform; nil when it is.
func static(file, platform string) error {
	facts, err := binary.Inspect(file)
	if err != nil {
		return err
	}
	want := map[string]elf.Machine{"linux/amd64": elf.EM_X86_64, "linux/arm64": elf.EM_AARCH64}[platform]
	if facts.Machine != want {
		return fmt.Errorf("it is for %s, not %s", facts.Machine, want)
	}
	if !facts.Static() {
		return fmt.Errorf("it is not static: %s, loader %q, needs %q", facts.Type, facts.Interp, facts.Needed)
	}
	return nil
}
