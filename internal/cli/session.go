// SPDX-License-Identifier: MIT OR Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2"

	"sampan/internal/cargo"
	"sampan/internal/native"
	"sampan/internal/output"
	"sampan/internal/pipeline"
	"sampan/internal/plan"
	"sampan/internal/run"
	"sampan/internal/ui"
)

// session is one call on its way from words to a Plan.
type session struct {
	*app
	flags, env, user level
	w                wishes
	ws               *cargo.Workspace
	choices          []plan.Choice
	settled          []level // one for each image, in the order of choices
	plan             *plan.Plan
	triples          map[cargo.Triple]native.Choice
	crate            bool                   // the sources are a published crate's
	foreign          bool                   // the sources are nobody's here: a published crate's, or from a repository
	builds           bool                   // the plan will be carried out
	loaded           cargo.LoadOptions      // how the workspace was loaded
	source           *cargo.Workspace       // the sources of that copy
	relocked         *cargo.Relocked        // the copy that is built in place of the sources, nil for none
	missing          []string               // platforms of "all" that cannot be had, settings that change nothing: notes for the build
	asks             bool                   // only what the build would need is asked: what is in its way is collected, and ends nothing
	troubles         []error                // of the workspace, collected
	lacks            map[cargo.Triple]error // why a std cannot be had, collected
	bases            map[plan.Base]*ground  // what images are built upon
	moves            bool                   // tags of bases are about to be resolved anew: none has to be pinned
}

// prepare goes from words to a Plan. Nothing is written but the user's cache, and nothing is installed.
func (a *app) prepare(ctx context.Context, set level, path string, rest []string) (*session, error) {
	s := &session{app: a, flags: set, triples: map[cargo.Triple]native.Choice{}}
	return s, s.prepare(ctx, path, rest)
}

// prepareBuild is prepare for a Plan that will be carried out: where there is no lock file, cargo may make it now.
func (a *app) prepareBuild(ctx context.Context, set level, path string, rest []string) (*session, error) {
	s := &session{app: a, flags: set, triples: map[cargo.Triple]native.Choice{}, builds: true}
	return s, s.prepare(ctx, path, rest)
}

func (s *session) prepare(ctx context.Context, path string, rest []string) error {
	a := s.app
	err := a.locate()
	if err != nil {
		return err
	}
	if s.env, err = fromEnvironment(a.env); err != nil {
		return err
	}
	if s.user, err = a.userLevel(); err != nil {
		return err
	}
	s.w = settle(s.flags, s.env).calls()
	s.w.cargo.Args = rest
	if err := a.terminal(s.w); err != nil {
		return err
	}
	for _, w := range strangers(a.env) {
		a.progress.Handle(ui.Event{Kind: "warning", Text: w})
	}
	created, err := epoch(a.env)
	if err != nil {
		return err
	}
	o := plan.Options{Created: created, Outputs: s.w.outputs, Cargo: s.w.cargo, Flags: native.Flags}
	if len(s.w.binaries) > 0 {
		err = s.binaries(ctx, path, &o)
	} else {
		err = s.packages(ctx, path, &o)
	}
	if err != nil {
		return s.decorate(err)
	}
	if s.plan, err = plan.New(s.ws, o); err != nil {
		return s.decorate(err)
	}
	if err := s.based(); err != nil && !s.asks {
		return s.decorate(err)
	}
	if !s.asks {
		if err := s.natives(ctx); err != nil {
			return err
		}
	}
	if err := s.pushes(); err != nil {
		return s.decorate(err)
	}
	if len(s.plan.Outputs) == 0 {
		s.plan.Outputs = []string{"oci:" + s.short(s.defaultOutput())}
	}
	if s.w.with != "" && s.w.with != "kubectl" {
		s.plan.Outputs = []string{s.w.with + ":"}
	}
	s.expand()
	s.health()
	return s.readable()
}

// readable refuses a compression that an output's readers do not know.
func (s *session) readable() error {
	for _, im := range s.plan.Images {
		if !strings.HasPrefix(im.Compression, "zstd") {
			continue
		}
		for _, spec := range s.plan.Outputs {
			if !output.TakesZstd(spec) {
				return &plan.SettingError{Package: im.Package, Row: im.Row, Key: "compression",
					Reason: fmt.Sprintf("%s does not read %s: Docker's own image store knows gzip alone", spec, im.Compression),
					Advice: "gzip; or deliver elsewhere: a registry, oci:, oci-archive:, podman:, containerd:, kind:"}
			}
		}
	}
	return nil
}

