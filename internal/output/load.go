// SPDX-License-Identifier: MIT OR Apache-2.0

package output

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"sampan/internal/run"
)

// Machine is what outputs that load into engines must know of the machine they run on.
type Machine struct {
	Env    []string // of the caller: DOCKER_HOST and the like, and PATH
	Home   string   // the user's home folder; "" for none
	Runner run.Runner
}

// engine holds images in order to run them.
type engine interface {
	// platform is what the engine runs programs for. It is asked only when there is a choice.
	platform(ctx context.Context) (v1.Platform, error)
	// lacks gives those of an image's names that do not lead to it, and tells whether the engine holds the image under
	// any name. When all names lead to it that takes one request, or one program.
	lacks(ctx context.Context, im *loadable) (names []string, held bool, err error)
	// load takes an archive in. What the engine says of it in any way is an error if it is one.
	load(ctx context.Context, im *loadable, t *tarFile) error
}

// namer is an engine that can give names to an image that it holds.
type namer interface {
	name(ctx context.Context, im *loadable, names []string) error
}

// store is one row of the table of places that hold engines.
type store struct {
	name    string
	usage   string
	example string
	named   bool // what stands after the colon is a name for the image; else it is part of the place
	short   bool // answers with "hello:latest" in place of "docker.io/library/hello:latest"
	open    func(m Machine, rest string) opener
}

// opener finds the engines of a place: one, or one for each node of a cluster.
type opener interface {
	open(ctx context.Context) ([]engine, error)
	// look tells early that open would fail. It sends no request.
	look(ctx context.Context) error
}

// stores is the table of runtimes that images can be loaded into. A new one is one row here.
func stores() []store {
	return []store{
		{"docker", "docker:[NAME]", "docker:", true, true, func(m Machine, _ string) opener { return &dockerOpener{m: m} }},
		{"podman", "podman:[NAME]", "podman:", true, false, func(m Machine, _ string) opener { return podmanOpener{m} }},
		{"containerd", "containerd:[NAMESPACE]", "containerd:k8s.io", false, false, func(m Machine, rest string) opener { return containerdOpener{m, rest} }},
		{"kind", "kind:[CLUSTER]", "kind:", false, false, func(m Machine, rest string) opener { return kindOpener(m, rest) }},
		{"k3d", "k3d:[CLUSTER]", "k3d:", false, false, func(m Machine, rest string) opener { return k3dOpener(m, rest) }},
		{"minikube", "minikube:[PROFILE]", "minikube:", false, false, func(m Machine, rest string) opener { return minikubeOpener{m, rest} }},
	}
}

// Loads tells whether a word names an engine, so that what goes there is taken apart at once.
func Loads(spec string) bool {
	name, _, ok := strings.Cut(spec, ":")
	for _, h := range stores() {
		if ok && h.name == name {
			return true
		}
	}
	return false
}

// TakesHealthcheck tells whether what reads an output's images knows Docker's healthcheck. The OCI image config has no
// field for it (image-spec, config.md). Podman reads our archives as OCI's, and so never sees it.
func TakesHealthcheck(spec string) bool {
	name, _, ok := strings.Cut(spec, ":")
	return ok && (name == "docker" || name == "docker-archive")
}

// TakesZstd tells whether what reads an output's images reads layers of zstd. Docker's image store does not, up to the
// containerd that newer ones can be told to use; what a minikube runs on is not known before it is asked.
func TakesZstd(spec string) bool {
	name, _, ok := strings.Cut(spec, ":")
	return !ok || name != "docker" && name != "docker-archive" && name != "minikube"
}

// ReadError says that an engine does not read what an image consists of.
type ReadError struct {
	Engine, What string
	hint         string
}

func (e *ReadError) Error() string {
	return fmt.Sprintf("load into %s: it does not read %s", e.Engine, e.What)
}

// Hint says what to type.
func (e *ReadError) Hint() string { return e.hint }

// readable refuses what the engine would choke on.
func (l *loader) readable(img v1.Image) error {
	if TakesZstd(l.store.name + ":") {
		return nil
	}
	m, err := img.Manifest()
	if err != nil {
		return err
	}
	for _, d := range m.Layers {
		if d.MediaType == types.OCILayerZStd {
			return &ReadError{Engine: l.store.name, What: "layers of zstd", hint: "sampan build --compression gzip -o " + l.store.name + ":"}
		}
	}
	return nil
}

// loader delivers to engines. What an engine has is not sent again; of an index it gets its own platform.
type loader struct {
	store
	rest string // after the colon

	opener opener
}

func (h store) parse(m Machine, rest string) (Output, string) {
	switch {
	case h.named && rest != "":
		if why := badPath(rest); why != "" {
			return nil, why
		}
	case !wordOf(rest):
		return nil, "a name of letters, digits, '.', '_' and '-' is wanted after the colon, or nothing"
	}
	return &loader{store: h, rest: rest, opener: h.open(m, rest)}, ""
}

// wordOf tells whether s can be handed to other programs as a name: never as an option of theirs.
func wordOf(s string) bool {
	for i := range len(s) {
		c := s[i]
		word := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !word && (i == 0 || !strings.ContainsRune("._-", rune(c))) {
			return false
		}
	}
	return true
}

// loadable is one image for one platform on its way into an engine.
type loadable struct {
	content          *content
	platform         v1.Platform
	config, manifest string // digests; engines know an image by one or the other
	archiveNames
}

// is tells whether an engine's id is that of the image.
func (im *loadable) is(id string) bool {
	if !strings.HasPrefix(id, "sha256:") {
		id = "sha256:" + id
	}
	return id == im.config || id == im.manifest
}

