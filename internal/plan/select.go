// SPDX-License-Identifier: MIT OR Apache-2.0

package plan

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"

	"sampan/internal/cargo"
)

// Selection is which packages and bins the user asked for, in cargo's words.
type Selection struct {
	Packages  []string // -p; cargo's glob patterns allowed
	Workspace bool
	Exclude   []string
	Bins      []string
	Examples  []string
	AllBins   bool
	Default   []string // the package setting of the workspace: taken where nothing was asked
}

// wide tells whether the selection names more than one package on purpose.
func (s Selection) wide() bool {
	return s.Workspace || len(s.Packages) > 1 || len(s.Default) > 1
}

// Unknown gives the words of Exclude that leave no package out; cargo warns of them too.
func (s Selection) Unknown(ws *cargo.Workspace) []string {
	return slices.DeleteFunc(slices.Clone(s.Exclude), func(pat string) bool {
		return slices.ContainsFunc(ws.Packages, func(p cargo.Package) bool { return matches(pat, &p) })
	})
}

// Select finds the packages that a selection means: those that it names, and among the members that it does not name
// one by one, those that have a bin. It is an error when it names nothing, or when only the user can choose.
func Select(ws *cargo.Workspace, s Selection) ([]*cargo.Package, error) {
	if len(s.Exclude) > 0 && !s.Workspace {
		return nil, &ChoiceError{"--exclude can only be used together with --workspace", "add --workspace"}
	}
	pkgs, named, err := candidates(ws, s)
	if err != nil {
		return nil, err
	}
	if named && !s.Workspace {
		for _, p := range pkgs {
			if len(p.Bins) == 0 || (!hasBin(p) && len(s.Examples) == 0) {
				return nil, noBin(p)
			}
		}
	}
	if len(s.Bins)+len(s.Examples) > 0 {
		return owners(pkgs, s)
	}
	var with []*cargo.Package
	for _, p := range pkgs {
		if hasBin(p) {
			with = append(with, p)
		}
	}
	switch {
	case len(with) == 0 && len(pkgs) == 1:
		return nil, noBin(pkgs[0])
	case len(with) == 0:
		return nil, &ChoiceError{"no package here has a bin", "add src/main.rs, or choose an example: --example NAME"}
	case len(with) > 1 && !named && !s.wide() && !s.AllBins:
		return nil, &ChoiceError{
			fmt.Sprintf("%d packages have a bin: %s", len(with), names(with)),
			fmt.Sprintf("choose one or more: -p %s; or all: --workspace", with[0].Name)}
	}
	return with, nil
}

func candidates(ws *cargo.Workspace, s Selection) (pkgs []*cargo.Package, named bool, err error) {
	switch {
	case s.Workspace:
		for i := range ws.Packages {
			p := &ws.Packages[i]
			if !slices.ContainsFunc(s.Exclude, func(pat string) bool { return matches(pat, p) }) {
				pkgs = append(pkgs, p)
			}
		}
		return pkgs, true, nil
	case len(s.Packages) > 0:
		pkgs, err = byName(ws, s.Packages)
		return pkgs, true, err
	case ws.Current != "":
		pkgs, err = byName(ws, []string{ws.Current})
		return pkgs, true, err
	case len(s.Default) > 0:
		pkgs, err = byName(ws, s.Default)
		return pkgs, true, err
	}
	for i := range ws.Packages {
		if len(ws.Default) == 0 || slices.Contains(ws.Default, ws.Packages[i].Name) {
			pkgs = append(pkgs, &ws.Packages[i])
		}
	}
	return pkgs, false, nil
}

func byName(ws *cargo.Workspace, wanted []string) ([]*cargo.Package, error) {
	var out []*cargo.Package
	for _, w := range wanted {
		found := false
		for i := range ws.Packages {
			p := &ws.Packages[i]
			if matches(w, p) {
				found = true
				if !slices.Contains(out, p) {
					out = append(out, p)
				}
			}
		}
		if !found {
			var all []string
			for _, p := range ws.Packages {
				all = append(all, p.Name)
			}
			return nil, &ChoiceError{fmt.Sprintf("package %q is not in this workspace", w), Nearest(w, all)}
		}
	}
	return out, nil
}

