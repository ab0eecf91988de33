// SPDX-License-Identifier: MIT OR Apache-2.0

package pipeline

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"sampan/internal/builder"
	"sampan/internal/check"
	"sampan/internal/image"
	"sampan/internal/output"
	"sampan/internal/plan"
)

// scenario is a world in which one image is made.
type scenario struct {
	t       *testing.T
	dir     string
	content string
	plan    plan.Plan
	tools   Tools
}

// newScenario is a package with one bin, one file to add, and nothing odd.
func newScenario(t *testing.T) *scenario {
	dir := t.TempDir()
	s := &scenario{t: t, dir: dir, content: "one"}
	s.write("assets/a.txt", "a")
	s.write("assets/b.txt", "b")
	s.plan = plan.Plan{
		Created:  time.Unix(0, 0).UTC(),
		Compiles: []plan.Compile{{Package: "app", Bins: []string{"app"}, Triple: "x86_64-unknown-linux-musl"}},
		Images: []plan.Image{{
			Name: "app", Package: "app", Programs: []plan.Program{{Bin: "app", Path: "/app"}},
			Platforms: []v1.Platform{{OS: "linux", Architecture: "amd64"}},
			Config:    v1.Config{Entrypoint: []string{"/app"}, User: "1000:1000", Labels: map[string]string{"a": "1", "b": "2"}},
			UID:       1000, GID: 1000, CA: true, Strip: true, Compression: "gzip", Tags: []string{"latest"},
			Files: []plan.File{{Source: "assets/**", Destination: "/srv/"}},
		}},
	}
	s.tools = Tools{
		Builder: s, Store: &image.Store{Dir: filepath.Join(dir, "cache")}, Workers: 2,
		Folder: func(string) string { return s.dir }, Now: func() time.Time { return time.Unix(1e9, 0) },
		Outputs: []output.Output{s.output("oci:" + filepath.Join(dir, "out", "{name}"))},
	}
	return s
}

func (s *scenario) output(spec string) output.Output {
	s.t.Helper()
	o, err := output.Machine{}.Parse(spec)
	if err != nil {
		s.t.Fatal(err)
	}
	return o
}

func (s *scenario) write(name, text string) {
	s.t.Helper()
	path := filepath.Join(s.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		s.t.Fatal(err)
	}
}

// Build makes the scenario its own builder: it "compiles" the content into a program.
func (s *scenario) Build(_ context.Context, c plan.Compile) (builder.Built, error) {
	var b builder.Built
	for _, bin := range c.Bins {
		path := filepath.Join(s.dir, "target", bin)
		program := string(elf64(62, s.content+bin))
		if old, err := os.ReadFile(path); err != nil || string(old) != program {
			s.write(filepath.Join("target", bin), program)
		}
		b.Executables = append(b.Executables, builder.Executable{Bin: bin, Path: path})
	}
	return b, nil
}