// Preflight looks at names, and whether there is somebody to load.
func (l *loader) Preflight(ctx context.Context, ps []Payload) error {
	if _, _, err := l.name(ps); err != nil {
		return err
	}
	return l.opener.look(ctx)
}

// Write loads every payload into every engine of the place.
func (l *loader) Write(ctx context.Context, ps []Payload) ([]Receipt, error) {
	ps, names, err := l.name(ps)
	if err != nil {
		return nil, err
	}
	engines, err := l.opener.open(ctx)
	if err != nil {
		return nil, err
	}
	var done []Receipt
	for i, p := range ps {
		r, err := l.deliver(ctx, engines, p, names[i])
		if err != nil {
			return done, err
		}
		done = append(done, r)
	}
	return done, nil
}

// name gives the payloads the names that they will have in the engine.
func (l *loader) name(ps []Payload) ([]Payload, []archiveNames, error) {
	out := make([]Payload, len(ps))
	for i, p := range ps {
		out[i] = p
		if !l.named || l.rest == "" {
			continue
		}
		name, err := fill(l.rest, p.Name)
		if err != nil {
			return nil, nil, err
		}
		out[i].Name = name
		if j := strings.LastIndexByte(name, ':'); j > strings.LastIndexByte(name, '/') {
			out[i].Name, out[i].Tags = name[:j], []string{name[j+1:]}
		}
	}
	names, err := newArchive(l.store.name, l.rest, v1.Platform{}).names(place{path: l.rest, payloads: out})
	return out, names, err
}

// deliver loads one payload into all engines.
func (l *loader) deliver(ctx context.Context, engines []engine, p Payload, names archiveNames) (Receipt, error) {
	var r Receipt
	for _, e := range engines {
		im, err := l.choose(ctx, e, p)
		if err != nil {
			return r, err
		}
		im.archiveNames = names
		written, err := l.put(ctx, e, im)
		if err != nil {
			return r, err
		}
		sum := written + r.Written
		r = im.content.receipt(l.store.name, l.rest, names.refs)
		r.Written, r.Reference = sum, names.full[0]
		if l.short {
			r.Reference = names.refs[0]
		}
	}
	return r, nil
}

// choose picks the image for the engine's own platform.
func (l *loader) choose(ctx context.Context, e engine, p Payload) (*loadable, error) {
	all := make([]*loadable, len(p.Images))
	for i, img := range p.Images {
		if err := l.readable(img); err != nil {
			return nil, err
		}
		c, err := gather(Payload{Name: p.Name, Tags: p.Tags, Images: []v1.Image{img}})
		if err != nil {
			return nil, err
		}
		all[i] = &loadable{content: c, platform: c.parts[0].platform, config: c.parts[0].config.String(), manifest: c.top.Digest.String()}
	}
	if len(all) == 1 {
		return all[0], nil // what the user asked for, also when the engine has to emulate it
	}
	want, err := e.platform(ctx)
	if err != nil {
		return nil, err
	}
	var found *loadable
	var there []string
	for _, im := range all {
		there = append(there, im.platform.String())
		// Of several variants the lowest: its programs run on all of them.
		if im.platform.OS == want.OS && im.platform.Architecture == want.Architecture &&
			(found == nil || im.platform.Variant < found.platform.Variant) {
			found = im
		}
	}
	if found == nil {
		return nil, &EngineError{Engine: l.store.name, Reason: fmt.Sprintf("it runs %s, and the image is for %s", want, strings.Join(there, ", ")),
			hint: "--platform " + want.String()}
	}
	return found, nil
}

// put brings what an engine lacks, and looks afterwards whether it is there.
func (l *loader) put(ctx context.Context, e engine, im *loadable) (written int64, err error) {
	missing, held, err := e.lacks(ctx, im)
	if err != nil || len(missing) == 0 {
		return 0, err
	}
	if n, ok := e.(namer); ok && held {
		err = n.name(ctx, im, missing)
	} else {
		written, err = l.send(ctx, e, im)
	}
	if err != nil {
		return written, err
	}
	if missing, _, err = e.lacks(ctx, im); err != nil {
		return written, err
	}
	if len(missing) > 0 {
		return written, &EngineError{Engine: l.store.name, Reason: "it took the image and does not have it: " + strings.Join(missing, ", "),
			hint: "run the same command again"}
	}
	return written, nil
}

func (l *loader) send(ctx context.Context, e engine, im *loadable) (int64, error) {
	t, err := newArchive("docker-archive", "", im.platform).layOut([]*content{im.content}, []archiveNames{im.archiveNames})
	if err != nil {
		return 0, err
	}
	return t.size, e.load(ctx, im, t)
}

// here is the platform of programs that run beside us.
func here() v1.Platform { return v1.Platform{OS: "linux", Architecture: runtime.GOARCH} }

// EngineError says that an engine cannot be reached, or does not take an image.
type EngineError struct {
	Engine string // "docker", "kind"
	Reason string
	Err    error // the cause, if another error is behind it
	hint   string
}

// Error names the engine and the reason.
func (e *EngineError) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("load into %s: %s: %v", e.Engine, e.Reason, e.Err)
	}
	return fmt.Sprintf("load into %s: %s", e.Engine, e.Reason)
}

// Unwrap returns the cause.
func (e *EngineError) Unwrap() error { return e.Err }

// Hint says what to type.
func (e *EngineError) Hint() string { return e.hint }

// noTool says that a command line tool is missing.
func noTool(engine, install string) error {
	return &EngineError{Engine: engine, Reason: "there is no " + install + " in PATH", hint: "install " + install + ", or choose another output, such as -o docker:"}
}

// missing tells whether a program could not be found.
func missing(err error) bool {
	_, ok := errors.AsType[*run.NotFoundError](err)
	return ok
}
