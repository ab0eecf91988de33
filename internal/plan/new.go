// SPDX-License-Identifier: MIT OR Apache-2.0

package plan

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"sampan/internal/cargo"
	"sampan/internal/native"
)

// New decides. It is pure: equal arguments give equal Plans, and nothing is touched.
func New(ws *cargo.Workspace, o Options) (*Plan, error) {
	p := &Plan{Compiles: []Compile{}, Outputs: o.Outputs, Created: o.Created.UTC()}
	if len(o.Binaries) > 0 {
		im, err := ofBinaries(o)
		if err != nil {
			return nil, err
		}
		p.Images = []Image{im}
		return p, nil
	}
	for _, c := range o.Chosen {
		images, bins, examples, err := imagesOf(c, o)
		if err != nil {
			return nil, err
		}
		p.Images = append(p.Images, images...)
		for _, t := range c.Triples {
			if err := agree(c, t); err != nil {
				return nil, err
			}
			one := compile(ws, c, o, t)
			one.Init = slices.ContainsFunc(images, func(im Image) bool { return im.Init })
			if len(bins) > 0 {
				one.Bins = bins
				p.Compiles = append(p.Compiles, one)
			}
			if len(examples) > 0 {
				one.Bins, one.Examples = nil, examples
				p.Compiles = append(p.Compiles, one)
			}
		}
	}
	if len(p.Images) == 0 {
		return nil, switchedOff(o)
	}
	return p, distinct(p.Images)
}

// switchedOff is the error of bins that all need features that are off.
func switchedOff(o Options) error {
	var bins, features []string
	for _, c := range o.Chosen {
		for _, b := range c.Package.Bins {
			if !b.Example {
				bins, features = append(bins, b.Name), append(features, b.RequiredFeatures...)
			}
		}
	}
	slices.Sort(features)
	return &ChoiceError{"every bin needs features that are off: " + strings.Join(bins, ", "),
		"--features " + strings.Join(slices.Compact(features), ",")}
}

// compile is one cargo run, less its bins or examples.
func compile(ws *cargo.Workspace, c Choice, o Options, t cargo.Triple) Compile {
	manifest, err := filepath.Rel(ws.Root, c.Package.Manifest)
	if err != nil {
		manifest = c.Package.Manifest
	}
	first := c.Images[0] // features and profile are the package's, equal for all its images
	profile := first.Profile
	if profile == "" {
		profile = "release"
	}
	one := Compile{
		Package: c.Package.Name, Version: c.Package.Version, Manifest: filepath.ToSlash(manifest), Crate: o.Crate,
		Triple: t, Profile: profile,
		Features: own(c, o), AllFeatures: o.Cargo.AllFeatures, NoDefaultFeatures: o.Cargo.NoDefaultFeatures,
		Locked: o.Cargo.Locked || ws.Lock.Exists, Offline: o.Cargo.Offline, Frozen: o.Cargo.Frozen,
		Jobs: o.Cargo.Jobs, Config: o.Cargo.Config, Unstable: o.Cargo.Unstable, Args: o.Cargo.Args,
		Flags: o.Flags(t), Thin: first.Thin, CC: first.CC, Sysroot: first.Sysroot,
	}
	if dynamic(first, t) {
		one.Flags = []string{}
	}
	if first.Allocator != native.SystemAllocator {
		one.Allocator = first.Allocator
	}
	if one.Thin {
		one.Env = thin(profile)
	}
	return one
}

// dynamic tells whether a program is linked with shared objects: with glibc, upon a base that has them.
func dynamic(s Settings, t cargo.Triple) bool { return s.Base != "" && !t.Musl() }

// agree sees that the images of one compile want it linked alike.
func agree(c Choice, t cargo.Triple) error {
	for _, s := range c.Images {
		if dynamic(s, t) != dynamic(c.Images[0], t) {
			return &SettingError{Package: c.Package.Name, Key: "base", Row: s.Row, Reason: fmt.Sprintf("for %s all images of package %s have a base, or none has", t, c.Package.Name),
				Advice: "base in [package.metadata.sampan], or --target x86_64-unknown-linux-musl"}
		}
	}
	return nil
}

// thin are the variables of cargo (the book's "environment variables", CARGO_PROFILE_<name>_*) that compile a profile
// for size.
func thin(profile string) []string {
	prefix := "CARGO_PROFILE_" + strings.ToUpper(strings.ReplaceAll(profile, "-", "_")) + "_"
	return []string{prefix + "LTO=fat", prefix + "CODEGEN_UNITS=1", prefix + "OPT_LEVEL=s", prefix + "PANIC=abort", prefix + "INCREMENTAL=false"}
}

// imagesOf gives a package's images, and the bins and examples that they need, each once, sorted.
func imagesOf(c Choice, o Options) (images []Image, bins, examples []string, err error) {
	on := enabled(c.Package, own(c, o), o.Cargo)
	for _, s := range c.Images {
		groups, err := programs(c.Package, s, on)
		if err != nil {
			return nil, nil, nil, inRow(err, s)
		}
		for _, g := range groups {
			im, err := imageOf(c, s, g, o)
			if err != nil {
				return nil, nil, nil, inRow(err, s)
			}
			images = append(images, im)
			for _, b := range g {
				if b.Example {
					examples = append(examples, b.Name)
				} else {
					bins = append(bins, b.Name)
				}
			}
		}
	}
	slices.Sort(bins)
	slices.Sort(examples)
	return images, slices.Compact(bins), slices.Compact(examples), nil
}

// inRow tells an error of a setting which settings it is about.
func inRow(err error, s Settings) error {
	if e, ok := errors.AsType[*SettingError](err); ok {
		e.Row = s.Row
	}
	return err
}