// expand leaves the compression out of images that go to engines alone: they would unpack them at once.
func (s *session) expand() {
	for _, spec := range s.plan.Outputs {
		if !output.Loads(spec) {
			return
		}
	}
	for i := range s.plan.Images {
		im := &s.plan.Images[i]
		if row := im.Row - 1; row >= 0 && row < len(s.settled) && s.settled[row]["compression"].from() == "default" {
			im.Compression = "none"
		}
	}
}

// binaries prepares for programs that are built already.
func (s *session) binaries(ctx context.Context, path string, o *plan.Options) error {
	if path != "" {
		return &usageError{err: errors.New("--binary and a path to a package exclude each other"), hint: "drop one of them"}
	}
	for _, option := range options {
		if _, set := s.flags[option.flag]; set && option.compiles() {
			return &usageError{err: fmt.Errorf("--binary and --%s exclude each other: there is nothing to compile", option.flag),
				hint: "drop --" + option.flag}
		}
	}
	if o.Cargo.Args != nil {
		return &usageError{err: errors.New("with --binary there is no cargo to pass words after -- to"), hint: "drop them"}
	}
	for i, b := range s.w.binaries {
		pf, err := pipeline.PlatformOf(b)
		if err != nil {
			return err
		}
		if i < len(s.w.triples) {
			t, err := cargo.ParseTriple(s.w.triples[i])
			if err != nil {
				return err
			}
			pf, _ = t.Platform()
		}
		o.Binaries = append(o.Binaries, plan.Binary{Path: b, Platform: pf})
	}
	all := settle(s.flags, s.env, s.user)
	s.settled = []level{all}
	o.Settings = all.settings()
	o.Settings.Row = 1
	var err error
	o.VCS, err = s.vcs(ctx)
	return err
}

// packages prepares for a compile: finds the workspace, the packages in it, their settings and their triples.
func (s *session) packages(ctx context.Context, path string, o *plan.Options) error {
	run.Warm() // while we look at what there is
	if err := s.load(ctx, path); err != nil {
		return err
	}
	if err := s.lock(ctx); s.collects(err) {
		o.Cargo.Locked, o.Cargo.Frozen = false, false // there is nothing to keep to
	} else if err != nil {
		return err
	}
	o.Crate = s.crate // no longer, when a copy takes its place
	common, err := workspaceLevel(s.ws)
	if err != nil {
		return err
	}
	chosen, err := s.choose(settle(common, s.user)["package"])
	if err != nil {
		return err
	}
	above := []level{s.flags, s.env}
	if s.w.selection.Workspace {
		above = append(above, level{"bins": value{on: true, origin: func() string { return "--workspace" }}})
	}
	for _, p := range chosen {
		c, settled, err := choice(s.ws, p, above, []level{common, s.user})
		if err != nil {
			return err
		}
		if err := s.compileSettings(p, &c, settled); err != nil {
			return err
		}
		if s.w.release {
			for i := range c.Images {
				c.Images[i].Profile = "release"
			}
		}
		for i := range c.Images {
			c.Images[i].Row = len(s.settled) + i + 1
		}
		if c.Triples, err = s.targets(settled[0]); err != nil {
			return err
		}
		s.choices, s.settled = append(s.choices, c), append(s.settled, settled...)
	}
	o.Chosen = s.choices
	o.VCS, err = s.vcs(ctx)
	return err
}

// compileSettings checks the settings that shape a package's compile.
func (s *session) compileSettings(p *cargo.Package, c *plan.Choice, settled []level) error {
	for i := range c.Images {
		if err := nativeSettings(p, settled[i], s.dir, &c.Images[i]); err != nil {
			return err
		}
	}
	return nil
}

// choose finds the packages, and puts names in the place of patterns in --bin and --example.
func (s *session) choose(fallback value) ([]*cargo.Package, error) {
	sel := s.w.selection
	sel.Default = fallback.list
	chosen, err := plan.Select(s.ws, sel)
	if unknown := sel.Unknown(s.ws); err == nil && len(unknown) > 0 {
		s.progress.Handle(ui.Event{Kind: "warning", Text: "--exclude names no package of the workspace: " + strings.Join(unknown, ", ")})
	}
	if e, ok := errors.AsType[*plan.ChoiceError](err); ok && len(sel.Default) > 0 && !sel.Workspace && len(sel.Packages) == 0 && s.ws.Current == "" {
		return nil, &plan.SettingError{Key: "package", Origin: fallback.from(), Reason: e.Reason, Advice: e.Advice}
	}
	for flag, words := range map[string][]string{"bin": sel.Bins, "example": sel.Examples} {
		if v, ok := s.flags[flag]; ok {
			v.list = plan.Named(chosen, words, flag == "example")
			s.flags[flag] = v
		}
	}
	return chosen, err
}

