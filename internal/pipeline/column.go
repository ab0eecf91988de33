// SPDX-License-Identifier: MIT OR Apache-2.0

package pipeline

import (
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"sampan/internal/base"
	"sampan/internal/binary"
	"sampan/internal/builder"
	"sampan/internal/cargo"
	"sampan/internal/check"
	"sampan/internal/image"
	"sampan/internal/plan"
	"sampan/internal/rootfs"
)

// column is one image for one platform, on its way down.
type column struct {
	image    plan.Image
	platform v1.Platform
	programs []program
	init     string // path of the init on disk; "" for none
	trees    []rootfs.Tree
	keys     []string // what names each tree's content for the cache of layers
	names    []string // what made each layer, for the history

	result  v1.Image
	weights map[v1.Hash]int64 // bytes of the blobs and the manifest
	layer   v1.Hash           // of the programs
	debug   string

	base     *base.Image // nil for none
	findings []check.Finding
}

type program struct {
	plan   plan.Program
	path   string       // on disk
	triple cargo.Triple // that it was compiled for; "" when it was there
	linked []builder.Linked
	crates []string // compiled into it; nil when it was there
	binary *binary.Program
}

// inspect finds every program, reads its ELF, describes the files of its image, and asks the checks about both.
func inspect(ctx context.Context, p *plan.Plan, built []builder.Built, added map[string]rootfs.Tree, t Tools) ([]column, error) {
	var out []column
	for _, im := range p.Images {
		for _, pf := range im.Platforms {
			c := column{image: im, platform: pf, init: initOf(p, built, im, pf)}
			if err := c.upon(ctx, t); err != nil {
				return nil, err
			}
			for _, prog := range im.Programs {
				found, err := locate(p, built, im, prog, pf)
				if err != nil {
					return nil, err
				}
				if err := found.read(im.Strip); err != nil {
					return nil, err
				}
				c.programs = append(c.programs, found)
			}
			if err := c.plant(added[im.Name]); err != nil {
				return nil, err
			}
			var err error
			if c.findings, err = c.check(); err != nil {
				return nil, err
			}
			out = append(out, c)
		}
	}
	return out, nil
}

// initOf finds the init that was compiled along with an image's programs.
func initOf(p *plan.Plan, built []builder.Built, im plan.Image, pf v1.Platform) string {
	for i, c := range p.Compiles {
		if platform, _ := c.Triple.Platform(); im.Init && c.Package == im.Package && platform.Equals(pf) {
			return built[i].Init
		}
	}
	return ""
}

// check asks about every program; with the main one also about the image as a whole.
func (c *column) check() ([]check.Finding, error) {
	var out []check.Finding
	for i, p := range c.programs {
		s := check.Subject{Name: p.plan.Bin, Path: p.path, Facts: p.binary.Facts, Triple: string(p.triple), Platform: c.platform,
			Linked: linked(p.linked)}
		if i == 0 {
			s.Trees, s.Entrypoint, s.Capabilities = c.trees, c.image.Config.Entrypoint, c.image.Capabilities
			s.Ports, s.Init, s.Crates = slices.Sorted(maps.Keys(c.image.Config.ExposedPorts)), c.image.Init || c.image.NoInit, p.crates
		}
		if err := c.below(&s, p); err != nil {
			return nil, err
		}
		out = append(out, check.Run(s)...)
	}
	return out, nil
}

// locate finds a program in what was built, or where the user said that it is.
func locate(p *plan.Plan, built []builder.Built, im plan.Image, prog plan.Program, pf v1.Platform) (program, error) {
	if path, ok := prog.Sources[pf.String()]; ok {
		return program{plan: prog, path: path}, nil
	}
	for i, c := range p.Compiles {
		platform, _ := c.Triple.Platform()
		if c.Package != im.Package || !platform.Equals(pf) {
			continue
		}
		for _, e := range built[i].Executables {
			if e.Bin == prog.Bin && e.Example == prog.Example {
				return program{plan: prog, path: e.Path, triple: c.Triple, linked: built[i].Linked, crates: crates(built[i].Units)}, nil
			}
		}
	}
	return program{}, fmt.Errorf("find bin %s of %s: cargo named no executable for %s", prog.Bin, im.Package, pf)
}

func (p *program) read(strip bool) (err error) {
	if strip {
		p.binary, err = binary.Strip(p.path)
	} else {
		p.binary, err = binary.Whole(p.path)
	}
	return err
}

// crates are the names of what was compiled for the program itself, not for the machine that builds.
func crates(units []cargo.Unit) []string {
	var out []string
	for _, u := range units {
		if !u.Host {
			out = append(out, u.Name)
		}
	}
	return out
}

func linked(ls []builder.Linked) []check.Linked {
	var out []check.Linked
	for _, l := range ls {
		out = append(out, check.Linked{Crate: l.Crate, Version: l.Version, Libs: l.Libs})
	}
	return out
}

