// SPDX-License-Identifier: MIT OR Apache-2.0

package image

import (
	"fmt"
	"io"

	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// Compression says how layers are written. The zero value is gzip at level 6.
type Compression struct {
	Algorithm string // "gzip", "zstd" or "none"; "" is gzip
	Level     int    // of gzip 1 (fast) to 9 (small), 0 is 6; of zstd 1 to 22, 0 is 7
}

const defaultLevel = 6 // of gzip

// effort is how much work goes into a block, and of which kind: 0 is none, 1 to 9 are gzip's levels, and from zstdEffort
// on it is zstd. It is part of the format: another effort gives other digests.
type effort int

// zstdEffort is added to one of the encoder's speeds. It has four of them; the levels of zstd's own tool fall into these.
const zstdEffort effort = 100

func (e effort) zstd() bool { return e >= zstdEffort }
func (e effort) gzip() bool { return e > 0 && e < zstdEffort }

// speed is the zstd encoder's.
func (e effort) speed() zstd.EncoderLevel { return zstd.EncoderLevel(e - zstdEffort) }

// block is how much of a stream goes into one block, in bytes.
func (e effort) block() int {
	switch {
	case e.zstd():
		return frameSize
	case e.gzip():
		return blockSize
	}
	return plainSize
}

func (c Compression) effort() effort {
	switch {
	case c.Algorithm == "none":
		return 0
	case c.Algorithm == "zstd" && c.Level == 0:
		return zstdEffort + effort(zstd.EncoderLevelFromZstd(7))
	case c.Algorithm == "zstd":
		return zstdEffort + effort(zstd.EncoderLevelFromZstd(c.Level))
	case c.Level == 0:
		return defaultLevel
	}
	return effort(c.Level)
}

// mediaType is the OCI one: image-spec, layer.md.
func (c Compression) mediaType() types.MediaType {
	switch e := c.effort(); {
	case e.zstd():
		return types.OCILayerZStd
	case e.gzip():
		return types.OCILayer
	}
	return types.OCIUncompressedLayer
}

// Validate says whether the compression is one that this package knows. The error is a *CompressionError.
func (c Compression) Validate() error {
	most, known := map[string]int{"": 9, "gzip": 9, "zstd": 22, "none": 0}[c.Algorithm]
	if !known || c.Level < 0 || c.Level > most {
		return &CompressionError{Compression: c}
	}
	return nil
}

// CompressionError says that there is no such compression.
type CompressionError struct{ Compression Compression }

func (e *CompressionError) Error() string {
	return fmt.Sprintf("compress layer: no such compression: %q at level %d", e.Compression.Algorithm, e.Compression.Level)
}

// Hint says which there are.
func (e *CompressionError) Hint() string {
	return `use "gzip" with a level from 1 to 9, "zstd" with one from 1 to 22, or "none"`
}

// unpacker reads what a blob of that media type unpacks to.
func unpacker(t types.MediaType, blob io.Reader) (io.ReadCloser, error) {
	if t == types.OCILayerZStd {
		d, err := zstd.NewReader(blob, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(frameSize))
		if err != nil {
			return nil, err
		}
		return d.IOReadCloser(), nil
	}
	return gzip.NewReader(blob)
}

// newFramer makes the encoder of one speed. A frame is made of one block and of nothing else, whatever was made before.
func newFramer(speed zstd.EncoderLevel) (*zstd.Encoder, error) {
	return zstd.NewWriter(nil, zstd.WithEncoderLevel(speed), zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(frameSize),
		zstd.WithEncoderCRC(true), zstd.WithLowerEncoderMem(true))
}