// targets settles the triples of a package and remembers what each still needs.
func (s *session) targets(settled level) ([]cargo.Triple, error) {
	install := s.installs()
	wanted, err := native.TriplesOf(s.ws, settled["target"].list, settled["platform"].list, install)
	if err != nil {
		return nil, err
	}
	for _, t := range wanted.Without {
		if text := fmt.Sprintf("left out: there is no std for %s, and none to install", t); !slices.Contains(s.missing, text) {
			s.missing = append(s.missing, text)
		}
	}
	choices, err := s.chosen(wanted.Triples, install)
	if err != nil {
		return nil, err
	}
	var out []cargo.Triple
	for _, c := range choices {
		if settled["base"].text != "" && !c.Triple.Musl() && c.Asked {
			c.Notice = "" // linked with the base's glibc
		}
		s.triples[c.Triple] = c
		if !slices.Contains(out, c.Triple) {
			out = append(out, c.Triple)
		}
	}
	return out, nil
}

// defaultOutput is where images go that nobody sent anywhere: under cargo's target directory, since nothing may be
// written beside the user's sources. A program from elsewhere has a target directory only when it lies in one.
func (s *session) defaultOutput() string {
	if s.ws != nil {
		return filepath.Join(s.targetDir(), "sampan", "{name}")
	}
	if dir := targetDirOf(s.w.binaries[0]); dir != "" {
		return filepath.Join(dir, "sampan", "{name}")
	}
	return filepath.Join(s.cacheDir(), "images", "{name}")
}

func (s *session) targetDir() string { return s.ws.TargetDir }

// short is a path as the user would write it here: relative when it lies below the working directory.
func (s *session) short(path string) string {
	if rel, err := filepath.Rel(s.dir, path); err == nil && filepath.IsLocal(rel) {
		return rel
	}
	return path
}

// targetDirOf finds the cargo target directory that a program lies in, by cargo's own mark.
func targetDirOf(program string) string {
	dir, err := filepath.Abs(program)
	if err != nil {
		return ""
	}
	for up := filepath.Dir(dir); ; up = filepath.Dir(up) {
		if _, err := os.Stat(filepath.Join(up, ".rustc_info.json")); err == nil {
			return up
		}
		if up == filepath.Dir(up) {
			return ""
		}
	}
}

// decorate tells an error of a setting where the setting stands.
func (s *session) decorate(err error) error {
	var e *plan.SettingError
	if !errors.As(err, &e) || e.Origin != "" {
		return err
	}
	rows := s.settled
	if e.Row > 0 {
		rows = rows[e.Row-1 : e.Row]
	}
	for _, l := range rows {
		for _, o := range options {
			if v := l[o.flag]; (o.metadataKey() == e.Key || o.flag == e.Key) && v.from() != "default" {
				e.Origin = v.from()
				return err
			}
		}
	}
	return err
}

// userLevel reads the user's own settings, which hold for all packages.
func (a *app) userLevel() (level, error) {
	path := a.configFile()
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var table map[string]any
	if err := toml.Unmarshal(data, &table); err != nil {
		if at, ok := errors.AsType[*toml.DecodeError](err); ok {
			row, _ := at.Position()
			path += ":" + strconv.Itoa(row)
		}
		return nil, &plan.SettingError{Key: "config", Origin: path, Reason: err.Error(), Advice: "it is TOML: key = value"}
	}
	return fromTable(table, source{file: path, show: path}, anywhere)
}

// maxEpoch is the last second of the year 9999, the last that RFC 3339 can write.
const maxEpoch = 253402300799

// epoch is the time that images say they were created at: SOURCE_DATE_EPOCH in seconds, else 0.
func epoch(env []string) (time.Time, error) {
	word := lookup(env, "SOURCE_DATE_EPOCH")
	if word == "" {
		return time.Unix(0, 0).UTC(), nil
	}
	n, err := strconv.ParseInt(word, 10, 64)
	if err != nil || n < 0 || n > maxEpoch {
		return time.Time{}, &usageError{err: fmt.Errorf("SOURCE_DATE_EPOCH=%q is not a number of seconds since 1970", word),
			hint: "SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)"}
	}
	return time.Unix(n, 0).UTC(), nil
}