// programs groups the wanted bins of a package: one group is one image. on are the features that are on.
func programs(p *cargo.Package, s Settings, on map[string]bool) ([][]cargo.Bin, error) {
	wanted, err := wantedBins(p, s, on)
	if err != nil {
		return nil, err
	}
	if s.Together {
		return [][]cargo.Bin{wanted}, nil
	}
	var out [][]cargo.Bin
	for _, b := range wanted {
		out = append(out, []cargo.Bin{b})
	}
	return out, nil
}

func wantedBins(p *cargo.Package, s Settings, on map[string]bool) ([]cargo.Bin, error) {
	var all, out []cargo.Bin
	var known []string
	for _, b := range p.Bins {
		if !b.Example {
			all, known = append(all, b), append(known, b.Name)
		}
	}
	ready := buildable(all, on)
	for _, w := range s.Bins {
		i := slices.Index(known, w)
		if i < 0 {
			return nil, &SettingError{Package: p.Name, Key: "bins", Reason: fmt.Sprintf("package %s has no bin %q", p.Name, w),
				Advice: Nearest(w, known)}
		}
		out = append(out, all[i])
	}
	for _, w := range s.Examples {
		out = append(out, cargo.Bin{Name: w, Example: true})
	}
	switch {
	case len(out) > 0 && s.AllBins:
		return buildable(out, on), nil
	case len(out) > 0:
		return out, nil
	case s.AllBins && len(all) > 0:
		return ready, nil // none is fine while a neighbour has some
	case len(all) == 1:
		return all, nil
	case p.DefaultRun != "" && slices.Contains(known, p.DefaultRun):
		return []cargo.Bin{all[slices.Index(known, p.DefaultRun)]}, nil
	case len(all) == 0:
		return nil, noBin(p)
	case s.Together:
		return nil, &SettingError{Package: p.Name, Key: "bins",
			Reason: fmt.Sprintf("an image of package %s names none of its bins", p.Name),
			Advice: fmt.Sprintf("bins = [%q] in its table; known: %s", known[0], strings.Join(known, ", "))}
	case len(ready) == 1:
		return ready, nil
	}
	return nil, &ChoiceError{
		fmt.Sprintf("package %s has %d bins: %s", p.Name, len(all), strings.Join(known, ", ")),
		fmt.Sprintf("choose one: --bin %s; or all: --bins; or set default-run in Cargo.toml", known[0])}
}

func imageOf(c Choice, s Settings, bins []cargo.Bin, o Options) (Image, error) {
	p := c.Package
	main := bins[0].Name
	if i := slices.IndexFunc(bins, func(b cargo.Bin) bool { return b.Name == s.Name || b.Name == p.DefaultRun }); i > 0 {
		main = bins[i].Name
	}
	im, err := base(s, main, p, o)
	if err != nil {
		return im, err
	}
	for _, b := range bins {
		im.Programs = append(im.Programs, Program{Bin: b.Name, Example: b.Example, Path: "/" + b.Name})
	}
	for _, t := range c.Triples {
		platform, ok := t.Platform()
		if !ok {
			return im, &ChoiceError{fmt.Sprintf("triple %q is not known", t), "linux triples only, such as x86_64-unknown-linux-musl"}
		}
		if i := slices.IndexFunc(im.Platforms, platform.Equals); i >= 0 {
			return im, &ChoiceError{fmt.Sprintf("%s and %s are both for %s", c.Triples[i], t, platform), "give one --target for each platform"}
		}
		if im.Init && !native.Links(t) {
			return im, &SettingError{Package: p.Name, Key: "init", Row: im.Row, Reason: fmt.Sprintf("the init is made for musl, not for %s", t),
				Advice: "--init=false, or --target x86_64-unknown-linux-musl"}
		}
		im.Platforms = append(im.Platforms, platform)
	}
	sorted(im.Platforms)
	return im, nil
}

// sorted puts platforms in the order of an index: that of asking for them must not show in a digest.
func sorted(platforms []v1.Platform) {
	slices.SortFunc(platforms, func(a, b v1.Platform) int { return strings.Compare(a.String(), b.String()) })
}

func ofBinaries(o Options) (Image, error) {
	name := filepath.Base(o.Binaries[0].Path)
	name = strings.TrimSuffix(name, ".exe")
	im, err := base(o.Settings, name, nil, o)
	if err != nil {
		return im, err
	}
	if im.Init {
		return im, &SettingError{Key: "init", Row: im.Row, Reason: "where nothing is compiled there is no rustc to compile the init with",
			Advice: "--init=false, and start it with an init of the engine's: docker run --init"}
	}
	prog := Program{Bin: name, Path: "/" + name, Sources: map[string]string{}}
	for _, b := range o.Binaries {
		key := b.Platform.String()
		if other, ok := prog.Sources[key]; ok {
			return im, &ChoiceError{fmt.Sprintf("%s and %s are both for %s", other, b.Path, key), "give one --binary for each platform"}
		}
		prog.Sources[key] = b.Path
		im.Platforms = append(im.Platforms, b.Platform)
	}
	sorted(im.Platforms)
	im.Programs = []Program{prog}
	return im, nil
}

// distinct refuses two images of one name: they would overwrite each other wherever they go.
func distinct(images []Image) error {
	seen := map[string]Image{}
	for _, im := range images {
		if other, ok := seen[im.Name]; ok {
			return &SettingError{Package: im.Package, Key: "name", Row: im.Row,
				Reason: fmt.Sprintf("two images are named %q (packages %s and %s)", im.Name, other.Package, im.Package),
				Advice: `give each its own: name = "…" in [package.metadata.sampan], or choose one with -p or --bin`}
		}
		seen[im.Name] = im
	}
	return nil
}
