// SPDX-License-Identifier: MIT OR Apache-2.0

package plan

import (
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"sampan/internal/cargo"
)

var update = flag.Bool("update", false, "renew the golden files")

func workspace() *cargo.Workspace {
	bins := func(names ...string) (out []cargo.Bin) {
		for _, n := range names {
			out = append(out, cargo.Bin{Name: n})
		}
		return out
	}
	return &cargo.Workspace{
		Root: "/ws", TargetDir: "/ws/target", Lock: cargo.Lock{Path: "/ws/Cargo.lock", Exists: true},
		Packages: []cargo.Package{
			{Name: "api", Version: "1.2.3+x", Manifest: "/ws/api/Cargo.toml", License: "MIT", Bins: bins("api"), Kinds: []string{"bin"}},
			{Name: "jobs", Version: "0.1.0", Manifest: "/ws/jobs/Cargo.toml", Bins: append(bins("seed", "migrate"), cargo.Bin{Name: "demo", Example: true})},
			{Name: "shared", Version: "0.1.0", Manifest: "/ws/shared/Cargo.toml", Kinds: []string{"lib"}},
		},
	}
}

func defaults() Settings {
	return Settings{User: "1000:1000", Workdir: "/", CA: true, Strip: true, Compression: "gzip", Tags: []string{"latest"}}
}

func flags(cargo.Triple) []string { return []string{"-Ctarget-feature=+crt-static"} }

func TestSelect(t *testing.T) {
	for _, c := range []struct {
		name string
		sel  Selection
		at   string
		want string // names, or the beginning of the error
	}{
		{"current", Selection{}, "api", "api"},
		{"virtual root", Selection{}, "", "2 packages have a bin: api, jobs"},
		{"workspace", Selection{Workspace: true}, "", "api jobs"},
		{"exclude", Selection{Workspace: true, Exclude: []string{"a*"}}, "", "jobs"},
		{"exclude alone", Selection{Exclude: []string{"api"}}, "", "--exclude can only"},
		{"by name", Selection{Packages: []string{"jobs"}}, "api", "jobs"},
		{"by name and version", Selection{Packages: []string{"jobs@0.1.0"}}, "", "jobs"},
		{"wrong version", Selection{Packages: []string{"jobs@9.9.9"}}, "", "package \"jobs@9.9.9\" is not"},
		{"by glob", Selection{Packages: []string{"*"}, Bins: []string{"seed"}}, "", "package shared has no bin"},
		{"lib", Selection{Packages: []string{"shared"}}, "", "package shared has no bin, only: lib"},
		{"bin anywhere", Selection{Bins: []string{"seed"}}, "", "jobs"},
		{"bin nowhere", Selection{Bins: []string{"sed"}}, "", "no bin is named \"sed\""},
		{"example", Selection{Examples: []string{"demo"}}, "jobs", "jobs"},
		{"default of the workspace", Selection{Default: []string{"api"}}, "", "api"},
		{"all bins", Selection{AllBins: true}, "", "api jobs"},
	} {
		ws := workspace()
		ws.Current = c.at
		got, err := Select(ws, c.sel)
		text := names(got)
		text = strings.ReplaceAll(text, ",", "")
		if err != nil {
			text = err.Error()
			var choice *ChoiceError
			if !errors.As(err, &choice) || choice.Hint() == "" {
				t.Errorf("%s: %v has no hint", c.name, err)
			}
		}
		if text != c.want && !(err != nil && strings.HasPrefix(text, c.want)) {
			t.Errorf("%s: %q, want %q", c.name, text, c.want)
		}
	}
}

func planOf(t *testing.T, sel Selection, change func(*Settings), triples ...cargo.Triple) (*Plan, error) {
	t.Helper()
	ws := workspace()
	pkgs, err := Select(ws, sel)
	if err != nil {
		t.Fatal(err)
	}
	o := Options{Flags: flags, Created: time.Unix(0, 0), Outputs: []string{"oci:out/{name}"}}
	if len(triples) == 0 {
		triples = []cargo.Triple{"x86_64-unknown-linux-musl"}
	}
	for _, p := range pkgs {
		s := defaults()
		if change != nil {
			change(&s)
		}
		o.Chosen = append(o.Chosen, Choice{Package: p, Triples: triples, Images: []Settings{s}})
	}
	return New(ws, o)
}

