// SPDX-License-Identifier: MIT OR Apache-2.0

package cargo

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"sampan/internal/run"
)

// gitWorld is a world with the real git, a repository in the folder repo, and a cargo that describes what lies around
// a manifest.
type gitWorld struct {
	*world
	mu  sync.Mutex
	git []string // the git commands, the word that says what each does
}

func newGitWorld(t *testing.T) *gitWorld {
	g := &gitWorld{world: newWorld(t)}
	if _, err := run.LookPath("git", os.Environ()); err != nil {
		t.Skip("there is no git")
	}
	g.on = func(c run.Cmd) (string, bool) {
		i := slices.Index(c.Args, "--manifest-path")
		if i < 0 || !slices.Contains(c.Args, "metadata") {
			return "", false
		}
		return g.describe(c.Args[i+1], environ(c.Env).value("CARGO_TARGET_DIR")), true
	}
	g.do("repo", "init", "--quiet", "--initial-branch", "trunk")
	return g
}

// Run implements run.Runner.
func (g *gitWorld) Run(ctx context.Context, c run.Cmd) error {
	g.mu.Lock()
	if c.Path != "git" {
		defer g.mu.Unlock()
		return g.world.Run(ctx, c)
	}
	for _, word := range []string{"init", "fetch", "worktree", "submodule"} {
		if slices.Contains(c.Args, word) {
			g.git = append(g.git, word)
		}
	}
	g.mu.Unlock()
	return (&run.System{}).Run(ctx, c)
}

func (g *gitWorld) env() []string {
	return append(g.world.env(), "PATH="+g.path("bin")+":"+os.Getenv("PATH"), "GIT_CONFIG_GLOBAL="+os.DevNull, "GIT_CONFIG_NOSYSTEM=1",
		"GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@x", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@x",
		"GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=protocol.file.allow", "GIT_CONFIG_VALUE_0=always",
		"GIT_DIR="+g.path("nowhere")) // as in a hook: it must not count
}

