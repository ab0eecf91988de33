// SPDX-License-Identifier: MIT OR Apache-2.0

package pipeline

import (
	"fmt"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"sampan/internal/binary"
	"sampan/internal/check"
)

// PlatformOf reads from a program's ELF header for which platform it is.
func PlatformOf(path string) (v1.Platform, error) {
	f, err := binary.Inspect(path)
	if err != nil {
		return v1.Platform{}, err
	}
	pf, ok := check.PlatformOf(f)
	if !ok {
		return pf, fmt.Errorf("read %s: no image can be made for a program of machine %s", path, f.Machine)
	}
	return pf, nil
}
