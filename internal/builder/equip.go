// SPDX-License-Identifier: MIT OR Apache-2.0

package builder

import (
	"context"
	"slices"
	"strings"

	"sampan/internal/native"
	"sampan/internal/plan"
)

// C says how what a compile needs beside Rust is brought. The zero value brings nothing that is not there.
type C struct {
	Install bool                 // the pinned compiler may be fetched
	Supply  native.SupplyOptions // how libraries are made: Cargo, Jobs and Progress; the rest is filled in here
	Say     func(line string)    // what takes time, before it begins; may be nil
	Warn    func(line string)    // what differs from what the user may expect; may be nil
}

// equip brings the compiler and the libraries that c needs and gives the variables that tell cargo's build scripts of
// them. What the user has set stays, and is told.
func (b *Cargo) equip(ctx context.Context, c plan.Compile) ([]string, error) {
	if c.Native == nil {
		return nil, nil
	}
	cc, err := native.EnsureCompiler(ctx, native.CompilerOptions{CacheDir: b.CacheDir, Self: b.Self, Triple: c.Triple,
		Sysroot: b.Workspace.Toolchain.Sysroot, Env: b.Env, Runner: b.Runner, Install: b.C.Install, Kind: c.CC, NeedCXX: c.Native.CXX, Thin: c.Thin, Say: b.C.Say})
	if err != nil {
		return nil, err
	}
	if cc.Notice != "" {
		b.warn(cc.Notice)
	}
	o := b.C.Supply
	o.Triple, o.CacheDir, o.Self, o.Own, o.Thin, o.Env, o.Runner, o.Say = c.Triple, b.CacheDir, b.Self, c.Sysroot, c.Thin, b.Env, b.Runner, b.C.Say
	o.CC = cc.ForLibraries()
	var link []string
	if s := c.Native.Allocator; s != nil {
		archive, err := native.EnsureAllocator(ctx, o, *s)
		if err != nil {
			return nil, err
		}
		link = []string{native.AllocatorVar + "=" + archive}
	}
	if c.Native.Plain {
		return link, nil // variables for crates would be new to those that a build without has compiled
	}
	sysroot, err := native.EnsureSysroot(ctx, o, c.Native.Supplies)
	if err != nil {
		return nil, err
	}
	vars, notes := cc.Env(b.Env)
	more, others := sysroot.Env(b.Env)
	for _, n := range append(notes, others...) {
		b.warn(n)
	}
	return slices.Concat(vars, more, b.unset(c.Native.Env), link), nil
}

// withoutLinkVars takes the link driver's variables out of an environment: the settings alone count.
func withoutLinkVars(env []string) []string {
	return slices.DeleteFunc(slices.Clone(env), func(kv string) bool {
		name, _, _ := strings.Cut(kv, "=")
		return slices.Contains(native.LinkVars(), name)
	})
}

// thinLink tells the link driver to link for size.
func thinLink(c plan.Compile) []string {
	if !c.Thin || !native.Links(c.Triple) {
		return nil
	}
	return []string{native.ThinVar + "=1"}
}

// allocated checks that what was asked for is in the programs: cargo could have taken one from an earlier build.
func allocated(c plan.Compile, built Built) error {
	if c.Native == nil || c.Native.Allocator == nil {
		return nil
	}
	want := c.Native.Allocator
	for _, e := range built.Executables {
		got, err := native.LinkedAllocator(e.Path)
		if err != nil {
			return err
		}
		if got != want.Name+" "+want.Version {
			return &AllocatorError{Package: c.Package, Bin: e.Bin, Allocator: want.Name}
		}
	}
	return nil
}

func (b *Cargo) warn(line string) {
	if b.C.Warn != nil {
		b.C.Warn(line)
	}
}
