// SPDX-License-Identifier: MIT OR Apache-2.0

package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"sampan/internal/cargo"
	"sampan/internal/native"
	"sampan/internal/plan"
	"sampan/internal/ui"
)

// natives decides for every Compile what it needs beside Rust, and refuses what cannot be linked statically. A lock
// file that names nothing of C ends it at once.
func (s *session) natives(ctx context.Context) error {
	if s.ws == nil {
		return nil
	}
	pure := !s.ws.Lock.Exists && s.alone() || s.ws.Lock.Exists && cargo.PureRust(s.ws.Lock.Path)
	if pure && !slices.ContainsFunc(s.plan.Compiles, func(c plan.Compile) bool { return c.Allocator != "" }) {
		return nil
	}
	ws, err := s.whole(ctx)
	if err != nil {
		return err
	}
	for i := range s.plan.Compiles {
		c := &s.plan.Compiles[i]
		if !native.Links(c.Triple) {
			if c.Allocator != "" {
				s.remark(fmt.Sprintf("allocator = %q is for musl: %s keeps glibc's malloc", c.Allocator, c.Triple))
			}
			continue // a static glibc program is made of the host's own libraries
		}
		if pure && c.Allocator == "" {
			continue
		}
		g, err := s.graph(ctx, ws, *c)
		if e, ok := errors.AsType[*cargo.GraphError](err); ok && e.Offline && c.Allocator == "" {
			// Cargo wants dev-dependencies for this, too, which the build may do without.
			s.progress.Handle(ui.Event{Kind: "warning", Text: err.Error() + "; it goes on as if no C were needed"})
			continue
		}
		if err != nil {
			return err
		}
		if c.Native, err = s.part(ctx, ws, *c, g); err != nil {
			return err
		}
		if i == 0 || s.plan.Compiles[i-1].Package != c.Package { // once, whatever the platforms
			s.trust(*c, g)
		}
		if c.Native != nil {
			for _, text := range c.Native.Notes {
				s.remark(text)
			}
		}
	}
	return nil
}

// remark keeps a note for the build, once.
func (s *session) remark(text string) {
	if !slices.Contains(s.missing, text) {
		s.missing = append(s.missing, text)
	}
}

// part is what a Compile needs beside Rust. Refused is what cannot be linked statically, and a dependency that this Rust
// is known to refuse.
func (s *session) part(ctx context.Context, ws *cargo.Workspace, c plan.Compile, g *cargo.Graph) (*native.Part, error) {
	for _, e := range cargo.Unfit(ws, g) {
		if e.Why == cargo.RefusesRust && s.relocked == nil { // the others cargo refuses itself, at once
			return nil, cmp.Or(e.Renew(ctx, s.runner, ws), error(e))
		}
	}
	o := s.partOptions(c)
	part, err := native.PartOf(g, o)
	if refused, ok := errors.AsType[*native.RefusalError](err); ok && len(refused.Missing) > 0 {
		// A library that is made already takes no tools: worth a look at the cache before it ends here.
		survey, lookErr := s.survey(ctx, c, g)
		if lookErr != nil {
			return nil, lookErr
		}
		o.Made = survey.Made()
		return native.PartOf(g, o)
	}
	return part, err
}

// survey looks what a Compile needs and what of it is here.
func (s *session) survey(ctx context.Context, c plan.Compile, g *cargo.Graph) (*native.Survey, error) {
	return native.SurveyOf(ctx, g, native.SurveyOptions{PartOptions: s.partOptions(c), CacheDir: s.cacheDir(), Install: s.installs(), Thin: c.Thin, Runner: s.runner})
}

// partOptions are what decides, beside the graph, what a Compile needs.
func (s *session) partOptions(c plan.Compile) native.PartOptions {
	return native.PartOptions{Triple: c.Triple, Package: c.Package, Env: s.app.env, Kind: c.CC, Sysroot: c.Sysroot, Allocator: c.Allocator}
}

// graph is what a Compile takes in, of the workspace or its copy.
func (s *session) graph(ctx context.Context, ws *cargo.Workspace, c plan.Compile) (*cargo.Graph, error) {
	o := s.graphOf(c)
	if ws != s.ws {
		o.Manifest = "" // the copy's is its own
	}
	return cargo.LoadGraph(ctx, s.runner, ws, o)
}

// graphOf asks for the graph that a Compile compiles.
func (s *session) graphOf(c plan.Compile) cargo.GraphOptions {
	manifest := filepath.FromSlash(c.Manifest)
	if !filepath.IsAbs(manifest) {
		manifest = filepath.Join(s.ws.Root, manifest)
	}
	return cargo.GraphOptions{Package: c.Package, Version: c.Version, Manifest: manifest, Triple: c.Triple,
		Features: c.Features, AllFeatures: c.AllFeatures, NoDefaultFeatures: c.NoDefaultFeatures, Examples: len(c.Examples) > 0,
		Locked: c.Locked, Offline: c.Offline, Frozen: c.Frozen, Config: c.Config, Unstable: c.Unstable}
}

// compilers are the words of the cc option.
var compilers = []string{native.KindZig, native.KindHost}

// nativeSettings checks what a package's settings say of C, and makes the sysroot's path absolute: it is relative to the
// package, unless the command line or the environment says it.
func nativeSettings(p *cargo.Package, l level, dir string, set *plan.Settings) error {
	if set.CC != "" && !slices.Contains(compilers, set.CC) {
		return &plan.SettingError{Package: p.Name, Key: "cc", Origin: l["cc"].from(), Reason: fmt.Sprintf("unknown compiler %q", set.CC),
			Advice: plan.Nearest(set.CC, compilers)}
	}
	if set.Allocator != "" && !slices.Contains(native.Allocators(), set.Allocator) {
		return &plan.SettingError{Package: p.Name, Key: "allocator", Origin: l["allocator"].from(), Reason: fmt.Sprintf("unknown allocator %q", set.Allocator),
			Advice: plan.Nearest(set.Allocator, native.Allocators())}
	}
	if set.Sysroot == "" {
		return nil
	}
	if !filepath.IsAbs(set.Sysroot) {
		base := filepath.Dir(p.Manifest)
		if from := l["sysroot"].from(); from == "--sysroot" || from == "SAMPAN_SYSROOT" {
			base = dir
		}
		set.Sysroot = filepath.Join(base, set.Sysroot)
	}
	if info, err := os.Stat(filepath.Join(set.Sysroot, "lib")); err != nil || !info.IsDir() {
		return &plan.SettingError{Package: p.Name, Key: "sysroot", Origin: l["sysroot"].from(), Reason: set.Sysroot + " has no folder lib",
			Advice: "name a folder with include/ and lib/, with archives (.a) in it"}
	}
	return nil
}
