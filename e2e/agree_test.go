// SPDX-License-Identifier: MIT OR Apache-2.0

//go:build e2e && linux

package e2e

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// exhibit is an image, and an index of two, in a registry and in layouts.
type exhibit struct {
	harbour *harbour
	digests map[string]string // of what the tag v1 points at, by name: "one", "two"
}

func newExhibit(t *testing.T) *exhibit {
	t.Helper()
	x := &exhibit{harbour: newHarbour(t, "docker-registry"), digests: map[string]string{}}
	var args []string
	for arch, machine := range map[string]uint16{"amd64": 62, "arm64": 183} {
		path := filepath.Join(x.harbour.dir, arch)
		if err := os.WriteFile(path, smallELF(machine), 0o755); err != nil {
			t.Fatal(err)
		}
		args = append(args, "--binary", path)
	}
	env := []string{"SAMPAN_CACHE_DIR=" + filepath.Join(x.harbour.dir, "cache"), "HOME=" + x.harbour.dir, "DOCKER_CONFIG=", "REGISTRY_AUTH_FILE="}
	for name, binaries := range map[string][]string{"one": {"--binary", filepath.Join(x.harbour.dir, "amd64")}, "two": args} {
		_, refs := receipts(t, x.harbour.dir, env, append(append([]string{"build"}, binaries...), "--name", name, "-t", "v1",
			"--repo", x.harbour.address+"/team", "-o", "oci:"+name)...)
		for _, ref := range refs {
			_, digest, _ := strings.Cut(ref, "@")
			if x.digests[name] != "" && x.digests[name] != digest {
				t.Errorf("%s: the registry has %s, the layout %s", name, x.digests[name], digest)
			}
			x.digests[name] = digest
		}
	}
	return x
}

// at is a reference in the registry.
func (x *exhibit) at(name string) string { return x.harbour.address + "/team/" + name + ":v1" }

// agree compares what a reader says of both with what Sampan said.
func (x *exhibit) agree(reader string, digest func(name string) string) {
	x.harbour.t.Helper()
	for name, want := range x.digests {
		if got := strings.TrimSpace(digest(name)); got != want {
			x.harbour.t.Errorf("%s: %s is %q, want %s", reader, name, got, want)
		}
	}
}

func sumOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "sha256:" + hex.EncodeToString(sum[:])
}

// document is what is asked of manifests and indexes here.
type document struct {
	Manifests, Layers []struct{ Digest string }
	Config            struct{ Digest string }
}

// blob reads one of a layout's.
func (x *exhibit) blob(layout, digest string) string {
	x.harbour.t.Helper()
	data, err := os.ReadFile(filepath.Join(x.harbour.dir, layout, "blobs", "sha256", strings.TrimPrefix(digest, "sha256:")))
	if err != nil {
		x.harbour.t.Fatal(err)
	}
	return string(data)
}

func (x *exhibit) document(layout, digest string) (d document) {
	x.harbour.t.Helper()
	if err := json.Unmarshal([]byte(x.blob(layout, digest)), &d); err != nil {
		x.harbour.t.Fatal(err)
	}
	return d
}

// TestReadersAgree: whoever reads an image or an index, from a registry or a layout, gives it the digest that Sampan printed.
func TestReadersAgree(t *testing.T) {
	x := newExhibit(t)
	x.agree("skopeo, registry", func(name string) string {
		return sumOf(Must(t, x.harbour.dir, nil, "skopeo", "inspect", "--raw", "--tls-verify=false", "docker://"+x.at(name)))
	})
	x.agree("skopeo, layout", func(name string) string {
		return sumOf(Must(t, x.harbour.dir, nil, "skopeo", "inspect", "--raw", "oci:"+name+":v1"))
	})
	x.umoci(t)
	for _, e := range Engines {
		engine := e.Start(t)
		argv, env := engine.Client()
		call := func(words ...string) string {
			t.Helper()
			return Must(t, x.harbour.dir, env, argv[0], append(slices.Clone(argv[1:]), words...)...)
		}
		x.agree(e.Name, func(name string) string {
			var said string
			switch e.Name {
			case "docker":
				said = call("pull", x.at(name))
			case "podman":
				call("pull", "-q", "--tls-verify=false", x.at(name))
				said = call("image", "inspect", "--format", "{{range .RepoDigests}}{{.}} {{end}}", x.at(name))
			default:
				call("images", "pull", "--plain-http", x.at(name))
				said = call("images", "ls", "name=="+x.at(name))
			}
			if strings.Contains(said, x.digests[name]) {
				return x.digests[name]
			}
			return said
		})
	}
}

// umoci reads one image of a layout: its layers by their digests, and every byte of them.
func (x *exhibit) umoci(t *testing.T) {
	t.Helper()
	var stat struct {
		History []struct {
			Layer struct{ Digest string }
		}
	}
	if err := json.Unmarshal([]byte(Must(t, x.harbour.dir, nil, "umoci", "stat", "--json", "--image", "one:v1")), &stat); err != nil {
		t.Fatal(err)
	}
	manifest := x.document("one", x.digests["one"])
	if len(stat.History) != len(manifest.Layers) {
		t.Fatalf("umoci sees %d layers of %d", len(stat.History), len(manifest.Layers))
	}
	for i, h := range stat.History {
		if h.Layer.Digest != manifest.Layers[i].Digest {
			t.Errorf("umoci: layer %d is %s, want %s", i, h.Layer.Digest, manifest.Layers[i].Digest)
		}
	}
	Must(t, x.harbour.dir, nil, "umoci", "unpack", "--rootless", "--image", "one:v1", filepath.Join(t.TempDir(), "bundle"))
}
