// SPDX-License-Identifier: MIT OR Apache-2.0

// Package image turns trees into layers, images and indexes, byte for byte the same every time.
//
// It promises that a layer's digest follows from its tree and the compression alone: not from the number of workers,
// the machine, the clock or what is in a cache; and that memory does not grow with the size of a tree. Compression is
// part of the format: the encoder is pinned, and golden digests in the tests show when its bytes change.
//
// It trusts no cache. What a Store holds is taken only if it is a regular file of this user with the right size, and it
// is hashed again before its bytes go anywhere else; what is damaged is made again, and nobody needs to know.
//
// It refuses trees that are not valid, and files that are not as long as their entry says.
//
//	layer, err := image.NewLayer(ctx, tree, image.LayerOptions{Store: store, Key: key, Scratch: dir})
//	img, err := image.New(image.Spec{Platform: platform, Layers: []*image.Layer{layer}, History: []string{"program"}})
package image

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"sampan/internal/durable"
	"sampan/internal/rootfs"
)

// LayerOptions says how a layer is made and where it is kept.
type LayerOptions struct {
	Compression Compression
	Workers     int    // that deflate at once; 0 is one for each core. A Store keeps the number of its first layer
	Store       *Store // nil for none
	Key         string // names the content of the tree, for the Store to remember; "" when it has no name
	Scratch     string // folder for the blob when there is no Store or it cannot be written: made when needed, removed by the caller

	// Progress is told, from the goroutine that called NewLayer, how many of the bytes of the tree's files are read.
	// It is not called for a layer that was in the Store.
	Progress func(done, total int64)
}

// Layer is a layer whose blob is a file. It implements v1.Layer. It may be used from several goroutines at once.
type Layer struct {
	diffID, digest v1.Hash
	size           int64
	mediaType      types.MediaType

	tree    rootfs.Tree // to make the blob again
	options LayerOptions

	mu       sync.Mutex
	path     string
	verified bool // by this process: hashed, or written
}

var _ v1.Layer = (*Layer)(nil)

// NewLayer makes the layer of a tree, or finds it in the store. Cancelling ctx ends it within a block's time and leaves
// no file behind.
func NewLayer(ctx context.Context, t rootfs.Tree, o LayerOptions) (*Layer, error) {
	if err := o.Compression.Validate(); err != nil {
		return nil, err
	}
	if o.Store != nil && o.Key != "" {
		if m, ok := o.Store.lookup(o.Key, o.Compression); ok {
			return &Layer{
				diffID: m.DiffID, digest: m.Digest, size: m.Size, mediaType: m.MediaType,
				tree: t, options: o, path: o.Store.blob(m.Digest),
			}, nil
		}
	}
	l := &Layer{mediaType: o.Compression.mediaType(), tree: t, options: o}
	if err := t.Validate(); err != nil {
		return nil, fmt.Errorf("make layer: %w", err)
	}
	p, path, err := l.build(ctx)
	if err != nil {
		return nil, err
	}
	l.diffID, l.digest, l.size, l.path, l.verified = p.diffID, p.digest, p.size, path, true
	return l, nil
}

// build writes the blob and says where it is.
func (l *Layer) build(ctx context.Context) (packed, string, error) {
	o := &l.options
	f, dir, stored, err := o.create()
	if err != nil {
		return packed{}, "", fmt.Errorf("make layer: %w", err)
	}
	defer f.Abort()
	p, err := pack(ctx, l.tree, o.Compression, o.crew(), job{w: f, progress: o.Progress})
	if err != nil {
		return packed{}, "", fmt.Errorf("make layer: %w", err)
	}
	path := filepath.Join(dir, p.digest.Hex)
	if info, err := os.Lstat(path); err == nil && info.IsDir() {
		// All else is replaced by the renaming.
		if err := os.RemoveAll(path); err != nil {
			return packed{}, "", fmt.Errorf("make layer: %w", err)
		}
	}
	if err := f.CommitTo(path); err != nil {
		return packed{}, "", fmt.Errorf("make layer: %w", err)
	}
	if stored {
		o.Store.remember(o.Key, o.Compression, p)
	}
	return p, path, nil
}

// blobMode is that of blobs everywhere, so that a layout may share them by hard link; the store's folder is private.
const blobMode = 0o644

