// SPDX-License-Identifier: MIT OR Apache-2.0

package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"sampan/internal/cargo"
	"sampan/internal/native"
	"sampan/internal/plan"
)

// level is one place that options may be set in, with the values it sets, by flag name.
type level map[string]value

// wishes are the options that belong to the call and to no image.
type wishes struct {
	selection plan.Selection
	cargo     plan.Words
	binaries  []string
	triples   []string
	platforms []string
	outputs   []string
	push      bool
	imageRefs string
	registry  registryWords
	manifest  string
	targetDir string
	git       gitWords

	ignoreLock bool
	release    bool
	noInstall  bool
	cxx        bool
	quiet      bool
	verbose    bool
	json       bool
	progress   string
	with       string
}

// settle lays levels over each other, most specific first, over the defaults, and gives one value for every option.
func settle(levels ...level) level {
	out := level{}
	for _, o := range options {
		v := value{origin: func() string { return "default" }}
		if o.def != "" {
			// The defaults are ours and always readable: a test reads them all.
			_ = v.add(o.kind, o.def)
		}
		for _, l := range slices.Backward(levels) {
			if set, ok := l[o.flag]; ok {
				v = set.inherit(o.kind, v)
			} else if _, ok := l[o.rival]; ok {
				v = value{origin: v.origin}
			}
		}
		out[o.flag] = v
	}
	return out
}

// calls gives the wishes of settled values.
func (l level) calls() wishes {
	var w wishes
	for _, o := range options {
		if o.call != nil {
			o.call(&w, l[o.flag])
		}
	}
	return w
}

// settings gives one image's settings of settled values.
func (l level) settings() plan.Settings {
	var s plan.Settings
	for _, o := range options {
		if o.image != nil {
			o.image(&s, l[o.flag])
		}
	}
	return s
}

// fromEnvironment reads the SAMPAN_… variables. An empty one is not set.
func fromEnvironment(env []string) (level, error) {
	out := level{}
	for _, o := range options {
		name := o.variable()
		word := lookup(env, name)
		if name == "" || word == "" {
			continue
		}
		v := value{origin: func() string { return name }}
		items := []string{word}
		if o.kind == list || o.kind == rows {
			items = strings.Split(word, ",")
		}
		for _, item := range items {
			if err := v.add(o.kind, strings.TrimSpace(item)); err != nil {
				advice := o.doc
				if o.kind == toggle {
					advice = name + "=true, or " + name + "=false"
				}
				return nil, &plan.SettingError{Key: o.flag, Origin: name, Reason: err.Error(), Advice: advice}
			}
		}
		out[o.flag] = v
	}
	return out, nil
}

// strangers tells of SAMPAN_… variables that set nothing: misspelt ones would be missed for long.
func strangers(env []string) (warnings []string) {
	known := []string{"SAMPAN_CACHE_DIR", native.LogVar}
	for _, o := range options {
		if o.env {
			known = append(known, o.variable())
		}
	}
	for _, e := range env {
		name, word, _ := strings.Cut(e, "=")
		if word != "" && strings.HasPrefix(name, "SAMPAN_") && !slices.Contains(known, name) {
			warnings = append(warnings, strings.TrimSpace(name+" sets nothing here: "+plan.Nearest(name, known)))
		}
	}
	return warnings
}

// source is a file that holds settings, and where in it.
type source struct {
	file string   // absolute path
	path []string // keys down to the table
	show string   // the file as the user knows it
}

// at says where a key of the source stands, "Cargo.toml:12".
func (s source) at(key string) string {
	text, err := os.ReadFile(s.file)
	if err != nil {
		return s.show
	}
	if line := cargo.KeyLine(string(text), append(slices.Clone(s.path), key)); line > 0 {
		return s.show + ":" + strconv.Itoa(line)
	}
	return s.show
}

