// SPDX-License-Identifier: MIT OR Apache-2.0

package cargo

import (
	"errors"
	"strings"
	"testing"
)

// TestTriples goes over the table: what holds for every row holds for a new one.
func TestTriples(t *testing.T) {
	seen := map[string]Triple{}
	for _, tr := range Triples() {
		p, ok := tr.Platform()
		if !ok || p.OS != "linux" || p.Architecture == "" {
			t.Errorf("%s: platform %v, %t", tr, p, ok)
		}
		if got, err := ParseTriple(string(tr)); got != tr || err != nil {
			t.Errorf("ParseTriple(%s) = %s, %v", tr, got, err)
		}
		if tr.Musl() != strings.Contains(string(tr), "-musl") {
			t.Errorf("%s: musl %t", tr, tr.Musl())
		}
		if tr.Musl() {
			if got, err := MuslFor(p.String()); got != tr || err != nil {
				t.Errorf("MuslFor(%s) = %s, %v", p, got, err)
			}
			if MuslOf(tr) != tr || MuslOf(GnuOf(tr)) != tr {
				t.Errorf("%s: MuslOf %s, of gnu %s", tr, MuslOf(tr), MuslOf(GnuOf(tr)))
			}
			if other, twice := seen[p.String()]; twice {
				t.Errorf("%s and %s are both for %s", tr, other, p)
			}
			seen[p.String()] = tr
		}
		if n := tr.EnvName(); n != strings.ToUpper(n) || strings.ContainsAny(n, "-.") {
			t.Errorf("%s: variable %s", tr, n)
		}
	}
	if n := Triple("x86_64-unknown-linux-musl").EnvName(); n != "X86_64_UNKNOWN_LINUX_MUSL" {
		t.Errorf("variable %s", n)
	}
}

func TestHosts(t *testing.T) {
	for host, want := range map[Triple][2]Triple{
		"x86_64-unknown-linux-gnu":      {"x86_64-unknown-linux-musl", "x86_64-unknown-linux-gnu"},
		"aarch64-apple-darwin":          {"aarch64-unknown-linux-musl", "aarch64-unknown-linux-gnu"},
		"x86_64-pc-windows-msvc":        {"x86_64-unknown-linux-musl", "x86_64-unknown-linux-gnu"},
		"aarch64-pc-windows-msvc":       {"aarch64-unknown-linux-musl", "aarch64-unknown-linux-gnu"},
		"armv7-unknown-linux-gnueabihf": {"armv7-unknown-linux-musleabihf", "armv7-unknown-linux-gnueabihf"},
		"i586-pc-windows-msvc":          {"i686-unknown-linux-musl", "i686-unknown-linux-gnu"},
		"x86_64-alpine-linux-musl":      {"x86_64-alpine-linux-musl", "x86_64-unknown-linux-gnu"},
		"armv7-alpine-linux-musleabihf": {"armv7-alpine-linux-musleabihf", "armv7-unknown-linux-gnueabihf"},
		"riscv64-alpine-linux-musl":     {"riscv64-alpine-linux-musl", "riscv64gc-unknown-linux-gnu"},
		"wasm32-wasip1":                 {"", ""},
		"":                              {"", ""},
	} {
		if m, g := MuslOf(host), GnuOf(host); m != want[0] || g != want[1] {
			t.Errorf("%q: %q and %q, want %q", host, m, g, want)
		}
	}
	if p, ok := Triple("x86_64-alpine-linux-musl").Platform(); !ok || p.Architecture != "amd64" {
		t.Errorf("alpine: %v, %t", p, ok)
	}
}

func TestUnknownTriple(t *testing.T) {
	for name, hint := range map[string]string{
		"x86_64-unknown-linux-mulsl":            "did you mean --target x86_64-unknown-linux-musl?",
		"aarch64-linux-musl":                    "did you mean --target aarch64-unknown-linux-musl?",
		"wasm":                                  "use one of x86_64-unknown-linux-musl, ",
		"x86_64-apple-darwin\x00":               "use one of",
		strings.Repeat("x86_64-unknown-", 5000): "use one of",
	} {
		_, err := ParseTriple(name)
		var unknown *UnknownTripleError
		if !errors.As(err, &unknown) || !strings.HasPrefix(unknown.Hint(), hint) {
			t.Errorf("%.40q: %v, want hint %q", name, err, hint)
		}
	}
}

func TestMuslFor(t *testing.T) {
	for platform, want := range map[string]Triple{
		"linux/amd64": "x86_64-unknown-linux-musl", "linux/arm64": "aarch64-unknown-linux-musl",
		"linux/arm64/v8": "aarch64-unknown-linux-musl", "linux/arm/v7": "armv7-unknown-linux-musleabihf",
		"linux/arm": "armv7-unknown-linux-musleabihf", "linux/386": "i686-unknown-linux-musl",
		"linux/riscv64": "riscv64gc-unknown-linux-musl", "linux/loong64": "loongarch64-unknown-linux-musl",
		"linux/arm/v6": "", "windows/amd64": "", "linux": "", "": "", "linux/amd64:10": "", "a/b/c/d": "", "linux/amd64/v3": "",
	} {
		got, err := MuslFor(platform)
		var unknown *UnknownPlatformError
		if got != want || (want == "") != errors.As(err, &unknown) {
			t.Errorf("%q: %q, %v; want %q", platform, got, err, want)
		}
		if unknown != nil && !strings.Contains(unknown.Hint(), "linux/amd64, linux/arm64, linux/arm/v7") {
			t.Errorf("hint %q", unknown.Hint())
		}
	}
}
