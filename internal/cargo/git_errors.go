// SPDX-License-Identifier: MIT OR Apache-2.0

package cargo

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"sampan/internal/run"
)

// Reasons of a GitError.
const (
	BadGit          = "not a repository's address with at most one of a tag, a revision and a branch"
	NoGit           = "git is not installed"
	NoHost          = "the host does not answer"
	NoRepository    = "there is no repository, or it is not for everybody"
	NoAccess        = "it asks who you are"
	NoReference     = "it has no such tag, revision or branch" // which one is in Ref
	NotFetched      = "not fetched yet, and --offline forbids to"
	NoPackage       = "there is no such package in it" // which one is in Package
	NoProgramInIt   = "no package in it has programs"
	SeveralPackages = "several packages in it have programs" // they are in Packages
	GitReason       = "git's own reason"                     // in Text
)

// GitError says why a package could not be had from a git repository.
type GitError struct {
	URL      string // without a password
	Reason   string // one of the constants above
	Ref      string // "tag v1", "revision 1234abc", "branch main"; "" for the repository's own choice
	Package  string
	Packages []string
	Text     string // git's own message, may be ""
}

func (e *GitError) Error() string {
	s := fmt.Sprintf("fetch %s: %s", e.URL, e.Reason)
	switch {
	case e.Reason == NoReference && e.Ref != "":
		s = fmt.Sprintf("fetch %s: it has no %s", e.URL, e.Ref)
	case e.Reason == NoPackage && e.Package != "":
		s = fmt.Sprintf("fetch %s: there is no package %s in it", e.URL, e.Package)
	case e.Reason == NoPackage:
		s = fmt.Sprintf("fetch %s: there is no Cargo.toml in it", e.URL)
	case len(e.Packages) > 0:
		s += ": " + strings.Join(e.Packages, ", ")
	}
	if e.Text != "" {
		s += ": " + e.Text
	}
	return s
}

// Hint is what to type.
func (e *GitError) Hint() string {
	switch e.Reason {
	case BadGit:
		return "write --git https://HOST/PATH, and one of --tag TAG, --rev COMMIT, --branch BRANCH"
	case NoGit:
		return "install git, or get the sources otherwise and name their folder: sampan build PATH"
	case NoHost, NotFetched:
		return "with the network there, type: git ls-remote " + e.URL
	case NoRepository, NoAccess:
		return "see that this answers without asking anything (an ssh key, a credential helper): git ls-remote " + e.URL
	case NoReference:
		return "see which there are: git ls-remote " + e.URL
	case NoPackage, NoProgramInIt:
		if len(e.Packages) > 0 {
			return "name one of them: -p " + e.Packages[0]
		}
		return "name a repository that holds a package with programs"
	case SeveralPackages:
		return "name one of them: -p " + e.Packages[0]
	}
	return "see what git says: git ls-remote " + e.URL
}

// error turns what came of starting git into a GitError.
func (g *gitFetcher) error(err error) error {
	if _, ok := errors.AsType[*run.NotFoundError](err); ok {
		return &GitError{URL: g.shown, Reason: NoGit}
	}
	exit, ok := errors.AsType[*run.ExitError](err)
	if !ok {
		return fmt.Errorf("fetch %s: %w", g.shown, err)
	}
	text := strings.ReplaceAll(exit.Stderr, g.url, g.shown)
	return &GitError{URL: g.shown, Reason: gitReason(text), Ref: g.ref(), Text: gitText(text)}
}

// gitReason tells git's messages apart, which are in English since it runs with LC_ALL=C.
func gitReason(text string) string {
	has := func(words ...string) bool {
		for _, w := range words {
			if strings.Contains(text, w) {
				return true
			}
		}
		return false
	}
	switch {
	case has("couldn't find remote ref", "not our ref", "unadvertised object", "Server does not allow request for"):
		return NoReference
	case has("could not read Username", "could not read Password", "terminal prompts disabled", "Authentication failed",
		"Permission denied (", "Host key verification failed", "error: 401", "error: 403"):
		return NoAccess
	case has("Could not resolve", "ould not connect", "Failed to connect", "unable to connect", "Connection refused",
		"timed out", "Network is unreachable", "No route to host", "name resolution", "Name or service not known"):
		return NoHost
	case has("does not appear to be a git repository", "epository not found", "' not found", "does not exist", "error: 404"):
		return NoRepository
	}
	return GitReason
}

// gitText is the line of git's message that says most: the first fatal one, or the last.
func gitText(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	for _, l := range lines {
		if l, ok := strings.CutPrefix(l, "fatal: "); ok {
			return l
		}
	}
	return strings.TrimPrefix(lines[len(lines)-1], "error: ")
}

// withoutPassword is address as it may be shown.
func withoutPassword(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.User == nil {
		return address
	}
	if _, has := u.User.Password(); !has && u.Scheme == "ssh" {
		return address // git@host
	}
	u.User = nil
	return u.String()
}
