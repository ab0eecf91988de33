// SPDX-License-Identifier: MIT OR Apache-2.0

package plan

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"sampan/internal/cargo"
	"sampan/internal/rootfs"
)

// CertFile is where every image with the CA bundle has it; SSL_CERT_FILE names it.
const CertFile = "/etc/ssl/certs/ca-certificates.crt"

// InitPath is where an image with an init has it; the entrypoint begins with it.
const InitPath = "/sampan-init"

// base makes what does not depend on platforms: names, config, labels. p is nil for a program from elsewhere.
func base(s Settings, main string, p *cargo.Package, o Options) (Image, error) {
	im := Image{Row: s.Row, CA: s.CA, CAFiles: s.CAFiles, Files: s.Files, Setuid: s.AllowSetuid, Zoneinfo: s.Zoneinfo, Strip: s.Strip, Compression: s.Compression, Init: s.Init, NoInit: s.NoInit}
	fill := strings.NewReplacer("{bin}", main)
	if p != nil {
		im.Package = p.Name
		fill = strings.NewReplacer("{bin}", main, "{package}", p.Name, "{version}", p.Version)
	}
	name := s.Name
	if name == "" {
		name = imageName(main)
	}
	im.Name = fill.Replace(name)
	im.Repository = repository(s, im.Name)
	for _, t := range s.Tags {
		tag, err := gitTag(fill.Replace(t), o.VCS)
		if err != nil {
			err.Package = im.Package
			return im, err
		}
		im.Tags = append(im.Tags, tagOf(tag))
	}
	if len(im.Tags) == 0 {
		im.Tags = []string{"latest"}
	}
	var err error
	if im.UID, im.GID, err = rootfs.LookupUser(s.User); err != nil {
		return im, &SettingError{Package: im.Package, Key: "user", Reason: err.Error(), Advice: adviceOf(err)}
	}
	im.Config = v1.Config{
		User:         fmt.Sprintf("%d:%d", im.UID, im.GID),
		WorkingDir:   s.Workdir,
		Entrypoint:   s.Entrypoint,
		Cmd:          s.Args,
		Env:          environment(s),
		StopSignal:   s.StopSignal,
		Labels:       labels(s, p, main, o),
		Volumes:      set(s.Volumes),
		ExposedPorts: ports(s.Ports),
	}
	if len(im.Config.Entrypoint) == 0 {
		im.Config.Entrypoint = []string{"/" + main}
	}
	if s.Base != "" {
		im.Base = &Base{Name: s.Base}
	}
	if s.Init {
		im.Config.Entrypoint = append([]string{InitPath}, im.Config.Entrypoint...)
	}
	im.Annotations = maps.Clone(s.Annotations)
	caps, _ := rootfs.LookupCaps(s.Capabilities) // checkCapabilities refuses what is none
	im.Capabilities, im.Health = caps.Names(), s.Health
	if err := validate(s, im); err != nil {
		err.Package = im.Package
		return im, err
	}
	return im, nil
}

// repository is the whole name of where an image is pushed: its own name below the setting's, or where that has it.
func repository(s Settings, name string) string {
	repo := strings.TrimSuffix(s.Repo, "/")
	switch {
	case repo == "" || s.Bare && !strings.Contains(repo, "{name}"):
		return repo
	case strings.Contains(repo, "{name}"):
		return strings.ReplaceAll(repo, "{name}", name)
	}
	return repo + "/" + name
}

func adviceOf(err error) string {
	if h, ok := err.(interface{ Hint() string }); ok {
		return h.Hint()
	}
	return ""
}

// environment is sorted by name; a variable of the user's wins over ours.
func environment(s Settings) []string {
	env := map[string]string{}
	if s.CA {
		env["SSL_CERT_FILE"] = CertFile
	}
	maps.Copy(env, s.Env)
	var out []string
	for _, k := range slices.Sorted(maps.Keys(env)) {
		out = append(out, k+"="+env[k])
	}
	return out
}

func set(list []string) map[string]struct{} {
	if len(list) == 0 {
		return nil
	}
	out := map[string]struct{}{}
	for _, l := range list {
		out[l] = struct{}{}
	}
	return out
}

func ports(list []string) map[string]struct{} {
	var out []string
	for _, p := range list {
		if !strings.Contains(p, "/") {
			p += "/tcp"
		}
		out = append(out, p)
	}
	return set(out)
}

// labels are the pre-defined annotation keys of the OCI image specification, "Pre-Defined Annotation Keys", as far as
// Cargo.toml knows them; then the user's own.
func labels(s Settings, p *cargo.Package, main string, o Options) map[string]string {
	out := map[string]string{}
	add := func(key, value string) {
		if value != "" {
			out["org.opencontainers.image."+key] = value
		}
	}
	add("title", main)
	if p != nil {
		add("version", p.Version)
		add("description", strings.TrimSpace(p.Description))
		add("licenses", p.License)
		add("authors", strings.Join(p.Authors, ", "))
		add("url", p.Homepage)
		if p.Homepage == "" {
			add("url", p.Repository)
		}
		add("documentation", p.Documentation)
	}
	if s.VCS {
		add("revision", o.VCS.Revision)
		add("source", o.VCS.Source)
	}
	maps.Copy(out, s.Labels)
	return out
}

// imageName makes a repository name (distribution specification, "Pulling manifests") of a bin's name.
func imageName(bin string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(bin) {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			b.WriteRune(r)
		case strings.ContainsRune("._-", r) && b.Len() > 0 && !strings.ContainsAny(b.String()[b.Len()-1:], "._-"):
			b.WriteRune(r)
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "-") && !strings.ContainsAny(b.String()[b.Len()-1:], "._"):
			b.WriteByte('-')
		}
	}
	name := strings.Trim(b.String(), "._-")
	if name == "" {
		return "program"
	}
	return name
}

// gitTag fills in what git knows of the source. Nothing else of a branch's name may be in a tag than letters, digits and
// what parts them.
func gitTag(t string, v VCS) (string, *SettingError) {
	for hole, word := range map[string]string{"{git.branch}": v.Branch, "{git.short}": v.Short} {
		if !strings.Contains(t, hole) {
			continue
		}
		if word == "" {
			return "", &SettingError{Key: "tags", Reason: "git does not tell what " + hole + " is: no branch is checked out, or this is no repository", Advice: "--tag NAME, or check a branch out"}
		}
		word = strings.Map(func(r rune) rune {
			if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("._-", r) {
				return r
			}
			return '-'
		}, word)
		if strings.HasPrefix(t, hole) {
			word = strings.TrimLeft(word, ".-") // a tag begins with neither
		}
		t = strings.ReplaceAll(t, hole, word)
	}
	return t, nil
}

// tagOf makes a version a tag: "+" may stand in a version and not in a tag.
func tagOf(s string) string { return strings.ReplaceAll(s, "+", "_") }