// matches compares with the forms of cargo's -p that can name a member (The Cargo Book, "Package ID Specifications"):
// NAME, NAME@VERSION, where a version may be shortened, the address of its folder with or without #…, and a glob.
func matches(spec string, p *cargo.Package) bool {
	if spec == p.Name || spec == p.ID {
		return true
	}
	if strings.Contains(spec, "://") {
		folder, rest, pinned := strings.Cut(strings.TrimPrefix(spec, "path+"), "#")
		mine, _, _ := strings.Cut(strings.TrimPrefix(p.ID, "path+"), "#")
		name, version, both := strings.Cut(rest, "@")
		switch {
		case folder != mine:
			return false
		case both:
			return name == p.Name && sameVersion(version, p.Version)
		}
		return !pinned || rest == p.Name || sameVersion(rest, p.Version)
	}
	if i := strings.IndexAny(spec, "@:"); i >= 0 {
		return spec[:i] == p.Name && sameVersion(spec[i+1:], p.Version)
	}
	return globs(spec, p.Name)
}

// sameVersion compares a version with a wanted one, which may leave parts out at its end: 1, 1.2, 1.2.3.
func sameVersion(wanted, version string) bool {
	rest, ok := strings.CutPrefix(version, wanted)
	if !ok || wanted == "" || rest == "" {
		return ok && wanted != ""
	}
	if strings.ContainsAny(wanted, "+-") {
		return rest[0] == '+'
	}
	// What was left out may be numbers, or the build's own words; a pre-release is another version.
	return rest[0] == '+' || rest[0] == '.' && !strings.Contains(strings.SplitN(rest, "+", 2)[0], "-")
}

// globs tells whether a word of the user's means a name: -p, --bin and --example take cargo's patterns.
func globs(pattern, name string) bool {
	if pattern == name {
		return true
	}
	ok, err := path.Match(pattern, name)
	return err == nil && ok
}

// Named gives the bins or examples of packages that words of --bin or --example mean, patterns replaced by names.
func Named(pkgs []*cargo.Package, words []string, example bool) []string {
	var out []string
	for _, w := range words {
		for _, p := range pkgs {
			for _, b := range p.Bins {
				if b.Example == example && globs(w, b.Name) && !slices.Contains(out, b.Name) {
					out = append(out, b.Name)
				}
			}
		}
	}
	return out
}

// owners narrows packages to those that hold the wanted bins and examples; each must be found.
func owners(pkgs []*cargo.Package, s Selection) ([]*cargo.Package, error) {
	var out []*cargo.Package
	find := func(kind string, wanted []string, example bool) error {
		for _, w := range wanted {
			found := false
			var all []string
			for _, p := range pkgs {
				for _, b := range p.Bins {
					if b.Example != example {
						continue
					}
					all = append(all, b.Name)
					if globs(w, b.Name) {
						found = true
						if !slices.Contains(out, p) {
							out = append(out, p)
						}
					}
				}
			}
			if !found {
				return &ChoiceError{fmt.Sprintf("no %s is named %q", kind, w), Nearest(w, all)}
			}
		}
		return nil
	}
	if err := find("bin", s.Bins, false); err != nil {
		return nil, err
	}
	if err := find("example", s.Examples, true); err != nil {
		return nil, err
	}
	return out, nil
}

// Nearest is a hint for a word that is none of the known ones: the closest, and the list when it is short.
func Nearest(word string, known []string) string {
	best, at := "", 1<<30
	for _, k := range known {
		if d := levenshtein.ComputeDistance(word, k); d < at {
			best, at = k, d
		}
	}
	list := strings.Join(known, ", ")
	switch {
	case len(known) == 0:
		return ""
	case at <= max(2, len(word)/3) && len(known) > 12:
		return fmt.Sprintf("did you mean %s?", best)
	case at <= max(2, len(word)/3):
		return fmt.Sprintf("did you mean %s? known: %s", best, list)
	case len(known) > 40:
		return ""
	}
	return "known: " + list
}

func hasBin(p *cargo.Package) bool {
	return slices.ContainsFunc(p.Bins, func(b cargo.Bin) bool { return !b.Example })
}

func names(ps []*cargo.Package) string {
	var out []string
	for _, p := range ps {
		out = append(out, p.Name)
	}
	return strings.Join(out, ", ")
}

func noBin(p *cargo.Package) error {
	kinds := strings.Join(p.Kinds, ", ")
	if kinds == "" {
		kinds = "nothing to compile"
	}
	advice := "add src/main.rs, or choose another package: -p NAME"
	for _, b := range p.Bins {
		if b.Example {
			advice = "an image needs a program; its examples can be one: --example " + b.Name
			break
		}
	}
	return &ChoiceError{fmt.Sprintf("package %s has no bin, only: %s", p.Name, kinds), advice}
}
