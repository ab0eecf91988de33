// SPDX-License-Identifier: MIT OR Apache-2.0

package native

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"sampan/internal/cargo"
	"sampan/internal/run"
)

// sslGraph is a package that links OpenSSL and a library of its own C.
func sslGraph() *cargo.Graph {
	return &cargo.Graph{Nodes: []cargo.Node{
		{Name: "app", Version: "0.1.0", Target: true, Deps: []cargo.Edge{{To: 2}, {To: 3}}},
		{Name: "cc", Version: "1.2.0", Host: true},
		{Name: "openssl-sys", Version: "0.9.109", Links: "openssl", Target: true, BuildScript: true, Deps: []cargo.Edge{{To: 1, Build: true}}},
		{Name: "pq-sys", Version: "0.7.5", Links: "pq", Target: true, BuildScript: true},
	}}
}

// bare is a machine with the given programs in PATH.
func bare(t *testing.T, programs ...string) SurveyOptions {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("programs are made as on Linux")
	}
	bin := t.TempDir()
	for _, p := range programs {
		if err := os.WriteFile(filepath.Join(bin, p), []byte("#!/bin/sh\nexit 1\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return SurveyOptions{PartOptions: PartOptions{Triple: "x86_64-unknown-linux-musl", Package: "app", Env: []string{"PATH=" + bin}},
		CacheDir: t.TempDir(), Runner: &run.System{}, Install: true}
}

func survey(t *testing.T, g *cargo.Graph, o SurveyOptions) *Survey {
	t.Helper()
	s, err := SurveyOf(context.Background(), g, o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSurveyOfNothing(t *testing.T) {
	o := bare(t, "pip3")
	s := survey(t, sslGraph(), o)
	if c := s.Compiler; c.Kind != KindZig || c.State != Fetch || c.Megabytes == 0 || c.Err != nil {
		t.Errorf("compiler: %+v", c)
	}
	var libs []string
	for _, l := range s.Supplies {
		libs = append(libs, l.Name+" "+string(l.State)+" "+Arrow(l.Chain))
		if l.Seconds == 0 || l.Time == "" {
			t.Errorf("%s takes no time", l.Name)
		}
	}
	if got := strings.Join(libs, ", "); got != "openssl build app → openssl-sys, libpq build app → pq-sys" {
		t.Errorf("libraries: %s", got)
	}
	var missing []string
	for _, tool := range s.Tools {
		if tool.Path == "" {
			missing = append(missing, tool.Name+" for "+tool.For)
		}
	}
	if got := strings.Join(missing, ", "); got != "make for openssl, perl for openssl" && got != "perl for openssl, make for openssl" {
		t.Errorf("missing: %s", got)
	}
	if !strings.Contains(s.Install, "apt-get install") {
		t.Errorf("install: %s", s.Install)
	}
	if entries, err := os.ReadDir(o.CacheDir); err != nil || len(entries) > 0 {
		t.Errorf("it wrote: %v, %v", entries, err)
	}
}

func TestSurveyOfCompilers(t *testing.T) {
	reason := func(c *SurveyedCC) CompilerReason {
		e, ok := errors.AsType[*CompilerError](c.Err)
		if !ok {
			t.Fatalf("no reason: %+v", c)
		}
		return e.Reason
	}
	if c := survey(t, sslGraph(), bare(t)).Compiler; c.State != Missing || reason(c) != NoClient {
		t.Errorf("without pip: %+v", c)
	}
	o := bare(t, "pip3")
	o.Install = false
	if c := survey(t, sslGraph(), o).Compiler; c.State != Missing || reason(c) != NotAllowed {
		t.Errorf("--no-install: %+v", c)
	}
	o = bare(t, "x86_64-linux-musl-gcc")
	if c := survey(t, sslGraph(), o).Compiler; c.Kind != KindHost || c.State != Here || c.Instead == nil {
		t.Errorf("the host's in zig's place: %+v", c)
	}
	o.Kind = KindZig
	if c := survey(t, sslGraph(), o).Compiler; c.State != Missing {
		t.Errorf("--cc zig: %+v", c)
	}
	o = bare(t, "pip3")
	o.Kind = KindHost
	if c := survey(t, sslGraph(), o).Compiler; c.State != Missing || reason(c) != NoHost {
		t.Errorf("--cc host: %+v", c)
	}
	o = bare(t, "pip3")
	o.Env = append(o.Env, "CC_x86_64_unknown_linux_musl=not-there")
	if c := survey(t, sslGraph(), o).Compiler; c.Kind != KindUser || c.State != Missing || reason(c) != NoUser {
		t.Errorf("the user's: %+v", c)
	}
}

func TestSurveyOfWhatIsTheirs(t *testing.T) {
	o := bare(t, "pip3")
	o.Env = append(o.Env, "X86_64_UNKNOWN_LINUX_MUSL_OPENSSL_DIR=/opt/ssl", "AR_x86_64_unknown_linux_musl=/opt/ar")
	g := sslGraph()
	g.Nodes, g.Nodes[0].Deps = g.Nodes[:3], g.Nodes[0].Deps[:1] // libpq would call ours
	s := survey(t, g, o)
	if len(s.Supplies) != 1 || s.Supplies[0].State != Yours || s.Supplies[0].From != "X86_64_UNKNOWN_LINUX_MUSL_OPENSSL_DIR" {
		t.Errorf("supplies: %+v", s.Supplies)
	}
	for _, want := range []string{"X86_64_UNKNOWN_LINUX_MUSL_OPENSSL_DIR is set and wins", "AR_x86_64_unknown_linux_musl=/opt/ar is set and wins"} {
		if !slices.ContainsFunc(s.Notes, func(n string) bool { return strings.Contains(n, want) }) {
			t.Errorf("no note %q in %q", want, s.Notes)
		}
	}
	if len(s.Tools) > 0 {
		t.Errorf("nothing is made, and yet tools are wanted: %+v", s.Tools)
	}
}

// What is made already takes no tools: not for the survey, and not for the part of a plan.
func TestPartOfWhatIsMade(t *testing.T) {
	o := bare(t, "pip3").PartOptions
	_, err := PartOf(sslGraph(), o)
	e, ok := errors.AsType[*RefusalError](err)
	if !ok || len(e.Missing) != 2 || !strings.Contains(err.Error(), "perl is not on this machine, and openssl-sys 0.9.109 wants openssl, which is made with it") {
		t.Fatalf("got %v", err)
	}
	o.Made = []string{"openssl"}
	p, err := PartOf(sslGraph(), o)
	if err != nil || len(p.Supplies) != 2 {
		t.Errorf("got %+v, %v", p, err)
	}
}
