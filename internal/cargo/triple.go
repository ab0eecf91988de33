// SPDX-License-Identifier: MIT OR Apache-2.0

package cargo

import (
	"fmt"
	"strings"

	"github.com/agnivade/levenshtein"
	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Triple is a Rust target triple, "x86_64-unknown-linux-musl".
type Triple string

// row is what is known of one triple. To add a CPU architecture, add its row (one for each C library it has).
type row struct {
	triple       Triple
	arch         string // as the OCI image specification (and Go) calls it
	variant      string
	musl         bool
	architecture string // the triple's first word, for hosts of other systems ("aarch64-apple-darwin")
}

// rows is the whole table: musl first, since that is what an image wants.
var rows = [...]row{
	{"x86_64-unknown-linux-musl", "amd64", "", true, "x86_64"},
	{"x86_64-unknown-linux-gnu", "amd64", "", false, "x86_64"},
	{"aarch64-unknown-linux-musl", "arm64", "", true, "aarch64"},
	{"aarch64-unknown-linux-gnu", "arm64", "", false, "aarch64"},
	{"armv7-unknown-linux-musleabihf", "arm", "v7", true, "armv7"},
	{"armv7-unknown-linux-gnueabihf", "arm", "v7", false, "armv7"},
	{"i686-unknown-linux-musl", "386", "", true, "i686"},
	{"i686-unknown-linux-gnu", "386", "", false, "i686"},
	{"riscv64gc-unknown-linux-musl", "riscv64", "", true, "riscv64gc"},
	{"riscv64gc-unknown-linux-gnu", "riscv64", "", false, "riscv64gc"},
	{"powerpc64le-unknown-linux-musl", "ppc64le", "", true, "powerpc64le"},
	{"powerpc64le-unknown-linux-gnu", "ppc64le", "", false, "powerpc64le"},
	{"s390x-unknown-linux-musl", "s390x", "", true, "s390x"},
	{"s390x-unknown-linux-gnu", "s390x", "", false, "s390x"},
	{"loongarch64-unknown-linux-musl", "loong64", "", true, "loongarch64"},
	{"loongarch64-unknown-linux-gnu", "loong64", "", false, "loongarch64"},
}

// Triples lists the triples that an image can be made for, in the table's order: musl before gnu.
func Triples() []Triple {
	out := make([]Triple, len(rows))
	for i, r := range rows {
		out[i] = r.triple
	}
	return out
}

// ParseTriple accepts a triple of the table, and Alpine's own spelling of one ("x86_64-alpine-linux-musl").
// Anything else is an *UnknownTripleError.
func ParseTriple(s string) (Triple, error) {
	if _, ok := Triple(s).row(); ok {
		return Triple(s), nil
	}
	return "", &UnknownTripleError{Name: s, Nearest: nearestTriple(s)}
}

// MuslFor gives the musl triple of a platform written as "linux/arm64" or "linux/arm/v7".
func MuslFor(platform string) (Triple, error) {
	p, err := v1.ParsePlatform(platform)
	if err == nil && p.OS == "linux" && p.OSVersion == "" {
		for _, r := range rows {
			if r.musl && r.arch == p.Architecture && sameVariant(r, p.Variant) {
				return r.triple, nil
			}
		}
	}
	return "", &UnknownPlatformError{Name: platform}
}

// sameVariant allows a platform to say nothing, and arm64 to say v8, which is what it is anyway.
func sameVariant(r row, variant string) bool {
	return variant == "" || variant == r.variant || r.arch == "arm64" && variant == "v8"
}

// Platform is the platform of the programs made for t; ok is false for a triple that is not in the table.
func (t Triple) Platform() (p v1.Platform, ok bool) {
	r, ok := t.row()
	if !ok {
		return v1.Platform{}, false
	}
	return v1.Platform{OS: "linux", Architecture: r.arch, Variant: r.variant}, true
}

// Musl reports whether programs for t are linked with musl, and so are static without more ado.
func (t Triple) Musl() bool {
	r, ok := t.row()
	return ok && r.musl
}

// EnvName is the triple as it stands in names of environment variables, X86_64_UNKNOWN_LINUX_MUSL.
func (t Triple) EnvName() string {
	return strings.NewReplacer("-", "_", ".", "_").Replace(strings.ToUpper(string(t)))
}

// MuslOf is the triple of host's architecture on Linux with musl, "" when there is none. A host that is musl itself
// is its own answer, since Alpine's Rust knows its triple by Alpine's name only.
func MuslOf(host Triple) Triple {
	if host.Musl() {
		return host
	}
	return hostRow(host, true)
}

// GnuOf is the triple of host's architecture on Linux with glibc, "" when there is none.
func GnuOf(host Triple) Triple {
	return hostRow(host, false)
}

func hostRow(host Triple, musl bool) Triple {
	arch, _, _ := strings.Cut(string(host), "-")
	for _, r := range rows {
		if r.architecture == plainArchitecture(arch) && r.musl == musl {
			return r.triple
		}
	}
	return ""
}

// plainArchitecture undoes the names that hosts of other systems and distributions use.
func plainArchitecture(arch string) string {
	switch arch {
	case "arm64", "arm64e":
		return "aarch64"
	case "i586", "i386":
		return "i686"
	case "riscv64", "riscv64a23":
		return "riscv64gc"
	case "x86_64h":
		return "x86_64"
	}
	return arch
}

// row finds t's row; Alpine's vendor and architecture words count as the usual ones.
func (t Triple) row() (row, bool) {
	if arch, rest, ok := strings.Cut(string(t), "-alpine-linux-musl"); ok {
		t = Triple(plainArchitecture(arch) + "-unknown-linux-musl" + rest)
	}
	for _, r := range rows {
		if r.triple == t {
			return r, true
		}
	}
	return row{}, false
}

// nearestTriple is the triple that s probably means, "" when s resembles none.
func nearestTriple(s string) Triple {
	if len(s) > 100 {
		return ""
	}
	best, least := Triple(""), len(s)/2+1
	for _, r := range rows {
		if d := levenshtein.ComputeDistance(s, string(r.triple)); d < least {
			best, least = r.triple, d
		}
	}
	return best
}

// UnknownTripleError says that no image can be made for a triple.
type UnknownTripleError struct {
	Name    string
	Nearest Triple // "" when nothing in the table resembles Name
}

func (e *UnknownTripleError) Error() string {
	return fmt.Sprintf("choose target: unknown triple %q", e.Name)
}

// Hint names the nearest triple, or all of those for musl.
func (e *UnknownTripleError) Hint() string {
	if e.Nearest != "" {
		return "did you mean --target " + string(e.Nearest) + "?"
	}
	var musl []string
	for _, r := range rows {
		if r.musl {
			musl = append(musl, string(r.triple))
		}
	}
	return "use one of " + strings.Join(musl, ", ")
}

// UnknownPlatformError says that no triple of the table makes programs for a platform.
type UnknownPlatformError struct{ Name string }

func (e *UnknownPlatformError) Error() string {
	return fmt.Sprintf("choose target: unknown platform %q", e.Name)
}

// Hint lists the platforms there are.
func (e *UnknownPlatformError) Hint() string {
	var all []string
	for _, r := range rows {
		if p, _ := r.triple.Platform(); r.musl {
			all = append(all, p.String())
		}
	}
	return "use one of " + strings.Join(all, ", ")
}
