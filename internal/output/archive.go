// SPDX-License-Identifier: MIT OR Apache-2.0

package output

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"sampan/internal/durable"
)

// archive delivers to tar files that hold an OCI image layout (image-spec, image-layout.md), and for Docker also the
// manifest.json that `docker save` writes, over the same blobs.
type archive struct {
	scheme   string
	path     string      // may hold {name}
	platform v1.Platform // the one that manifest.json names, of an image for several
}

func newArchive(scheme, path string, platform v1.Platform) *archive {
	return &archive{scheme: scheme, path: path, platform: platform}
}

// dockerImage is a member of docker's manifest.json.
type dockerImage struct {
	Config   string
	RepoTags []string
	Layers   []string
}

// Write delivers every payload to the archive that its name gives. An archive holds what one call gives it, and
// nothing of what it held before.
func (a *archive) Write(ctx context.Context, ps []Payload) ([]Receipt, error) {
	all, err := places(a.path, ps)
	if err != nil {
		return nil, err
	}
	receipts := make([]Receipt, len(ps))
	var done []Receipt
	for _, p := range all {
		tags, err := a.names(p)
		if err != nil {
			return done, err
		}
		contents := make([]*content, len(p.payloads))
		for i, payload := range p.payloads {
			if contents[i], err = gather(payload); err != nil {
				return done, err
			}
		}
		written, err := a.deliver(ctx, p.path, contents, tags)
		if err != nil {
			return done, err
		}
		for i, c := range contents {
			r := c.receipt(a.scheme, p.path, tags[i].refs)
			if i == 0 {
				r.Written = written
			}
			receipts[p.index[i]] = r
			done = append(done, r)
		}
	}
	return receipts, nil
}

// Preflight looks whether the archives could be written.
func (a *archive) Preflight(ctx context.Context, ps []Payload) error {
	all, err := places(a.path, ps)
	if err != nil {
		return err
	}
	for _, p := range all {
		if _, err := a.names(p); err != nil {
			return err
		}
		target, err := a.target(p.path)
		if err != nil {
			return err
		}
		if err := writable(filepath.Dir(target)); err != nil {
			return a.bad(p.path, "the folder cannot be written", err, notWritable(filepath.Dir(target)))
		}
	}
	return ctx.Err()
}

// archiveNames are the names of one payload: refs as people say them, full as engines store them.
type archiveNames struct{ refs, full []string }

func (a *archive) names(p place) ([]archiveNames, error) {
	out := make([]archiveNames, len(p.payloads))
	owner := map[string]bool{}
	for i, payload := range p.payloads {
		tags, err := tagsOf(payload)
		if err != nil {
			return nil, err
		}
		for _, tag := range tags {
			full, err := fullName(payload.Name, tag)
			if err != nil {
				return nil, err
			}
			if owner[full] {
				return nil, a.bad(p.path, fmt.Sprintf("two images have the name %s", full), nil,
					"-o "+a.scheme+":{name}.tar, or give each image a name of its own")
			}
			owner[full] = true
			out[i].refs = append(out[i].refs, payload.Name+":"+tag)
			out[i].full = append(out[i].full, full)
		}
	}
	return out, nil
}

func (a *archive) bad(path, reason string, err error, hint string) error {
	return &PlaceError{Place: a.scheme + ":" + path, Reason: reason, Err: err, hint: hint}
}

// deliver writes one archive if it is not there already, and tells how many bytes it wrote.
func (a *archive) deliver(ctx context.Context, path string, cs []*content, names []archiveNames) (int64, error) {
	target, err := a.target(path)
	if err != nil {
		return 0, err
	}
	t, err := a.layOut(cs, names)
	if err != nil {
		return 0, fmt.Errorf("write %s:%s: %w", a.scheme, path, err)
	}
	durable.Sweep(filepath.Dir(target)) // leftovers in a folder that we may not list are no reason to fail
	if f, err := os.Open(target); err == nil {
		same := t.same(f)
		f.Close()
		if same {
			return 0, nil
		}
	}
	if err := write(ctx, target, t); err != nil {
		return 0, fmt.Errorf("write %s:%s: %w", a.scheme, path, err)
	}
	return t.size, nil
}

func write(ctx context.Context, target string, t *tarFile) error {
	folder := filepath.Dir(target)
	if err := durable.MkdirAll(folder); err != nil {
		return err
	}
	f, err := durable.Create(target, 0o644)
	if err != nil {
		return err
	}
	defer f.Abort()
	f.Expect(t.size)
	if err := t.writeTo(ctx, f); err != nil {
		return err
	}
	return f.Commit()
}

// target follows a link at the path of an archive, and refuses what is there if writing over it would be a loss.
func (a *archive) target(path string) (string, error) {
	target, err := filepath.EvalSymlinks(path)
	if errors.Is(err, fs.ErrNotExist) {
		return path, nil
	}
	if err != nil {
		return "", a.bad(path, "look at the file", plain(err), "ls -ld "+path)
	}
	info, err := os.Stat(target)
	if err != nil {
		return "", a.bad(path, "look at the file", plain(err), "ls -ld "+path)
	}
	if info.IsDir() {
		return "", a.bad(path, "a folder is there, not a file", nil, "-o "+a.scheme+":"+filepath.ToSlash(filepath.Join(path, "image.tar")))
	}
	if !info.Mode().IsRegular() {
		return "", a.bad(path, "not a regular file", nil, "-o "+a.scheme+":image.tar, then: cat image.tar")
	}
	f, err := os.Open(target)
	if err != nil {
		return "", a.bad(path, "look at the file", plain(err), "ls -ld "+path)
	}
	defer f.Close()
	if info.Size() > 0 && !isTar(f) {
		return "", a.bad(path, "the file that is there is no archive", nil, "rm "+path+" if it is not needed, or choose another name")
	}
	return target, nil
}

// layOut lays out the archive of some contents.
func (a *archive) layOut(cs []*content, names []archiveNames) (*tarFile, error) {
	files := map[string]blob{}
	small := func(name string, data []byte) {
		files[name] = blob{digest: digestOf(data), size: int64(len(data)), data: data}
	}
	x := newIndex()
	var images []dockerImage
	for i, c := range cs {
		for _, b := range c.blobs {
			files[blobName(b.digest)] = b
		}
		for j, ref := range names[i].refs {
			d, err := describe(c, ref, names[i].full[j])
			if err != nil {
				return nil, err
			}
			x.manifests = append(x.manifests, d)
		}
		images = append(images, a.dockerImage(c, names[i].refs))
	}
	data, err := x.encode()
	if err != nil {
		return nil, err
	}
	small("index.json", data)
	small("oci-layout", []byte(layoutFile))
	if a.scheme == "docker-archive" {
		if data, err = json.Marshal(images); err != nil {
			return nil, err
		}
		small("manifest.json", data)
	}
	return newTar(files)
}

// dockerImage describes the one platform of a content that an engine of the host's kind can start, else its first.
func (a *archive) dockerImage(c *content, refs []string) dockerImage {
	chosen := c.parts[0]
	for _, p := range c.parts {
		if p.platform.OS == a.platform.OS && p.platform.Architecture == a.platform.Architecture {
			chosen = p
			break
		}
	}
	out := dockerImage{Config: blobName(chosen.config), RepoTags: refs, Layers: []string{}}
	for _, l := range chosen.layers {
		out.Layers = append(out.Layers, blobName(l))
	}
	return out
}

func blobName(h v1.Hash) string { return "blobs/" + h.Algorithm + "/" + h.Hex }