// elf64 is a static program for a machine, with a text in it.
func elf64(machine uint16, text string) []byte {
	var b bytes.Buffer
	const base, head = 0x400000, 64 + 56
	size := uint64(head + len(text))
	b.Write([]byte{0x7f, 'E', 'L', 'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0})
	for _, v := range []any{uint16(2), machine, uint32(1), uint64(base + head), uint64(64), uint64(0), uint32(0),
		uint16(64), uint16(56), uint16(1), uint16(64), uint16(0), uint16(0),
		uint32(1), uint32(5), uint64(0), uint64(base), uint64(base), size, size, uint64(0x1000)} {
		if err := binary.Write(&b, binary.LittleEndian, v); err != nil {
			return nil
		}
	}
	b.WriteString(text)
	return b.Bytes()
}

// made is an image as its reader sees it.
type made struct {
	digest string
	layers []string
}

func (s *scenario) run() made {
	s.t.Helper()
	r, err := Run(s.t.Context(), &s.plan, s.tools)
	if err != nil {
		s.t.Fatal(err)
	}
	m := made{digest: r.Images[0].Digest}
	data, err := os.ReadFile(filepath.Join(s.dir, "out", "app", "blobs", "sha256", strings.TrimPrefix(m.digest, "sha256:")))
	if err != nil {
		s.t.Fatal(err)
	}
	manifest, err := v1.ParseManifest(bytes.NewReader(data))
	if err != nil {
		s.t.Fatal(err)
	}
	for _, l := range manifest.Layers {
		m.layers = append(m.layers, l.Digest.String())
	}
	return m
}

// TestScenarios: what may and what may not change an image.
func TestScenarios(t *testing.T) {
	const static, files, program = 0, 1, 2
	for _, c := range []struct {
		modification string
		change       func(s *scenario)
		digest       bool  // the image's digest changes
		layers       []int // these layers change, the others stay
	}{
		{"nothing", func(*scenario) {}, false, nil},
		{"the program is touched", func(s *scenario) { touch(s.t, filepath.Join(s.dir, "target", "app")) }, false, nil},
		{"a file is touched", func(s *scenario) { touch(s.t, filepath.Join(s.dir, "assets", "a.txt")) }, false, nil},
		{"a file's mode for others", func(s *scenario) {
			if err := os.Chmod(filepath.Join(s.dir, "assets", "a.txt"), 0o600); err != nil {
				s.t.Fatal(err)
			}
		}, false, nil},
		{"workers", func(s *scenario) {
			s.tools.Workers, s.tools.Store = 7, nil
			s.tools.Scratch = filepath.Join(s.dir, "scratch")
		}, false, nil},
		{"no cache", func(s *scenario) { s.tools.Store, s.tools.Scratch = nil, filepath.Join(s.dir, "scratch") }, false, nil},
		{"an unrelated image beside it", func(s *scenario) {
			s.plan.Compiles[0].Bins = append(s.plan.Compiles[0].Bins, "other")
			other := s.plan.Images[0]
			other.Name, other.Programs = "other", []plan.Program{{Bin: "other", Path: "/other"}}
			s.plan.Images = append(s.plan.Images, other)
		}, false, nil},
		{"another tag", func(s *scenario) { s.plan.Images[0].Tags = []string{"v1"} }, false, nil},
		{"the program", func(s *scenario) { s.content = "two" }, true, []int{program}},
		{"a file", func(s *scenario) { s.write("assets/a.txt", "changed") }, true, []int{files}},
		{"a new file", func(s *scenario) { s.write("assets/c.txt", "") }, true, []int{files}},
		{"no CA bundle", func(s *scenario) { s.plan.Images[0].CA = false }, true, []int{static}},
		{"a label", func(s *scenario) { s.plan.Images[0].Config.Labels["a"] = "2" }, true, nil},
		{"the time", func(s *scenario) { s.plan.Created = time.Unix(1, 0).UTC() }, true, nil},
		{"the compression", func(s *scenario) { s.plan.Images[0].Compression = "none" }, true, []int{static, files, program}},
	} {
		t.Run(c.modification, func(t *testing.T) {
			s := newScenario(t)
			before := s.run()
			c.change(s)
			after := s.run()
			if changed := before.digest != after.digest; changed != c.digest {
				t.Errorf("digest changed: %t, want %t", changed, c.digest)
			}
			if len(after.layers) != len(before.layers) {
				t.Fatalf("%d layers, were %d", len(after.layers), len(before.layers))
			}
			for i := range after.layers {
				if changed := before.layers[i] != after.layers[i]; changed != slices.Contains(c.layers, i) {
					t.Errorf("layer %d changed: %t", i, changed)
				}
			}
		})
	}
}

// TestSizeOfSeveralPlatforms: what platforms share is pulled, and counted, once.
func TestSizeOfSeveralPlatforms(t *testing.T) {
	s := newScenario(t)
	im := &s.plan.Images[0]
	sources := map[string]string{}
	im.Platforms = nil
	for arch, machine := range map[string]uint16{"amd64": 62, "arm64": 183} {
		pf := v1.Platform{OS: "linux", Architecture: arch}
		s.write(arch, string(elf64(machine, arch)))
		sources[pf.String()] = filepath.Join(s.dir, arch)
		im.Platforms = append(im.Platforms, pf)
	}
	im.Programs[0].Sources, s.plan.Compiles = sources, nil
	r, err := Run(t.Context(), &s.plan, s.tools)
	if err != nil {
		t.Fatal(err)
	}
	// Two configs, two manifests, the index, two programs; Static and Files once.
	blobs, err := os.ReadDir(filepath.Join(s.dir, "out", "app", "blobs", "sha256"))
	if err != nil || len(blobs) != 9 {
		t.Errorf("%d blobs, %v", len(blobs), err)
	}
	var sum int64
	for _, b := range blobs {
		info, err := b.Info()
		if err != nil {
			t.Fatal(err)
		}
		sum += info.Size()
	}
	if got := r.Images[0]; got.Size != sum || got.Size != r.Receipts[0].Size || got.Program <= 0 || got.Program >= 1000 {
		t.Errorf("size %d, program %d; blobs %d, receipt %d", got.Size, got.Program, sum, r.Receipts[0].Size)
	}
}

func TestEntrypointThatIsNotThere(t *testing.T) {
	s := newScenario(t)
	for word, warned := range map[string]bool{"/app": false, "/srv/a.txt": false, "/bin/app": true, "app": false} {
		s.plan.Images[0].Config.Entrypoint = []string{word}
		r, err := Run(t.Context(), &s.plan, s.tools)
		if err != nil {
			t.Fatal(err)
		}
		if got := len(r.Findings) == 1 && r.Findings[0].ID == "command" && r.Findings[0].Level == check.Warn; got != warned {
			t.Errorf("%s: %+v", word, r.Findings)
		}
	}
}

func touch(t *testing.T, path string) {
	t.Helper()
	when := time.Unix(2e9, 0)
	if err := os.Chtimes(path, when, when); err != nil {
		t.Fatal(err)
	}
}

// TestSameSizeSameTime: a program with other bytes, but the size and the modification time of the one before, is seen.
func TestSameSizeSameTime(t *testing.T) {
	s := newScenario(t)
	path := filepath.Join(s.dir, "target", "app")
	when := time.Unix(1e9, 0)
	first := s.run()
	if err := os.Chtimes(path, when, when); err != nil {
		t.Fatal(err)
	}
	s.run()
	s.content = "two"
	if err := os.WriteFile(path, elf64(62, "twoapp"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(path, when, when); err != nil {
		t.Fatal(err)
	}
	if second := s.run(); second.digest == first.digest {
		t.Error("the old program went into the image")
	}
}

// refusing is an output that must not be reached.
type refusing struct{ t *testing.T }

func (r refusing) Write(context.Context, []output.Payload) ([]output.Receipt, error) {
	r.t.Error("something was delivered")
	return nil, nil
}

func TestNothingIsDeliveredThatFailsTheGate(t *testing.T) {
	s := newScenario(t)
	s.tools.Outputs = []output.Output{refusing{t}}
	s.plan.Images[0].Platforms = []v1.Platform{{OS: "linux", Architecture: "arm64"}}
	s.plan.Compiles[0].Triple = "aarch64-unknown-linux-musl"
	_, err := Run(t.Context(), &s.plan, s.tools)
	var found *check.Error
	if !errors.As(err, &found) || found.Findings[0].ID != "machine" {
		t.Errorf("got %v", err)
	}
}

func TestProgramsPlaceIsItsOwn(t *testing.T) {
	s := newScenario(t)
	s.tools.Outputs = []output.Output{refusing{t}}
	s.plan.Images[0].Files = []plan.File{{Source: "assets/a.txt", Destination: "/app"}}
	_, err := Run(t.Context(), &s.plan, s.tools)
	var e *plan.SettingError
	if !errors.As(err, &e) || e.Key != "files" {
		t.Errorf("got %v", err)
	}
}

func TestSettingsOfFilesAreFoundBeforeACompile(t *testing.T) {
	s := newScenario(t)
	s.tools.Builder = nobody{t}
	s.plan.Images[0].Files = []plan.File{{Source: "nothing", Destination: "/x"}}
	_, err := Run(t.Context(), &s.plan, s.tools)
	var e *plan.SettingError
	if !errors.As(err, &e) || e.Key != "files" || e.Hint() == "" {
		t.Errorf("got %v", err)
	}
}

// nobody is a builder that must not be reached.
type nobody struct{ t *testing.T }

func (n nobody) Build(context.Context, plan.Compile) (builder.Built, error) {
	n.t.Error("something was compiled")
	return builder.Built{}, nil
}