func TestNewGolden(t *testing.T) {
	for name, f := range map[string]func() (*Plan, error){
		"one": func() (*Plan, error) { return planOf(t, Selection{Packages: []string{"api"}}, nil) },
		"bins-two-platforms": func() (*Plan, error) {
			return planOf(t, Selection{Packages: []string{"jobs"}}, func(s *Settings) { s.AllBins, s.Tags = true, []string{"{version}"} },
				"x86_64-unknown-linux-musl", "aarch64-unknown-linux-musl")
		},
		"together": func() (*Plan, error) {
			return planOf(t, Selection{Packages: []string{"jobs"}}, func(s *Settings) {
				s.Name, s.Bins, s.Together, s.Env = "tools", []string{"migrate", "seed"}, true, map[string]string{"SSL_CERT_FILE": "/mine", "A": "b"}
			})
		},
		"bin-and-example": func() (*Plan, error) {
			return planOf(t, Selection{Packages: []string{"jobs"}}, func(s *Settings) { s.Bins, s.Examples = []string{"seed"}, []string{"demo"} })
		},
	} {
		p, err := f()
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got, err := json.MarshalIndent(p, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join("testdata", name+".plan.json")
		if *update {
			if err := os.WriteFile(path, append(got, '\n'), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil || string(want) != string(got)+"\n" {
			t.Errorf("%s: differs from %s:\n%s", name, path, got)
		}
	}
}

// TestAllocator: the system's is no setting at all, so that nothing of a plan changes.
func TestAllocator(t *testing.T) {
	for word, want := range map[string]string{"": "", "system": "", "mimalloc": "mimalloc"} {
		p, err := planOf(t, Selection{Packages: []string{"api"}}, func(s *Settings) { s.Allocator = word })
		if err != nil || len(p.Compiles) != 1 || p.Compiles[0].Allocator != want {
			t.Errorf("%q: %+v, %v", word, p, err)
		}
	}
}

// TestNewIsAlone: what else is asked for changes neither a package's compile nor its image.
func TestNewIsAlone(t *testing.T) {
	alone, err := planOf(t, Selection{Packages: []string{"api"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	both, err := planOf(t, Selection{Packages: []string{"jobs", "api"}}, func(s *Settings) { s.AllBins = true })
	if err != nil {
		t.Fatal(err)
	}
	find := func(p *Plan) string {
		for _, c := range p.Compiles {
			for _, im := range p.Images {
				if c.Package == "api" && im.Package == "api" {
					out, _ := json.Marshal([]any{c, im})
					return string(out)
				}
			}
		}
		return ""
	}
	if find(alone) == "" || find(alone) != find(both) {
		t.Errorf("api alone:\n%s\nwith jobs:\n%s", find(alone), find(both))
	}
}

func TestRefused(t *testing.T) {
	for _, c := range []struct {
		key    string
		change func(*Settings)
	}{
		{"ports", func(s *Settings) { s.Ports = []string{"70000"} }},
		{"ports", func(s *Settings) { s.Ports = []string{"80/icmp"} }},
		{"ports", func(s *Settings) { s.Ports = []string{"0"} }},
		{"env", func(s *Settings) { s.Env = map[string]string{"A=B": "c"} }},
		{"env", func(s *Settings) { s.Env = map[string]string{"A\nB": "c"} }},
		{"env", func(s *Settings) { s.Env = map[string]string{"A": "c\x00"} }},
		{"user", func(s *Settings) { s.User = "boatswain" }},
		{"workdir", func(s *Settings) { s.Workdir = "data" }},
		{"workdir", func(s *Settings) { s.Workdir = "/../etc" }},
		{"workdir", func(s *Settings) { s.Workdir = "/a\x00" }},
		{"volumes", func(s *Settings) { s.Volumes = []string{"/"} }},
		{"entrypoint", func(s *Settings) { s.Entrypoint = []string{"sh", "-c"} }},
		{"args", func(s *Settings) { s.Args = []string{"\xff"} }},
		{"stop-signal", func(s *Settings) { s.StopSignal = "65" }},
		{"stop-signal", func(s *Settings) { s.StopSignal = "SIGBOAT" }},
		{"name", func(s *Settings) { s.Name = "Upper" }},
		{"name", func(s *Settings) { s.Name = "../x" }},
		{"tags", func(s *Settings) { s.Tags = []string{".x"} }},
		{"labels", func(s *Settings) { s.Labels = map[string]string{"a": strings.Repeat("x", 1<<20)} }},
		{"annotations", func(s *Settings) { s.Annotations = map[string]string{"": "x"} }},
		{"compression", func(s *Settings) { s.Compression = "gzip:10" }},
		{"files", func(s *Settings) { s.Files = []File{{Source: "a", Destination: "../b"}} }},
		{"files", func(s *Settings) { s.Files = []File{{Source: "a"}} }},
		{"bins", func(s *Settings) { s.Bins = []string{"nope"} }},
	} {
		_, err := planOf(t, Selection{Packages: []string{"api"}}, c.change)
		var e *SettingError
		if !errors.As(err, &e) || e.Key != c.key || e.Hint() == "" {
			t.Errorf("%s: got %v", c.key, err)
		}
	}
}

func TestSameNameTwice(t *testing.T) {
	_, err := planOf(t, Selection{Workspace: true}, func(s *Settings) { s.Name, s.AllBins = "one", true })
	if err == nil || !strings.Contains(err.Error(), `two images are named "one"`) {
		t.Errorf("got %v", err)
	}
}

func TestBinaries(t *testing.T) {
	amd := v1.Platform{OS: "linux", Architecture: "amd64"}
	arm := v1.Platform{OS: "linux", Architecture: "arm64"}
	o := Options{Settings: defaults(), Binaries: []Binary{{"/x/arm/app", arm}, {"/x/app", amd}}}
	p, err := New(nil, o)
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Compiles) != 0 || len(p.Images) != 1 || p.Images[0].Name != "arm-app" && p.Images[0].Name != "app" {
		t.Fatalf("got %+v", p)
	}
	if got := p.Images[0].Platforms; !slices.IsSortedFunc(got, func(a, b v1.Platform) int { return strings.Compare(a.String(), b.String()) }) {
		t.Errorf("platforms are not sorted: %v", got)
	}
	o.Binaries[1].Platform = arm
	if _, err := New(nil, o); err == nil {
		t.Error("two programs for one platform were taken")
	}
}

func TestImageName(t *testing.T) {
	for bin, want := range map[string]string{"app": "app", "My App": "my-app", "a.b_c-d": "a.b_c-d", "Ünï": "n", "--x--": "x", "日本": "program", "a..b": "a.b", "a é b": "a-b"} {
		if got := imageName(bin); got != want {
			t.Errorf("%q: %q, want %q", bin, got, want)
		}
		if !isName(imageName(bin)) {
			t.Errorf("%q gives %q, which is no repository name", bin, imageName(bin))
		}
	}
}

func FuzzImageName(f *testing.F) {
	for _, s := range []string{"app", "A b", "..", "é-_-x", "日本"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if got := imageName(s); !isName(got) {
			t.Errorf("%q gives %q", s, got)
		}
	})
}

func TestTagsOfGit(t *testing.T) {
	v := VCS{Short: "0123456789ab", Branch: "feature/Boats & more"}
	for tag, want := range map[string]string{"{git.short}": "0123456789ab", "{git.branch}": "feature-Boats---more", "b-{git.branch}-{git.short}": "b-feature-Boats---more-0123456789ab", "plain": "plain"} {
		if got, err := gitTag(tag, v); err != nil || got != want {
			t.Errorf("%s: %s, %v", tag, got, err)
		}
	}
	if got, _ := gitTag("{git.branch}", VCS{Branch: "-x"}); got != "x" {
		t.Error(got)
	}
	if _, err := gitTag("{git.branch}", VCS{Short: "0"}); err == nil || err.Hint() == "" {
		t.Error("a branch that is not there")
	}
}