// plant describes the files: Static, Files when there are any, Program.
func (c *column) plant(added rootfs.Tree) error {
	static := rootfs.Static(rootfs.StaticOptions{CA: c.image.CA})
	var fs []rootfs.ProgramFile
	var key strings.Builder
	fmt.Fprintf(&key, "program strip=%t", c.image.Strip)
	caps, _ := rootfs.LookupCaps(c.image.Capabilities) // the plan's are known
	if caps != 0 {
		fmt.Fprintf(&key, " caps=%x", uint64(caps))
	}
	for _, p := range c.programs {
		fs = append(fs, rootfs.ProgramFile{Path: strings.TrimPrefix(p.plan.Path, "/"), Size: p.binary.Size, Open: p.binary.Open, Caps: caps})
		id, err := identity(p.path)
		if err != nil {
			return err
		}
		fmt.Fprintf(&key, "\n%s %s", p.plan.Path, id)
	}
	if c.init != "" {
		f, id, err := initFile(c.init)
		if err != nil {
			return err
		}
		fs = append(fs, f)
		fmt.Fprintf(&key, "\n%s %s", plan.InitPath, id)
	}
	prog, err := rootfs.Program(fs...)
	if err != nil {
		return err
	}
	return c.layers(static, added, prog, key.String())
}

// layers puts the trees over each other, and all of them upon the base.
func (c *column) layers(static, added, prog rootfs.Tree, key string) (err error) {
	staticKey := fmt.Sprintf("static ca=%t %s", c.image.CA, rootfs.StaticVersion())
	if path, ok := rootfs.Overlap(added, prog); ok {
		return &plan.SettingError{Package: c.image.Package, Key: "files",
			Reason: fmt.Sprintf("/%s is the program's own place", path), Advice: "choose another destination"}
	}
	if c.base != nil {
		if staticKey, err = c.ontoBase(staticKey, &static, &added, &prog); err != nil {
			return err
		}
	}
	if len(static) > 0 {
		c.add(static, staticKey, "Static: what every program needs")
	}
	if len(added) > 0 {
		c.add(added, "", "Files: what this program adds")
	}
	c.add(prog.Above(static, added), key, "Program: "+c.programs[0].plan.Path)
	return nil
}

// initFile is the init as a file of the image, and what names its content.
func initFile(path string) (rootfs.ProgramFile, string, error) {
	id, err := identity(path)
	if err != nil {
		return rootfs.ProgramFile{}, "", err
	}
	info, err := os.Stat(path)
	if err != nil {
		return rootfs.ProgramFile{}, "", err
	}
	return rootfs.ProgramFile{Path: strings.TrimPrefix(plan.InitPath, "/"), Size: info.Size(),
		Open: func() (io.ReadCloser, error) { return os.Open(path) }}, id, nil
}

func (c *column) add(t rootfs.Tree, key, name string) {
	c.trees, c.keys, c.names = append(c.trees, t), append(c.keys, key), append(c.names, name)
}

func files(im plan.Image, t Tools) (rootfs.Tree, error) {
	if len(im.Files) == 0 && len(im.CAFiles) == 0 && !im.Zoneinfo {
		return nil, nil
	}
	o := rootfs.FilesOptions{Root: t.Folder(im.Package), Zoneinfo: im.Zoneinfo, CAFiles: im.CAFiles, AllowSetuid: im.Setuid,
		Base: rootfs.Static(rootfs.StaticOptions{CA: im.CA})}
	for _, f := range im.Files {
		o.Files = append(o.Files, rootfs.File{Source: f.Source, Destination: f.Destination, Owner: f.Owner, Mode: f.Mode})
	}
	return rootfs.Files(o)
}

// make turns the trees into layers and the layers into an image, and parts the debug half off.
func (c *column) make(ctx context.Context, p *plan.Plan, t Tools) error {
	algorithm, level, err := plan.Compression(c.image.Compression)
	if err != nil {
		return err
	}
	var layers []*image.Layer
	for i, tree := range c.trees {
		fresh := false
		l, err := image.NewLayer(ctx, tree, image.LayerOptions{
			Compression: image.Compression{Algorithm: algorithm, Level: level}, Workers: t.Workers, Store: t.Store,
			Scratch: t.Scratch, Key: c.keys[i], Progress: c.progress(i, t, &fresh)})
		if err != nil {
			return err
		}
		for _, d := range t.begun {
			if d != nil {
				d.Layer(payload(c.image), l, fresh)
			}
		}
		layers = append(layers, l)
	}
	c.result, err = image.New(image.Spec{Config: c.image.Config, Platform: c.platform, Created: p.Created, Layers: layers,
		StartInterval: c.startInterval(), Below: c.layersBelow(), History: c.names, Annotations: c.annotations()})
	if err != nil {
		return err
	}
	if err := c.weigh(layers); err != nil {
		return err
	}
	return c.part(t)
}

// startInterval is what only Docker's config has a field for, and the library's has none.
func (c *column) startInterval() time.Duration {
	if c.image.Health == nil || c.image.Config.Healthcheck == nil {
		return 0
	}
	return c.image.Health.StartInterval
}

// progress tells of the layer that takes time: the files and the program, not the constant one. Only a layer that is
// being made has any, so that it also tells deliveries what is coming: the layer, and with the program's the config.
func (c *column) progress(i int, t Tools, fresh *bool) func(done, total int64) {
	name, _, _ := strings.Cut(c.names[i], ":")
	return func(done, total int64) {
		if !*fresh {
			*fresh = true
			blobs := 1
			if i == len(c.trees)-1 {
				blobs = 2
			}
			for _, d := range t.begun {
				if d != nil {
					d.Soon(payload(c.image), blobs)
				}
			}
		}
		if name != "Static" {
			t.event(Event{Kind: "layer", Image: c.image.Name, Text: strings.ToLower(name), Done: done, Total: total})
		}
	}
}