// fromTable reads the options of a table. An unknown key is an error that names the nearest known one.
func fromTable(table map[string]any, src source, allowed func(*option) bool) (level, error) {
	out := level{}
	for _, key := range slices.Sorted(maps.Keys(table)) {
		i := slices.IndexFunc(options, func(o *option) bool { return o.metadataKey() == key })
		if i < 0 {
			return nil, &plan.SettingError{Key: key, Origin: src.at(key), Reason: "unknown setting", Advice: plan.Nearest(key, keysOf(allowed))}
		}
		o := options[i]
		if !allowed(o) {
			advice := "it belongs to the whole package: [package.metadata.sampan]"
			if o.flag == "package" {
				advice = "it belongs to the whole workspace: [workspace.metadata.sampan]"
			}
			return nil, &plan.SettingError{Key: key, Origin: src.at(key), Reason: "cannot be set here", Advice: advice}
		}
		v, err := decode(o.kind, table[key])
		if err != nil {
			advice := o.example
			if advice == "" {
				advice = o.doc
			}
			return nil, &plan.SettingError{Key: key, Origin: src.at(key), Reason: err.Error(), Advice: advice}
		}
		v.origin = func() string { return src.at(key) }
		out[o.flag] = v
	}
	return out, nil
}

func keysOf(allowed func(*option) bool) []string {
	var out []string
	for _, o := range options {
		if o.metadataKey() != "" && allowed(o) {
			out = append(out, o.metadataKey())
		}
	}
	slices.Sort(out)
	return out
}

func anywhere(*option) bool { return true }

// inPackage tells whether an option may stand in a package's table: not the choice of packages.
func inPackage(o *option) bool { return o.flag != "package" }

// inImage tells whether an option may stand in an [[…image]] table: not those that shape the compile.
func inImage(o *option) bool {
	return o.image != nil && o.flag != "features" && !slices.Contains([]string{"profile", "thin", "cc", "sysroot", "allocator"}, o.flag)
}

// tableOf takes the sampan table out of a metadata document.
func tableOf(metadata json.RawMessage) (map[string]any, error) {
	if !bytes.Contains(metadata, []byte(`"sampan"`)) {
		return nil, nil
	}
	var doc struct {
		Sampan map[string]any `json:"sampan"`
	}
	d := json.NewDecoder(bytes.NewReader(metadata))
	d.UseNumber()
	if err := d.Decode(&doc); err != nil {
		return nil, fmt.Errorf("metadata.sampan wants a table")
	}
	return doc.Sampan, nil
}

// packageLevels reads a package's table: what it sets for all its images, and each [[…image]] table.
func packageLevels(ws *cargo.Workspace, p *cargo.Package) (all level, images []level, err error) {
	src := source{file: p.Manifest, path: []string{"package", "metadata", "sampan"}, show: shown(ws, p.Manifest)}
	table, err := tableOf(p.Metadata)
	if err != nil {
		return nil, nil, &plan.SettingError{Key: "metadata", Origin: src.show, Reason: err.Error(), Advice: "[package.metadata.sampan]"}
	}
	list, has := table["image"]
	delete(table, "image")
	if all, err = fromTable(table, src, inPackage); err != nil || !has {
		return all, nil, err
	}
	items, ok := list.([]any)
	if !ok {
		return nil, nil, &plan.SettingError{Key: "image", Origin: src.at("image"), Reason: "wants an array of tables", Advice: "[[package.metadata.sampan.image]]"}
	}
	for i, item := range items {
		sub := source{file: src.file, show: src.show, path: append(slices.Clone(src.path), "image", strconv.Itoa(i))}
		t, ok := item.(map[string]any)
		if !ok {
			return nil, nil, &plan.SettingError{Key: "image", Origin: src.at("image"), Reason: "wants an array of tables", Advice: "[[package.metadata.sampan.image]]"}
		}
		l, err := fromTable(t, sub, inImage)
		if err != nil {
			return nil, nil, err
		}
		images = append(images, l)
	}
	return all, images, nil
}

