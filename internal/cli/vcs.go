// SPDX-License-Identifier: MIT OR Apache-2.0

package cli

import (
	"context"
	"net/url"
	"path/filepath"
	"strings"

	"sampan/internal/plan"
	"sampan/internal/run"
)

// vcs asks git for the commit and the source's address when an image's settings want them.
func (s *session) vcs(ctx context.Context) (plan.VCS, error) {
	var v plan.VCS
	wanted := false
	for _, c := range s.choices {
		for _, im := range c.Images {
			wanted = wanted || im.VCS
		}
	}
	if !wanted {
		return v, nil
	}
	dir := filepath.Dir(s.choices[0].Package.Manifest)
	if s.source != nil {
		dir = s.source.Root // a copy has no history
	}
	git := func(args ...string) (string, error) {
		path, err := run.LookPath("git", s.app.env)
		if err != nil {
			return "", err
		}
		out, err := run.Output(ctx, s.runner, run.Cmd{Path: path, Args: args, Dir: dir, Env: s.app.env})
		return strings.TrimSpace(string(out)), err
	}
	revision, err := git("rev-parse", "HEAD")
	if err != nil {
		return v, &plan.SettingError{Key: "vcs", Reason: "git does not tell the commit: " + err.Error(), Advice: "commit the source, or set vcs = false"}
	}
	v.Revision = revision
	if dirty, err := git("status", "--porcelain", "--untracked-files=no"); err == nil && dirty != "" {
		v.Revision += "-dirty"
	}
	if remote, err := git("config", "--get", "remote.origin.url"); err == nil {
		v.Source = withoutSecret(remote)
	}
	return v, nil
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
