// SPDX-License-Identifier: MIT OR Apache-2.0

package output

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/google/go-containerregistry/pkg/v1/types"
)

// maxJSON bounds every index and manifest that is read from a place, in bytes. The distribution specification asks
// registries for the same 4 MiB.
const maxJSON = 4 << 20

// layoutFile is the whole content of the file oci-layout (image-spec, image-layout.md).
const layoutFile = `{"imageLayoutVersion":"1.0.0"}`

// descriptor is one member of an index, with the little that we must know of it.
type descriptor struct {
	raw       json.RawMessage // as it was read, or as it will be written
	mediaType string
	digest    string
	size      int64
	name      string // org.opencontainers.image.ref.name; "" when there is none
}

// index is an index.json: what we do not understand of it is kept byte for byte.
type index struct {
	fields    []field // all members in their order; the value of "manifests" is not used
	manifests []descriptor
}

// newIndex is the index of a layout that holds nothing yet.
func newIndex() *index {
	return &index{fields: []field{
		{"schemaVersion", json.RawMessage("2")},
		{"mediaType", json.RawMessage(`"` + string(types.OCIImageIndex) + `"`)},
		{"manifests", nil},
	}}
}

// parseIndex reads an index.json that anybody may have written. It refuses what two readers could understand in two
// ways, and every digest that is not one.
func parseIndex(data []byte) (*index, error) {
	if len(data) > maxJSON {
		return nil, fmt.Errorf("more than %d bytes", maxJSON)
	}
	if !utf8.Valid(data) {
		return nil, errors.New("parse JSON: not UTF-8")
	}
	fields, err := object(data)
	if err != nil {
		return nil, err
	}
	x := &index{fields: fields}
	version, manifests := 0, json.RawMessage(nil)
	for _, f := range fields {
		switch f.key {
		case "schemaVersion":
			err = json.Unmarshal(f.value, &version)
		case "mediaType":
			err = wantMediaType(f.value)
		case "manifests":
			manifests = f.value
		case "config", "layers", "fsLayers":
			err = fmt.Errorf("%q beside manifests: neither an index nor a manifest", f.key)
		}
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", f.key, err)
		}
	}
	if version != 2 {
		return nil, fmt.Errorf("schemaVersion is %d, not 2", version)
	}
	if manifests == nil {
		return nil, errors.New("no manifests")
	}
	var raws []json.RawMessage
	if err := json.Unmarshal(manifests, &raws); err != nil {
		return nil, fmt.Errorf("read manifests: %w", err)
	}
	for i, raw := range raws {
		d, err := parseDescriptor(raw)
		if err != nil {
			return nil, fmt.Errorf("read descriptor %d: %w", i, err)
		}
		x.manifests = append(x.manifests, d)
	}
	return x, nil
}

func wantMediaType(value json.RawMessage) error {
	var s string
	if err := json.Unmarshal(value, &s); err != nil {
		return err
	}
	if s != "" && s != string(types.OCIImageIndex) {
		return fmt.Errorf("%q is not that of an OCI index", s)
	}
	return nil
}

// parseDescriptor reads a descriptor (image-spec, descriptor.md).
func parseDescriptor(raw json.RawMessage) (descriptor, error) {
	d := descriptor{raw: raw, size: -1}
	fields, err := object(raw)
	if err != nil {
		return d, err
	}
	for _, f := range fields {
		switch f.key {
		case "mediaType":
			err = json.Unmarshal(f.value, &d.mediaType)
		case "digest":
			err = json.Unmarshal(f.value, &d.digest)
		case "size":
			err = json.Unmarshal(f.value, &d.size)
		case "annotations":
			d.name, err = nameIn(f.value)
		}
		if err != nil {
			return d, fmt.Errorf("read %s: %w", f.key, err)
		}
	}
	if !validDigest(d.digest) {
		return d, fmt.Errorf("%q is not a digest", d.digest)
	}
	if d.size < 0 {
		return d, errors.New("no size")
	}
	return d, nil
}

