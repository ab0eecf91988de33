// SPDX-License-Identifier: MIT OR Apache-2.0

package transport

import (
	"context"
	"encoding/base64"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sampan/internal/run"
)

// helpers are credential helpers that are no programs.
type helpers map[string]func(c run.Cmd, input string) error

func (h helpers) Run(ctx context.Context, c run.Cmd) error {
	f, ok := h[c.Path]
	if !ok {
		return &run.NotFoundError{Name: c.Path}
	}
	input, _ := io.ReadAll(c.Stdin)
	return f(c, string(input))
}

func says(text string, code int) func(run.Cmd, string) error {
	return func(c run.Cmd, _ string) error {
		_, _ = io.WriteString(c.Stdout, text)
		if code != 0 {
			return &run.ExitError{Path: c.Path, Code: code}
		}
		return nil
	}
}

func b64(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

// find writes files and looks for a login.
func find(t *testing.T, repo string, h helpers, env []string, files ...string) (Credential, error) {
	t.Helper()
	k := &Keys{Runner: h, Env: env}
	for i, text := range files {
		path := filepath.Join(t.TempDir(), string(rune('a'+i))+".json")
		if text != "" {
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		k.Files = append(k.Files, path)
	}
	n, err := ParseName(repo)
	if err != nil {
		t.Fatal(err)
	}
	return k.For(t.Context(), n)
}

func TestLogins(t *testing.T) {
	entry := func(key string) string { return `{"auths":{"` + key + `":{"auth":"` + b64("u:p:w") + `"}}}` }
	good := helpers{"docker-credential-good": func(c run.Cmd, input string) error {
		_, _ = io.WriteString(c.Stdout, `{"Username":"h","Secret":"`+input+`"}`)
		return nil
	}, "docker-credential-token": says(`{"Username":"<token>","Secret":"id"}`, 0), "docker-credential-empty": says("credentials not found in native keychain\n", 1)}
	for _, c := range []struct {
		name, repo string
		files      []string
		env        []string
		want       Credential // less its origin
	}{
		{"by host", "r.example.com/a", []string{entry("r.example.com")}, nil, Credential{User: "u", Password: "p:w"}},
		{"by address", "r.example.com/a", []string{entry("https://r.example.com/v1/")}, nil, Credential{User: "u", Password: "p:w"}},
		{"with its port", "r.example.com:5000/a", []string{entry("r.example.com:5000")}, nil, Credential{User: "u", Password: "p:w"}},
		{"another port", "r.example.com:5000/a", []string{entry("r.example.com")}, nil, Credential{}},
		{"a longer host", "r.example.com.evil.test/a", []string{entry("r.example.com")}, nil, Credential{}},
		{"a host within", "xr.example.com/a", []string{entry("r.example.com")}, nil, Credential{}},
		{"Docker Hub", "docker.io/u/a", []string{entry("https://index.docker.io/v1/")}, nil, Credential{User: "u", Password: "p:w"}},
		{"podman's part of a registry", "r.example.com/team/a", []string{entry("r.example.com/team")}, nil, Credential{User: "u", Password: "p:w"}},
		{"another part", "r.example.com/teams/a", []string{entry("r.example.com/team")}, nil, Credential{}},
		{"the second file", "r.example.com/a", []string{"", `{"auths":{}}`, entry("r.example.com")}, nil, Credential{User: "u", Password: "p:w"}},
		{"an empty file", "r.example.com/a", []string{" \n"}, nil, Credential{}},
		{"fields", "r.example.com/a", []string{`{"auths":{"r.example.com":{"username":"n","password":"s"}}}`}, nil, Credential{User: "n", Password: "s"}},
		{"identity token", "r.example.com/a", []string{`{"auths":{"r.example.com":{"auth":"` + b64("u:") + `","identitytoken":"i"}}}`}, nil, Credential{User: "u", Identity: "i"}},
		{"registry token", "r.example.com/a", []string{`{"auths":{"r.example.com":{"registrytoken":"b"}}}`}, nil, Credential{Bearer: "b"}},
		{"helper of a host", "r.example.com/a", []string{`{"credHelpers":{"r.example.com":"good"},"auths":{"r.example.com":{"auth":"` + b64("u:p") + `"}}}`}, nil, Credential{User: "h", Password: "r.example.com"}},
		{"store", "r.example.com/a", []string{`{"credsStore":"good","auths":{"r.example.com":{}}}`}, nil, Credential{User: "h", Password: "r.example.com"}},
		{"store of Docker Hub", "docker.io/u/a", []string{`{"credsStore":"good"}`}, nil, Credential{User: "h", Password: "https://index.docker.io/v1/"}},
		{"store with an identity token", "r.example.com/a", []string{`{"credsStore":"token"}`}, nil, Credential{User: "<token>", Identity: "id"}},
		{"an empty store, then a file", "r.example.com/a", []string{`{"credsStore":"empty"}`, entry("r.example.com")}, nil, Credential{User: "u", Password: "p:w"}},
		{"Actions", "ghcr.io/a/b", nil, []string{"GITHUB_ACTIONS=true", "GITHUB_TOKEN=t", "GITHUB_ACTOR=me"}, Credential{User: "me", Password: "t"}},
		{"Actions, elsewhere", "ghcr.io.evil.test/a/b", nil, []string{"GITHUB_ACTIONS=true", "GITHUB_TOKEN=t"}, Credential{}},
		{"a token, not in Actions", "ghcr.io/a/b", nil, []string{"GITHUB_TOKEN=t"}, Credential{}},
	} {
		got, err := find(t, c.repo, good, c.env, c.files...)
		if !got.none() && got.Origin == "" {
			t.Errorf("%s: it does not say where it came from", c.name)
		}
		got.Origin = ""
		if err != nil || got.none() != c.want.none() || !c.want.none() && got != c.want {
			t.Errorf("%s: %#v %+v, %v", c.name, got, got.Password, err)
		}
	}
}

func TestR30HelpersThatMisbehave(t *testing.T) {
	h := helpers{
		"docker-credential-fails": says("something broke \x1b[31m", 1),
		"docker-credential-html":  says("<html>", 0),
		"docker-credential-long":  says(strings.Repeat("x", 10<<20), 0),
		"docker-credential-lines": says(`{"Username":"u\nHost: evil","Secret":"s"}`, 0),
		"docker-credential-hangs": func(run.Cmd, string) error { return context.DeadlineExceeded },
	}
	for _, name := range []string{"fails", "html", "long", "lines", "hangs", "missing", "../evil", "a b", "", "-x", "$(id)"} {
		file := `{"credHelpers":{"r.example.com":"` + name + `"}}`
		_, err := find(t, "r.example.com/a", h, nil, file)
		var key *KeyError
		if !errors.As(err, &key) || key.Hint() == "" || len(err.Error()) > 600 || strings.ContainsAny(err.Error(), "\x1b\n") {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, file := range []string{"{", `{"auths":7}`, `{"auths":{"r.example.com":{"auth":"!!"}}}`, `{"auths":{"r.example.com":{"auth":"` + b64("nocolon") + `"}}}`, strings.Repeat(" ", 5<<20)} {
		_, err := find(t, "r.example.com/a", h, nil, file)
		var key *KeyError
		if !errors.As(err, &key) || strings.Contains(err.Error(), "nocolon") {
			t.Errorf("%.40s: %v", file, err)
		}
	}
}

func TestAuthFiles(t *testing.T) {
	get := func(set ...string) func(string) string { return func(name string) string { return lookup(set, name) } }
	got := AuthFiles(get("REGISTRY_AUTH_FILE=/r", "DOCKER_CONFIG=/d", "XDG_RUNTIME_DIR=/x", "XDG_CONFIG_HOME=/c"), "/home")
	if want := "/r /d/config.json /x/containers/auth.json /c/containers/auth.json"; filepath.ToSlash(strings.Join(got, " ")) != want {
		t.Errorf("%q", got)
	}
	got = AuthFiles(get(), "/home")
	if want := "/home/.docker/config.json /home/.config/containers/auth.json"; filepath.ToSlash(strings.Join(got, " ")) != want {
		t.Errorf("%q", got)
	}
}
