// SPDX-License-Identifier: MIT OR Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/spf13/cobra"

	"sampan/internal/cargo"
	"sampan/internal/durable"
	"sampan/internal/native"
	"sampan/internal/plan"
	src "sampan/internal/source"
	"sampan/internal/transport"
	"sampan/internal/ui"
)

func baseCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "base update [PATH] [flags]",
		Short: "Pin the tags of base images by digest, in sampan.lock",
		Long: "Ask the registries what the tags of base images point at now, and write it into sampan.lock, beside the workspace's Cargo.toml:\n" +
			"the one file that Sampan writes among your sources, by this command alone. Builds use what it pins until the next update;\n" +
			"commit it. A base that is named by digest, or that is a folder, needs none.",
		Example: "  sampan base update\n" +
			"  sampan base update --workspace",
	}
	held := a.bind(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 || args[0] != "update" {
			return &usageError{err: errors.New("base knows one word: update"), hint: "sampan base update"}
		}
		path, _, err := parts(cmd, args[1:])
		if err != nil {
			return err
		}
		return a.updateBases(cmd.Context(), flags(cmd, held), path)
	}
	return cmd
}

// pin is one row of the lock, and the digest that it had before.
type pin struct {
	Name   string `json:"name"`
	Digest string `json:"digest"`
	Was    string `json:"was,omitempty"`
}

func (a *app) updateBases(ctx context.Context, set level, path string) error {
	s := &session{app: a, flags: set, triples: map[cargo.Triple]native.Choice{}, asks: true, moves: true}
	if err := s.prepare(ctx, path, nil); err != nil {
		return err
	}
	defer a.progress.Close()
	file := s.lockFile()
	if file == "" {
		return &usageError{err: errors.New("these sources are not yours: there is no place for a sampan.lock"), hint: "name the base by digest: --base REF@sha256:…"}
	}
	lock, err := readLock(file)
	if err != nil {
		return err
	}
	pins, err := s.ask(ctx, lock)
	if err != nil {
		return err
	}
	for _, p := range pins {
		lock[p.Name] = p.Digest
	}
	if len(pins) > 0 {
		if err := writeLock(file, lock); err != nil {
			return err
		}
	}
	return s.tellPins(pins)
}

// ask resolves the tags of all bases.
func (s *session) ask(ctx context.Context, lock map[string]string) (pins []pin, err error) {
	done := map[string]bool{}
	for _, im := range s.plan.Images {
		if im.Base == nil {
			continue
		}
		ref, err := baseOf(im.Base.Name)
		if err != nil {
			return nil, err
		}
		if ref == nil || ref.digest != "" || done[ref.word] {
			continue
		}
		done[ref.word] = true
		if err := s.resolve(ctx, ref, im); err != nil {
			return nil, err
		}
		pins = append(pins, pin{ref.word, ref.digest, lock[ref.word]})
	}
	return pins, nil
}

// resolve asks what a tag points at, and whether that serves the image's platforms.
func (s *session) resolve(ctx context.Context, r *baseRef, im plan.Image) error {
	client, err := s.client(s.w.registry, []string{r.name.Host})
	if err != nil {
		return err
	}
	defer client.Close()
	repos, err := mirrored(client, s.w.registry.mirrors, r.name)
	if err != nil {
		return err
	}
	repo := repos[0]
	r.digest, err = repo.Tagged(ctx, r.tag)
	if len(repos) > 1 && (err != nil || r.digest == "") && ctx.Err() == nil {
		s.progress.Handle(ui.Event{Kind: "note", Text: fmt.Sprintf("mirror %s did not help, %s is asked", repo.Name, r.name)})
		repo = repos[1]
		r.digest, err = repo.Tagged(ctx, r.tag)
	}
	if err != nil {
		return err
	}
	missing := &plan.SettingError{Package: im.Package, Row: im.Row, Key: "base", Reason: fmt.Sprintf("%s has no tag %q", r.name, r.tag), Advice: "HOST/PATH:TAG of an image that is there"}
	if r.digest == "" {
		return s.decorate(missing)
	}
	raw, err := repo.Manifest(ctx, r.digest)
	if err != nil {
		return err
	}
	if raw == nil {
		missing.Reason = fmt.Sprintf("%s names a manifest that is not there", r.describe())
		return s.decorate(missing)
	}
	return src.Serves(r.word, raw, im.Platforms)
}

// tellPins prints what was pinned.
func (s *session) tellPins(pins []pin) error {
	if s.w.json {
		return writeJSON(s.streams.Out, struct {
			Bases []pin `json:"bases"`
		}{orEmpty(pins)})
	}
	for _, p := range pins {
		text := "as before"
		switch p.Was {
		case p.Digest:
		case "":
			text = "new"
		default:
			text = "was " + p.Was
		}
		s.progress.Handle(ui.Event{Kind: "note", Text: p.Name + ": " + text})
	}
	if len(pins) == 0 {
		s.progress.Handle(ui.Event{Kind: "note", Text: "no base here is named by a tag: nothing to pin"})
	}
	s.progress.Close()
	for _, p := range pins {
		if _, err := fmt.Fprintln(s.streams.Out, p.Name+"@"+p.Digest); err != nil {
			return err
		}
	}
	return nil
}

// lockFormat is the version of the lock's format.
const lockFormat = 1

// lockDoc is sampan.lock.
type lockDoc struct {
	Version int       `toml:"version"`
	Base    []lockRow `toml:"base"`
}

type lockRow struct {
	Name   string `toml:"name"`
	Digest string `toml:"digest"`
}

// lockFault is a sampan.lock that cannot be read.
type lockFault struct {
	path string
	err  error
}

func (e *lockFault) Error() string { return fmt.Sprintf("read %s: %v", e.path, e.err) }
func (e *lockFault) Unwrap() error { return e.err }

// Hint says how to get a good one.
func (e *lockFault) Hint() string { return "sampan base update, after: rm " + lockName }

// readLock reads the digests that are pinned, by name. A file that is not there pins none.
func readLock(path string) (map[string]string, error) {
	out := map[string]string{}
	if path == "" {
		return out, nil
	}
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return out, nil
	}
	var doc lockDoc
	if err == nil {
		err = toml.Unmarshal(data, &doc)
	}
	if err == nil && doc.Version != lockFormat {
		err = fmt.Errorf("version %d is not known", doc.Version)
	}
	if err != nil {
		return nil, &lockFault{path, err}
	}
	for _, b := range doc.Base {
		if !transport.IsDigest(b.Digest) || out[b.Name] != "" {
			return nil, &lockFault{path, fmt.Errorf("%q is no SHA-256 digest, or %q is there twice", b.Digest, b.Name)}
		}
		out[b.Name] = b.Digest
	}
	return out, nil
}

// writeLock writes the lock, sorted, so that a change of one base is a change of one line.
func writeLock(path string, pins map[string]string) error {
	var b strings.Builder
	fmt.Fprintf(&b, "# Written by `sampan base update`: what the tags of base images stood for. Commit it.\nversion = %d\n", lockFormat)
	for _, name := range slices.Sorted(maps.Keys(pins)) {
		fmt.Fprintf(&b, "\n[[base]]\nname = %q\ndigest = %q\n", name, pins[name])
	}
	if old, err := os.ReadFile(path); err == nil && string(old) == b.String() {
		return nil
	}
	if err := durable.WriteFile(path, []byte(b.String()), 0o644); err != nil {
		return &placeError{err: fmt.Errorf("write %s: %w", path, err), hint: "ls -ld " + path}
	}
	return nil
}
