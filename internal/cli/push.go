// SPDX-License-Identifier: MIT OR Apache-2.0

package cli

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"sampan/internal/durable"
	"sampan/internal/output"
	"sampan/internal/plan"
	"sampan/internal/transport"
	"sampan/internal/ui"
)

// toRegistry is the output that pushes each image where its settings say.
const toRegistry = "registry"

// registryWords are how registries are spoken with.
type registryWords struct {
	insecure []string
	lax      bool // those of --repo are insecure too
	roots    []string
	realms   []string
	mirrors  map[string]string // by the host that they stand in for
	stall    string
}

// outputWord adds an output that another tool's word names.
func outputWord(outputs []string, scheme, path string) []string {
	if path == "" {
		return outputs
	}
	return append(outputs, scheme+path)
}

// pushes decides whether images are pushed, and whether that is all that is done with them: of a repository and other
// outputs the one set in the more specific place counts, and both when they stand beside each other.
func (s *session) pushes() error {
	if !s.w.push {
		for i := range s.plan.Images {
			s.plan.Images[i].Repository = ""
		}
		return nil
	}
	found, missing := 0, ""
	for i, im := range s.plan.Images {
		if im.Repository == "" {
			missing = im.Name
			continue
		}
		found++
		if _, err := transport.ParseName(im.Repository); err != nil {
			e, _ := errors.AsType[*transport.NameError](err)
			return &plan.SettingError{Package: im.Package, Key: "repo", Row: s.row(i), Reason: err.Error(), Advice: e.Hint()}
		}
	}
	if found == 0 {
		return nil
	}
	if others := s.place("output", "tarball", "oci-layout-path", "local"); len(s.plan.Outputs) > 0 {
		switch own := s.place("repo"); {
		case own > others:
			return nil
		case own == others:
			s.plan.Outputs = append(s.plan.Outputs, toRegistry)
		default:
			s.plan.Outputs = []string{toRegistry}
		}
	} else {
		s.plan.Outputs = []string{toRegistry}
	}
	if missing != "" {
		return &plan.SettingError{Key: "repo", Reason: fmt.Sprintf("image %s has no repository, and others have one", missing),
			Advice: "--repo HOST/PATH for all, or repo in [workspace.metadata.sampan]"}
	}
	return nil
}

// row is the row of settings that an image was planned from.
func (s *session) row(image int) int { return s.plan.Images[image].Row }

// place ranks where options were set: 0 on the command line, 1 in the environment, 2 elsewhere.
func (s *session) place(flags ...string) int {
	set := func(l level) bool {
		return slices.ContainsFunc(flags, func(f string) bool { _, ok := l[f]; return ok })
	}
	switch {
	case set(s.flags):
		return 0
	case set(s.env):
		return 1
	}
	return 2
}

// output makes one output of the plan.
func (s *session) output(spec string) (output.Output, error) {
	if spec != toRegistry {
		return s.machine().Parse(spec)
	}
	var hosts []string
	for _, im := range s.plan.Images {
		if n, err := transport.ParseName(im.Repository); err == nil {
			hosts = append(hosts, n.Host)
		}
	}
	client, err := s.client(s.w.registry, hosts)
	if err != nil {
		return nil, err
	}
	return s.toRegistry(client), nil
}

// toRegistry is the output that pushes.
func (a *app) toRegistry(client *transport.Client) *output.Registry {
	return &output.Registry{Client: client, Memory: filepath.Join(a.cacheDir(), "pushed"), Progress: func(repository string, done, total int64) {
		a.progress.Handle(ui.Event{Kind: "layer", Image: repository, Text: "push", Done: done, Total: total})
	}}
}

// client speaks with registries as the words say. No credential is read before a registry asks for one.
func (a *app) client(w registryWords, hosts []string) (*transport.Client, error) {
	stall, err := time.ParseDuration(w.stall)
	if err != nil || stall <= 0 {
		return nil, &usageError{err: fmt.Errorf("--stall: %q is not a time", w.stall), hint: "--stall 60s, or 5m"}
	}
	o := transport.Options{Proxy: http.ProxyFromEnvironment, Insecure: w.insecure, Realms: w.realms, Stall: stall, Now: a.now,
		Agent:       "sampan/" + Version,
		Credentials: a.keys().For,
		Say:         func(text string) { a.progress.Handle(ui.Event{Kind: "note", Text: text}) }}
	if w.lax {
		o.Insecure = append(slices.Clone(w.insecure), hosts...)
	}
	if len(w.roots) > 0 {
		if o.Roots, err = pool(w.roots); err != nil {
			return nil, err
		}
	}
	get := func(name string) string { return lookup(a.env, name) }
	o.Trust = transport.HostTrust(transport.CertFolders(get, a.home()), o.Roots)
	return transport.New(o), nil
}

// keys find the user's logins.
func (a *app) keys() *transport.Keys {
	get := func(name string) string { return lookup(a.env, name) }
	return &transport.Keys{Files: transport.AuthFiles(get, a.home()), Env: a.env, Runner: a.runner}
}

// pool is the system's certificates and those of files.
func pool(files []string) (*x509.CertPool, error) {
	p, err := x509.SystemCertPool()
	if err != nil {
		p = x509.NewCertPool()
	}
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err == nil && !p.AppendCertsFromPEM(data) {
			err = errors.New("it holds no certificate in PEM")
		}
		if err != nil {
			return nil, &usageError{err: fmt.Errorf("--registry-ca %s: %w", f, err), hint: "a file that begins with -----BEGIN CERTIFICATE-----"}
		}
	}
	return p, nil
}

// writeRefs writes the references by digest where --image-refs says.
func writeRefs(path string, receipts []output.Receipt) error {
	if path == "" {
		return nil
	}
	var b strings.Builder
	for _, r := range receipts {
		b.WriteString(r.Reference + "\n")
	}
	if err := durable.WriteFile(path, []byte(b.String()), 0o644); err != nil {
		return &placeError{err: fmt.Errorf("write references: %w", err), hint: "--image-refs FILE, in a folder that is there"}
	}
	return nil
}

// sent says what a push sent of an image.
func sent(receipts []output.Receipt, image string) string {
	for _, r := range receipts {
		if r.Image != image || !strings.HasPrefix(r.Output, toRegistry+":") {
			continue
		}
		if r.Written == 0 {
			return ", all there already"
		}
		return fmt.Sprintf(", %s pushed", ui.Bytes(r.Written))
	}
	return ""
}