// create starts a blob in the store, else in the scratch folder.
func (o *LayerOptions) create() (f *durable.File, dir string, stored bool, err error) {
	if o.Store != nil {
		dir = o.Store.blobs()
		f, err = o.Store.create()
		if err == nil {
			return f, dir, true, nil
		}
		if o.Scratch != "" {
			o.Store.log(fmt.Sprintf("the cache at %s is not used: %v", o.Store.Dir, err))
		}
	}
	if o.Scratch == "" {
		if err == nil {
			err = errNoPlace
		}
		return nil, "", false, err
	}
	if err = durable.MkdirAll(o.Scratch); err != nil {
		return nil, "", false, err
	}
	f, err = durable.Create(filepath.Join(o.Scratch, "layer"), blobMode)
	return f, o.Scratch, false, err
}

var errNoPlace = errors.New("neither a store nor a scratch folder was given")

func (o *LayerOptions) crew() *crew {
	if o.Store != nil {
		return o.Store.sharedCrew(o.Workers)
	}
	return newCrew(o.Workers)
}

// Digest is the hash of the blob.
func (l *Layer) Digest() (v1.Hash, error) { return l.digest, nil }

// DiffID is the hash of the tar stream.
func (l *Layer) DiffID() (v1.Hash, error) { return l.diffID, nil }

// Size is that of the blob, in bytes.
func (l *Layer) Size() (int64, error) { return l.size, nil }

// MediaType is OCI's for a tar stream, as it is compressed.
func (l *Layer) MediaType() (types.MediaType, error) { return l.mediaType, nil }

// Path is where the blob is. Call Verify before its bytes go to a new place.
func (l *Layer) Path() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.path
}

// Compressed reads the blob, after Verify.
func (l *Layer) Compressed() (io.ReadCloser, error) {
	if err := l.Verify(); err != nil {
		return nil, err
	}
	return l.open()
}

// Uncompressed reads the tar stream, after Verify.
func (l *Layer) Uncompressed() (io.ReadCloser, error) {
	blob, err := l.Compressed()
	if err != nil || l.mediaType == types.OCIUncompressedLayer {
		return blob, err
	}
	r, err := unpacker(l.mediaType, blob)
	if err != nil {
		blob.Close()
		return nil, fmt.Errorf("read layer %s: %w", l.digest, err)
	}
	return &unpacked{ReadCloser: r, blob: blob}, nil
}

// unpacked reads what a blob unpacks to.
type unpacked struct {
	io.ReadCloser
	blob io.Closer
}

func (u *unpacked) Close() error { return errors.Join(u.ReadCloser.Close(), u.blob.Close()) }

// Verify hashes the blob, once in this layer's life; a layer that NewLayer has just written needs no more than to be
// there. A blob that is missing or damaged is made again from the tree. If that gives another digest, the tree is not
// what its Key said, and the error is a *KeyError.
func (l *Layer) Verify() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	cause := l.check()
	if cause == nil {
		return nil
	}
	if s := l.options.Store; s != nil {
		s.log(fmt.Sprintf("layer %s in the cache was damaged and is made again: %v", l.digest, cause))
	}
	// The callers, v1.Layer's among them, have no context to give; damage is rare.
	p, path, err := l.build(context.Background())
	if err != nil {
		return err
	}
	if p.digest != l.digest || p.diffID != l.diffID {
		if s := l.options.Store; s != nil {
			s.forget(l.options.Key, l.options.Compression)
		}
		return &KeyError{Key: l.options.Key}
	}
	l.path, l.verified = path, true
	return nil
}

// KeyError says that two trees with different content had the same Key, or that a tree changed while it was used.
type KeyError struct{ Key string }

func (e *KeyError) Error() string { return "make layer again: its files changed since the build began" }

// Hint says what to do.
func (e *KeyError) Hint() string { return "run the same command again" }

var (
	errDamaged = errors.New("its bytes have another digest")
	errSize    = errors.New("it has another size")
	errOwner   = errors.New("it belongs to another user")
)

// check looks at the blob, at its bytes only if that was not done before. The caller holds mu.
func (l *Layer) check() error {
	f, err := openBlob(l.path, l.size)
	if err != nil {
		return err
	}
	defer f.Close()
	if l.verified {
		return nil
	}
	h := sha256.New()
	if _, err := io.CopyBuffer(h, struct{ io.Reader }{f}, make([]byte, 256<<10)); err != nil {
		return err
	}
	if sum(h) != l.digest {
		return errDamaged
	}
	l.verified = true
	return nil
}

func (l *Layer) open() (io.ReadCloser, error) {
	f, err := openBlob(l.Path(), l.size)
	if err != nil {
		return nil, fmt.Errorf("read layer %s: %w", l.digest, err)
	}
	return f, nil
}

// openBlob opens a regular file of this user that has the given size.
func openBlob(path string, size int64) (*os.File, error) {
	f, err := durable.OpenRegular(path)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	switch {
	case err != nil:
	case info.Size() != size:
		err = errSize
	case !ours(info):
		err = errOwner
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}
