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
	"sampan/internal/plan"
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

// TestSettingsAloneReachTheLink: what the user's environment says of the link driver's variables is not passed on.
func TestSettingsAloneReachTheLink(t *testing.T) {
	b := builderFor(t, &fake{})
	b.Env = append(b.Env, native.AllocatorVar+"=/their/own.a", native.ThinVar+"=yes")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	b.Self = self
	linkVars := func(c plan.Compile) (out []string) {
		cmd, err := b.cargoCall(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Contains(cmd.Env, "HOME=/home/u") {
			t.Errorf("environment %q", cmd.Env)
		}
		for _, kv := range cmd.Env {
			if name, _, _ := strings.Cut(kv, "="); slices.Contains(native.LinkVars(), name) {
				out = append(out, kv)
			}
		}
		return out
	}
	c := compile()
	if got := linkVars(c); got != nil {
		t.Errorf("plain: %q", got)
	}
	c.Thin = true
	if got := linkVars(c); !slices.Equal(got, []string{native.ThinVar + "=1"}) {
		t.Errorf("thin: %q", got)
	}
	if got := thinLink(plan.Compile{Thin: true, Triple: "x86_64-unknown-linux-gnu"}); got != nil {
		t.Errorf("where the link is not ours: %q", got)
	}
}
