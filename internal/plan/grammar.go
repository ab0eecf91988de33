// SPDX-License-Identifier: MIT OR Apache-2.0

package plan

import "strings"

// The grammars of the distribution specification, "Pulling manifests", written out: a build with nothing to do checks
// a handful of words, and to compile regular expressions for them takes longer than all other planning.

// isName tells whether s is a repository's path: parts between slashes, each of lower-case letters and digits with one
// ".", one or two "_" or any number of "-" between them.
func isName(s string) bool {
	for part := range strings.SplitSeq(s, "/") {
		if !isNamePart(part) {
			return false
		}
	}
	return true
}

func isNamePart(s string) bool {
	for {
		rest := strings.TrimLeft(s, "abcdefghijklmnopqrstuvwxyz0123456789")
		if len(rest) == len(s) {
			return false
		}
		if rest == "" {
			return true
		}
		s = strings.TrimLeft(rest, "._-")
		switch between := rest[:len(rest)-len(s)]; {
		case between == ".", between == "_", between == "__", between != "" && strings.Trim(between, "-") == "":
		default:
			return false
		}
	}
}

// maxTag bounds a tag, in bytes.
const maxTag = 128

// isTag tells whether s is a tag: letters, digits and "_", after the first also "." and "-".
func isTag(s string) bool {
	for i := range len(s) {
		c := s[i]
		word := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_'
		if !word && (i == 0 || c != '.' && c != '-') {
			return false
		}
	}
	return s != "" && len(s) <= maxTag
}
