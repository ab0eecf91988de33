// SPDX-License-Identifier: MIT OR Apache-2.0

package cargo

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"sampan/internal/durable"
	"sampan/internal/run"
)

// GitSource is a state of a git repository, as cargo's --git, --tag, --rev and --branch name it. Without the last
// three it is the repository's HEAD.
type GitSource struct {
	URL    string // anything that git fetches from; a path is seen from LoadOptions.Dir
	Tag    string
	Rev    string // a commit, its first digits, or a full name of a reference ("refs/pull/1/head")
	Branch string
}

// FetchGit has the user's git bring a repository into the cache, with its submodules, and loads the package of that
// name in it as Load does, or the only one with programs when name is "". The chosen package is Workspace.Current.
//
// The user's configuration of git counts (mirrors, proxies, credential helpers); nothing is asked on the terminal.
// Each commit has a checkout of its own, which is made once: a commit that is there costs no network when it is named
// in full, any other reference is asked for again each time. Parallel calls wait for each other. What is compiled
// goes to a folder in the cache, and a lock file that cargo makes goes to the checkout, which is ours.
//
// Errors: *GitError, and those of Load.
func FetchGit(ctx context.Context, r run.Runner, o LoadOptions, src GitSource, name string) (*Workspace, error) {
	g, err := newGitFetcher(r, o, src)
	if err != nil {
		return nil, err
	}
	if err := durable.MkdirPrivate(g.dir); err != nil {
		return nil, err
	}
	unlock, err := durable.Lock(ctx, filepath.Join(g.dir, "lock"))
	if err != nil {
		return nil, err
	}
	defer func() { _ = unlock() }()
	commit, err := g.fetch(ctx)
	if err != nil {
		return nil, err
	}
	dir, err := g.checkout(ctx, commit)
	if err != nil {
		return nil, err
	}
	if g.TargetDir == "" {
		g.TargetDir = filepath.Join(g.dir, "target")
	}
	ws, err := g.load(ctx, dir, name)
	if err != nil {
		return nil, err
	}
	ws.Commit = commit
	return ws, nil
}

// gitFetcher is one FetchGit at work.
type gitFetcher struct {
	LoadOptions
	GitSource
	runner run.Runner
	url    string // as git gets it
	shown  string // as it may be shown
	dir    string // holds the lock, db, a bare repository, and co, its checkouts by commit
}

func newGitFetcher(r run.Runner, o LoadOptions, src GitSource) (*gitFetcher, error) {
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, err
	}
	o.Dir = resolved(dir)
	g := &gitFetcher{LoadOptions: o, GitSource: src, runner: r, url: gitAddress(o.Dir, src.URL)}
	g.shown = withoutPassword(g.url)
	named := 0
	for _, word := range []string{src.Tag, src.Rev, src.Branch} {
		if word != "" {
			named++
		}
		if strings.HasPrefix(word, "-") || strings.ContainsAny(word, " \t\n\x00:^~?*[\\") || strings.Contains(word, "..") {
			return nil, &GitError{URL: g.shown, Reason: BadGit}
		}
	}
	if src.URL == "" || strings.HasPrefix(src.URL, "-") || strings.ContainsAny(src.URL, "\n\x00") || named > 1 {
		return nil, &GitError{URL: g.shown, Reason: BadGit}
	}
	if o.CacheDir == "" {
		return nil, &GitError{URL: g.shown, Reason: GitReason, Text: "there is no cache folder to fetch into"}
	}
	sum := sha256.Sum256([]byte(g.url))
	g.dir = filepath.Join(o.CacheDir, "git", hex.EncodeToString(sum[:8]))
	return g, nil
}

// gitAddress is what git is given: an address as it is ("https://…", "host:path"), a path made absolute.
func gitAddress(dir, address string) string {
	address = strings.TrimRight(address, "/")
	colon, slash := strings.IndexByte(address, ':'), strings.IndexByte(address, '/')
	if address == "" || strings.Contains(address, "://") || colon > 1 && (slash < 0 || colon < slash) {
		return address
	}
	return absolute(dir, filepath.FromSlash(address))
}

// ref is what is to be had, in words.
func (g *gitFetcher) ref() string {
	switch {
	case g.Tag != "":
		return "tag " + g.Tag
	case g.Rev != "":
		return "revision " + g.Rev
	case g.Branch != "":
		return "branch " + g.Branch
	}
	return ""
}

// local are the variables that would have git work on another repository, as they are set in its hooks.
var local = []string{
	"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_COMMON_DIR",
	"GIT_NAMESPACE", "GIT_PREFIX", "GIT_SHALLOW_FILE", "GIT_GRAFT_FILE", "GIT_IMPLICIT_WORK_TREE", "GIT_QUARANTINE_PATH",
}

// git runs git in dir. It can ask for nothing, runs no hooks, and speaks English.
func (g *gitFetcher) git(ctx context.Context, dir string, args ...string) (string, error) {
	env := slices.DeleteFunc(slices.Clone(g.Env), func(kv string) bool {
		k, _, _ := strings.Cut(kv, "=")
		return slices.ContainsFunc(local, func(l string) bool { return sameEnv(k, l) })
	})
	env = append(env, "LC_ALL=C", "GIT_TERMINAL_PROMPT=0")
	if environ(env).value("SSH_ASKPASS") == "" {
		env = append(env, "SSH_ASKPASS=false", "SSH_ASKPASS_REQUIRE=force") // ssh would open the terminal itself
	}
	args = append([]string{"-c", "core.hooksPath=" + os.DevNull, "-c", "advice.detachedHead=false"}, args...)
	out, err := run.Output(ctx, g.runner, run.Cmd{Path: "git", Args: args, Dir: dir, Env: env})
	return strings.TrimSpace(string(out)), err
}