// do runs git in a folder of the world, and returns what it says.
func (g *gitWorld) do(dir string, args ...string) string {
	g.t.Helper()
	if err := os.MkdirAll(g.path(dir), 0o755); err != nil {
		g.t.Fatal(err)
	}
	env := slices.DeleteFunc(g.env(), func(kv string) bool { return strings.HasPrefix(kv, "GIT_DIR=") })
	out, err := run.Output(context.Background(), &run.System{}, run.Cmd{Path: "git", Args: args, Dir: g.path(dir), Env: env})
	if err != nil {
		g.t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

// commit writes the packages (with a program, unless they begin with "lib") and commits; it returns the commit.
func (g *gitWorld) commit(packages ...string) string {
	g.t.Helper()
	for _, p := range packages {
		dir, name := "repo/"+p, filepath.Base(p)
		if p == "." || strings.HasPrefix(p, "./") {
			dir, name = "repo", strings.TrimPrefix(p, "./")
		}
		g.write(dir+"/Cargo.toml", "[package]\nname = \""+name+"\"\nversion = \"1.0.0\"\n")
		if strings.HasPrefix(name, "lib") {
			g.write(dir+"/src/lib.rs", "")
		} else {
			g.write(dir+"/src/main.rs", "fn main() {}\n")
		}
	}
	g.do("repo", "add", "--all")
	g.do("repo", "commit", "--quiet", "--allow-empty", "-m", "x")
	return g.do("repo", "rev-parse", "HEAD")
}

// describe is cargo metadata of a manifest: its package, or with a workspace those in the folders below.
func (g *gitWorld) describe(manifest, target string) string {
	dir := filepath.Dir(manifest)
	text, _ := os.ReadFile(manifest)
	found := []string{manifest}
	if strings.Contains(string(text), "[workspace]") {
		found, _ = filepath.Glob(filepath.Join(dir, "*", "Cargo.toml"))
	}
	var packages, members []any
	for _, m := range found {
		id := "path+file://" + filepath.Dir(m) + "#1.0.0"
		kind := "lib"
		if fileExists(filepath.Join(filepath.Dir(m), "src", "main.rs")) {
			kind = "bin"
		}
		name := packageIn(m)
		members = append(members, id)
		packages = append(packages, map[string]any{"id": id, "name": name, "version": "1.0.0", "manifest_path": m,
			"targets": []any{map[string]any{"kind": []string{kind}, "crate_types": []string{kind}, "name": name}}})
	}
	out, err := json.Marshal(map[string]any{"packages": packages, "workspace_members": members, "workspace_root": dir, "target_directory": target})
	if err != nil {
		g.t.Fatal(err)
	}
	return string(out)
}

func (g *gitWorld) fetch(src GitSource, name string) (*Workspace, error) {
	if src.URL == "" {
		src.URL = "file://" + g.path("repo")
	}
	g.git = nil
	o := g.options()
	o.Env = g.env()
	return FetchGit(context.Background(), g, o, src, name)
}

func TestFetchGit(t *testing.T) {
	g := newGitWorld(t)
	first := g.commit("./tool")
	g.do("repo", "tag", "-a", "v1", "-m", "x")
	g.do("repo", "branch", "old/one")
	g.write("repo/README", "second")
	second := g.commit()
	g.do("repo", "update-ref", "refs/pull/7/head", first)
	for name, tc := range map[string]struct {
		src  GitSource
		want string
	}{
		"head": {GitSource{}, second}, "tag": {GitSource{Tag: "v1"}, first}, "branch": {GitSource{Branch: "old/one"}, first},
		"commit": {GitSource{Rev: first}, first}, "short commit": {GitSource{Rev: first[:9]}, first}, "tag as revision": {GitSource{Rev: "v1"}, first},
		"branch as revision": {GitSource{Rev: "trunk"}, second}, "reference": {GitSource{Rev: "refs/pull/7/head"}, first},
		"path": {GitSource{URL: "../../repo"}, second},
	} {
		t.Run(name, func(t *testing.T) {
			ws, err := g.fetch(tc.src, "")
			if err != nil {
				t.Fatal(err)
			}
			if ws.Commit != tc.want || ws.Current != "tool" || filepath.Base(ws.Root) != tc.want || !strings.HasPrefix(ws.TargetDir, g.path("cache")) {
				t.Errorf("commit %s, want %s; %s in %s, target %s", ws.Commit, tc.want, ws.Current, ws.Root, ws.TargetDir)
			}
			if fileExists(filepath.Join(ws.Root, "README")) != (tc.want == second) {
				t.Error("the checkout is of another commit")
			}
		})
	}
	// A commit that is there needs no network, and a checkout is made once.
	if _, err := g.fetch(GitSource{Rev: first}, "tool"); err != nil || len(g.git) != 0 {
		t.Errorf("%q, %v", g.git, err)
	}
	if _, err := g.fetch(GitSource{}, ""); err != nil || !slices.Equal(g.git, []string{"fetch"}) {
		t.Errorf("%q, %v", g.git, err)
	}
	// A branch that moves is seen, also when it is not a descendant.
	g.do("repo", "reset", "--quiet", "--hard", first)
	third := g.commit("./renamed")
	if ws, err := g.fetch(GitSource{Branch: "trunk"}, ""); err != nil || ws.Commit != third || ws.Current != "renamed" {
		t.Errorf("%v", err)
	}
}

func TestFetchGitAfterKill(t *testing.T) {
	g := newGitWorld(t)
	g.commit("./tool")
	ws, err := g.fetch(GitSource{}, "")
	if err != nil {
		t.Fatal(err)
	}
	_ = os.Remove(ws.Root + ".whole")
	_ = os.Remove(filepath.Join(ws.Root, "src", "main.rs"))
	if ws, err = g.fetch(GitSource{}, ""); err != nil || !fileExists(filepath.Join(ws.Root, "src", "main.rs")) {
		t.Errorf("a checkout that is not whole: %v", err)
	}
	if err := os.RemoveAll(ws.Root); err != nil {
		t.Fatal(err)
	}
	if ws, err = g.fetch(GitSource{}, ""); err != nil || !fileExists(filepath.Join(ws.Root, "src", "main.rs")) {
		t.Errorf("a checkout that somebody removed: %v", err)
	}
	db := filepath.Join(filepath.Dir(filepath.Dir(ws.Root)), "db")
	if err := os.RemoveAll(db); err != nil {
		t.Fatal(err)
	}
	g.commit("./other")
	if ws, err = g.fetch(GitSource{}, ""); err != nil || ws.Current != "other" {
		t.Errorf("a repository that somebody removed: %v", err)
	}
}

func TestFetchGitParallel(t *testing.T) {
	g := newGitWorld(t)
	g.commit("./tool")
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			o := g.options()
			o.Env = g.env()
			if ws, err := FetchGit(context.Background(), g, o, GitSource{URL: g.path("repo")}, ""); err != nil || ws.Current != "tool" {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if n := len(slices.DeleteFunc(g.git, func(s string) bool { return s != "worktree" })); n != 2 { // prune and add
		t.Errorf("%d checkouts", n)
	}
}

func TestFetchGitSubmodule(t *testing.T) {
	g := newGitWorld(t)
	g.do("sub", "init", "--quiet", "--initial-branch", "trunk")
	g.write("sub/file", "in the submodule")
	g.do("sub", "add", "--all")
	g.do("sub", "commit", "--quiet", "-m", "x")
	g.commit("./tool")
	g.do("repo", "submodule", "--quiet", "add", "../sub", "inner")
	g.commit()
	ws, err := g.fetch(GitSource{}, "")
	if err != nil {
		t.Fatal(err)
	}
	if data, err := os.ReadFile(filepath.Join(ws.Root, "inner", "file")); string(data) != "in the submodule" {
		t.Error(err)
	}
}

func TestFetchGitPackages(t *testing.T) {
	for name, tc := range map[string]struct {
		packages []string
		files    map[string]string
		name     string
		want     string // the package chosen
		reason   string
	}{
		"one of a workspace":    {packages: []string{"a", "b"}, files: map[string]string{"Cargo.toml": "[workspace]\n"}, name: "b", want: "b"},
		"the only program":      {packages: []string{"a", "lib1"}, files: map[string]string{"Cargo.toml": "[workspace]\n"}, want: "a"},
		"several":               {packages: []string{"a", "b"}, files: map[string]string{"Cargo.toml": "[workspace]\n"}, reason: SeveralPackages},
		"no program":            {packages: []string{"./lib1"}, reason: NoProgramInIt},
		"named without program": {packages: []string{"./lib1"}, name: "lib1", reason: NoProgramInIt},
		"no such package":       {packages: []string{"./a"}, name: "b", reason: NoPackage},
		"no manifest":           {files: map[string]string{"README": "x"}, reason: NoPackage},
		"below":                 {packages: []string{"deep/down/a", "target/b", ".hidden/c"}, want: "a"},
		"below, several":        {packages: []string{"deep/a", "deep/b"}, reason: SeveralPackages},
		"below, named":          {packages: []string{"./lib1", "deep/a", "deep/b"}, name: "b", want: "b"},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGitWorld(t)
			for file, text := range tc.files {
				g.write("repo/"+file, text)
			}
			g.commit(tc.packages...)
			ws, err := g.fetch(GitSource{}, tc.name)
			if tc.want != "" {
				if err != nil || ws.Current != tc.want {
					t.Errorf("%+v %v", ws, err)
				}
				return
			}
			if e, ok := errors.AsType[*GitError](err); !ok || e.Reason != tc.reason || e.Hint() == "" {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestFetchGitErrors(t *testing.T) {
	g := newGitWorld(t)
	commit := g.commit("./tool")
	for name, tc := range map[string]struct {
		src    GitSource
		reason string
	}{
		"no such tag":      {GitSource{Tag: "v9"}, NoReference},
		"no such branch":   {GitSource{Branch: "none"}, NoReference},
		"no such commit":   {GitSource{Rev: strings.Repeat("0123456789", 4)}, NoReference},
		"no such short":    {GitSource{Rev: "0123abc"}, NoReference},
		"two at once":      {GitSource{Tag: "v1", Branch: "trunk"}, BadGit},
		"an option":        {GitSource{Branch: "--upload-pack=x"}, BadGit},
		"an option as URL": {GitSource{URL: "--upload-pack=x"}, BadGit},
		"a range":          {GitSource{Rev: "a..b"}, BadGit},
		"no repository":    {GitSource{URL: "file:///nowhere/at/all"}, NoRepository},
		"no host":          {GitSource{URL: "https://127.0.0.1:1/x"}, NoHost},
		"no host, by git":  {GitSource{URL: "git://127.0.0.1:1/x"}, NoHost},
		"a program as URL": {GitSource{URL: "ext::false"}, GitReason},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := g.fetch(tc.src, "")
			if e, ok := errors.AsType[*GitError](err); !ok || e.Reason != tc.reason && name != "a program as URL" || e.Hint() == "" {
				t.Errorf("%v", err)
			}
		})
	}
	o := g.options()
	o.Env, o.Offline = g.env(), true
	src := GitSource{URL: g.path("repo"), Branch: "trunk"}
	_, err := FetchGit(context.Background(), g, o, src, "")
	if e, ok := errors.AsType[*GitError](err); !ok || e.Reason != NotFetched {
		t.Errorf("offline: %v", err)
	}
	o.Offline = false
	if _, err = FetchGit(context.Background(), g, o, src, ""); err != nil {
		t.Fatal(err)
	}
	o.Offline = true
	if ws, err := FetchGit(context.Background(), g, o, src, ""); err != nil || ws.Commit != commit {
		t.Errorf("offline, fetched before: %v", err)
	}
	o.Env, o.Offline = g.world.env(), false // no git in PATH
	_, err = FetchGit(context.Background(), g, o, src, "")
	if e, ok := errors.AsType[*GitError](err); !ok || e.Reason != NoGit || !strings.Contains(e.Hint(), "install git") {
		t.Errorf("no git: %v", err)
	}
}

func TestGitWords(t *testing.T) {
	for address, want := range map[string]string{
		"https://u:secret@x/y.git/": "https://u:secret@x/y.git", "git@x:a/b": "git@x:a/b", "repo": "/w/repo", "../a:b": "/a:b", "/abs/": "/abs",
	} {
		if got := gitAddress("/w", address); got != want {
			t.Errorf("%s: %s", address, got)
		}
	}
	for address, want := range map[string]string{
		"https://u:secret@x/y": "https://x/y", "https://token@x/y": "https://x/y", "ssh://git@x/y": "ssh://git@x/y", "git@x:a": "git@x:a", "/p": "/p",
	} {
		if got := withoutPassword(address); got != want {
			t.Errorf("%s: %s", address, got)
		}
	}
	for text, want := range map[string]string{
		"fatal: could not read Username for 'https://x': terminal prompts disabled\n":                           NoAccess,
		"git@x: Permission denied (publickey).\nfatal: Could not read from remote repository.\n":                NoAccess,
		"fatal: unable to access 'https://x/': Could not resolve host: x\n":                                     NoHost,
		"ssh: connect to host x port 22: Connection timed out\nfatal: Could not read from remote repository.\n": NoHost,
		"fatal: repository 'https://x/y/' not found\n":                                                          NoRepository,
		"remote: Repository not found.\nfatal: x\n":                                                             NoRepository,
		"fatal: couldn't find remote ref refs/heads/x\n":                                                        NoReference,
		"fatal: no space left on device\n":                                                                      GitReason,
	} {
		if got := gitReason(text); got != want {
			t.Errorf("%q: %s", text, got)
		}
	}
	g := &gitFetcher{url: "https://u:secret@x/y", shown: "https://x/y"}
	err := g.error(&run.ExitError{Path: "git", Code: 128, Stderr: "remote: hello\nfatal: unable to access 'https://u:secret@x/y/': The requested URL returned error: 403\n"})
	if strings.Contains(err.Error(), "secret") || !strings.Contains(err.Error(), "it asks who you are: unable to access") {
		t.Error(err)
	}
}
