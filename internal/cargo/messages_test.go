// SPDX-License-Identifier: MIT OR Apache-2.0

package cargo

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

const messages = `{"reason":"compiler-artifact","package_id":"registry+https://github.com/rust-lang/crates.io-index#libc@0.2.170","manifest_path":"/h/libc/Cargo.toml","target":{"kind":["custom-build"],"crate_types":["bin"],"name":"build-script-build","src_path":"/h/libc/build.rs","edition":"2021","doc":false,"doctest":false,"test":false},"profile":{"opt_level":"0","debuginfo":0,"debug_assertions":false,"overflow_checks":false,"test":false},"features":["default","std"],"filenames":["/w/target/release/build/libc-1/build-script-build"],"executable":null,"fresh":true}
{"reason":"build-script-executed","package_id":"registry+https://github.com/rust-lang/crates.io-index#zz-sys@1.0.0","linked_libs":["static=zz","ssl"],"linked_paths":["native=/w/out"],"cfgs":[],"env":[["A","b"]],"out_dir":"/w/out"}

warning: a wrapper prints this
{"reason":"compiler-message","message":{}}
{"reason":
[1,2]
   {"reason":"compiler-artifact","package_id":"path+file:///w/app#0.1.0","target":{"kind":["bin"],"crate_types":["bin"],"name":"app","src_path":"/w/app/src/main.rs"},"features":[],"filenames":["/w/target/x86_64-unknown-linux-musl/release/app"],"executable":"/w/target/x86_64-unknown-linux-musl/release/app","fresh":false}
{"reason":"build-finished","success":true}`

func TestReadMessages(t *testing.T) {
	var got []Message
	err := ReadMessages(iotest.OneByteReader(strings.NewReader(messages)), func(m Message) error {
		got = append(got, m)
		return nil
	})
	if err != nil || len(got) != 4 {
		t.Fatalf("%d messages, %v", len(got), err)
	}
	if m := got[1]; !cmp.Equal(m.LinkedLibs, []string{"static=zz", "ssl"}) || !cmp.Equal(m.LinkedPaths, []string{"native=/w/out"}) {
		t.Errorf("build script %+v", m)
	}
	if m := got[2]; m.Executable != "/w/target/x86_64-unknown-linux-musl/release/app" || m.Fresh || m.Target.Name != "app" {
		t.Errorf("artifact %+v", m)
	}
	if m := got[3]; m.Reason != BuildFinished || !m.Success {
		t.Errorf("end %+v", m)
	}
	ws := &Workspace{TargetDir: "/w/target", BuildDir: "/w/target"}
	for i, want := range map[int]Unit{
		0: {
			ID: got[0].PackageID, Name: "libc", Version: "0.2.170", Source: "registry+https://github.com/rust-lang/crates.io-index",
			Kinds: []string{"custom-build"}, Features: []string{"default", "std"}, Host: true, Fresh: true,
		},
		2: {ID: got[2].PackageID, Name: "app", Version: "0.1.0", Source: "path+file:///w/app", Kinds: []string{"bin"}, Features: []string{}},
	} {
		if d := cmp.Diff(want, ws.UnitOf(got[i], "", musl)); d != "" {
			t.Error(d)
		}
	}
	if u := ws.UnitOf(got[2], "/other", "aarch64-unknown-linux-musl"); !u.Host {
		t.Error("a file for another triple counts as ours")
	}
}

func TestReadMessagesEnds(t *testing.T) {
	stop := errors.New("stop")
	if err := ReadMessages(strings.NewReader(messages), func(Message) error { return stop }); err != stop {
		t.Errorf("error of the function: %v", err)
	}
	broken := io.MultiReader(strings.NewReader(messages+"\n"), iotest.ErrReader(stop))
	if err := ReadMessages(broken, func(Message) error { return nil }); !errors.Is(err, stop) {
		t.Errorf("error of the reader: %v", err)
	}
	if err := readMessages(strings.NewReader("{\"reason\": \""+strings.Repeat("x", 5000)), 4096, nil); !errors.Is(err, ErrLongMessage) {
		t.Errorf("long line: %v", err)
	}
	long := `{"reason":"compiler-artifact","features":["` + strings.Repeat("x", 300<<10) + `"]}`
	n := 0
	if err := ReadMessages(strings.NewReader(long), func(m Message) error { n = len(m.Features[0]); return nil }); err != nil || n != 300<<10 {
		t.Errorf("300 KiB line: %d, %v", n, err)
	}
}

