// SPDX-License-Identifier: MIT OR Apache-2.0

package builder

import (
	"cmp"
	"context"
	"errors"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"sampan/internal/cargo"
	"sampan/internal/native"
	"sampan/internal/plan"
	"sampan/internal/run"
)

// Preflight looks whether cargo, the std and a linker for every triple are there. It starts nothing.
func (b *Cargo) Preflight(_ context.Context, cs []plan.Compile) error {
	if len(cs) == 0 {
		return nil
	}
	if _, err := run.LookPath(b.command().Path, b.Env); err != nil {
		return &cargo.MissingToolError{Tool: b.command().Path}
	}
	for _, c := range cs {
		if !b.Workspace.Toolchain.HasStd(c.Triple) && !BuildsStd(c.Unstable) {
			return &StdError{Triple: c.Triple}
		}
		if !native.Links(c.Triple) {
			continue
		}
		if _, err := native.FindLinker(c.Triple, b.Workspace.Toolchain, b.Env); err != nil {
			return err
		}
		if _, err := native.Ensure(b.CacheDir, b.Self, c.Triple); err != nil {
			return err
		}
	}
	return nil
}

// Build implements Builder.
func (b *Cargo) Build(ctx context.Context, c plan.Compile) (Built, error) {
	built, err := b.compile(ctx, c)
	if err == nil && c.Init {
		built.Init, err = native.EnsureInit(ctx, native.InitOptions{CacheDir: b.CacheDir, Self: b.Self, Triple: c.Triple, Workspace: b.Workspace, Runner: b.Runner})
	}
	return built, err
}

// compile calls cargo, without the network first where that may do.
func (b *Cargo) compile(ctx context.Context, c plan.Compile) (Built, error) {
	if !b.builtBefore(c) {
		return b.attempt(ctx, c, nil)
	}
	// cargo install asks the registry for all that it has; what was built before can do without.
	words := &held{out: b.Stderr}
	offline := c
	offline.Offline = true
	built, err := b.attempt(ctx, offline, words)
	if err != nil && ctx.Err() == nil && words.drop() {
		return b.attempt(ctx, c, nil)
	}
	words.release()
	return built, err
}

// attempt calls cargo. Its words are held until its first message, when words is there: then it has all that it needs.
func (b *Cargo) attempt(ctx context.Context, c plan.Compile, words *held) (Built, error) {
	cmd, err := b.cargoCall(ctx, c)
	if err != nil {
		return Built{}, err
	}
	said := &stderr{out: b.Stderr, frames: b.Terminal, progress: b.Progress}
	r := reader{builder: b, compile: c}
	if words != nil {
		said.out, r.began = words, words.release
	}
	cmd.Stderr = said
	err = r.run(ctx, cmd)
	said.flush()
	if err != nil {
		return Built{}, b.explain(ctx, c, err, said.kept())
	}
	built, err := r.result()
	if err != nil {
		return built, err
	}
	return built, allocated(c, built)
}

// reader collects what cargo says about one Compile.
type reader struct {
	builder *Cargo
	compile plan.Compile
	began   func() // called at each message; may be nil
	built   Built
}

// run starts cargo and reads its messages while it works.
func (r *reader) run(ctx context.Context, cmd run.Cmd) error {
	pr, pw := io.Pipe()
	cmd.Stdout = pw
	read := make(chan error, 1)
	go func() {
		err := cargo.ReadMessages(pr, r.message)
		pr.CloseWithError(err) // cargo's next word is refused then, and it ends
		read <- err
	}()
	err := r.builder.Runner.Run(ctx, cmd)
	pw.Close()
	if readErr := <-read; readErr != nil && ctx.Err() == nil {
		return readErr
	}
	return err
}

