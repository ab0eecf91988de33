// SPDX-License-Identifier: MIT OR Apache-2.0

package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sampan/internal/builder"
	"sampan/internal/cargo"
	"sampan/internal/check"
	"sampan/internal/image"
	"sampan/internal/native"
	"sampan/internal/output"
	"sampan/internal/pipeline"
	"sampan/internal/plan"
	"sampan/internal/run"
	"sampan/internal/ui"
)

func buildCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "build [PATH | crate:NAME[@VERSION]] [flags] [-- CARGO-ARGS]",
		Short: "Compile a package and make images of its bins",
		Example: "  sampan build                                  the package here, as an OCI layout under target/sampan\n" +
			"  sampan build --repo ghcr.io/team              pushed as ghcr.io/team/<name>\n" +
			"  sampan build -o docker-archive:app.tar        an archive for docker, podman and containerd\n" +
			"  sampan build --workspace                      every bin of the workspace, one image each\n" +
			"  sampan build crate:hyperfine                  a published crate, with the lock file it ships\n" +
			"  sampan build --git URL --tag v1.2.0           a package from a repository\n" +
			"  sampan build --binary ./app                   a program that is built already",
	}
	held := a.bind(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		path, rest, err := parts(cmd, args)
		if err != nil {
			return err
		}
		return a.build(cmd.Context(), flags(cmd, held), path, rest)
	}
	return cmd
}

// parts takes the words of a command line apart: one path at most, and what stands after --.
func parts(cmd *cobra.Command, args []string) (path string, rest []string, err error) {
	if n := cmd.ArgsLenAtDash(); n >= 0 {
		args, rest = args[:n], args[n:]
	}
	switch len(args) {
	case 0:
		return "", rest, nil
	case 1:
		return args[0], rest, nil
	}
	return "", nil, &usageError{err: fmt.Errorf("one path at most, not %d: %s", len(args), strings.Join(args, " ")),
		hint: "choose packages with -p; words for cargo stand after --"}
}

// build is the whole of `sampan build`.
func (a *app) build(ctx context.Context, set level, path string, rest []string) error {
	s, err := a.prepareBuild(ctx, set, path, rest)
	if err != nil {
		return err
	}
	defer a.progress.Close()
	r, err := s.deliver(ctx, func(_ string, o output.Output) output.Output { return o })
	if err != nil {
		return err
	}
	if err := writeRefs(s.w.imageRefs, r.Receipts); err != nil {
		return err
	}
	return s.answer(r)
}

// deliver carries the Plan out. with may put something around an output.
func (s *session) deliver(ctx context.Context, with func(spec string, o output.Output) output.Output) (*pipeline.Result, error) {
	if err := s.install(ctx); err != nil {
		return nil, err
	}
	s.tellHealth()
	t, err := s.tools(ctx)
	if err != nil {
		return nil, err
	}
	if b, ok := t.Builder.(*builder.Cargo); ok {
		var end func()
		b.Env, end = s.follow()
		defer end()
	}
	for _, spec := range s.plan.Outputs {
		out, err := s.output(spec)
		if err != nil {
			return nil, err
		}
		t.Outputs = append(t.Outputs, with(spec, out))
	}
	r, err := pipeline.Run(ctx, s.plan, t)
	if err != nil {
		s.fail(err)
		return nil, s.decorate(err)
	}
	return r, s.keepLock()
}

// tools makes the impure ends for this machine.
func (s *session) tools(ctx context.Context) (pipeline.Tools, error) {
	if err := os.MkdirAll(s.cacheDir(), 0o700); err != nil {
		return pipeline.Tools{}, &placeError{err: fmt.Errorf("keep a cache: %w", err), hint: "SAMPAN_CACHE_DIR=DIR, a folder that you may write"}
	}
	t := pipeline.Tools{
		Store:   &image.Store{Dir: filepath.Join(s.cacheDir(), "layers"), Now: s.now},
		Scratch: s.scratch(),
		Workers: runtime.GOMAXPROCS(0),
		Now:     s.now,
		Folder:  s.folder,
		Event:   s.event,
		Base:    s.base,
	}
	if len(s.plan.Compiles) == 0 {
		t.DebugDir = filepath.Join(filepath.Dir(s.defaultOutput()), "debug")
		return t, nil
	}
	t.DebugDir = filepath.Join(s.targetDir(), "sampan", "debug")
	t.Builder = s.cargo()
	return t, nil
}

// cargo is the builder on this machine.
func (s *session) cargo() *builder.Cargo {
	b := &builder.Cargo{
		C: builder.C{Install: s.installs(),
			Supply: native.SupplyOptions{Cargo: s.loaded, Progress: func(p native.SupplyProgress) {
				s.progress.Handle(ui.Event{Kind: "compile", Crate: p.Library + " " + p.Version, Done: int64(p.Done), Total: int64(p.Total)})
			}},
			Say:  func(line string) { s.progress.Handle(ui.Event{Kind: "note", Text: line}) },
			Warn: func(line string) { s.progress.Handle(ui.Event{Kind: "warning", Text: line}) }},
		Runner: s.runner, Workspace: s.ws, Env: s.app.env, Dir: s.dir, CacheDir: s.cacheDir(), Self: s.self, TargetDir: s.w.targetDir,
		Stderr: s.progress.Writer(), Color: s.streams.Color, Terminal: (s.streams.ErrTTY || ui.Mode(s.w.progress) == ui.JSON) && !s.w.quiet,
		Progress: func(p builder.Progress) {
			s.progress.Handle(ui.Event{Kind: "compile", Crate: strings.Join(p.Crates, ", "), Done: int64(p.Done), Total: int64(p.Total)})
		},
	}
	if s.relocked == nil {
		b.Graph = func(ctx context.Context, c plan.Compile) (*cargo.Graph, error) { return s.graph(ctx, s.ws, c) }
	}
	return b
}