func FuzzReadMessages(f *testing.F) {
	f.Add([]byte(messages))
	f.Add([]byte("{\"reason\":\"compiler-artifact\",\"target\":[]}\n\xff\x00\n{}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		err := ReadMessages(bytes.NewReader(data), func(m Message) error {
			if m.Reason != CompilerArtifact && m.Reason != BuildScriptExecuted && m.Reason != BuildFinished {
				t.Errorf("message %+v", m)
			}
			(&Workspace{TargetDir: "/t"}).UnitOf(m, "", musl)
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	})
}

func TestParsePackageID(t *testing.T) {
	for id, want := range map[string][3]string{
		"path+file:///tmp/w/app#0.1.0":                                        {"app", "0.1.0", "path+file:///tmp/w/app"},
		"path+file:///tmp/w/dir#app@0.1.0":                                    {"app", "0.1.0", "path+file:///tmp/w/dir"},
		"path+file:///tmp/my%20dir#0.1.0-rc.1+b":                              {"my dir", "0.1.0-rc.1+b", "path+file:///tmp/my%20dir"},
		"path+file:///C:/w/app#1.0.0":                                         {"app", "1.0.0", "path+file:///C:/w/app"},
		"registry+https://example.com/index#serde@1.0.200":                    {"serde", "1.0.200", "registry+https://example.com/index"},
		"registry+https://example.com/index#serde:1.0.200":                    {"serde", "1.0.200", "registry+https://example.com/index"},
		"sparse+https://example.com/index/#a-b@1.0.0":                         {"a-b", "1.0.0", "sparse+https://example.com/index/"},
		"git+https://example.com/x/regex?branch=main#1.4.3":                   {"regex", "1.4.3", "git+https://example.com/x/regex?branch=main"},
		"git+https://example.com/x/regex.git?tag=v1#regex@1.4.3":              {"regex", "1.4.3", "git+https://example.com/x/regex.git?tag=v1"},
		"git+ssh://git@example.com/x/regex#regex@1.4.3":                       {"regex", "1.4.3", "git+ssh://git@example.com/x/regex"},
		"app 0.1.0 (path+file:///tmp/w/app)":                                  {"app", "0.1.0", "path+file:///tmp/w/app"},
		"app 0.1.0 (path+file:///tmp/w (old)/app)":                            {"app", "0.1.0", "path+file:///tmp/w (old)/app"},
		"serde 1.0.0 (registry+https://example.com/index)":                    {"serde", "1.0.0", "registry+https://example.com/index"},
		"regex 1.4.3 (git+https://example.com/x/regex?rev=9f9f#9f9f693768c5)": {"regex", "1.4.3", "git+https://example.com/x/regex?rev=9f9f#9f9f693768c5"},
		"serde@1.0": {"serde", "1.0", ""}, "serde": {"serde", "", ""}, "": {"", "", ""},
		"https://example.com/index#serde":  {"serde", "", "https://example.com/index"},
		"https://example.com/regex":        {"regex", "", "https://example.com/regex"},
		"path+file:///tmp/w/ünï#ünï@1.0.0": {"ünï", "1.0.0", "path+file:///tmp/w/ünï"},
		"path+file:///tmp/w/%C3%BCn#1.0.0": {"ün", "1.0.0", "path+file:///tmp/w/%C3%BCn"},
		"path+file:///tmp/w%2/app%2#1.0.0": {"app%2", "1.0.0", "path+file:///tmp/w%2/app%2"},
	} {
		name, version, source := ParsePackageID(id)
		if got := [3]string{name, version, source}; got != want {
			t.Errorf("%s: %q, want %q", id, got, want)
		}
	}
}

func FuzzParsePackageID(f *testing.F) {
	for _, s := range []string{"path+file:///a#1.0.0", "a 1.0.0 (path+file:///a)", "a@1", "#", "://", "a (", "git+https://x/y.git?z#w@1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, id string) {
		name, version, source := ParsePackageID(id)
		if len(name)+len(version)+len(source) > 2*len(id) {
			t.Errorf("%q: %q %q %q", id, name, version, source)
		}
	})
}
