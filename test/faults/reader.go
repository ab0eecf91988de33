// SPDX-License-Identifier: MIT OR Apache-2.0

//go:build linux

package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// reader is a stranger that reads an image from a registry, with nothing but HTTP, and believes no header.
type reader struct {
	client  http.Client
	address string
}

func newReader(address string) *reader {
	return &reader{client: http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{}}, address: address}
}

var accepted = []string{
	"application/vnd.oci.image.manifest.v1+json", "application/vnd.oci.image.index.v1+json",
	"application/vnd.docker.distribution.manifest.v2+json", "application/vnd.docker.distribution.manifest.list.v2+json"}

// descriptor is what a manifest says of a piece.
type descriptor struct {
	Digest string `json:"digest"`
	Size   int64  `json:"size"`
}

type manifest struct {
	Config    *descriptor  `json:"config"`
	Layers    []descriptor `json:"layers"`
	Manifests []descriptor `json:"manifests"`
}

// get reads what is at a path of a repository and gives its digest.
func (r *reader) get(path string, keep bool) (data []byte, d descriptor, err error) {
	req, err := http.NewRequest(http.MethodGet, "http://"+r.address+"/v2/"+path, nil)
	if err != nil {
		return nil, d, err
	}
	req.Header["Accept"] = accepted
	resp, err := r.client.Do(req)
	if err != nil {
		return nil, d, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, d, fmt.Errorf("read %s: %s", path, resp.Status)
	}
	hash := sha256.New()
	into := io.Writer(hash)
	var kept strings.Builder
	if keep {
		into = io.MultiWriter(hash, &kept)
	}
	n, err := io.Copy(into, resp.Body)
	if err != nil {
		return nil, d, fmt.Errorf("read %s: %w", path, err)
	}
	return []byte(kept.String()), descriptor{"sha256:" + hex.EncodeToString(hash.Sum(nil)), n}, nil
}

// tagged gives the digest of what a tag points at, and the sizes of all pieces by digest, as the manifests say.
func (r *reader) tagged(repo, reference string) (string, map[string]int64, error) {
	data, d, err := r.get(repo+"/manifests/"+reference, true)
	if err != nil {
		return "", nil, err
	}
	var m manifest
	if err := json.Unmarshal(data, &m); err != nil {
		return "", nil, err
	}
	sizes := map[string]int64{}
	if m.Config != nil {
		sizes[m.Config.Digest] = m.Config.Size
	}
	for _, l := range m.Layers {
		sizes[l.Digest] = l.Size
	}
	return d.Digest, sizes, nil
}

// whole reads every byte of an image: by its tag, then by its digest, then all that is named.
func (r *reader) whole(repo, tag, digest string) error {
	if _, got, err := r.get(repo+"/manifests/"+tag, false); err != nil {
		return err
	} else if got.Digest != digest {
		return fmt.Errorf("the tag points at %s, not at %s", got.Digest, digest)
	}
	return r.under(repo, descriptor{Digest: digest}, 0)
}

// under reads a manifest by digest and what it names.
func (r *reader) under(repo string, d descriptor, depth int) error {
	data, got, err := r.get(repo+"/manifests/"+d.Digest, true)
	if err != nil {
		return err
	}
	if got.Digest != d.Digest {
		return fmt.Errorf("manifest %s has other bytes", d.Digest)
	}
	var m manifest
	if err := json.Unmarshal(data, &m); err != nil {
		return err
	}
	if m.Config == nil && len(m.Manifests) == 0 || depth > 2 {
		return fmt.Errorf("manifest %s names nothing, or itself", d.Digest)
	}
	for _, child := range m.Manifests {
		if err := r.under(repo, child, depth+1); err != nil {
			return err
		}
	}
	blobs := m.Layers
	if m.Config != nil {
		blobs = append(blobs, *m.Config)
	}
	for _, b := range blobs {
		if _, got, err := r.get(repo+"/blobs/"+b.Digest, false); err != nil {
			return err
		} else if got != b {
			return fmt.Errorf("blob %s has other bytes", b.Digest)
		}
	}
	return nil
}
