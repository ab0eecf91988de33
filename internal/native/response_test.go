// SPDX-License-Identifier: MIT OR Apache-2.0

package native

import (
	"errors"
	"io/fs"
	"slices"
	"testing"
)

func TestSplitResponse(t *testing.T) {
	for _, c := range []struct {
		text string
		want []string
	}{
		{"", nil},
		{" \n\t\r\n", nil},
		{"-o\n/a\\ b/c\\\\d\n", []string{"-o", `/a b/c\d`}}, // as rustc writes it
		{`a "b c" 'd e' f"g h"i`, []string{"a", "b c", "d e", "fg hi"}},
		{`"a\"b" 'c\'d' "" ''`, []string{`a"b`, `c'd`, "", ""}},
		{`"not closed`, []string{"not closed"}},
		{`end\`, []string{`end\`}},
		{"a\\\nb", []string{"a\nb"}},
		{"ü \xff\x00", []string{"ü", "\xff\x00"}},
	} {
		if got := splitResponse(c.text); !slices.Equal(got, c.want) {
			t.Errorf("splitResponse(%q) = %q, want %q", c.text, got, c.want)
		}
	}
}

func TestExpandNestedFiles(t *testing.T) {
	files := map[string]string{"a": "1 @b 4", "b": "2\n3", "loop": "x @loop"}
	read := func(p string) ([]byte, error) {
		if s, ok := files[p]; ok {
			return []byte(s), nil
		}
		if p == "secret" {
			return nil, fs.ErrPermission
		}
		return nil, fs.ErrNotExist
	}
	got, first, err := expand([]string{"0", "@a", "5", "@", "@none"}, read)
	if want := []string{"0", "1", "2", "3", "4", "5", "@", "@none"}; err != nil || first != "a" || !slices.Equal(got, want) {
		t.Errorf("expand = %q, %q, %v", got, first, err)
	}
	if _, _, err := expand([]string{"@loop"}, read); !errors.Is(err, errTooManyResponses) {
		t.Errorf("loop: %v", err)
	}
	if _, _, err := expand([]string{"@secret"}, read); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("unreadable: %v", err)
	}
}

func FuzzSplitResponse(f *testing.F) {
	for _, seed := range []string{"", "-o a\\ b", `"a b" 'c`, "\\", "a\\\nb", "@x\n\v\f"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		words := splitResponse(text)
		if back := splitResponse(joinResponse(words)); !slices.Equal(back, words) {
			t.Errorf("%q: %q came back as %q", text, words, back)
		}
	})
}

func FuzzParse(f *testing.F) {
	f.Add("-static-pie -Wl,-z,relro,-z,now -l c -o")
	f.Add("-Xlinker")
	f.Add("-Wl,, - -l -rpath -Wl,-rpath")
	f.Fuzz(func(t *testing.T, line string) {
		m, _ := machineOf("x86_64-unknown-linux-musl")
		r := parse(splitResponse(line))
		inputs := func(words []word) (n int) {
			for _, w := range words {
				if w.input {
					n++
				}
			}
			return n
		}
		before := inputs(r.words)
		if after := inputs(r.build(m, "")); after > before {
			t.Errorf("%q: %d input files became %d", line, before, after)
		}
	})
}
