// SPDX-License-Identifier: MIT OR Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"sampan/internal/kube"
	"sampan/internal/output"
	"sampan/internal/ui"
)

// refError says which reference of which file cannot be built.
type refError struct {
	file string
	ref  kube.Ref
	err  error
	hint string
}

func (e *refError) Error() string {
	return fmt.Sprintf("resolve %s:%d: %s: %v", e.file, e.ref.Line, e.ref.Word, e.err)
}

func (e *refError) Unwrap() error { return e.err }

// Hint says what there is, or what the cause says.
func (e *refError) Hint() string {
	if e.hint != "" {
		return e.hint
	}
	if h, ok := errors.AsType[interface {
		error
		Hint() string
	}](e.err); ok {
		return h.Hint()
	}
	return ""
}

// resolve gives the YAML that -f names with references in the place of what was built.
func (a *app) resolve(ctx context.Context, set level) ([]byte, error) {
	if err := a.terminal(settle(set).calls()); err != nil {
		return nil, err
	}
	defer func() { a.progress.Close() }()
	files, err := a.yamlFiles(set)
	if err != nil {
		return nil, err
	}
	sessions := map[string]*session{} // by the reference's word
	var order []string
	for _, f := range files {
		for _, d := range f.Documents {
			for _, r := range d.Refs {
				if sessions[r.Word] != nil {
					continue
				}
				if sessions[r.Word], err = a.session(ctx, set, f.Name, r); err != nil {
					return nil, err
				}
				order = append(order, r.Word)
			}
		}
	}
	if len(order) == 0 {
		a.progress.Handle(ui.Event{Kind: "note", Text: "there is no " + kube.Scheme + " in it: nothing is built"})
	}
	built := map[string]string{} // by what identifies a build
	to := map[string]string{}
	for _, word := range order {
		s := sessions[word]
		id := s.identity()
		if built[id] == "" {
			if built[id], err = s.reference(ctx); err != nil {
				return nil, err
			}
		}
		to[word] = built[id]
	}
	return textOf(files, to), nil
}

// textOf is the text of files with other words in the place of references; those that have none stay.
func textOf(files []*kube.File, to map[string]string) []byte {
	var texts [][]byte
	for _, f := range files {
		texts = append(texts, f.With(func(r kube.Ref) string {
			if to[r.Word] == "" {
				return r.Word
			}
			return to[r.Word]
		}))
	}
	return kube.Join(texts)
}

// session prepares the build of one reference. Everything that can be wrong with it is found out before the first of them
// is built.
func (a *app) session(ctx context.Context, set level, file string, r kube.Ref) (*session, error) {
	wrong := func(err error, hint string) error { return &refError{file: file, ref: r, err: err, hint: hint} }
	t, err := r.Target()
	if err != nil {
		return nil, wrong(err, "sampan://./PATH, sampan://PACKAGE or sampan://crate:NAME, and #BIN where there are several")
	}
	words, path := maps.Clone(set), ""
	if t.Bin != "" {
		words["bin"] = value{list: []string{t.Bin}, origin: func() string { return r.Word }}
	}
	switch {
	case t.Crate != "":
		path = "crate:" + t.Crate
	case t.Path() || isFile(filepath.Join(t.Source, "Cargo.toml")):
		if path = t.Source; !isFile(filepath.Join(path, "Cargo.toml")) {
			return nil, wrong(fmt.Errorf("there is no %s", filepath.Join(path, "Cargo.toml")), a.packagesHere(ctx, set))
		}
	default:
		words["package"] = value{list: []string{t.Source}, origin: func() string { return r.Word }}
	}
	s, err := a.prepareBuild(ctx, words, path, nil)
	if err != nil {
		return nil, wrong(err, "")
	}
	if n := len(s.plan.Images); n != 1 {
		var bins []string
		for _, im := range s.plan.Images {
			bins = append(bins, im.Programs[0].Bin)
		}
		return nil, wrong(fmt.Errorf("it names %d images", n), "say which: "+r.Word+"#"+strings.Join(bins, ", #"))
	}
	if !slices.ContainsFunc(s.plan.Outputs, fetchable) {
		return nil, unfetchable()
	}
	return s, nil
}

