// SPDX-License-Identifier: MIT OR Apache-2.0

package transport

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// manifestTypes are those that we can read, for Accept.
var manifestTypes = strings.Join([]string{
	"application/vnd.oci.image.manifest.v1+json", "application/vnd.oci.image.index.v1+json",
	"application/vnd.docker.distribution.manifest.v2+json", "application/vnd.docker.distribution.manifest.list.v2+json"}, ", ")

// Manifest reads a manifest or index by digest, and checks that it is the one. Where there is none, data is nil.
func (r *Repository) Manifest(ctx context.Context, digest string) (data []byte, err error) {
	if !IsDigest(digest) {
		return nil, badDigest(digest)
	}
	if data, err = r.readManifest(ctx, digest); err != nil || data == nil {
		return nil, err
	}
	if sum := digestOf(data); sum != digest {
		return nil, &DigestError{Host: r.h.name, What: "manifest", Want: digest, Got: sum}
	}
	return data, nil
}

// readManifest reads what a digest or a tag names; nil when there is nothing.
func (r *Repository) readManifest(ctx context.Context, reference string) ([]byte, error) {
	q := r.ask(http.MethodGet, "manifests/"+reference)
	q.header.Set("Accept", manifestTypes)
	got, err := r.h.send(ctx, q)
	switch {
	case err != nil:
		return nil, err
	case got.status == http.StatusNotFound:
		return nil, nil
	case got.status != http.StatusOK:
		return nil, r.fail(q, got)
	}
	return got.body, nil
}

// Tagged gives the digest of what a tag points at, "" when there is no such tag.
func (r *Repository) Tagged(ctx context.Context, tag string) (string, error) {
	q := r.ask(http.MethodHead, "manifests/"+tag)
	q.header.Set("Accept", manifestTypes)
	got, err := r.h.send(ctx, q)
	switch {
	case err != nil:
		return "", err
	case got.status == http.StatusNotFound:
		return "", nil
	case got.status != http.StatusOK:
		return "", r.fail(q, got)
	}
	if said := got.header.Get("Docker-Content-Digest"); IsDigest(said) {
		return said, nil
	}
	q.method = http.MethodGet // this one does not say it in a header
	if got, err = r.h.send(ctx, q); err != nil {
		return "", err
	}
	if got.status != http.StatusOK {
		return "", r.fail(q, got)
	}
	return digestOf(got.body), nil
}

// PutManifest stores a manifest or index under its digest or under a tag. Confirmed is when the registry says which
// digest it stored; most do. The error is an *UnknownBlobError when the registry misses something that the manifest names.
func (r *Repository) PutManifest(ctx context.Context, reference, mediaType string, data []byte) (confirmed bool, err error) {
	got, err := r.putManifest(ctx, reference, mediaType, data)
	if err != nil {
		return false, err
	}
	return got.header.Get("Docker-Content-Digest") != "", nil // it was compared
}

// putManifest is PutManifest with the whole answer. A digest in it is that of the data.
func (r *Repository) putManifest(ctx context.Context, reference, mediaType string, data []byte) (*reply, error) {
	q := r.ask(http.MethodPut, "manifests/"+reference)
	q.header.Set("Content-Type", mediaType)
	q.open = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data)), nil }
	q.size = int64(len(data))
	got, err := r.h.send(ctx, q)
	if err != nil {
		return nil, err
	}
	if got.status != http.StatusCreated && got.status != http.StatusOK && got.status != http.StatusAccepted && got.status != http.StatusNoContent {
		says := parseAnswer(got.header, got.body)
		if says.has("MANIFEST_BLOB_UNKNOWN", "BLOB_UNKNOWN", "MANIFEST_UNKNOWN") {
			return nil, &UnknownBlobError{Err: r.fail(q, got)}
		}
		return nil, r.fail(q, got)
	}
	want, said := digestOf(data), got.header.Get("Docker-Content-Digest")
	if said != "" && said != want {
		return nil, &DigestError{Host: r.h.name, What: "manifest", Want: want, Got: foreign(said)}
	}
	return got, nil
}

func digestOf(data []byte) string {
	sum := sha256.Sum256(data)
	return fmt.Sprintf("sha256:%s", hex.EncodeToString(sum[:]))
}
