// SPDX-License-Identifier: MIT OR Apache-2.0

package cli

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"sampan/internal/cargo"
	"sampan/internal/native"
	"sampan/internal/ui"
)

func setupCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "setup [flags]",
		Short: "Do ahead what the first build would do: bring the std and the C compiler",
		Long: "Do ahead, once for all packages, what the first build would do: bring Rust's std for the triples (rustup target add),\n" +
			"the pinned C compiler (100 MB) and, with --c++, its C++ library. It needs no package. What is there already stays.",
		Example: "  sampan setup\n" +
			"  sampan setup --platform linux/amd64,linux/arm64 --c++",
		Args: cobra.NoArgs,
	}
	held := a.bind(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return a.setup(cmd.Context(), flags(cmd, held)) }
	return cmd
}

// supplied is what setup made sure of for one triple.
type supplied struct {
	Triple   cargo.Triple     `json:"triple"`
	Platform string           `json:"platform"`
	Std      string           `json:"std"`      // "here", or "installed" now
	Compiler *native.Compiler `json:"compiler"` // null for a triple whose C is the host's affair
	CXX      bool             `json:"c++"`      // its C++ library is there
}

func (a *app) setup(ctx context.Context, set level) error {
	s := &session{app: a, flags: set, triples: map[cargo.Triple]native.Choice{}}
	all, err := s.ready()
	if err != nil {
		return err
	}
	defer a.progress.Close()
	s.loaded = cargo.LoadOptions{Dir: s.dir, Cargo: s.cargoCommand(), Env: a.env, CacheDir: s.cacheDir()}
	if s.ws, err = cargo.LoadToolchain(ctx, s.runner, s.loaded); err != nil {
		return err
	}
	triples, err := s.targets(all)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(s.cacheDir(), 0o700); err != nil {
		return &placeError{err: fmt.Errorf("keep a cache: %w", err), hint: "SAMPAN_CACHE_DIR=DIR, a folder that you may write"}
	}
	var done []supplied
	for _, t := range triples {
		one, err := s.supply(ctx, t, all["cc"].text)
		if err != nil {
			return err
		}
		done = append(done, one)
	}
	a.progress.Close()
	return s.tellSetup(done)
}

// ready settles the options of a command that is about no package.
func (s *session) ready() (level, error) {
	err := s.locate()
	if err != nil {
		return nil, err
	}
	if s.env, err = fromEnvironment(s.app.env); err != nil {
		return nil, err
	}
	if s.user, err = s.userLevel(); err != nil {
		return nil, err
	}
	all := settle(s.flags, s.env, s.user)
	s.w = all.calls()
	if cc := all["cc"].text; cc != "" && !slices.Contains(compilers, cc) {
		return nil, &usageError{err: fmt.Errorf("unknown compiler %q", cc), hint: "--cc " + strings.Join(compilers, ", or --cc ")}
	}
	return all, s.terminal(s.w)
}

// supply brings what builds for one triple need.
func (s *session) supply(ctx context.Context, t cargo.Triple, kind string) (supplied, error) {
	out := supplied{Triple: t, Std: "here"}
	if p, ok := t.Platform(); ok {
		out.Platform = p.String()
	}
	c := s.triples[t]
	if c.Notice != "" && !c.Asked {
		// A build would make do with the host's glibc; who asks for what a build needs wants to know what is missing.
		e := &cargo.TargetError{Triple: cargo.MuslOf(s.ws.Toolchain.Host), Reason: cargo.NoRustup}
		if path, name := s.ws.Rustup(); path != "" && name != "" {
			e.Reason, e.Toolchain = cargo.NotAllowed, name
		}
		return out, e
	}
	say := func(line string) { s.progress.Handle(ui.Event{Kind: "note", Text: line}) }
	if c.Install {
		say(installing(t))
		if err := cargo.AddTarget(ctx, s.runner, s.ws, t); err != nil {
			return out, err
		}
		out.Std = "installed"
	}
	if !native.Links(t) {
		return out, nil
	}
	if _, err := native.FindLinker(t, s.ws.Toolchain, s.app.env); err != nil {
		return out, err
	}
	if _, err := native.Ensure(s.cacheDir(), s.self, t); err != nil {
		return out, err
	}
	cc, err := native.EnsureCompiler(ctx, native.CompilerOptions{CacheDir: s.cacheDir(), Self: s.self, Triple: t, Sysroot: s.ws.Toolchain.Sysroot,
		Env: s.app.env, Runner: s.runner, Install: s.installs(), Kind: kind, NeedCXX: s.w.cxx, Say: say})
	if err != nil {
		return out, err
	}
	if cc.Notice != "" {
		s.progress.Handle(ui.Event{Kind: "warning", Text: cc.Notice})
	}
	out.Compiler, out.CXX = cc, s.w.cxx
	return out, nil
}

// installing is what is said before rustup is asked for a std.
func installing(t cargo.Triple) string {
	return fmt.Sprintf("installing Rust's std for %s: rustup target add %s", t, t)
}

// tellSetup says what there is now, a line for each triple.
func (s *session) tellSetup(done []supplied) error {
	if s.w.json {
		return writeJSON(s.streams.Out, done)
	}
	if s.w.quiet {
		return nil
	}
	width := 0
	for _, d := range done {
		width = max(width, len(d.Platform))
	}
	for _, d := range done {
		parts := []string{"std " + d.Std}
		if d.Compiler != nil {
			parts = append(parts, "C by "+d.Compiler.Name+" "+d.Compiler.Version)
		}
		if d.CXX {
			parts = append(parts, "its C++ library")
		}
		if _, err := fmt.Fprintf(s.streams.Out, "%-*s  %s: %s\n", width, d.Platform, d.Triple, ui.Escape(strings.Join(parts, ", "))); err != nil {
			return err
		}
	}
	return nil
}
