// SPDX-License-Identifier: MIT OR Apache-2.0

package cli

import (
	"context"
	"net/url"
	"path/filepath"
	"slices"
	"strings"

	"sampan/internal/plan"
	"sampan/internal/run"
)

// vcs asks git for the commit and the source's address when an image's settings want them.
func (s *session) vcs(ctx context.Context) (plan.VCS, error) {
	var v plan.VCS
	wanted, key := false, "vcs"
	for _, im := range s.images() {
		wanted = wanted || im.VCS
		if slices.ContainsFunc(im.Tags, func(t string) bool { return strings.Contains(t, "{git.") }) {
			wanted, key = true, "tags"
		}
	}
	if !wanted {
		return v, nil
	}
	git := func(args ...string) (string, error) {
		path, err := run.LookPath("git", s.app.env)
		if err != nil {
			return "", err
		}
		out, err := run.Output(ctx, s.runner, run.Cmd{Path: path, Args: args, Dir: s.sources(), Env: s.app.env})
		return strings.TrimSpace(string(out)), err
	}
	revision, err := git("rev-parse", "HEAD")
	if err != nil {
		advice := "commit the source, or set vcs = false"
		if key == "tags" {
			advice = "commit the source, or leave {git.…} out of the tags"
		}
		return v, &plan.SettingError{Key: key, Reason: "git does not tell the commit: " + err.Error(), Advice: advice}
	}
	v.Revision, v.Short = revision, revision[:min(len(revision), 12)]
	if dirty, err := git("status", "--porcelain", "--untracked-files=no"); err == nil && dirty != "" {
		v.Revision += "-dirty"
		v.Short += "-dirty"
	}
	if remote, err := git("config", "--get", "remote.origin.url"); err == nil {
		v.Source = withoutSecret(remote)
	}
	v.Branch = s.branch(git)
	return v, nil
}

// images are the settings of all images that are planned.
func (s *session) images() []plan.Settings {
	if len(s.w.binaries) > 0 {
		return []plan.Settings{s.settled[0].settings()}
	}
	var out []plan.Settings
	for _, c := range s.choices {
		out = append(out, c.Images...)
	}
	return out
}

// sources is a folder of the sources, with their history.
func (s *session) sources() string {
	switch {
	case len(s.choices) == 0:
		return s.dir
	case s.source != nil:
		return s.source.Root // a copy has no history
	}
	return filepath.Dir(s.choices[0].Package.Manifest)
}

// branch is the branch that is checked out. CI services check out a commit alone, and say in a variable what it is of.
func (s *session) branch(git func(args ...string) (string, error)) string {
	if name, err := git("symbolic-ref", "--quiet", "--short", "HEAD"); err == nil && name != "" {
		return name
	}
	for _, name := range []string{"GITHUB_HEAD_REF", "GITHUB_REF_NAME", "CI_COMMIT_REF_NAME"} {
		if word := lookup(s.app.env, name); word != "" {
			return word
		}
	}
	return ""
}

// withoutSecret takes user, password, query and fragment out of an address; any of them may be a token.
func withoutSecret(remote string) string {
	u, err := url.Parse(remote)
	if err != nil || u.Scheme == "" || u.Host == "" {
		// git's short form, user@host:path: the user is no secret there, but nothing is lost without it.
		if user, rest, ok := strings.Cut(remote, "@"); ok && !strings.Contains(user, "/") {
			return rest
		}
		if strings.Contains(remote, "://") {
			return ""
		}
		return remote
	}
	u.User, u.RawQuery, u.Fragment = nil, "", ""
	return u.String()
}