// message takes one message of cargo's.
func (r *reader) message(m cargo.Message) error {
	if r.began != nil {
		r.began()
	}
	switch m.Reason {
	case cargo.CompilerArtifact:
		r.built.Units = append(r.built.Units, r.builder.Workspace.UnitOf(m, r.builder.targetDir(r.compile), r.compile.Triple))
		r.executable(m)
	case cargo.BuildScriptExecuted:
		// A build script runs for the host or for the target, and its folder tells for which.
		forTarget := strings.Contains(filepath.ToSlash(m.OutDir), "/"+string(r.compile.Triple)+"/")
		if len(m.LinkedLibs) > 0 && forTarget {
			name, version, _ := cargo.ParsePackageID(m.PackageID)
			r.built.Linked = append(r.built.Linked, Linked{Crate: name, Version: version, Libs: m.LinkedLibs})
		}
	}
	return nil
}

// executable keeps a program that was asked for. cargo builds others too: the bins of a package for its examples.
func (r *reader) executable(m cargo.Message) {
	name, _, _ := cargo.ParsePackageID(m.PackageID)
	if m.Executable == "" || name != r.compile.Package {
		return
	}
	e := Executable{Bin: m.Target.Name, Example: slices.Contains(m.Target.Kinds, "example"), Path: m.Executable}
	if r.compile.Crate {
		// cargo install moves a program away from where it says that it is.
		e.Path = filepath.Join(r.builder.crateRoot(r.compile), "bin", filepath.Base(m.Executable))
	}
	wanted := r.compile.Bins
	if e.Example {
		wanted = r.compile.Examples
	}
	all := len(r.compile.Bins)+len(r.compile.Examples) == 0
	if slices.Contains(wanted, e.Bin) || all && slices.Contains(m.Target.Kinds, "bin") {
		r.built.Executables = append(r.built.Executables, e)
	}
}

// result is the answer, when all that was asked for is in it.
func (r *reader) result() (Built, error) {
	got := r.built.Executables
	slices.SortFunc(got, func(a, b Executable) int {
		if a.Example != b.Example {
			if b.Example {
				return -1
			}
			return 1
		}
		return cmp.Compare(a.Bin, b.Bin)
	})
	has := func(name string, example bool) bool {
		return slices.ContainsFunc(got, func(e Executable) bool { return e.Bin == name && e.Example == example })
	}
	for _, name := range r.compile.Bins {
		if !has(name, false) {
			return Built{}, &MissingExecutableError{Package: r.compile.Package, Bin: name}
		}
	}
	for _, name := range r.compile.Examples {
		if !has(name, true) {
			return Built{}, &MissingExecutableError{Package: r.compile.Package, Bin: name, Example: true}
		}
	}
	if len(got) == 0 {
		return Built{}, &MissingExecutableError{Package: r.compile.Package}
	}
	return r.built, nil
}

// explain gives an error of cargo's run its reason, found in what cargo said.
func (b *Cargo) explain(ctx context.Context, c plan.Compile, err error, said string) error {
	if _, ok := errors.AsType[*run.NotFoundError](err); ok {
		return &cargo.MissingToolError{Tool: b.command().Path}
	}
	exit, ok := errors.AsType[*run.ExitError](err)
	if !ok {
		return err
	}
	err = diagnose(c, exit, said)
	if e, ok := errors.AsType[*CompileError](err); ok && ctx.Err() == nil {
		if broken := b.broken(ctx, c, e, said); broken != nil {
			return broken
		}
	}
	return err
}

// broken finds the dependency of the lock file that is at fault, with a way out: nil when it is none.
func (b *Cargo) broken(ctx context.Context, c plan.Compile, e *CompileError, said string) error {
	if b.Graph == nil || e.Crate == "" && !strings.Contains(said, " requires rustc ") {
		return nil
	}
	g, err := b.Graph(ctx, c)
	if err != nil {
		g = nil // the chain is left out then
	}
	found := cargo.Broken(said, b.Workspace, g)
	if found == nil || found.Renew(ctx, b.Runner, b.Workspace) != nil {
		return nil
	}
	return found
}
