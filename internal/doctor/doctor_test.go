// SPDX-License-Identifier: MIT OR Apache-2.0

package doctor

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"sampan/internal/cargo"
	"sampan/internal/native"
)

const (
	amd64 cargo.Triple = "x86_64-unknown-linux-musl"
	arm64 cargo.Triple = "aarch64-unknown-linux-musl"
)

func chain(names ...string) native.Cause {
	c := native.Cause{Crate: names[len(names)-1], Version: "1.0.0"}
	for _, n := range names {
		c.Chain = append(c.Chain, n+" 1.0.0")
	}
	return c
}

// well is a compile that needs nothing.
func well(t cargo.Triple) Look {
	g := &cargo.Graph{Nodes: []cargo.Node{{Name: "app", Version: "0.1.0"}, {Name: "dep", Version: "1.0.0", Target: true}, {Name: "dep", Version: "1.0.0", Host: true}}}
	return Look{Package: "app", Version: "0.1.0", Triple: t, Std: native.Here, Linker: "/rust/rust-lld", CA: true, Graph: g,
		Survey: &native.Survey{Needs: native.NeedsOf(g, t)}}
}

// ill is one that everything is the matter with.
func ill(t cargo.Triple) Look {
	l := well(t)
	l.Std, l.StdErr = native.Missing, &cargo.TargetError{Triple: t, Reason: cargo.NotOffered}
	l.Linker, l.LinkerErr = "", errors.New("find linker: none")
	l.CA = false
	l.Unfit = []*cargo.BrokenError{{Name: "old", Version: "0.1.0", Why: cargo.RefusesRust, Rust: "1.95.0", Works: "0.2.0"}}
	s := l.Survey
	s.Needs = native.Needs{C: true, CXX: true, By: []native.Cause{chain("app", "a"), chain("app", "b"), chain("app", "c"), chain("app", "d")},
		Loaders: []native.Cause{chain("app", "dl")}, Zones: []native.Cause{chain("app", "chrono")}, OldLibc: &native.Cause{Crate: "libc", Version: "0.2.1", Chain: []string{"app 0.1.0", "libc 0.2.1"}},
		TLS:       native.TLS{Bundle: true, Stacks: []native.Stack{{Cause: chain("app", "native-tls"), Without: "every handshake fails"}, {Cause: chain("app", "webpki-roots"), Builtin: true}}},
		Allocator: native.Allocator{Slow: true, Threads: []native.Cause{chain("app", "tokio")}}}
	s.Refused = []native.Refusal{{Library: "asound", Cause: chain("app", "alsa-sys"), Reason: "needs asound", Out: "leave it out"}}
	s.Tools = []native.SurveyedTool{{Tool: native.Tool{Name: "protoc", Cause: chain("app", "api"), Sure: true}},
		{Tool: native.Tool{Name: "nasm", Cause: chain("app", "asm")}}, {Tool: native.Tool{Name: "make", Cause: chain("app", "c")}, Path: "/usr/bin/make"}}
	s.Install = "apt-get install protobuf-compiler nasm"
	s.Compiler = &native.SurveyedCC{Kind: native.KindZig, Name: "zig", Version: "0.17.0", State: native.Missing, CXX: native.Build, Err: &native.CompilerError{Reason: native.NoClient, Triple: t}}
	s.Without = []*native.WantError{{Want: native.Want{Library: "mysqlclient", Chain: []string{"app 0.1.0", "my 1.0.0"}}, Triple: t, Reason: "it cannot", Way: "do without"}}
	s.Supplies = []native.SurveyedLib{{Supply: native.Supply{Name: "openssl", Version: "3.6.3"}, Title: "OpenSSL", State: native.Build, Time: "about a minute", Seconds: 60, Chain: []string{"app 0.1.0", "openssl-sys 1.0.0"}}}
	s.Notes = []string{"CC is set and wins"}
	return l
}

func rust() cargo.Toolchain {
	return cargo.Toolchain{Release: "1.95.0", Host: "x86_64-unknown-linux-gnu"}
}

func TestWell(t *testing.T) {
	r := Examine(Input{Toolchain: rust(), Looks: []Look{well(amd64)}, Next: "sampan build"})
	if !r.Ready || len(r.Findings) > 0 || r.Compiles[0].Crates != 2 || r.Compiles[0].Platform != "linux/amd64" {
		t.Errorf("%+v", r)
	}
	if got, want := text(&r.Compiles[0]), "std: here\nlinker: rust-lld, the toolchain's\nC: none: all of it is Rust\n"; got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	data, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	for _, list := range []string{`"findings":[]`, `"libraries":[]`, `"tools":[]`, `"refused":[]`, `"loaders":[]`, `"stacks":[]`, `"by":[]`, `"env":[]`, `"c":null`, `"old-libc":null`} {
		if !strings.Contains(string(data), list) {
			t.Errorf("no %s in %s", list, data)
		}
	}
}

func text(c *Compile) string {
	var b strings.Builder
	for _, r := range c.Rows(false) {
		b.WriteString(r.Label + ": " + r.Text)
		for _, m := range r.More {
			b.WriteString(" | " + m)
		}
		if r.Bad {
			b.WriteString(" !")
		}
		b.WriteString("\n")
	}
	return b.String()
}

