// SPDX-License-Identifier: MIT OR Apache-2.0

package cli

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"
)

// The fake toolchain. It speaks cargo's, rustc's and rustup's words as far as Sampan uses them; every call is a line in
// $FAKE/calls. What it compiles is a program of 13 instructions' worth that ends with code 7.

func note(tool string) {
	f, err := os.OpenFile(filepath.Join(os.Getenv("FAKE"), "calls"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		die(err)
	}
	defer f.Close()
	fmt.Fprintln(f, strings.Join(append([]string{tool}, os.Args[1:]...), " "))
}

func die(err error) {
	fmt.Fprintln(os.Stderr, "error:", err)
	os.Exit(101)
}

func word(name string) string {
	for i, a := range os.Args {
		if a == name && i+1 < len(os.Args) {
			return os.Args[i+1]
		}
		if v, ok := strings.CutPrefix(a, name+"="); ok {
			return v
		}
	}
	return ""
}

func all(name string) (out []string) {
	for i, a := range os.Args {
		if a == name && i+1 < len(os.Args) {
			out = append(out, os.Args[i+1])
		}
	}
	return out
}

type fakeManifest struct {
	Package *struct {
		Name, Version, License, Description, Homepage, Repository, Documentation string
		Authors                                                                  []string
		DefaultRun                                                               string `toml:"default-run"`
		Metadata                                                                 any
	}
	Workspace *struct {
		Members  []string
		Metadata any
	}
	Lib map[string]any
	Bin []struct {
		Name     string
		Required []string `toml:"required-features"`
	}
	Features map[string][]string
}

func readManifest(path string) fakeManifest {
	var m fakeManifest
	data, err := os.ReadFile(path)
	if err != nil {
		die(err)
	}
	if err := toml.Unmarshal(data, &m); err != nil {
		fmt.Fprintf(os.Stderr, "error: failed to parse manifest at `%s`\n", path)
		os.Exit(101)
	}
	return m
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// rootManifest finds the manifest of the workspace above a folder.
func rootManifest(dir string) (current, root string) {
	for d := dir; ; d = filepath.Dir(d) {
		p := filepath.Join(d, "Cargo.toml")
		if exists(p) {
			if current == "" {
				current = p
			}
			if readManifest(p).Workspace != nil {
				return current, p
			}
		}
		if d == filepath.Dir(d) {
			return current, current
		}
	}
}

type fakeTarget struct {
	Kind       []string `json:"kind"`
	CrateTypes []string `json:"crate_types"`
	Name       string   `json:"name"`
	SrcPath    string   `json:"src_path"`
	Required   []string `json:"required-features,omitempty"`
}

func targetsOf(m fakeManifest, dir string) []fakeTarget {
	out := []fakeTarget{}
	add := func(kind, name string) {
		crate := kind
		if kind == "example" {
			crate = "bin"
		}
		out = append(out, fakeTarget{[]string{kind}, []string{crate}, name, filepath.Join(dir, "src"), nil})
	}
	if m.Lib != nil || exists(filepath.Join(dir, "src/lib.rs")) {
		kind := "lib"
		if types, ok := m.Lib["crate-type"].([]any); ok {
			kind = types[0].(string)
		}
		add(kind, m.Package.Name)
	}
	if exists(filepath.Join(dir, "src/main.rs")) {
		add("bin", m.Package.Name)
	}
	more, _ := filepath.Glob(filepath.Join(dir, "src/bin/*.rs"))
	for _, b := range more {
		add("bin", strings.TrimSuffix(filepath.Base(b), ".rs"))
	}
	for _, b := range m.Bin {
		add("bin", b.Name)
		out[len(out)-1].Required = b.Required
	}
	examples, _ := filepath.Glob(filepath.Join(dir, "examples/*.rs"))
	for _, e := range examples {
		add("example", strings.TrimSuffix(filepath.Base(e), ".rs"))
	}
	return out
}

func idOf(m fakeManifest, dir string) string {
	return fmt.Sprintf("path+file://%s#%s@%s", dir, m.Package.Name, m.Package.Version)
}

func fakeMetadata() {
	dir, _ := os.Getwd()
	if p := word("--manifest-path"); p != "" {
		abs, _ := filepath.Abs(p)
		dir = filepath.Dir(abs)
	}
	current, root := rootManifest(dir)
	if current == "" {
		fmt.Fprintf(os.Stderr, "error: could not find `Cargo.toml` in `%s` or any parent directory\n", dir)
		os.Exit(101)
	}
	top := readManifest(root)
	manifests := []string{}
	if top.Package != nil {
		manifests = append(manifests, root)
	}
	var metadata any
	if top.Workspace != nil {
		metadata = top.Workspace.Metadata
		for _, g := range top.Workspace.Members {
			found, _ := filepath.Glob(filepath.Join(filepath.Dir(root), g, "Cargo.toml"))
			manifests = append(manifests, found...)
		}
	}
	packages, ids, members := []any{}, []string{}, map[string]string{}
	for _, p := range manifests {
		m := readManifest(p)
		id := idOf(m, filepath.Dir(p))
		ids = append(ids, id)
		members[m.Package.Name] = id
		features := m.Features
		if features == nil {
			features = map[string][]string{}
		}
		packages = append(packages, map[string]any{
			"name": m.Package.Name, "version": m.Package.Version, "id": id, "license": m.Package.License, "license_file": nil,
			"description": m.Package.Description, "homepage": m.Package.Homepage, "repository": m.Package.Repository,
			"documentation": m.Package.Documentation, "authors": append([]string{}, m.Package.Authors...), "default_run": m.Package.DefaultRun,
			"manifest_path": p, "metadata": m.Package.Metadata, "targets": targetsOf(m, filepath.Dir(p)), "features": features,
			"source": nil, "dependencies": memberDependencies(m.Package.Name), "edition": "2021",
		})
	}
	doc := map[string]any{"packages": packages, "workspace_members": ids, "workspace_default_members": ids, "workspace_root": filepath.Dir(root),
		"target_directory": fakeTargetDir(filepath.Dir(root)), "metadata": metadata, "resolve": nil, "version": 1}
	if !slices.Contains(os.Args, "--no-deps") {
		others, resolve := fakeResolve(members)
		doc["packages"], doc["resolve"] = append(packages, others...), resolve
	}
	if err := json.NewEncoder(os.Stdout).Encode(doc); err != nil {
		die(err)
	}
}

func fakeTargetDir(root string) string {
	if d := word("--target-dir"); d != "" {
		abs, _ := filepath.Abs(d)
		return abs
	}
	if d := os.Getenv("CARGO_TARGET_DIR"); d != "" {
		abs, _ := filepath.Abs(d)
		return abs
	}
	return filepath.Join(root, "target")
}

func fakeCargo() {
	note("cargo")
	args := os.Args[1:]
	if len(args) > 0 && strings.HasPrefix(args[0], "+") {
		args = args[1:]
	}
	switch args[0] {
	case "metadata":
		fakeMetadata()
	case "build", "rustc":
		fakeBuild()
	case "generate-lockfile":
		fakeLock()
	case "sampan":
		die(fmt.Errorf("not a subcommand here"))
	default:
		fmt.Fprintf(os.Stderr, "error: no such command: `%s`\n", args[0])
		os.Exit(101)
	}
}

func fakeBuild() {
	if text := os.Getenv("FAKE_FAIL"); text != "" {
		fmt.Fprintln(os.Stderr, strings.ReplaceAll(text, `\n`, "\n"))
		os.Exit(101)
	}
	if err := os.WriteFile(filepath.Join(os.Getenv("FAKE"), "env"), []byte(strings.Join(os.Environ(), "\n")+"\n"), 0o644); err != nil {
		die(err)
	}
	manifest, _ := filepath.Abs(word("--manifest-path"))
	m := readManifest(manifest)
	dir := filepath.Dir(manifest)
	_, root := rootManifest(dir)
	lock := filepath.Join(filepath.Dir(root), "Cargo.lock")
	if !exists(lock) {
		if slices.Contains(os.Args, "--locked") {
			fmt.Fprintf(os.Stderr, "error: cannot create the lock file %s because --locked was passed to prevent this\n", lock)
			os.Exit(101)
		}
		if err := os.WriteFile(lock, []byte("version = 4\n"), 0o644); err != nil {
			die(err)
		}
	}
	if os.Getenv("CARGO_TERM_PROGRESS_WHEN") == "always" {
		fmt.Fprintf(os.Stderr, "    Building [            ] 0/1: %s(bin)\r", m.Package.Name)
	}
	fmt.Fprintf(os.Stderr, "   Compiling %s v%s (%s)\n", m.Package.Name, m.Package.Version, dir)
	out := filepath.Join(fakeTargetDir(filepath.Dir(root)), word("--target"), word("--profile"))
	for _, bin := range all("--bin") {
		artifact(m, dir, filepath.Join(out, bin), "bin", bin)
	}
	for _, ex := range all("--example") {
		artifact(m, dir, filepath.Join(out, "examples", ex), "example", ex)
	}
	fmt.Println(`{"reason":"build-finished","success":true}`)
}

// fakeLock resolves afresh: what $FAKE/lock says.
func fakeLock() {
	text, err := os.ReadFile(filepath.Join(os.Getenv("FAKE"), "lock"))
	if err != nil {
		fmt.Fprintln(os.Stderr, "error: failed to get `serde` as a dependency\n\nCaused by:\n  Could not resolve host: registry")
		os.Exit(101)
	}
	manifest, _ := filepath.Abs(word("--manifest-path"))
	_, root := rootManifest(filepath.Dir(manifest))
	if err := os.WriteFile(filepath.Join(filepath.Dir(root), "Cargo.lock"), text, 0o644); err != nil {
		die(err)
	}
}

func artifact(m fakeManifest, dir, path, kind, name string) {
	machine := os.Getenv("FAKE_ELF")
	if machine == "" && strings.HasPrefix(word("--target"), "aarch64-") {
		machine = "arm64"
	}
	program := fakeELF(machine, name)
	if old, err := os.ReadFile(path); err != nil || !bytes.Equal(old, program) {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			die(err)
		}
		if err := os.WriteFile(path, program, 0o755); err != nil {
			die(err)
		}
	}
	if os.Getenv("FAKE_ELF") == "dynamic" {
		line, _ := json.Marshal(map[string]any{"reason": "build-script-executed", "package_id": "registry+https://example.com/index#libz-sys@1.1.28",
			"linked_libs": []string{"z"}, "linked_paths": []string{}, "cfgs": []string{}, "env": []any{}, "out_dir": filepath.Join(filepath.Dir(path), "build", "libz-sys-0123456789abcdef", "out")})
		fmt.Println(string(line))
	}
	line, err := json.Marshal(map[string]any{"reason": "compiler-artifact", "package_id": idOf(m, dir), "manifest_path": filepath.Join(dir, "Cargo.toml"),
		"target":  map[string]any{"kind": []string{kind}, "name": name, "crate_types": []string{"bin"}, "src_path": dir},
		"profile": map[string]any{"opt_level": "3"}, "features": []string{}, "filenames": []string{path}, "executable": path, "fresh": false})
	if err != nil {
		die(err)
	}
	fmt.Println(string(line))
}

func fakeSysroot() string { return filepath.Join(os.Getenv("RUSTUP_HOME"), "toolchains", "stable") }

// fakeStd puts the std of a triple into a toolchain.
func fakeStd(sysroot, triple string) error {
	lib := filepath.Join(sysroot, "lib", "rustlib", triple, "lib")
	if err := os.MkdirAll(lib, 0o755); err != nil {
		return err
	}
	for _, l := range []string{"libstd-0.rlib", "libcore-0.rlib"} {
		if err := os.WriteFile(filepath.Join(lib, l), nil, 0o644); err != nil {
			return err
		}
	}
	return nil
}

func fakeRustc() {
	note("rustc")
	switch {
	case slices.Contains(os.Args, "-vV"):
		fmt.Println("rustc 1.95.0 (0123456789 2026-04-14)\nbinary: rustc\ncommit-hash: 0123456789abcdef0123456789abcdef01234567\n" +
			"commit-date: 2026-04-14\nhost: x86_64-unknown-linux-gnu\nrelease: 1.95.0\nLLVM version: 21.1.8")
	case slices.Contains(os.Args, "sysroot"):
		fmt.Println(fakeSysroot())
	case word("--crate-name") == "sampan_init":
		if text := os.Getenv("FAKE_INIT"); text != "" {
			fmt.Fprintln(os.Stderr, "error: "+text)
			os.Exit(1)
		}
		if err := os.WriteFile(word("-o"), fakeELF("", "init"), 0o755); err != nil {
			die(err)
		}
	case slices.Contains(os.Args, "cfg"):
		fmt.Println("target_os=\"linux\"\ntarget_env=\"musl\"\ntarget_arch=\"x86_64\"\nunix")
	default:
		die(fmt.Errorf("unknown words: %v", os.Args))
	}
}

func fakeRustup() {
	note("rustup")
	if os.Getenv("FAKE_OFFLINE") != "" {
		fmt.Fprintln(os.Stderr, "error: could not download file: dns error: failed to lookup address information")
		os.Exit(1)
	}
	for _, t := range os.Args[2:] {
		if strings.Contains(t, "-linux-") {
			if err := fakeStd(fakeSysroot(), t); err != nil {
				die(err)
			}
		}
	}
}

// elfCommand writes a program: elf FILE [KIND].
func elfCommand() {
	kind := ""
	if len(os.Args) > 2 {
		kind = os.Args[2]
	}
	if err := os.WriteFile(os.Args[1], fakeELF(kind, "elf"), 0o755); err != nil {
		die(err)
	}
}

// fakeELF is a static x86_64 program that ends with code 7; or, by kind, one that is dynamic, for another machine, or a
// shared object.
func fakeELF(kind, seed string) []byte {
	code := []byte{0xb8, 60, 0, 0, 0, 0xbf, 7, 0, 0, 0, 0x0f, 0x05} // mov eax, 60; mov edi, 7; syscall
	const base, head, ph = 0x400000, 64, 56
	type prog struct {
		typ  uint32
		data []byte
	}
	progs := []prog{}
	etype, machine := uint16(2), uint16(62)
	switch kind {
	case "large":
		for i := range 1 << 16 {
			code = append(code, byte(i*i>>3))
		}
	case "arm64":
		machine = 183
	case "shared":
		etype = 3
	case "dynamic":
		etype = 3
		progs = append(progs, prog{3, []byte("/lib64/ld-linux-x86-64.so.2\x00")})
	}
	n := len(progs) + 1
	strtab := []byte("\x00libz.so.1\x00libc.so.6\x00")
	if kind == "dynamic" {
		n++
	}
	text := head + n*ph
	body := append([]byte{}, code...)
	body = append(body, []byte(seed)...)
	var out, tail bytes.Buffer
	le := binary.LittleEndian
	phdr := func(typ, flags uint32, off, vaddr, size uint64) {
		for _, v := range []any{typ, flags, off, vaddr, vaddr, size, size, uint64(8)} {
			_ = binary.Write(&out, le, v)
		}
	}
	out.Write([]byte{0x7f, 'E', 'L', 'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0})
	for _, v := range []any{etype, machine, uint32(1), uint64(base + text), uint64(head), uint64(0), uint32(0),
		uint16(head), uint16(ph), uint16(n), uint16(64), uint16(0), uint16(0)} {
		_ = binary.Write(&out, le, v)
	}
	tail.Write(body)
	offset := func() uint64 { return uint64(text + tail.Len()) }
	type late struct {
		typ       uint32
		off, size uint64
	}
	var lates []late
	for _, p := range progs {
		lates = append(lates, late{p.typ, offset(), uint64(len(p.data))})
		tail.Write(p.data)
	}
	if kind == "dynamic" {
		str := offset()
		tail.Write(strtab)
		for (text+tail.Len())%8 != 0 {
			tail.WriteByte(0)
		}
		off := offset()
		for _, d := range [][2]uint64{{1, 1}, {1, 11}, {5, base + str}, {10, uint64(len(strtab))}, {0, 0}} {
			_ = binary.Write(&tail, le, d[0])
			_ = binary.Write(&tail, le, d[1])
		}
		lates = append(lates, late{2, off, 80})
	}
	total := uint64(text + tail.Len())
	phdr(1, 5, 0, base, total)
	for _, l := range lates {
		phdr(l.typ, 4, l.off, base+l.off, l.size)
	}
	out.Write(tail.Bytes())
	return out.Bytes()
}
