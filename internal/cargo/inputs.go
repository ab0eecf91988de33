// SPDX-License-Identifier: MIT OR Apache-2.0

package cargo

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/bmatcuk/doublestar/v4"
	"github.com/pelletier/go-toml/v2"
)

// manifestLimit bounds a Cargo.toml, in bytes.
const manifestLimit = 8 << 20

// inputs sums up the files that an answer depends on, and remembers the newest change of them.
type inputs struct {
	h      hash.Hash
	newest time.Time
}

func newInputs() *inputs { return &inputs{h: sha256.New()} }

func (in *inputs) sum() string { return hex.EncodeToString(in.h.Sum(nil)) }

func (in *inputs) add(format string, args ...any) { fmt.Fprintf(in.h, format+"\n", args...) }

func (in *inputs) seen(info fs.FileInfo) {
	if info.ModTime().After(in.newest) {
		in.newest = info.ModTime()
	}
}

// content adds a file's bytes, or that it is not there.
func (in *inputs) content(path string) []byte {
	data, info, err := readInfo(path, manifestLimit)
	if info == nil {
		in.add("no %q", path)
		return nil
	}
	in.seen(info)
	if err != nil {
		in.add("unreadable %q %d %d", path, info.Size(), info.ModTime().UnixNano())
		return nil
	}
	in.add("file %q %d", path, len(data))
	in.h.Write(data)
	return data
}

// stat adds a file's size and time of change: for programs, which are too large to read.
func (in *inputs) stat(path string) {
	info, err := os.Stat(path)
	if err != nil {
		in.add("no %q", path)
		return
	}
	in.add("stat %q %d %d %s", path, info.Size(), info.ModTime().UnixNano(), info.Mode())
}

// exists adds whether a file is there.
func (in *inputs) exists(path string) {
	in.add("exists %q %t", path, fileExists(path))
}

func fileExists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// sources adds the names in a folder that cargo makes targets of: x.rs, and x with a main.rs in it.
func (in *inputs) sources(dir string) {
	info, err := os.Stat(dir)
	if err != nil {
		in.add("no %q", dir)
		return
	}
	in.seen(info)
	entries, err := os.ReadDir(dir)
	if err != nil {
		in.add("unreadable %q", dir)
		return
	}
	in.add("folder %q", dir)
	for _, e := range entries {
		switch {
		case strings.HasPrefix(e.Name(), "."):
		case e.IsDir():
			in.exists(filepath.Join(dir, e.Name(), "main.rs"))
		case strings.HasSuffix(e.Name(), ".rs"):
			in.add("source %q", e.Name())
		}
	}
}

// links adds the names in a folder, with what the symbolic links among them point to.
func (in *inputs) links(dir string) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		in.add("no %q", dir)
		return
	}
	for _, e := range entries {
		to := ""
		if e.Type()&fs.ModeSymlink != 0 {
			to, _ = os.Readlink(filepath.Join(dir, e.Name()))
		}
		in.add("entry %q %q", e.Name(), to)
	}
}

// workspace adds everything that cargo's description of ws depends on: the manifests above the one that was asked
// for (each could be, or become, the workspace's root), the members' manifests and targets, what the patterns for
// members match.
func (in *inputs) workspace(ws *Workspace, asked string) {
	var manifests []string
	for _, dir := range ancestors(filepath.Dir(asked)) {
		manifests = append(manifests, filepath.Join(dir, "Cargo.toml"))
	}
	root := filepath.Join(ws.Root, "Cargo.toml")
	manifests = append(manifests, asked, root)
	for _, p := range ws.Packages {
		manifests = append(manifests, p.Manifest)
	}
	slices.Sort(manifests)
	for _, path := range slices.Compact(manifests) {
		data := in.content(path)
		if path == root {
			in.members(ws.Root, data)
		}
	}
	for _, p := range ws.Packages {
		dir := filepath.Dir(p.Manifest)
		for _, name := range []string{"build.rs", "src/main.rs", "src/lib.rs"} {
			in.exists(filepath.Join(dir, filepath.FromSlash(name)))
		}
		in.sources(filepath.Join(dir, "src", "bin"))
		in.sources(filepath.Join(dir, "examples"))
	}
}

// members adds the manifests that the patterns in workspace.members match.
func (in *inputs) members(root string, manifest []byte) {
	var m struct {
		Workspace struct {
			Members []string `toml:"members"`
		} `toml:"workspace"`
	}
	if err := toml.Unmarshal(manifest, &m); err != nil {
		return // cargo will say so, or knows more TOML than we do: the members it gave are watched anyway
	}
	for _, pattern := range m.Workspace.Members {
		if !strings.ContainsAny(pattern, "*?[") {
			continue
		}
		in.add("members %q", pattern)
		matches, err := doublestar.FilepathGlob(globOf(root, pattern))
		if err != nil {
			continue
		}
		slices.Sort(matches)
		for _, path := range matches {
			in.add("match %q", path)
		}
	}
}

// globOf writes a pattern of cargo's for our matcher, which knows braces and escapes beside.
func globOf(root, pattern string) string {
	plain := strings.NewReplacer(`\`, `\\`, "{", `\{`, "}", `\}`, "*", `\*`, "?", `\?`, "[", `\[`)
	if os.PathSeparator == '\\' {
		plain = strings.NewReplacer()
	}
	braces := strings.NewReplacer("{", `\{`, "}", `\}`)
	return filepath.Join(plain.Replace(root), braces.Replace(filepath.FromSlash(pattern)), "Cargo.toml")
}

// toolFiles adds what decides which toolchain rustup runs in cwd: its files up the tree, its settings, its
// toolchains. Where there is no rustup this is a few files that are not there.
func (in *inputs) toolFiles(cwd string, env environ) {
	for _, dir := range ancestors(cwd) {
		for _, name := range []string{"rust-toolchain", "rust-toolchain.toml"} {
			// Absent files are not counted: one toolchain serves all folders that name none.
			if path := filepath.Join(dir, name); fileExists(path) {
				in.content(path)
			}
		}
	}
	in.content("/etc/rustup/settings.toml")
	home := env.rustupHome(cwd)
	if home == "" {
		return
	}
	settings := in.content(filepath.Join(home, "settings.toml"))
	in.links(filepath.Join(home, "toolchains"))
	var s struct {
		Overrides map[string]string `toml:"overrides"`
	}
	if toml.Unmarshal(settings, &s) != nil || len(s.Overrides) > 0 {
		in.add("cwd %q", cwd) // overrides go by folder
	}
}
