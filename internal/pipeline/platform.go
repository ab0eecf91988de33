// SPDX-License-Identifier: MIT OR Apache-2.0

package pipeline

import (
	"debug/elf"
	"fmt"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"sampan/internal/binary"
)

// PlatformOf reads from a program's ELF header for which platform it is.
func PlatformOf(path string) (v1.Platform, error) {
	f, err := binary.Inspect(path)
	if err != nil {
		return v1.Platform{}, err
	}
	arch := map[elf.Machine]v1.Platform{
		elf.EM_X86_64:    {OS: "linux", Architecture: "amd64"},
		elf.EM_AARCH64:   {OS: "linux", Architecture: "arm64"},
		elf.EM_386:       {OS: "linux", Architecture: "386"},
		elf.EM_ARM:       {OS: "linux", Architecture: "arm", Variant: "v7"},
		elf.EM_RISCV:     {OS: "linux", Architecture: "riscv64"},
		elf.EM_PPC64:     {OS: "linux", Architecture: "ppc64le"},
		elf.EM_S390:      {OS: "linux", Architecture: "s390x"},
		elf.EM_LOONGARCH: {OS: "linux", Architecture: "loong64"},
	}
	pf, ok := arch[f.Machine]
	if !ok {
		return pf, fmt.Errorf("read %s: no image can be made for machine %s", path, f.Machine)
	}
	return pf, nil
}
