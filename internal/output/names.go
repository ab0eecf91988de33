// SPDX-License-Identifier: MIT OR Apache-2.0

package output

import (
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"unicode"
)

const defaultTag = "latest"

// Annotations of a descriptor in index.json.
const (
	refName        = "org.opencontainers.image.ref.name" // image-spec, annotations.md
	containerdName = "io.containerd.image.name"          // the full name, which containerd and Docker show
)

// repository is the path grammar of the distribution specification, less the host before it.
var repository = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$`)
})

// host is what may stand before the first slash of a full name.
var host = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::[0-9]{1,5})?$`)
})

// place is one path with all payloads that go there. index tells each payload's position in the call.
type place struct {
	path     string
	payloads []Payload
	index    []int
}

// places sorts payloads by the path that each one's name gives.
func places(template string, ps []Payload) ([]place, error) {
	var out []place
	at := map[string]int{}
	for i, p := range ps {
		path, err := fill(template, p.Name)
		if err != nil {
			return nil, err
		}
		key := filepath.Clean(path)
		n, known := at[key]
		if !known {
			n = len(out)
			at[key] = n
			out = append(out, place{path: path})
		}
		out[n].payloads = append(out[n].payloads, p)
		out[n].index = append(out[n].index, i)
	}
	return out, nil
}

// fill puts an image's name into a path. A name may bring folders of its own ("team/app"), and never leads out of
// the path that the user wrote.
func fill(template, name string) (string, error) {
	if !strings.Contains(template, nameHole) {
		return template, nil
	}
	bad := name == "" || strings.ContainsRune(name, '\\') || strings.ContainsFunc(name, unicode.IsControl)
	for part := range strings.SplitSeq(name, "/") {
		bad = bad || part == "" || part == "." || part == ".."
	}
	if bad {
		return "", &NameError{What: "name", Text: name, Why: "it cannot be part of a path",
			hint: "give the image a plain name, like --name my-app, or write the output's path out"}
	}
	return strings.ReplaceAll(template, nameHole, name), nil
}

// tagsOf gives a payload's tags, each once, checked.
func tagsOf(p Payload) ([]string, error) {
	if len(p.Tags) == 0 {
		return []string{defaultTag}, nil
	}
	var out []string
	for _, t := range p.Tags {
		if !isTag(t) {
			return nil, badTag(t)
		}
		if !slices.Contains(out, t) {
			out = append(out, t)
		}
	}
	return out, nil
}

func badTag(t string) error {
	return &NameError{What: "tag", Text: t, Why: "a tag is at most 128 letters, digits, '_', '.', '-', and starts with none of the last two",
		hint: "--tag v1.0"}
}

// fullName is the name under which engines know an image: with a host, and with "library" where Docker puts it.
func fullName(name, tag string) (string, error) {
	first, rest, slash := strings.Cut(name, "/")
	hosted := slash && (strings.ContainsAny(first, ".:") || first == "localhost")
	path := name
	if hosted {
		path = rest
	}
	if !repository().MatchString(path) || len(name) > 255 || hosted && !host().MatchString(first) {
		return "", &NameError{What: "name", Text: name,
			Why:  "engines take lower-case letters and digits, parted by single '.', '_', '/' or by '-'",
			hint: "--name " + suggestName(name)}
	}
	switch {
	case hosted:
		return name + ":" + tag, nil
	case slash:
		return "docker.io/" + name + ":" + tag, nil
	}
	return "docker.io/library/" + name + ":" + tag, nil
}

// suggestName turns any word into a name that the grammar takes.
func suggestName(name string) string {
	lower := strings.Map(func(r rune) rune {
		r = unicode.ToLower(r)
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '/' {
			return r
		}
		return '-'
	}, name)
	parts := strings.FieldsFunc(lower, func(r rune) bool { return r == '/' })
	for i, p := range parts {
		parts[i] = strings.Trim(p, "-")
	}
	parts = slices.DeleteFunc(parts, func(p string) bool { return p == "" })
	if s := strings.Join(parts, "/"); s != "" && len(s) <= 200 {
		return s
	}
	return "my-app"
}
