// SPDX-License-Identifier: MIT OR Apache-2.0

package rootfs

import (
	"bytes"
	"encoding/base64"
	"encoding/pem"
	"sync"

	"golang.org/x/crypto/x509roots/fallback/bundle"
)

// RootsVersion is the version of the module that Mozilla's certificates come from; a test holds it against go.mod.
const RootsVersion = "v0.0.0-20261030153154-30a33513ff6d"

// roots gives Mozilla's certificates as PEM blocks, in the module's order. Roots that are trusted under a condition
// only ("issued before …") are left out: a PEM file cannot say so, and without the condition they are not trusted.
var roots = sync.OnceValue(func() []byte {
	var buf bytes.Buffer
	buf.Grow(192 << 10)
	for r := range bundle.Roots() {
		if r.Constraint == nil {
			buf.Write(certificatePEM(r.Certificate))
		}
	}
	return buf.Bytes()
})

// rootsSize is the length of roots(), told without making them: a build with nothing to do needs to know no more.
var rootsSize = sync.OnceValue(func() (size int64) {
	for r := range bundle.Roots() {
		if r.Constraint == nil {
			size += pemSize(len(r.Certificate))
		}
	}
	return size
})

// pemSize is the length of certificatePEM of so many bytes: RFC 7468, section 2, lines of 64.
func pemSize(der int) int64 {
	text := base64.StdEncoding.EncodedLen(der)
	lines := (text + 63) / 64
	return int64(len("-----BEGIN CERTIFICATE-----\n") + text + lines + len("-----END CERTIFICATE-----\n"))
}

func certificatePEM(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}