func TestIll(t *testing.T) {
	r := Examine(Input{Toolchain: rust(), Looks: []Look{ill(amd64)}, Troubles: []error{errors.New("there is no Cargo.lock")}})
	want := `std: missing !
linker: missing !
C: and C++, compiled for 4 crates | app → a | app → b | app → c | and 1 more: --verbose
compiler: none !
OpenSSL: 3.6.3, to be built once, about a minute (app → openssl-sys)
refused: alsa-sys !
tools: protoc missing, nasm missing, make !
TLS trust: no CA bundle, and it is needed by native-tls; certificates compiled in by webpki-roots !
time zones: chrono: UTC only, unless built with --zoneinfo
old libc: 0.2.1: open64 and its kin, which musl has no more, are supplied (app → libc)
allocator: musl's, which many threads at once wait for (tokio): allocator = "mimalloc" takes its place and more memory; measure it
`
	if got := text(&r.Compiles[0]); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	var found []string
	for _, f := range r.Findings {
		found = append(found, f.Level+" "+f.ID)
		if f.Level == Error && f.ID != "workspace" && f.ID != "linker" && len(f.Ways) == 0 {
			t.Errorf("%s: nothing to type", f.Text)
		}
	}
	if got, want := strings.Join(found, ", "), "error workspace, error std, error linker, error rust, error refused, error tool, error compiler, error library, "+
		"warning tool, warning loader, warning ca, note override"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if r.Ready || r.Count(Error) != 8 {
		t.Errorf("ready: %v, %d errors", r.Ready, r.Count(Error))
	}
}

// What holds for several platforms is told once, with all of them; what holds for one, with that one.
func TestPlatforms(t *testing.T) {
	one, other := well(amd64), well(arm64)
	one.Survey.Refused = []native.Refusal{{Library: "asound", Cause: chain("app", "alsa-sys"), Reason: "needs asound", Out: "leave it out"}}
	other.Survey.Refused = one.Survey.Refused
	other.StdErr, other.Std = &cargo.TargetError{Triple: arm64, Reason: cargo.NoRustup}, native.Missing
	r := Examine(Input{Toolchain: rust(), Looks: []Look{one, other}})
	if len(r.Findings) != 2 || len(r.Findings[0].Triples) != 2 || len(r.Findings[1].Triples) != 1 || r.Findings[1].Triples[0] != arm64 {
		t.Errorf("%+v", r.Findings)
	}
}

func TestCompilerRows(t *testing.T) {
	for want, c := range map[string]C{
		"zig 0.17.0, to be fetched once (100 MB)":                                    {Kind: native.KindZig, Name: "zig", Version: "0.17.0", State: native.Fetch, Megabytes: 100},
		"zig 0.17.0, in the cache; its C++ library in the cache":                     {Kind: native.KindZig, Name: "zig", Version: "0.17.0", State: native.Cached, Runtime: native.Cached},
		"zig 0.17.0, /bin/zig; its C++ library to be made once, about half a minute": {Kind: native.KindZig, Name: "zig", Version: "0.17.0", State: native.Here, Path: "/bin/zig", Runtime: native.Build},
		"clang -m64, as CC_x86_64_unknown_linux_musl says":                           {Kind: native.KindUser, Name: "clang -m64", State: native.Yours, Variable: "CC_x86_64_unknown_linux_musl"},
		"musl-gcc, this machine's":                                                   {Kind: native.KindHost, Name: "musl-gcc", State: native.Here},
	} {
		if got := (&Compile{C: &c}).compiler().Text; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	l := well(amd64)
	l.Survey.Compiler = &native.SurveyedCC{Kind: native.KindHost, Name: "musl-gcc", State: native.Here, Instead: &native.CompilerError{Reason: native.NoClient}}
	if r := Examine(Input{Toolchain: rust(), Looks: []Look{l}}); !r.Ready || r.Count(Warning) != 1 || !strings.Contains(r.Findings[0].Text, "other bytes") {
		t.Errorf("%+v", r.Findings)
	}
	l.Survey.Compiler = &native.SurveyedCC{Kind: native.KindUser, Name: "clang", State: native.Yours, Variable: "CC_x", CXX: native.Missing}
	if r := Examine(Input{Toolchain: rust(), Looks: []Look{l}}); !r.Ready || r.Count(Warning) != 1 || !strings.Contains(r.Findings[0].Ways[0], "CXX_x86_64_unknown_linux_musl") {
		t.Errorf("%+v", r.Findings)
	}
}

// TestAllocatorRow: what the setting puts in the place of musl's malloc, and what stays.
func TestAllocatorRow(t *testing.T) {
	mimalloc := &native.Supply{Name: "mimalloc", Version: "3.3.2"}
	jemalloc := []native.Cause{{Crate: "tikv-jemallocator", Version: "0.6.0"}}
	for want, a := range map[string]native.Allocator{
		"mimalloc 3.3.2 in musl's place, as set":                                                        {Supplied: mimalloc},
		"mimalloc 3.3.2 in musl's place, as set; tikv-jemallocator for Rust where it is the global one": {Supplied: mimalloc, Crates: jemalloc},
		"tikv-jemallocator": {Crates: jemalloc},
		"":                  {},
	} {
		c := Compile{Allocator: a}
		got := ""
		for _, row := range c.allocator(false) {
			got += row.Text
		}
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
