// SPDX-License-Identifier: MIT OR Apache-2.0

package transport

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"
)

// Which token server may get a registry's credential.
func TestR12Realms(t *testing.T) {
	for _, c := range []struct {
		registry, realm string
		ok              bool
	}{
		{"registry.example.com", "https://registry.example.com/token", true},
		{"registry.example.com", "https://registry.example.com:5001/auth", true},
		{"registry.example.com", "https://auth.example.com/token", true},
		{"registry.example.com", "https://example.com/jwt/auth", true},
		{"docker.io", "https://auth.docker.io/token", true},
		{"index.docker.io", "https://auth.docker.io/token", true},
		{"registry.example.com", "http://registry.example.com/token", false},
		{"registry.example.com", "https://registry.example.com.evil.test/token", false},
		{"registry.example.com", "https://registryexample.com/token", false},
		{"registry.example.com", "https://evil-example.com/token", false},
		{"registry.example.com", "https://example.com.evil.test/", false},
		{"registry.example.com", "https://registry.example.com@evil.test/", false},
		{"registry.example.com", "https://u:p@registry.example.com/", false},
		{"registry.example.com", "https://127.0.0.1/", false},
		{"registry.example.com", "https://[::1]/", false},
		{"registry.example.com", "https://[::ffff:10.0.0.1]/", false},
		{"registry.example.com", "https://169.254.169.254/latest/meta-data", false},
		{"registry.example.com", "https://localhost/", false},
		{"registry.example.com", "https://intranet/", false},
		{"registry.example.com", "gopher://registry.example.com/", false},
		{"shop.co.uk", "https://evil.co.uk/token", false}, // both below a name that nobody owns
		{"one.github.io", "https://two.github.io/token", false},
		{"docker.io", "https://docker.io.evil.test/", false},
		{"10.0.0.5:5000", "http://10.0.0.5:5001/token", false},
		{"10.0.0.5:5000", "https://10.0.0.5:5000/token", true},
		{"localhost:5000", "http://localhost:5000/token", true},
		{"localhost:5000", "http://localhost:5001/token", false},
		{"registry:5000", "https://auth:5000/token", false},
	} {
		n, err := ParseName(c.registry)
		if err != nil {
			t.Fatal(err)
		}
		h := New(Options{Now: time.Now}).host(n)
		h.badge.challenge = &challenge{scheme: "bearer", realm: c.realm}
		_, err = h.realm(Credential{Origin: "x", User: "u", Password: "p"})
		var auth *AuthError
		if (err == nil) != c.ok || err != nil && (!errors.As(err, &auth) || auth.Hint() == "") {
			t.Errorf("%s, token server %s: %v", c.registry, c.realm, err)
		}
	}
}

func TestChallenges(t *testing.T) {
	for line, want := range map[string]challenge{
		`Bearer realm="https://a.b/t",service="s, with comma",scope="repository:a:pull,push"`: {"bearer", "https://a.b/t", "s, with comma", "repository:a:pull,push", ""},
		`bearer REALM=https://a.b/t , error="invalid_token"`:                                  {"bearer", "https://a.b/t", "", "", "invalid_token"},
		`Basic realm="x"`:          {scheme: "basic"},
		`Bearer realm="a\"b"`:      {scheme: "bearer", realm: `a"b`},
		`Bearer realm="never ends`: {scheme: "bearer", realm: "never ends"},
		`Bearer`:                   {scheme: "bearer"},
		`Bearer ,,=,"`:             {scheme: "bearer"},
	} {
		got := wants(http.Header{"Www-Authenticate": {line}})
		if got == nil || *got != want {
			t.Errorf("%s: %+v", line, got)
		}
	}
	both := wants(http.Header{"Www-Authenticate": {`Basic realm="x"`, `Bearer realm="y"`}})
	if both == nil || both.scheme != "bearer" {
		t.Errorf("%+v", both)
	}
	if got := wants(http.Header{"Www-Authenticate": {`Negotiate`}}); got != nil {
		t.Errorf("%+v", got)
	}
}

func FuzzChallenge(f *testing.F) {
	f.Add(`Bearer realm="https://a.b/t",service="s",scope="x"`)
	f.Add(`Bearer a=",b\`)
	f.Fuzz(func(t *testing.T, line string) {
		for name, value := range parameters(line) {
			if len(name)+len(value) > len(line)*4 {
				t.Errorf("%q grew", line)
			}
		}
	})
}

func TestNames(t *testing.T) {
	for word, want := range map[string]Name{
		"ghcr.io/team/app":         {Host: "ghcr.io", Path: "team/app"},
		"GHCR.io/team/app":         {Host: "ghcr.io", Path: "team/app"},
		"localhost/app":            {Host: "localhost", Path: "app"},
		"localhost:5000/a/b_c/d-e": {Host: "localhost:5000", Path: "a/b_c/d-e"},
		"http://r.example.com/a":   {Scheme: "http", Host: "r.example.com", Path: "a"},
		"[::1]:5000/a":             {Host: "[::1]:5000", Path: "a"},
		"ghcr.io":                  {Host: "ghcr.io"},
		"ghcr.io/":                 {Host: "ghcr.io"},
	} {
		if got, err := ParseName(word); err != nil || got != want {
			t.Errorf("%s: %+v, %v", word, got, err)
		}
	}
	for _, word := range []string{"", "app", "team/app", "ghcr.io/Team", "ghcr.io/a:v1", "ghcr.io/a@sha256:00", "u:p@ghcr.io/a", "ghcr.io:0/a", "ghcr.io:99999/a",
		"ghcr.io//a", "ghcr.io/../a", "ghcr.io/a/", "-a.io/b", "a..b/c", "[::1/a", "http:///a", "ftp://a.b/c", "ghcr.io/" + strings.Repeat("a", 300), "a.b\x00/c", "a.b/\u202e"} {
		var e *NameError
		if got, err := ParseName(word); !errors.As(err, &e) || e.Hint() == "" {
			t.Errorf("%q: %+v, %v", word, got, err)
		}
	}
}

func TestDigests(t *testing.T) {
	for _, bad := range []string{"", "sha256:", "sha256:" + strings.Repeat("A", 64), "sha256:" + strings.Repeat("a", 63), "sha512:" + strings.Repeat("a", 64),
		"sha256:../../../../" + strings.Repeat("a", 52), strings.Repeat("a", 64)} {
		if IsDigest(bad) {
			t.Errorf("%q passed", bad)
		}
		n, _ := ParseName("127.0.0.1:1/app")
		r := New(Options{Now: time.Now}).Repository(n)
		if _, err := r.HasBlob(t.Context(), bad); err == nil || !strings.Contains(err.Error(), "not a SHA-256 digest") {
			t.Errorf("%q: %v", bad, err)
		}
	}
	if !IsDigest(anyDigest) {
		t.Error("a digest is none")
	}
}

func TestCredentialTellsNothing(t *testing.T) {
	c := Credential{Origin: "f", User: "u", Password: "secret-password", Identity: "secret-identity", Bearer: "secret-bearer"}
	if text := c.String() + c.GoString(); strings.Contains(text, "secret") {
		t.Error(text)
	}
	if lifetime(json.Number("0")) != 54*time.Second || lifetime("") != 54*time.Second || lifetime("999999999999") != 24*time.Hour*9/10 {
		t.Error("lifetimes of tokens")
	}
}
