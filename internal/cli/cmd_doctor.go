// SPDX-License-Identifier: MIT OR Apache-2.0

package cli

import (
	"context"
	"errors"
	"slices"

	"github.com/spf13/cobra"

	"sampan/internal/builder"
	"sampan/internal/cargo"
	"sampan/internal/doctor"
	"sampan/internal/native"
	"sampan/internal/plan"
	"sampan/internal/run"
)

func doctorCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "doctor [PATH | crate:NAME[@VERSION]] [flags]",
		Short: "Tell what a build will need, what is here, and what will fail, and do nothing",
		Long: "Tell what a build will need, what is here, what will be supplied, and what will fail and why, before anything is\n" +
			"compiled: the toolchain, the std and the linker of each platform, who compiles C and for which crates, C libraries,\n" +
			"programs of this machine that build scripts run, what cannot be static, what TLS trusts. Nothing is installed and\n" +
			"nothing is written into your sources. It ends with 1 when the build would fail.",
		Example: "  sampan doctor\n" +
			"  sampan doctor crate:atuin --platform linux/arm64\n" +
			"  sampan doctor --json | jq '.findings[] | select(.level == \"error\")'",
	}
	held := a.bind(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		path, rest, err := parts(cmd, args)
		if err != nil {
			return err
		}
		return a.doctor(cmd.Context(), flags(cmd, held), path, rest)
	}
	return cmd
}

// asked tells whether an option means something to doctor: those that choose and compile, what an image holds that
// crates read, and the terminal's.
func asked(o *option) bool {
	if slices.Contains([]string{"tag", "ca", "zoneinfo", "quiet", "verbose", "json", "progress"}, o.flag) {
		return true
	}
	return (o.group == groups[0] || o.group == groups[1]) && o.flag != "binary" && o.flag != "jobs"
}

func (a *app) doctor(ctx context.Context, set level, path string, rest []string) error {
	s := &session{app: a, flags: set, triples: map[cargo.Triple]native.Choice{}, asks: true, lacks: map[cargo.Triple]error{}}
	if err := s.prepare(ctx, path, rest); err != nil {
		return err
	}
	in, err := s.examination(ctx)
	if err != nil {
		return err
	}
	a.progress.Close()
	r := doctor.Examine(in)
	if s.w.json {
		err = writeJSON(s.streams.Out, r)
	} else {
		err = s.tellReport(&r)
	}
	if err == nil && !r.Ready {
		return &programExit{code: exitFailed} // the report has said it
	}
	return err
}

// collects takes an error that is to be told among others.
func (s *session) collects(err error) bool {
	missing, ok := errors.AsType[*lockError](err)
	if s.asks && ok {
		s.troubles = append(s.troubles, missing)
	}
	return s.asks && ok
}

// chosen settles triples. One whose std cannot be had ends it, except where that is only asked.
func (s *session) chosen(wanted []string, install bool) ([]native.Choice, error) {
	all, err := native.Choose(s.ws, wanted, install)
	if _, ok := errors.AsType[*cargo.TargetError](err); !ok || !s.asks {
		return all, err
	}
	if len(wanted) == 0 {
		wanted = []string{string(cargo.MuslOf(s.ws.Toolchain.Host))}
	}
	all = nil
	for _, t := range wanted {
		one, err := native.Choose(s.ws, []string{t}, install)
		if e, ok := errors.AsType[*cargo.TargetError](err); ok {
			s.lacks[e.Triple] = e
			one = []native.Choice{{Triple: e.Triple, Asked: true}}
		} else if err != nil {
			return nil, err
		}
		all = append(all, one...)
	}
	return all, nil
}

// examination looks at all that a report is made of.
func (s *session) examination(ctx context.Context) (doctor.Input, error) {
	in := doctor.Input{Toolchain: s.ws.Toolchain, Troubles: s.troubles, Next: s.buildLine()}
	_, in.Name = s.ws.Rustup()
	ws, err := s.whole(ctx)
	if err != nil {
		if ctx.Err() != nil {
			return in, ctx.Err()
		}
		in.Troubles = append(in.Troubles, err)
	}
	for i := range s.plan.Compiles {
		l, err := s.look(ctx, ws, s.plan.Compiles[i])
		if err != nil {
			return in, err
		}
		in.Looks = append(in.Looks, l)
	}
	return in, nil
}

// look looks at one compile. ws is nil where there is no lock file to be had; an error is only the context's.
func (s *session) look(ctx context.Context, ws *cargo.Workspace, c plan.Compile) (l doctor.Look, err error) {
	l = doctor.Look{Package: c.Package, Version: c.Version, Triple: c.Triple, Notice: s.triples[c.Triple].Notice}
	s.lookStd(&l, c)
	l.CA, l.Zoneinfo = true, true
	for _, im := range s.plan.Images {
		if im.Package == c.Package {
			l.CA, l.Zoneinfo = l.CA && (im.CA || len(im.CAFiles) > 0), l.Zoneinfo && im.Zoneinfo
		}
	}
	l.Linker, l.LinkerErr = native.FindLinker(c.Triple, s.ws.Toolchain, s.app.env)
	if ws == nil {
		return l, ctx.Err()
	}
	if l.Graph, l.GraphErr = s.graph(ctx, ws, c); l.GraphErr != nil {
		return l, ctx.Err()
	}
	l.Unfit = cargo.Unfit(ws, l.Graph)
	if !native.Links(c.Triple) {
		return l, nil // a static glibc program is made of the host's own libraries
	}
	l.Survey, err = s.survey(ctx, c, l.Graph)
	return l, err
}

// lookStd tells where the std of a triple is.
func (s *session) lookStd(l *doctor.Look, c plan.Compile) {
	tc := s.ws.Toolchain
	switch {
	case builder.BuildsStd(c.Unstable):
		l.Std = native.Build
	case tc.HasStd(c.Triple):
		l.Std = native.Here
	case s.lacks[c.Triple] != nil:
		l.Std, l.StdErr = native.Missing, s.lacks[c.Triple]
	case !tc.Offers(c.Triple):
		_, name := s.ws.Rustup()
		l.Std, l.StdErr = native.Missing, &cargo.TargetError{Triple: c.Triple, Reason: cargo.NotOffered, Toolchain: name}
	default:
		l.Std = native.Fetch
	}
}

// installs reports whether what is missing may be brought.
func (s *session) installs() bool { return !s.w.noInstall && !s.w.cargo.Offline && !s.w.cargo.Frozen }

// buildLine is the line that builds what doctor was asked about.
func (s *session) buildLine() string {
	words := []string{}
	for i, w := range s.words {
		switch {
		case i == slices.Index(s.words, "doctor"):
			words = append(words, "build")
		case !slices.Contains([]string{"--json", "-v", "--verbose", "-q", "--quiet"}, w):
			words = append(words, w)
		}
	}
	if s.toolchain != "" {
		words = append([]string{s.toolchain}, words...)
	}
	return run.Quote(run.Cmd{Path: "sampan", Args: words})
}