// scratch is where layers are made when there is no cache: a folder of this process under the target directory, else
// where temporary files go.
func (s *session) scratch() string {
	name := fmt.Sprintf(".layers-%d", os.Getpid())
	if s.ws != nil {
		return filepath.Join(s.targetDir(), "sampan", name)
	}
	return filepath.Join(os.TempDir(), "sampan"+name)
}

// folder is where a package's sources of files are looked for.
func (s *session) folder(pkg string) string {
	for _, c := range s.choices {
		if c.Package.Name == pkg {
			return filepath.Dir(c.Package.Manifest)
		}
	}
	return s.dir
}

func (s *session) event(e pipeline.Event) {
	s.progress.Handle(ui.Event{Kind: e.Kind, Image: e.Image, Crate: e.Crate, Done: e.Done, Total: e.Total, Text: e.Text})
}

// install brings the std of each triple that still lacks it, and says what the choice of a triple means.
func (s *session) install(ctx context.Context) error {
	if s.ws != nil {
		s.tellLock()
	}
	for _, text := range s.missing {
		s.progress.Handle(ui.Event{Kind: "note", Text: text})
	}
	for _, c := range s.triples {
		if c.Notice != "" {
			s.progress.Handle(ui.Event{Kind: "note", Text: c.Notice})
		}
		if !c.Install {
			continue
		}
		s.progress.Handle(ui.Event{Kind: "note", Text: installing(c.Triple)})
		if err := cargo.AddTarget(ctx, s.runner, s.ws, c.Triple); err != nil {
			fallback, ok := native.Fallback(s.ws, c)
			if !ok || ctx.Err() != nil {
				return err
			}
			s.progress.Handle(ui.Event{Kind: "warning", Text: err.Error()})
			s.replace(c.Triple, fallback)
			s.progress.Handle(ui.Event{Kind: "note", Text: fallback.Notice})
		}
	}
	return nil
}

// replace plans another triple in place of one that cannot be had.
func (s *session) replace(was cargo.Triple, c native.Choice) {
	for i := range s.plan.Compiles {
		if s.plan.Compiles[i].Triple == was {
			s.plan.Compiles[i].Triple = c.Triple
			s.plan.Compiles[i].Flags = native.Flags(c.Triple)
			if !native.Links(c.Triple) {
				s.plan.Compiles[i].Native = nil // made for musl
			}
		}
	}
}

// terminal sets the progress up as the words want it.
func (a *app) terminal(w wishes) error {
	mode := ui.Mode(w.progress)
	switch {
	case w.quiet:
		mode = "quiet"
	case mode == "":
		mode = ui.Auto
	}
	a.progress = ui.NewProgress(a.streams, mode, a.now)
	if w.verbose {
		a.runner.Echo = func(c run.Cmd) {
			a.progress.Handle(ui.Event{Kind: "command", Text: run.Quote(c)})
		}
	}
	known := []string{string(ui.Auto), string(ui.Plain), string(ui.TTY), string(ui.JSON)}
	if !slices.Contains(known, w.progress) {
		return &usageError{err: fmt.Errorf("unknown progress %q", w.progress), hint: plan.Nearest(w.progress, known)}
	}
	return nil
}

// fail lets a quiet terminal show what it held back when that explains the failure.
func (a *app) fail(err error) {
	var compile *builder.CompileError
	if f, ok := a.progress.(interface{ Fail() }); ok && errors.As(err, &compile) {
		f.Fail()
	}
	a.progress.Close()
}

// report is the document of --json.
type report struct {
	Images   []pipeline.Summary `json:"images"`
	Receipts []output.Receipt   `json:"receipts"`
	Findings []check.Finding    `json:"findings"`
	Seconds  seconds            `json:"seconds"`
}

type seconds struct {
	Compile float64 `json:"compile"`
	Image   float64 `json:"image"`
	Total   float64 `json:"total"`
}

// answer prints the result: references or the document on stdout, a line for a person on stderr.
func (s *session) answer(r *pipeline.Result) error {
	if s.w.json {
		return writeJSON(s.streams.Out, report{Images: r.Images, Receipts: orEmpty(r.Receipts), Findings: orEmpty(r.Findings),
			Seconds: seconds{r.Compile.Seconds(), r.Rest.Seconds(), s.now().Sub(s.began).Seconds()}})
	}
	s.tellDone(r)
	s.progress.Close()
	for _, rec := range r.Receipts {
		if _, err := fmt.Fprintln(s.streams.Out, rec.Reference); err != nil {
			return err
		}
	}
	return nil
}

// tellDone says a line of each image to a person.
func (s *session) tellDone(r *pipeline.Result) {
	total := s.now().Sub(s.began)
	for i, im := range r.Images {
		line := fmt.Sprintf("%s, %s over the program", ui.Bytes(im.Size), ui.Bytes(im.Size-im.Program)) + s.thinner(s.plan.Images[i], im) + sent(r.Receipts, im.Name)
		if i == len(r.Images)-1 {
			line += fmt.Sprintf(", %s", ui.Duration(total))
			if len(s.plan.Compiles) > 0 {
				line += fmt.Sprintf(" (cargo %s)", ui.Duration(r.Compile.Round(time.Millisecond)))
			}
		}
		s.progress.Handle(ui.Event{Kind: "done", Image: im.Name, Text: line})
	}
}

func orEmpty[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}

func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}
