// SPDX-License-Identifier: MIT OR Apache-2.0

package cargo

import (
	"net/url"
	"path"
	"strings"
)

// ParsePackageID parts a package id into the package's name, its version and where it came from: the id's URL, kind
// included ("registry+https://…", "git+https://…?branch=x", "path+file:///…"). All forms that cargo ever printed are
// known: the specifications of "Package ID Specifications" in cargo's book, and "name 1.0.0 (path+file:///…)" of
// cargo up to 1.76. What an id does not tell is "".
func ParsePackageID(id string) (name, version, source string) {
	if name, version, source, ok := oldPackageID(id); ok {
		return name, version, source
	}
	source, fragment, marked := strings.Cut(id, "#")
	if !strings.Contains(source, "://") && !marked {
		name, version = nameVersion(id) // "name", "name@1.0"
		return name, version, ""
	}
	if fragment == "" || fragment[0] >= '0' && fragment[0] <= '9' {
		return lastSegment(source), fragment, source
	}
	name, version = nameVersion(fragment)
	return name, version, source
}

// oldPackageID reads "name 1.0.0 (source)".
func oldPackageID(id string) (name, version, source string, ok bool) {
	name, rest, ok := strings.Cut(id, " ")
	if !ok {
		return "", "", "", false
	}
	version, source, ok = strings.Cut(rest, " (")
	if !ok || !strings.HasSuffix(source, ")") || strings.Contains(name, "://") {
		return "", "", "", false
	}
	return name, version, strings.TrimSuffix(source, ")"), true
}

// nameVersion reads "name@1.0" and its older spelling "name:1.0".
func nameVersion(s string) (name, version string) {
	if i := strings.IndexAny(s, "@:"); i >= 0 {
		return s[:i], s[i+1:]
	}
	return s, ""
}

// lastSegment is the end of a URL's path, which names the package when the fragment does not.
func lastSegment(source string) string {
	p, _, _ := strings.Cut(source, "?")
	p = path.Base(strings.TrimRight(p, "/"))
	if plain, err := url.PathUnescape(p); err == nil {
		p = plain
	}
	if p == "." || p == "/" {
		return ""
	}
	return p
}
