// SPDX-License-Identifier: MIT OR Apache-2.0

//go:build unix

package builder

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sampan/internal/native"
)

// TestAllocatorIsChecked: a program of an earlier build, without what was asked for, is not delivered.
func TestAllocatorIsChecked(t *testing.T) {
	self, err := os.Executable() // an ELF file, and mimalloc is not in it
	if err != nil {
		t.Fatal(err)
	}
	c := compile()
	built := Built{Executables: []Executable{{Bin: "app", Path: self}}}
	if err := allocated(c, built); err != nil {
		t.Errorf("nothing was asked for: %v", err)
	}
	c.Native = &native.Part{Allocator: &native.Supply{Name: "mimalloc", Version: "3.3.2"}}
	e, ok := errors.AsType[*AllocatorError](allocated(c, built))
	if !ok || e.Bin != "app" || e.Hint() != "cargo clean -p app" {
		t.Errorf("error %v", e)
	}
	built.Executables[0].Path = filepath.Join(t.TempDir(), "none")
	if err := allocated(c, built); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error %v", err)
	}
}

// TestSettingAloneChoosesTheAllocator: what the user's environment says of the link driver's variable is not passed on.
func TestSettingAloneChoosesTheAllocator(t *testing.T) {
	b := builderFor(t, &fake{})
	b.Env = append(b.Env, native.AllocatorVar+"=/their/own.a")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	b.Self = self
	cmd, err := b.cargoCall(t.Context(), compile())
	if err != nil {
		t.Fatal(err)
	}
	if slices.ContainsFunc(cmd.Env, func(kv string) bool { return strings.HasPrefix(kv, native.AllocatorVar) }) || !slices.Contains(cmd.Env, "HOME=/home/u") {
		t.Errorf("environment %q", cmd.Env)
	}
}
