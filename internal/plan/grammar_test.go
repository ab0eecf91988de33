// SPDX-License-Identifier: MIT OR Apache-2.0

package plan

import (
	"regexp"
	"testing"
)

// The grammars as the distribution specification has them.
var (
	nameGrammar = regexp.MustCompile(`\A[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*\z`)
	tagGrammar  = regexp.MustCompile(`\A[A-Za-z0-9_][A-Za-z0-9._-]{0,127}\z`)
)

func FuzzGrammars(f *testing.F) {
	for _, s := range []string{
		"", "a", "a/b", "/a", "a/", "a//b", "a.b", "a..b", "a_b", "a__b", "a___b", "a-b", "a---b", "a.-b", "-a", "a-", "A", "a b", "a\n", "é",
		"latest", "v1.2", ".v1", "-v1", "_v1", "v1-", "v:1", "v1\n", string(make([]byte, 129)),
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if got, want := isName(s), nameGrammar.MatchString(s); got != want {
			t.Errorf("isName(%q) = %t, want %t", s, got, want)
		}
		if got, want := isTag(s), tagGrammar.MatchString(s); got != want {
			t.Errorf("isTag(%q) = %t, want %t", s, got, want)
		}
	})
}