func (g *gitFetcher) db() string { return filepath.Join(g.dir, "db") }

// fetch brings what is wanted into the bare repository, and returns its commit.
func (g *gitFetcher) fetch(ctx context.Context) (string, error) {
	if !fileExists(filepath.Join(g.db(), "HEAD")) {
		if err := errors.Join(os.RemoveAll(g.db()), durable.MkdirPrivate(g.db())); err != nil {
			return "", err
		}
		if _, err := g.git(ctx, g.db(), "init", "--quiet", "--bare", "."); err != nil {
			return "", g.error(err)
		}
	}
	full := isCommit(g.Rev)
	if full || g.Offline {
		if commit := g.find(ctx); commit != "" || g.Offline {
			if commit == "" {
				return "", &GitError{URL: g.shown, Reason: NotFetched}
			}
			return commit, nil
		}
	}
	// Submodules with relative addresses are found from origin's.
	if _, err := g.git(ctx, g.db(), "config", "remote.origin.url", g.url); err != nil {
		return "", g.error(err)
	}
	err := g.fetchRefs(ctx, g.specs()...)
	if e, ok := errors.AsType[*GitError](err); ok && full && e.Reason == NoReference {
		err = g.fetchRefs(ctx, everything...) // a server that gives only what has a name
	}
	if err != nil {
		return "", err
	}
	if commit := g.find(ctx); commit != "" {
		return commit, nil
	}
	return "", &GitError{URL: g.shown, Reason: NoReference, Ref: g.ref()}
}

func (g *gitFetcher) fetchRefs(ctx context.Context, specs ...string) error {
	if _, err := g.git(ctx, g.db(), append([]string{"fetch", "--quiet", "--force", "--no-recurse-submodules", "origin"}, specs...)...); err != nil {
		return g.error(err)
	}
	return nil
}

// everything are the refspecs of all that has a name in the repository.
var everything = []string{"+HEAD:refs/remotes/origin/HEAD", "+refs/heads/*:refs/remotes/origin/*", "+refs/tags/*:refs/tags/*"}

// specs are the refspecs of what is wanted.
func (g *gitFetcher) specs() []string {
	switch {
	case g.Tag != "":
		return []string{"+refs/tags/" + g.Tag + ":refs/tags/" + g.Tag}
	case g.Branch != "":
		return []string{"+refs/heads/" + g.Branch + ":refs/remotes/origin/" + g.Branch}
	case isCommit(g.Rev):
		return []string{"+" + g.Rev + ":refs/commits/" + g.Rev}
	case strings.HasPrefix(g.Rev, "refs/"):
		return []string{"+" + g.Rev + ":refs/named/" + g.Rev}
	case g.Rev != "":
		return everything
	}
	return everything[:1]
}

// find is the commit of what is wanted, as far as it was fetched; "" when it was not.
func (g *gitFetcher) find(ctx context.Context) string {
	var names []string
	switch {
	case g.Tag != "":
		names = []string{"refs/tags/" + g.Tag}
	case g.Branch != "":
		names = []string{"refs/remotes/origin/" + g.Branch}
	case strings.HasPrefix(g.Rev, "refs/"):
		names = []string{"refs/named/" + g.Rev}
	case isCommit(g.Rev):
		names = []string{g.Rev}
	case g.Rev != "":
		names = []string{"refs/tags/" + g.Rev, "refs/remotes/origin/" + g.Rev, g.Rev}
	default:
		names = []string{"refs/remotes/origin/HEAD"}
	}
	for _, name := range names {
		commit, err := g.git(ctx, g.db(), "rev-parse", "--verify", "--quiet", name+"^{commit}")
		if err == nil && isCommit(commit) {
			return commit
		}
	}
	return ""
}

// isCommit reports whether s is the full name of a commit, by SHA-1 or SHA-256.
func isCommit(s string) bool {
	return (len(s) == 40 || len(s) == 64) && strings.Trim(s, "0123456789abcdef") == ""
}

// checkout is the folder with the sources of a commit, submodules included. Beside it stands a file once it is whole.
func (g *gitFetcher) checkout(ctx context.Context, commit string) (string, error) {
	dir := filepath.Join(g.dir, "co", commit)
	whole := dir + ".whole"
	if fileExists(whole) && fileExists(dir) {
		return dir, nil
	}
	if err := errors.Join(os.RemoveAll(whole), os.RemoveAll(dir), durable.MkdirPrivate(filepath.Dir(dir))); err != nil {
		return "", err
	}
	for _, step := range []struct {
		dir  string
		args []string
	}{
		{g.db(), []string{"worktree", "prune"}},
		{g.db(), []string{"worktree", "add", "--quiet", "--force", "--detach", dir, commit}},
		{dir, []string{"submodule", "--quiet", "update", "--init", "--recursive"}},
	} {
		if step.args[0] == "submodule" && !fileExists(filepath.Join(dir, ".gitmodules")) {
			continue
		}
		if _, err := g.git(ctx, step.dir, step.args...); err != nil {
			return "", g.error(err)
		}
	}
	if err := durable.SyncTree(g.dir); err != nil {
		return "", err
	}
	return dir, durable.WriteFile(whole, []byte(g.shown+"\n"), 0o600)
}
