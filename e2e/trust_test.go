// SPDX-License-Identifier: MIT OR Apache-2.0

//go:build e2e && long && linux

package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sampan/internal/cargo"
	"sampan/internal/native"
	"sampan/internal/run"
)

// trustStack is a crate of testdata/trust: one way in which Rust programs come to trust a server.
type trustStack struct {
	crate   string
	by      string // the crate that Sampan names as the reason
	builtin bool   // its certificates are compiled in, so that no file can add to them
}

var trustStacks = []trustStack{
	{crate: "native", by: "native-tls"},
	{crate: "stored", by: "rustls-native-certs"},
	{crate: "platform", by: "rustls-platform-verifier"},
	{crate: "webpki", by: "webpki-roots", builtin: true},
	{crate: "curl-bundled", by: "curl-sys"},
	{crate: "git", by: "libgit2-sys"},
	{crate: "ureq-now", by: "webpki-roots", builtin: true},
	{crate: "reqwest-now", by: "rustls-platform-verifier"},
	{crate: "reqwest-then", by: "native-tls"},
}

// TestTrust: each stack, in its image, trusts the server whose CA was given by ca-files and refuses the one whose CA is
// unknown. Where the certificates are compiled in it refuses both: those of an image cannot help there. What Sampan tells
// from the graph agrees with what the programs do.
func TestTrust(t *testing.T) {
	dir := filepath.Join(shared, "trust")
	if err := os.CopyFS(dir, os.DirFS(filepath.Join("testdata", "trust"))); err != nil {
		t.Fatal(err)
	}
	known, ca := secure(t)
	unknown, _ := secure(t)
	for _, s := range trustStacks {
		t.Run(s.crate, func(t *testing.T) {
			told := trustOf(t, dir, s.crate)
			if told.Bundle == s.builtin || len(told.Stacks) == 0 || told.Stacks[0].Crate != s.by || told.Stacks[0].Builtin != s.builtin {
				t.Errorf("the graph tells %+v", told)
			}
			image := trustImage(t, dir, s.crate, "--ca-file", ca)
			switch out := image.Run(t, known); {
			case s.builtin && (out.Code != 3 || !strings.Contains(out.Stderr, "UnknownIssuer")):
				t.Errorf("certificates that are compiled in know the test's CA: %+v", out)
			case !s.builtin && (out.Code != 0 || out.Stdout != page+"\n"):
				t.Errorf("with its CA: %+v", out)
			}
			refuses(t, image, unknown, "another CA")
			refuses(t, trustImage(t, dir, s.crate), known, "without its CA")
			out := refuses(t, trustImage(t, dir, s.crate, "--ca=false"), known, "without any")
			t.Logf("without any certificates: %s", strings.TrimSpace(out.Stderr))
		})
	}
}

// refuses runs a program that must not trust the server, and which says that this is why.
func refuses(t *testing.T, image *Image, address, what string) Output {
	t.Helper()
	out := image.Run(t, address)
	said := strings.ToLower(out.Stderr)
	if out.Code != 3 || out.Stdout != "" || !strings.Contains(said, "certificate") && !strings.Contains(said, "unknownissuer") {
		t.Errorf("%s: %+v", what, out)
	}
	return out
}

func trustImage(t *testing.T, dir, crate string, args ...string) *Image {
	t.Helper()
	layout := filepath.Join(t.TempDir(), "layout")
	Built(t, dir, []string{"SAMPAN_CACHE_DIR=" + NativeCache(t)}, append([]string{"-p", crate, "-o", "oci:" + layout}, args...)...)
	return Unpack(t, layout)
}

// trustOf is what Sampan reads from a crate's graph.
func trustOf(t *testing.T, dir, crate string) native.TLS {
	t.Helper()
	r := &run.System{}
	ws, err := cargo.Load(t.Context(), r, cargo.LoadOptions{Dir: dir, Env: cargoEnv(), CacheDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	g, err := cargo.LoadGraph(t.Context(), r, ws, cargo.GraphOptions{Package: crate, Triple: cargoMusl, Locked: true})
	if err != nil {
		t.Fatal(err)
	}
	return native.NeedsOf(g, cargoMusl).TLS
}
