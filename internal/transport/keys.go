// SPDX-License-Identifier: MIT OR Apache-2.0

package transport

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"sampan/internal/run"
)

// Keys finds credentials where users have them already: the files that docker and podman write, and the programs that
// those files name. Nothing is read before For is called.
type Keys struct {
	Files  []string // in the order in which they are looked into; what is not there is passed over
	Env    []string // of the helpers; GITHUB_TOKEN is found in it
	Runner run.Runner
}

// AuthFiles are the files that hold logins, the one that the user named before those in docker's and podman's places.
func AuthFiles(lookup func(string) string, home string) []string {
	var out []string
	add := func(dir string, parts ...string) {
		if dir != "" {
			out = append(out, filepath.Join(append([]string{dir}, parts...)...))
		}
	}
	add(lookup("REGISTRY_AUTH_FILE"))
	if dir := lookup("DOCKER_CONFIG"); dir != "" {
		add(dir, "config.json")
	} else {
		add(home, ".docker", "config.json")
	}
	add(lookup("XDG_RUNTIME_DIR"), "containers", "auth.json")
	if dir := lookup("XDG_CONFIG_HOME"); dir != "" {
		add(dir, "containers", "auth.json")
	} else {
		add(home, ".config", "containers", "auth.json")
	}
	return out
}

// authFile is what docker's config.json and podman's auth.json have in common.
type authFile struct {
	Auths   map[string]authEntry `json:"auths"`
	Helpers map[string]string    `json:"credHelpers"`
	Store   string               `json:"credsStore"`
}

type authEntry struct {
	Auth     string `json:"auth"`
	User     string `json:"username"`
	Password string `json:"password"`
	Identity string `json:"identitytoken"`
	Bearer   string `json:"registrytoken"`
}

// For finds the credential of a repository, the zero value when there is none. The first file that knows the host
// counts; in it a helper named for that host, then an entry, then the store for all hosts.
func (k *Keys) For(ctx context.Context, n Name) (Credential, error) {
	for _, path := range k.Files {
		f, err := readAuthFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return Credential{}, &KeyError{Source: path, Err: err, hint: "mend or remove " + path}
		}
		c, err := k.in(ctx, f, path, n)
		if err != nil || !c.none() {
			return c, err
		}
	}
	if token := lookup(k.Env, "GITHUB_TOKEN"); token != "" && n.Host == "ghcr.io" && lookup(k.Env, "GITHUB_ACTIONS") == "true" {
		user := lookup(k.Env, "GITHUB_ACTOR")
		if user == "" {
			user = "github-actions"
		}
		return Credential{Origin: "GITHUB_TOKEN", User: user, Password: token}, nil
	}
	return Credential{}, nil
}

func lookup(env []string, name string) string {
	out := ""
	for _, e := range env {
		if k, v, ok := strings.Cut(e, "="); ok && k == name {
			out = v
		}
	}
	return out
}

func (k *Keys) in(ctx context.Context, f *authFile, path string, n Name) (Credential, error) {
	for host, helper := range f.Helpers {
		if plainKey(host) == plainKey(n.Host) {
			return k.helper(ctx, helper, path, n)
		}
	}
	entries := map[string]authEntry{}
	for key, e := range f.Auths {
		entries[plainKey(key)] = e
	}
	// podman knows logins for a part of a registry; the nearest one counts.
	for key := plainKey(n.Host) + "/" + n.Path; key != ""; {
		if c, err := entries[key].credential(path); err != nil || !c.none() {
			return c, err
		}
		at := strings.LastIndexByte(key, '/')
		if at < 0 {
			break
		}
		key = key[:at]
	}
	if f.Store != "" {
		return k.helper(ctx, f.Store, path, n)
	}
	return Credential{}, nil
}

// plainKey is a host, or a host and a path, as it is compared: files write it with a scheme and a version, too.
func plainKey(key string) string {
	_, rest, schemed := strings.Cut(key, "://")
	if !schemed {
		rest = key
	}
	rest = strings.TrimSuffix(rest, "/")
	host, path, _ := strings.Cut(rest, "/")
	host = strings.ToLower(host)
	if isHub(host) {
		host, schemed = "docker.io", true
	}
	if schemed && (path == "v1" || path == "v2") || path == "" {
		return host
	}
	return host + "/" + path
}

func (e authEntry) credential(path string) (Credential, error) {
	c := Credential{Origin: path, User: e.User, Password: e.Password, Identity: e.Identity, Bearer: e.Bearer}
	if e.Auth != "" {
		raw, err := base64.StdEncoding.DecodeString(e.Auth)
		user, password, ok := strings.Cut(string(raw), ":")
		if err != nil || !ok {
			return c, &KeyError{Source: path, Err: errors.New("an entry's auth is not base64 of USER:PASSWORD"), hint: "log in again"}
		}
		c.User, c.Password = user, strings.TrimRight(password, "\x00")
	}
	return c, nil
}

func readAuthFile(path string) (*authFile, error) {
	file, err := os.Open(path)
	if err != nil {
		if info, statErr := os.Stat(filepath.Dir(path)); statErr == nil && !info.IsDir() {
			return nil, fs.ErrNotExist // its folder is a file: there is nothing
		}
		return nil, err
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, maxJSON+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxJSON {
		return nil, fmt.Errorf("larger than %d bytes", maxJSON)
	}
	f := &authFile{}
	if len(strings.TrimSpace(string(data))) == 0 {
		return f, nil
	}
	if err := json.Unmarshal(data, f); err != nil {
		return nil, fmt.Errorf("not the JSON of docker or podman (%s)", jsonFault(err))
	}
	return f, nil
}

// KeyError is a place of credentials that cannot be read.
type KeyError struct {
	Source string // a file, or a helper
	Err    error
	hint   string
}

func (e *KeyError) Error() string { return fmt.Sprintf("read credentials of %s: %v", e.Source, e.Err) }

// Unwrap returns the cause.
func (e *KeyError) Unwrap() error { return e.Err }

// Hint says what to type.
func (e *KeyError) Hint() string { return e.hint }