// nameIn reads the reference name from the annotations of a descriptor.
func nameIn(annotations json.RawMessage) (name string, err error) {
	if string(annotations) == "null" {
		return "", nil
	}
	fields, err := object(annotations)
	if err != nil {
		return "", err
	}
	for _, f := range fields {
		var value string
		if err := json.Unmarshal(f.value, &value); err != nil {
			return "", err
		}
		if f.key == refName {
			name = value
		}
	}
	return name, nil
}

var (
	// anyDigest is the grammar of the image specification: an algorithm, its parts joined by one of "+._-", and the
	// encoded digest. Neither half can leave the folder it names.
	anyDigest = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`^[a-z0-9]+(?:[+._-][a-z0-9]+)*:[A-Za-z0-9=_-]+$`)
	})
)

// validDigest tells digests from other words; of the registered algorithms the length and letters must be right too.
func validDigest(s string) bool {
	if strings.HasPrefix(s, "sha256:") {
		return isSHA256(s)
	}
	if hex, ok := strings.CutPrefix(s, "sha512:"); ok {
		return lowerHex(hex, 128)
	}
	return len(s) <= 320 && anyDigest().MatchString(s)
}

// isSHA256 tells whether s is a SHA-256 digest.
func isSHA256(s string) bool {
	hex, ok := strings.CutPrefix(s, "sha256:")
	return ok && lowerHex(hex, 64)
}

// lowerHex tells whether s is n digits of lower-case hexadecimal.
func lowerHex(s string, n int) bool {
	return len(s) == n && strings.Trim(s, "0123456789abcdef") == ""
}

// set makes name lead to what d describes: in the place of the descriptor that had the name, or at the end.
func (x *index) set(d descriptor) {
	at := -1
	kept := make([]descriptor, 0, len(x.manifests)+1)
	for _, old := range x.manifests {
		if old.name != d.name {
			kept = append(kept, old)
			continue
		}
		if at < 0 {
			at = len(kept)
			kept = append(kept, d)
		}
	}
	if at < 0 {
		kept = append(kept, d)
	}
	x.manifests = kept
}

// names tells whether name leads to exactly d, and to nothing else.
func (x *index) names(d descriptor) bool {
	found := 0
	for _, old := range x.manifests {
		if old.name != d.name {
			continue
		}
		if !bytes.Equal(old.raw, d.raw) {
			return false
		}
		found++
	}
	return found == 1
}

// encode writes the index; members and descriptors that were read come out byte for byte.
func (x *index) encode() ([]byte, error) {
	var b bytes.Buffer
	for i, f := range x.fields {
		key, err := marshal(f.key)
		if err != nil {
			return nil, err
		}
		b.WriteByte("{,"[min(i, 1)])
		b.Write(key)
		b.WriteByte(':')
		if f.key != "manifests" {
			b.Write(f.value)
			continue
		}
		b.WriteByte('[')
		for j, d := range x.manifests {
			if j > 0 {
				b.WriteByte(',')
			}
			b.Write(d.raw)
		}
		b.WriteByte(']')
	}
	b.WriteByte('}')
	if b.Len() > maxJSON {
		return nil, fmt.Errorf("the index would have more than %d bytes", maxJSON)
	}
	return b.Bytes(), nil
}

// describe makes the descriptor of a content under a reference name. full, if any, is what engines call it.
func describe(c *content, name, full string) (descriptor, error) {
	d := c.top
	d.Annotations = map[string]string{refName: name}
	if full != "" {
		d.Annotations[containerdName] = full
	}
	raw, err := marshal(d)
	if err != nil {
		return descriptor{}, fmt.Errorf("describe %s: %w", d.Digest, err)
	}
	return descriptor{raw: raw, mediaType: string(d.MediaType), digest: d.Digest.String(), size: d.Size, name: name}, nil
}