// unfetchable refuses to tell a cluster of images that are in files.
func unfetchable() error {
	return &usageError{err: errors.New("a cluster must be able to fetch the images, and they go to files only"),
		hint: "--repo HOST/PATH; or into a cluster on this machine: -o kind:, -o k3d: or -o minikube:"}
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

// packagesHere is a hint that tells which packages there are.
func (a *app) packagesHere(ctx context.Context, set level) string {
	s := &session{app: a, flags: set}
	s.w = settle(set).calls()
	if err := a.locate(); err != nil {
		return ""
	}
	if err := s.load(ctx, ""); err != nil || len(s.ws.Packages) == 0 {
		return "paths are relative to the working directory"
	}
	var names []string
	for _, p := range s.ws.Packages {
		names = append(names, kube.Scheme+p.Name)
	}
	return "there is " + strings.Join(names, ", ")
}

// fetchable tells whether a cluster can fetch what an output writes: not out of files.
func fetchable(spec string) bool {
	scheme, _, _ := strings.Cut(spec, ":")
	return !slices.Contains([]string{"oci", "oci-archive", "docker-archive"}, scheme)
}

// identity is what makes two references one build: the same bin of the same package.
func (s *session) identity() string {
	im := s.plan.Images[0]
	root := ""
	if s.ws != nil {
		root = s.ws.Root
	}
	return strings.Join([]string{root, im.Package, im.Name, im.Programs[0].Bin}, "\x00")
}

// reference builds and delivers, and gives the name under which a cluster finds the image.
func (s *session) reference(ctx context.Context) (string, error) {
	r, err := s.deliver(ctx, func(spec string, o output.Output) output.Output {
		if output.Loads(spec) {
			return byContent{o}
		}
		return o
	})
	if err != nil {
		return "", err
	}
	s.tellDone(r)
	for _, rec := range r.Receipts {
		if fetchable(rec.Output) {
			return rec.Reference, nil
		}
	}
	return "", errors.New("resolve: no output gave a reference that a cluster can fetch")
}

// byContent gives images in an engine a tag that follows from their content: nodes know no digest of what was never
// pulled, and a Deployment whose text does not change does not change its pods.
type byContent struct{ output.Output }

func (o byContent) tags(ps []output.Payload) []output.Payload {
	ps = slices.Clone(ps)
	for i := range ps {
		if hex := ps[i].Digest.Hex; hex != "" {
			ps[i].Tags = []string{"sampan-" + hex[:min(len(hex), 16)]}
		}
	}
	return ps
}

func (o byContent) Write(ctx context.Context, ps []output.Payload) ([]output.Receipt, error) {
	return o.Output.Write(ctx, o.tags(ps))
}

// Preflight asks the output behind it.
func (o byContent) Preflight(ctx context.Context, ps []output.Payload) error {
	if p, ok := o.Output.(output.Preflighter); ok {
		return p.Preflight(ctx, o.tags(ps))
	}
	return nil
}

// yamlFiles reads what -f names: files, folders, and - for stdin; and leaves the documents that -l chooses.
func (a *app) yamlFiles(set level) ([]*kube.File, error) {
	if len(set["filename"].list) == 0 {
		return nil, &usageError{err: errors.New("no YAML is named"), hint: "-f FILE, -f DIR, or -f - for stdin"}
	}
	chosen, err := kube.ParseSelector(set["selector"].text)
	if err != nil {
		return nil, &usageError{err: err, hint: "-l app=web,tier!=front"}
	}
	var out []*kube.File
	for _, word := range set["filename"].list {
		paths, err := yamlPaths(word, set["recursive"].on)
		if err != nil {
			return nil, err
		}
		for _, p := range paths {
			data, err := a.readAll(p)
			if err != nil {
				return nil, err
			}
			name := p
			if p == "-" {
				name = "stdin"
			}
			f, err := kube.Parse(name, data)
			if err != nil {
				return nil, err
			}
			f.Select(chosen)
			out = append(out, f)
		}
	}
	return out, nil
}

// yamlPaths lists the files that one -f names, sorted.
func yamlPaths(word string, recursive bool) ([]string, error) {
	if word == "-" {
		return []string{word}, nil
	}
	if strings.Contains(word, "://") {
		return nil, &usageError{err: fmt.Errorf("%s is fetched by nobody here", word), hint: "curl -fsSL " + word + " | sampan resolve -f -"}
	}
	info, err := os.Stat(word)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &usageError{err: fmt.Errorf("there is no %s", word), hint: "-f FILE, -f DIR, or -f - for stdin"}
	}
	if err != nil || !info.IsDir() {
		return []string{word}, err
	}
	var out []string
	err = filepath.WalkDir(word, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && path != word && !recursive {
			return filepath.SkipDir
		}
		if !d.IsDir() && slices.Contains([]string{".yaml", ".yml", ".json"}, filepath.Ext(path)) {
			out = append(out, path)
		}
		return nil
	})
	if err == nil && len(out) == 0 {
		err = &usageError{err: fmt.Errorf("there is no .yaml, .yml or .json in %s", word), hint: "-R looks in its folders too"}
	}
	return out, err
}
