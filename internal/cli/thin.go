// SPDX-License-Identifier: MIT OR Apache-2.0

package cli

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"sampan/internal/durable"
	"sampan/internal/pipeline"
	"sampan/internal/plan"
	"sampan/internal/ui"
)

// thinner tells what --thin saved: the size of the image when it was last built without is remembered in the cache.
// It is "" when nothing can be compared.
func (s *session) thinner(im plan.Image, sum pipeline.Summary) string {
	thin, compiled := false, false
	for _, c := range s.plan.Compiles {
		if c.Package == im.Package {
			thin, compiled = thin || c.Thin, true
		}
	}
	if !compiled {
		return ""
	}
	path := s.sizeFile(im)
	data, _ := os.ReadFile(path)
	full, err := strconv.ParseInt(strings.TrimSpace(string(data)), 10, 64)
	if !thin {
		if err != nil || full != sum.Size {
			// Only a comparison is lost when it cannot be kept.
			_ = durable.MkdirAll(filepath.Dir(path))
			_ = durable.WriteFile(path, []byte(strconv.FormatInt(sum.Size, 10)+"\n"), 0o600)
		}
		return ""
	}
	if err != nil || full <= sum.Size {
		return ""
	}
	return fmt.Sprintf(", thin saved %s (%d %%)", ui.Bytes(full-sum.Size), (full-sum.Size)*100/full)
}

// sizeFile is where the size of an image is remembered: one file for each image of a target directory.
func (s *session) sizeFile(im plan.Image) string {
	h := sha256.New()
	fmt.Fprintf(h, "%q %q %q", s.targetDir(), im.Name, im.Compression)
	for _, p := range im.Platforms {
		fmt.Fprintf(h, " %q", p.String())
	}
	return filepath.Join(s.cacheDir(), "sizes", hex.EncodeToString(h.Sum(nil)[:12]))
}
