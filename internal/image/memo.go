// SPDX-License-Identifier: MIT OR Apache-2.0

package image

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// encoding names everything that makes the bytes of a layer out of a tree: tar format, block size, encoder. It is to be
// changed whenever a golden digest changes, so that no cache gives the bytes of another version.
const encoding = "1"

// memoVersion is that of the memo's own format.
const memoVersion = 1

// maxMemo bounds what is read of a memo, in bytes; real ones have some 400.
const maxMemo = 4 << 10

// memo remembers what layer a key and a compression gave.
type memo struct {
	Version   int             `json:"version"`
	DiffID    v1.Hash         `json:"diffID"`
	Digest    v1.Hash         `json:"digest"`
	Size      int64           `json:"size"` // of the blob, in bytes
	MediaType types.MediaType `json:"mediaType"`
	Check     string          `json:"check"` // see sum; a changed bit in DiffID would show nowhere else
}

// memoName is the name of the file of a memo.
func memoName(key string, c Compression) string {
	h := sha256.New()
	e := c.effort()
	fmt.Fprintf(h, "sampan layer %s\n%t %d\n%s", encoding, e > 0, e, key)
	return hex.EncodeToString(h.Sum(nil))
}

// sum binds the fields to each other and to the name of the file.
func (m *memo) sum(name string) string {
	h := sha256.New()
	fmt.Fprintf(h, "%s\n%d\n%s\n%s\n%d\n%s", name, m.Version, m.DiffID, m.Digest, m.Size, m.MediaType)
	return hex.EncodeToString(h.Sum(nil))
}

func (m memo) encode(name string) ([]byte, error) {
	m.Version = memoVersion
	m.Check = m.sum(name)
	data, err := json.Marshal(m)
	return append(data, '\n'), err
}

var errMemo = errors.New("not a memo of this version")

// parseMemo reads a memo that was found under name. It takes nothing that encode would not have written.
func parseMemo(data []byte, name string) (memo, error) {
	var m memo
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&m); err != nil {
		return memo{}, fmt.Errorf("read memo: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return memo{}, errMemo
	}
	known := m.MediaType == types.OCILayer || m.MediaType == types.OCILayerZStd || m.MediaType == types.OCIUncompressedLayer
	if m.Version != memoVersion || m.Size <= 0 || !known || !isSHA256(m.DiffID) || !isSHA256(m.Digest) || m.Check != m.sum(name) {
		return memo{}, errMemo
	}
	return m, nil
}

// isSHA256 says whether a hash may be part of a path.
func isSHA256(h v1.Hash) bool {
	return h.Algorithm == "sha256" && isDigestName(h.Hex)
}

func isDigestName(s string) bool {
	if len(s) != 2*sha256.Size {
		return false
	}
	for _, c := range []byte(s) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}
