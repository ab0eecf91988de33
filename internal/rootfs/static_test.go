// SPDX-License-Identifier: MIT OR Apache-2.0

package rootfs

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/x509roots/fallback/bundle"
)

// The listing is what images share: it may change only together with StaticVersion.
func TestStaticGolden(t *testing.T) {
	got := "version " + StaticVersion() + "\n\n" + listing(t, Static(StaticOptions{CA: true})) +
		"\nwithout CA\n" + listing(t, Static(StaticOptions{}))
	name := filepath.Join("testdata", "static.txt")
	want, err := os.ReadFile(name)
	if err != nil && !*update {
		t.Fatal(err)
	}
	if *update && got != string(want) {
		if strings.HasPrefix(string(want), "version "+StaticVersion()+"\n") {
			t.Fatal("Static gives other bytes for the same StaticVersion: raise staticFormat first")
		}
		if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	equal(t, string(want), got)
}

func TestStaticIsConstant(t *testing.T) {
	for _, o := range []StaticOptions{{}, {CA: true}} {
		a, b := Static(o), Static(o)
		equal(t, listing(t, a), listing(t, b))
		if err := a.Validate(); err != nil {
			t.Error(err)
		}
		a[0].Path = "changed by a caller"
		if Static(o)[0].Path != b[0].Path {
			t.Error("trees share memory")
		}
	}
}

func TestRootsVersionIsPinned(t *testing.T) {
	data, err := os.ReadFile(filepath.Join("..", "..", "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		f := strings.Fields(strings.TrimPrefix(strings.TrimSpace(line), "require "))
		if len(f) > 1 && f[0] == "golang.org/x/crypto/x509roots/fallback" {
			equal(t, f[1], RootsVersion)
			if !strings.Contains(StaticVersion(), RootsVersion) {
				t.Errorf("StaticVersion %q does not hold RootsVersion", StaticVersion())
			}
			return
		}
	}
	t.Fatal("go.mod does not require the module of roots")
}

func TestRoots(t *testing.T) {
	made, err := time.Parse("20060102150405", strings.Split(RootsVersion, "-")[1])
	if err != nil {
		t.Fatal(err)
	}
	tree := Static(StaticOptions{CA: true})
	e, _ := tree.lookup(CABundle)
	seen := map[string]bool{}
	rest := []byte(content(t, e))
	for len(rest) > 0 {
		var block *pem.Block
		before := rest
		if block, rest = pem.Decode(rest); block == nil {
			t.Fatalf("%d bytes that are no PEM", len(rest))
		}
		if len(block.Headers) > 0 || !bytes.HasPrefix(before, []byte("-----BEGIN CERTIFICATE-----\n")) {
			t.Fatalf("a block that is not plain: %.80q", before)
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		if cert.NotAfter.Before(made) || !cert.IsCA {
			t.Errorf("%s: expired %s, CA %t", cert.Subject, cert.NotAfter, cert.IsCA)
		}
		seen[string(block.Bytes)] = true
	}
	constrained := 0
	for r := range bundle.Roots() {
		if r.Constraint != nil {
			constrained++
		}
		if seen[string(r.Certificate)] != (r.Constraint == nil) {
			t.Error("a root with a constraint is in the bundle, or one without is not")
		}
	}
	if len(seen) <= 100 {
		t.Errorf("only %d roots", len(seen))
	}
	t.Logf("%d roots, %d with constraints left out, %d bytes", len(seen), constrained, e.Size)
}

func TestProgram(t *testing.T) {
	file := func(p string) ProgramFile {
		m := memory(p, "program")
		return ProgramFile{Path: p, Size: m.Size, Open: m.Open}
	}
	tree, err := Program(file("/usr/bin/b"), file("a b.ö"), file("usr/bin/a"))
	if err != nil {
		t.Fatal(err)
	}
	equal(t, []string{"0555 0:0 a b.ö = program", "0755 0:0 usr/", "0755 0:0 usr/bin/", "0555 0:0 usr/bin/a = program",
		"0555 0:0 usr/bin/b = program"}, short(t, tree))
	for _, bad := range [][]ProgramFile{
		{file("")}, {file("/")}, {file("//x")}, {file("../x")}, {file("a/../x")}, {file("a\x00")}, {file(".wh.x")}, {file("x/")},
		{file("x"), file("/x")}, {file("x"), file("x/y")}, {{Path: "x"}}, {file(strings.Repeat("x", 256))},
	} {
		if tree, err := Program(bad...); err == nil || tree != nil {
			t.Errorf("Program(%q) = %v, %v", bad[0].Path, tree, err)
		}
	}
}

func TestLookupUser(t *testing.T) {
	for s, want := range map[string][2]int{
		"0": {0, 0}, "root": {0, 0}, "1000": {1000, 1000}, "1000:1000": {1000, 1000}, "app": {1000, 1000}, "app:0": {1000, 0},
		"nobody": {65534, 65534}, "nonroot:nobody": {65532, 65534}, "2147483647:7": {2147483647, 7}, "42": {42, 42},
	} {
		uid, gid, err := LookupUser(s)
		if err != nil || uid != want[0] || gid != want[1] {
			t.Errorf("LookupUser(%q) = %d, %d, %v", s, uid, gid, err)
		}
	}
	for _, s := range []string{"", ":", "1000:", ":1000", "alice", "app:wheel", "-1", "+1", "1.5", "0x10", "007", " 1000", "1000 ",
		"1:2:3", "2147483648", "4294967295", "99999999999999999999", "１０", "app\n", "App", "1000\x00"} {
		if uid, gid, err := LookupUser(s); err == nil || uid != 0 || gid != 0 {
			t.Errorf("LookupUser(%q) = %d, %d", s, uid, gid)
		} else {
			hinted(t, err, "look up user")
		}
	}
}

// Every line of passwd and group is well formed, and names the users that LookupUser knows.
func TestAccounts(t *testing.T) {
	for line := range strings.Lines(passwd()) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), ":")
		if len(f) != 7 || f[1] != "x" || f[5] != "/" || f[6] != "/sbin/nologin" {
			t.Fatalf("passwd line %q", line)
		}
		byName, gid, err := LookupUser(f[0])
		byID, _, err2 := LookupUser(f[2])
		if err != nil || err2 != nil || byName != byID || gid != byID {
			t.Errorf("%q: %d %d %v %v", line, byName, byID, err, err2)
		}
		if !strings.Contains("\n"+group(), "\n"+f[0]+":x:"+f[3]+":\n") {
			t.Errorf("%q has no group", line)
		}
	}
}

func TestRootsSize(t *testing.T) {
	if got, want := rootsSize(), int64(len(roots())); got != want {
		t.Errorf("%d bytes were told, %d were made", got, want)
	}
	for n := range 200 {
		if got, want := pemSize(n), int64(len(certificatePEM(make([]byte, n)))); got != want && n > 0 {
			t.Errorf("%d bytes of DER: %d bytes were told, %d were made", n, got, want)
		}
	}
}

func BenchmarkStatic(b *testing.B) {
	for b.Loop() {
		Static(StaticOptions{CA: true})
	}
}

func BenchmarkRootsFirst(b *testing.B) {
	for b.Loop() {
		var n int
		for r := range bundle.Roots() {
			n += len(certificatePEM(r.Certificate))
		}
	}
}