func workspaceLevel(ws *cargo.Workspace) (level, error) {
	manifest := filepath.Join(ws.Root, "Cargo.toml")
	src := source{file: manifest, path: []string{"workspace", "metadata", "sampan"}, show: shown(ws, manifest)}
	table, err := tableOf(ws.Metadata)
	if err != nil {
		return nil, &plan.SettingError{Key: "metadata", Origin: src.show, Reason: err.Error(), Advice: "[workspace.metadata.sampan]"}
	}
	return fromTable(table, src, anywhere)
}

// shown is a manifest as messages name it: relative to the workspace.
func shown(ws *cargo.Workspace, path string) string {
	if rel, err := filepath.Rel(ws.Root, path); err == nil {
		return filepath.ToSlash(rel)
	}
	return path
}

// choice settles the images of one package.
func choice(ws *cargo.Workspace, p *cargo.Package, above []level, below []level) (plan.Choice, []level, error) {
	c := plan.Choice{Package: p}
	all, images, err := packageLevels(ws, p)
	if err != nil {
		return c, nil, err
	}
	stack := func(image level) level {
		levels := slices.Clone(above)
		if image != nil {
			levels = append(levels, image)
		}
		return settle(append(append(levels, all), below...)...)
	}
	plain := stack(nil)
	examples := plain["example"].list
	named := namedBins(above)
	every := len(named) == 0 && above[0]["bins"].on
	if every {
		named = binsOf(p)
	}
	asked := slices.Clone(named)
	if len(named) == 0 && len(examples) > 0 {
		images = nil // only the examples are asked for
	}
	var settled []level
	for _, im := range images {
		s := stack(im)
		set := s.settings()
		set.Bins = im["bin"].list
		if len(set.Bins) == 0 {
			if name := set.Name; hasBin(p, name) {
				set.Bins = []string{name}
			}
		}
		if len(named) > 0 && !slices.ContainsFunc(named, func(b string) bool { return slices.Contains(set.Bins, b) }) {
			continue
		}
		set.Together, set.AllBins, set.Examples = true, false, nil
		c.Images, settled = append(c.Images, set), append(settled, s)
		asked = slices.DeleteFunc(asked, func(b string) bool { return slices.Contains(set.Bins, b) })
	}
	if len(c.Images) == 0 || len(asked) > 0 || len(examples) > 0 {
		set := plain.settings()
		if len(images) > 0 || every {
			set.Bins = asked
		}
		set.Bins = mine(p, set.Bins, above)
		set.Examples = theirs(p, examples)
		c.Images, settled = append(c.Images, set), append(settled, plain)
	}
	return c, settled, nil
}

func binsOf(p *cargo.Package) (names []string) {
	for _, b := range p.Bins {
		if !b.Example {
			names = append(names, b.Name)
		}
	}
	return names
}

// namedBins are the bins that the command line names.
func namedBins(above []level) []string {
	for _, l := range above {
		if v, ok := l["bin"]; ok {
			return slices.Clone(v.list)
		}
	}
	return nil
}

// mine leaves of the command line's bins those that a package has: the others belong to its neighbours. Bins that the
// package's own settings name stay, so that a wrong one is found out.
func mine(p *cargo.Package, bins []string, above []level) []string {
	if len(namedBins(above)) == 0 {
		return bins
	}
	return slices.DeleteFunc(slices.Clone(bins), func(b string) bool { return !hasBin(p, b) })
}

func theirs(p *cargo.Package, examples []string) []string {
	return slices.DeleteFunc(slices.Clone(examples), func(e string) bool {
		return !slices.ContainsFunc(p.Bins, func(b cargo.Bin) bool { return b.Example && b.Name == e })
	})
}

func hasBin(p *cargo.Package, name string) bool {
	return slices.ContainsFunc(p.Bins, func(b cargo.Bin) bool { return !b.Example && b.Name == name })
}

// lookup reads a variable of an environment; the last one wins, as in a process.
func lookup(env []string, name string) string {
	if name == "" {
		return ""
	}
	for _, e := range slices.Backward(env) {
		if k, v, ok := strings.Cut(e, "="); ok && k == name {
			return v
		}
	}
	return ""
}
