// SPDX-License-Identifier: MIT OR Apache-2.0

package output

import (
	"fmt"
	"regexp"
	"runtime"
	"strings"
	"sync"

	"github.com/agnivade/levenshtein"
)

// nameHole is what a path may hold in place of an image's name.
const nameHole = "{name}"

// scheme is one row of the table of outputs.
type scheme struct {
	name    string
	usage   string // as a user types it
	example string
	parse   func(rest string) (Output, string) // the second result says why rest cannot be read
}

// schemes is the table of all outputs. A new one is one row here; a new engine is one in load.go.
func schemes(m Machine) []scheme {
	table := []scheme{
		{"oci", "oci:DIR[:TAG]", "oci:out/{name}", func(rest string) (Output, string) {
			path, tag := cutTag(rest, runtime.GOOS == "windows")
			return &layout{path: path, tag: tag}, badPath(path)
		}},
		{"oci-archive", "oci-archive:FILE", "oci-archive:{name}.tar", func(rest string) (Output, string) {
			return newArchive("oci-archive", rest, here()), badFile(rest)
		}},
		{"docker-archive", "docker-archive:FILE", "docker-archive:{name}.tar", func(rest string) (Output, string) {
			return newArchive("docker-archive", rest, here()), badFile(rest)
		}},
	}
	for _, h := range stores() {
		table = append(table, scheme{h.name, h.usage, h.example, func(rest string) (Output, string) { return h.parse(m, rest) }})
	}
	return table
}

// Parse reads one word of -o/--output:
//
//	oci:DIR[:TAG]        an OCI image layout in a folder; other tags that are there stay
//	oci-archive:FILE     an OCI image layout in one tar file
//	docker-archive:FILE  one tar file that docker, podman and containerd load
//	docker:[NAME]        the Docker engine that the docker command would speak to; podman:[NAME]
//	containerd:[NS]      containerd on this machine
//	kind:[CLUSTER]       the nodes of a cluster; k3d:[CLUSTER], minikube:[PROFILE]
//
// "{name}" in DIR, FILE or TAG stands for the image's name. TAG is what follows the last colon, if it is a tag by the
// grammar of the distribution specification ([A-Za-z0-9_][A-Za-z0-9._-]{0,127}, so it holds no slash); a folder whose
// last element really holds a colon is written with a slash at its end ("oci:a:b/"). On Windows a drive's letter
// ("oci:C:out") is never taken for the folder. FILE is everything after the scheme.
//
// Without TAG, an image that is alone in its layout is known there by each of its tags, and one of several by
// "<name>:<tag>"; with TAG, by that alone. In archives it is always "<name>:<tag>". (podman 4.3 loads an oci-archive
// only if that holds one such name; a docker-archive with any number.)
//
// The error is a *SpecError.
func (m Machine) Parse(spec string) (Output, error) {
	table := schemes(m)
	name, rest, found := strings.Cut(spec, ":")
	if found {
		for _, s := range table {
			if s.name != name {
				continue
			}
			o, why := s.parse(rest)
			if why != "" {
				return nil, &SpecError{Spec: spec, Reason: why, hint: "-o " + s.example}
			}
			return o, nil
		}
	}
	return nil, unknownScheme(spec, name, found, table)
}

// SpecError says why a word cannot be read as an output.
type SpecError struct {
	Spec   string
	Reason string
	hint   string
}

// Error quotes the word and says what is wrong with it.
func (e *SpecError) Error() string { return fmt.Sprintf("read output %q: %s", e.Spec, e.Reason) }

// Hint shows what to type instead, and the kinds of output there are.
func (e *SpecError) Hint() string { return e.hint }

func unknownScheme(spec, name string, found bool, table []scheme) error {
	usages := make([]string, len(table))
	nearest, best := "", len(name)
	for i, s := range table {
		usages[i] = s.usage
		if d := levenshtein.ComputeDistance(strings.ToLower(name), s.name); d < best && d <= 1+len(s.name)/3 {
			nearest, best = s.name, d
		}
	}
	all := "; outputs are " + strings.Join(usages, ", ")
	path := !found || strings.ContainsAny(name, `/\.`) || len(name) == 1
	switch {
	case spec == "":
		return &SpecError{Spec: spec, Reason: "empty", hint: "-o " + table[0].example + all}
	case path && strings.HasSuffix(spec, ".tar"):
		return &SpecError{Spec: spec, Reason: "no kind of output before the path", hint: "-o docker-archive:" + spec + all}
	case path:
		return &SpecError{Spec: spec, Reason: "no kind of output before the path", hint: "-o oci:" + spec + all}
	case nearest != "":
		return &SpecError{Spec: spec, Reason: fmt.Sprintf("unknown kind of output %q", name),
			hint: "-o " + nearest + spec[len(name):] + all}
	}
	return &SpecError{Spec: spec, Reason: fmt.Sprintf("unknown kind of output %q", name),
		hint: "-o " + table[0].example + all}
}

var (
	holeGrammar = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`\{[a-z][a-z-]*\}`) })
	// taggedFile finds what other tools allow after an archive's name, and we do not.
	taggedFile = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`\.tar:[^/\\]*$`) })
)

// isTag tells whether s is a tag (distribution specification, "Pulling manifests"). It is asked in every build, and a
// regular expression would take longer to compile than the rest of a build with nothing to do takes here.
func isTag(s string) bool {
	for i := range len(s) {
		c := s[i]
		word := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_'
		if !word && (i == 0 || c != '.' && c != '-') {
			return false
		}
	}
	return s != "" && len(s) <= 128
}

// cutTag parts "DIR:TAG". A word without a tag comes back whole.
func cutTag(s string, windows bool) (dir, tag string) {
	i := strings.LastIndexByte(s, ':')
	if i < 0 || !isTag(strings.ReplaceAll(s[i+1:], nameHole, "x")) {
		return s, ""
	}
	if windows && i == 1 {
		return s, "" // C:out is a folder on drive C
	}
	return s[:i], s[i+1:]
}

// badPath says why a path cannot be used; "" when it can.
func badPath(path string) string {
	if path == "" {
		return "no path"
	}
	if strings.ContainsRune(path, 0) {
		return "the path holds a NUL"
	}
	if others := strings.ReplaceAll(path, nameHole, "/"); strings.Contains(others, "{") {
		if hole := holeGrammar().FindString(others); hole != "" {
			return fmt.Sprintf("unknown placeholder %s; there is only %s", hole, nameHole)
		}
	}
	return ""
}

func badFile(path string) string {
	if why := badPath(path); why != "" {
		return why
	}
	if taggedFile().MatchString(path) {
		return "an archive's path takes no tag; tags are the image's own"
	}
	if strings.HasSuffix(path, "/") || strings.HasSuffix(path, `\`) {
		return "the path of an archive ends like a folder"
	}
	return ""
}
