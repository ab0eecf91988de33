// SPDX-License-Identifier: MIT OR Apache-2.0

package kube

import (
	"errors"
	"strings"
)

// Target is what a reference names.
type Target struct {
	Crate  string // NAME or NAME@VERSION of a published crate; "" for sources here
	Source string // a path, or a package's name; "" for a crate
	Bin    string // "" for the one that the package has
}

// Target reads a reference.
func (r Ref) Target() (Target, error) {
	rest := strings.TrimPrefix(r.Word, Scheme)
	source, bin, hash := strings.Cut(rest, "#")
	t := Target{Source: source, Bin: bin}
	if name, ok := strings.CutPrefix(source, "crate:"); ok {
		t.Crate, t.Source = name, ""
		source = name
	}
	switch {
	case source == "":
		return t, errors.New("it names nothing")
	case hash && bin == "":
		return t, errors.New("no bin after #")
	case strings.ContainsAny(source, "?*\\") || strings.ContainsRune(bin, '#'):
		return t, errors.New("it is no path and no name")
	}
	return t, nil
}

// Path tells whether the source can only be a path.
func (t Target) Path() bool {
	return strings.HasPrefix(t.Source, ".") || strings.Contains(t.Source, "/")
}

// Selector chooses documents by their labels, in the words of kubectl's -l: "a=b", "a==b", "a!=b", "a", "!a", joined by
// commas.
type Selector []requirement

type requirement struct {
	key, value string
	exists     bool // only the key counts
	not        bool
}

// ParseSelector reads a selector.
func ParseSelector(word string) (Selector, error) {
	var out Selector
	for part := range strings.SplitSeq(word, ",") {
		part = strings.TrimSpace(part)
		if part == "" && word == "" {
			break
		}
		r := requirement{}
		if key, value, ok := strings.Cut(part, "!="); ok {
			r.key, r.value, r.not = key, value, true
		} else if key, value, ok := strings.Cut(part, "="); ok {
			r.key, r.value = key, strings.TrimPrefix(value, "=")
		} else {
			r.key, r.not = strings.CutPrefix(part, "!")
			r.exists = true
		}
		r.key, r.value = strings.TrimSpace(r.key), strings.TrimSpace(r.value)
		if r.key == "" || strings.ContainsAny(part, " ()") {
			return nil, errors.New("read selector " + word + ": it is no list of KEY=VALUE, KEY!=VALUE, KEY or !KEY")
		}
		out = append(out, r)
	}
	return out, nil
}

// Select leaves only the documents that a selector chooses.
func (f *File) Select(s Selector) {
	if len(s) == 0 {
		return
	}
	var kept []Document
	for _, d := range f.Documents {
		if s.chooses(d.Labels) {
			kept = append(kept, d)
		}
	}
	f.Documents = kept
}

func (s Selector) chooses(labels map[string]string) bool {
	for _, r := range s {
		value, there := labels[r.key]
		if r.exists {
			if there == r.not {
				return false
			}
			continue
		}
		if (there && value == r.value) == r.not {
			return false
		}
	}
	return true
}
