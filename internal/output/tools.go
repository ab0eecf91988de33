// SPDX-License-Identifier: MIT OR Apache-2.0

package output

import (
	"context"
	"encoding/json"
	"errors"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"sampan/internal/run"
)

// tool is an engine that is spoken to by a program.
type tool struct {
	Machine
	engine string   // for messages
	argv   []string // the program, and what stands before every word
	broken string   // what to type when it fails
}

// say runs the program with more words and gives its stdout.
func (t tool) say(ctx context.Context, words ...string) (string, error) {
	out, err := run.Output(ctx, t.Runner, run.Cmd{Path: t.argv[0], Args: append(append([]string{}, t.argv[1:]...), words...), Env: t.Env})
	return string(out), t.wrong(err)
}

// wrong says what is wrong with the engine when its program fails.
func (t tool) wrong(err error) error {
	if err == nil || errors.Is(err, context.Canceled) {
		return err
	}
	if missing(err) {
		return noTool(t.engine, t.argv[0])
	}
	e := &EngineError{Engine: t.engine, Reason: "ask " + t.argv[0], Err: err, hint: t.broken}
	if exit, ok := errors.AsType[*run.ExitError](err); ok {
		e.Reason, e.Err = t.argv[0]+" says: "+foreign(lastLine(exit.Stderr)), nil
		if exit.Stderr == "" {
			e.Reason = t.argv[0] + " failed and says nothing"
		}
		if strings.Contains(exit.Stderr, "permission denied") {
			e.hint = "run the same command as a user who may use " + t.argv[0] + ", or with sudo"
		}
	}
	return e
}

// lastLine is where programs say what went wrong, below their warnings.
func lastLine(text string) string {
	text = strings.TrimSpace(text)
	return text[strings.LastIndexByte(text, '\n')+1:]
}

// ended tells whether a program ended by itself and with an error: it does not know what it was asked for.
func ended(err error) bool {
	e, ok := errors.AsType[*EngineError](err)
	return ok && e.Err == nil && !strings.HasPrefix(e.Reason, "there is no ")
}

// feed runs the program with the archive as its stdin.
func (t tool) feed(ctx context.Context, archive *tarFile, words ...string) error {
	s := archive.stream()
	_, err := run.Output(ctx, t.Runner, run.Cmd{Path: t.argv[0], Args: append(append([]string{}, t.argv[1:]...), words...), Env: t.Env, Stdin: s})
	if own := s.end(); own != nil && ctx.Err() == nil {
		return own
	}
	return t.wrong(err)
}

// podman loads by the command: it needs no service to run, and follows the user's connections and storage by itself.
type podman struct{ tool }

type podmanOpener struct{ m Machine }

func (o podmanOpener) look(context.Context) error {
	if !o.m.find("podman") {
		return noTool("podman", "podman")
	}
	return nil
}

func (o podmanOpener) open(ctx context.Context) ([]engine, error) {
	return []engine{podman{tool{o.m, "podman", []string{"podman"}, "podman info, which says how the engine is"}}}, o.look(ctx)
}

func (p podman) platform(ctx context.Context) (v1.Platform, error) {
	out, err := p.say(ctx, "info", "--format", "{{.Host.OS}} {{.Host.Arch}}")
	os, arch, _ := strings.Cut(strings.TrimSpace(out), " ")
	return v1.Platform{OS: os, Architecture: arch}, err
}

func (p podman) lacks(ctx context.Context, im *loadable) (names []string, held bool, err error) {
	// An image tells all its names: one question is enough, whichever of them is asked for.
	for _, known := range []string{im.full[0], strings.TrimPrefix(im.config, "sha256:")} {
		var said []struct {
			ID       string   `json:"Id"`
			RepoTags []string `json:"RepoTags"`
		}
		out, err := p.say(ctx, "image", "inspect", known)
		if ended(err) && strings.TrimSpace(out) == "[]" { // what it says of an image that it does not know
			continue
		}
		if err == nil {
			err = json.Unmarshal([]byte(out), &said)
		}
		if err != nil {
			return nil, false, err
		}
		if len(said) == 1 && im.is(said[0].ID) {
			return without(im.full, said[0].RepoTags), true, nil
		}
	}
	return im.full, false, nil
}

func (p podman) name(ctx context.Context, im *loadable, names []string) error {
	_, err := p.say(ctx, append([]string{"tag", strings.TrimPrefix(im.config, "sha256:")}, names...)...)
	return err
}

func (p podman) load(ctx context.Context, _ *loadable, t *tarFile) error {
	return p.feed(ctx, t, "load", "-q")
}

// minikube loads by the command.
type minikube struct{ tool }

type minikubeOpener struct {
	m    Machine
	rest string
}

func (o minikubeOpener) look(context.Context) error {
	if !o.m.find("minikube") {
		return noTool("minikube", "minikube")
	}
	return nil
}

func (o minikubeOpener) open(ctx context.Context) ([]engine, error) {
	t := tool{o.m, "minikube", []string{"minikube"}, "minikube start"}
	if o.rest != "" {
		t.argv, t.broken = append(t.argv, "--profile", o.rest), "minikube start --profile "+o.rest
	}
	return []engine{minikube{t}}, o.look(ctx)
}

func (k minikube) platform(ctx context.Context) (v1.Platform, error) {
	out, err := k.say(ctx, "ssh", "--", "uname", "-m")
	return ofMachine(out), err
}

func (k minikube) lacks(ctx context.Context, im *loadable) (names []string, held bool, err error) {
	out, err := k.say(ctx, "image", "ls", "--format", "json")
	if err != nil {
		return nil, false, err
	}
	var said []struct {
		ID       string   `json:"id"`
		RepoTags []string `json:"repoTags"`
	}
	if err := json.Unmarshal([]byte(out), &said); err != nil {
		return nil, false, &EngineError{Engine: "minikube", Reason: "read its list of images", Err: err, hint: "minikube image ls --format json"}
	}
	// What it has under another name it gets again: its runtimes do not agree on how a name is given to an image.
	for _, s := range said {
		if im.is(s.ID) {
			return without(im.full, s.RepoTags), false, nil
		}
	}
	return im.full, false, nil
}

func (k minikube) load(ctx context.Context, _ *loadable, t *tarFile) error {
	return k.feed(ctx, t, "image", "load", "-")
}

// without gives those of all that are not in some.
func without(all, some []string) (left []string) {
	for _, a := range all {
		found := false
		for _, s := range some {
			found = found || s == a
		}
		if !found {
			left = append(left, a)
		}
	}
	return left
}

// ofMachine is the platform that `uname -m` names.
func ofMachine(word string) v1.Platform {
	p := v1.Platform{OS: "linux", Architecture: strings.TrimSpace(word)}
	for machine, arch := range map[string]string{"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "armv6l": "arm", "i686": "386", "loongarch64": "loong64"} {
		if p.Architecture == machine {
			p.Architecture = arch
		}
	}
	return p
}
