// SPDX-License-Identifier: MIT OR Apache-2.0

package output

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	manifestType = "application/vnd.oci.image.manifest.v1+json"
	indexType    = "application/vnd.oci.image.index.v1+json"
)

func TestLayoutStaysAsSmallAsItsImages(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "l")
	keep := platforms(t, "a", 1000, "keep")
	write1(t, "oci:"+dir, keep)
	var last Payload
	for i := range 25 {
		last = payloadOf(t, "a", int64(i))
		write1(t, "oci:"+dir, last)
	}
	if d := cmp.Diff(digestsOf(t, keep, last), blobsIn(t, dir)); d != "" {
		t.Error(d)
	}
	tagsIn(t, dir)
}

// layoutBlob writes a blob by hand and gives its digest.
func layoutBlob(t *testing.T, folder, text string) string {
	t.Helper()
	h := digestOf([]byte(text))
	if err := os.WriteFile(filepath.Join(folder, "blobs", "sha256", h.Hex), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return h.String()
}

func describeText(mediaType, digest string, size int) string {
	return fmt.Sprintf(`{"mediaType":%q,"digest":%q,"size":%d}`, mediaType, digest, size)
}

// collectAfter lays a foreign descriptor into a layout that holds garbage, delivers something, and tells which of the
// blobs are still there.
func collectAfter(t *testing.T, build func(folder string) (descriptor string, want []string)) (kept map[string]bool, want []string, garbage string) {
	t.Helper()
	folder := filepath.Join(t.TempDir(), "l")
	write1(t, "oci:"+folder, payloadOf(t, "a", 1))
	garbage = layoutBlob(t, folder, "garbage")
	desc, want := build(folder)
	index := `{"schemaVersion":2,"manifests":[` + desc + `]}`
	if err := os.WriteFile(folder+"/index.json", []byte(index), 0o644); err != nil {
		t.Fatal(err)
	}
	write1(t, "oci:"+folder, payloadOf(t, "a", 2))
	kept = map[string]bool{}
	entries, err := os.ReadDir(folder + "/blobs/sha256")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		kept["sha256:"+e.Name()] = true
	}
	for _, d := range digestsOf(t, payloadOf(t, "a", 2)) {
		if !kept[d] {
			t.Errorf("%s of the delivery is gone", d)
		}
	}
	return kept, want, garbage
}

func TestCollectFollowsForeignContent(t *testing.T) {
	for name, build := range map[string]func(string) (string, []string){
		"nested indexes": func(f string) (string, []string) {
			layer, config := layoutBlob(t, f, "layer"), layoutBlob(t, f, "{}")
			m := layoutBlob(t, f, `{"schemaVersion":2,"config":`+describeText("c", config, 2)+`,"layers":[`+describeText("l", layer, 5)+`]}`)
			in := layoutBlob(t, f, `{"schemaVersion":2,"manifests":[`+describeText(manifestType, m, 1)+`]}`)
			out := layoutBlob(t, f, `{"schemaVersion":2,"manifests":[`+describeText(indexType, in, 1)+`]}`)
			return describeText(indexType, out, 1), []string{layer, config, m, in, out}
		},
		"docker list": func(f string) (string, []string) {
			layer := layoutBlob(t, f, "layer")
			m := layoutBlob(t, f, `{"schemaVersion":2,"layers":[`+describeText("l", layer, 5)+`]}`)
			list := layoutBlob(t, f, `{"manifests":[`+describeText("application/vnd.docker.distribution.manifest.v2+json", m, 1)+`]}`)
			return describeText("application/vnd.docker.distribution.manifest.list.v2+json", list, 1), []string{layer, m, list}
		},
		"subject": func(f string) (string, []string) {
			layer := layoutBlob(t, f, "layer")
			subject := layoutBlob(t, f, `{"layers":[`+describeText("l", layer, 5)+`]}`)
			m := layoutBlob(t, f, `{"layers":[],"subject":`+describeText(manifestType, subject, 1)+`}`)
			return describeText(manifestType, m, 1), []string{layer, subject, m}
		},
		"manifests to come": func(f string) (string, []string) {
			piece := layoutBlob(t, f, "piece")
			m := layoutBlob(t, f, `{"novel":{"pieces":[{"at":"`+piece+`"}]}}`)
			return describeText("application/vnd.example.novel+json", m, 1), []string{piece, m}
		},
		"some platforms only": func(f string) (string, []string) {
			in := layoutBlob(t, f, `{"manifests":[`+describeText(manifestType, someDigest, 1)+`]}`)
			return describeText(indexType, in, 1), []string{in}
		},
		"other algorithm": func(f string) (string, []string) {
			layer := layoutBlob(t, f, "layer")
			os.Mkdir(filepath.Join(f, "blobs", "sha512"), 0o755)
			name := strings.Repeat("0", 128)
			text := `{"layers":[` + describeText("l", layer, 5) + `]}`
			if err := os.WriteFile(filepath.Join(f, "blobs", "sha512", name), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
			return describeText(manifestType, "sha512:"+name, 1), []string{layer}
		},
	} {
		t.Run(name, func(t *testing.T) {
			kept, want, garbage := collectAfter(t, build)
			for _, d := range want {
				if !kept[d] {
					t.Errorf("%s is gone", d)
				}
			}
			if kept[garbage] {
				t.Error("garbage is kept")
			}
		})
	}
}

func TestCollectKeepsAllWhenItCannotRead(t *testing.T) {
	for name, text := range map[string]string{
		"no JSON":    "layer bytes",
		"cut":        `{"manifests":[`,
		"traversal":  `{"manifests":[{"digest":"sha256:../x","size":1}]}`,
		"two ways":   `{"manifests":[],"manifests":[]}`,
		"not a list": `{"manifests":{}}`,
		"too large":  `{"x":"` + strings.Repeat("x", maxJSON) + `"}`,
	} {
		t.Run(name, func(t *testing.T) {
			kept, want, garbage := collectAfter(t, func(f string) (string, []string) {
				d := layoutBlob(t, f, text)
				return describeText(indexType, d, len(text)), []string{d}
			})
			if !kept[garbage] || !kept[want[0]] {
				t.Error("something is gone")
			}
		})
	}
	t.Run("too deep", func(t *testing.T) {
		kept, _, garbage := collectAfter(t, func(f string) (string, []string) {
			d := layoutBlob(t, f, `{"manifests":[]}`)
			for range maxDepth + 2 {
				d = layoutBlob(t, f, `{"manifests":[`+describeText(indexType, d, 1)+`]}`)
			}
			return describeText(indexType, d, 1), nil
		})
		if !kept[garbage] {
			t.Error("something is gone")
		}
	})
	t.Run("other algorithm", func(t *testing.T) {
		kept, _, garbage := collectAfter(t, func(f string) (string, []string) {
			return describeText(indexType, "sha512:"+strings.Repeat("0", 128), 1), nil
		})
		if !kept[garbage] {
			t.Error("something is gone")
		}
	})
	t.Run("link", func(t *testing.T) {
		kept, _, garbage := collectAfter(t, func(f string) (string, []string) {
			target := filepath.Join(filepath.Dir(f), "outside")
			os.WriteFile(target, []byte(`{"manifests":[]}`), 0o644)
			if err := os.Symlink(target, filepath.Join(f, "blobs", "sha256", someDigest[7:])); err != nil {
				t.Fatal(err)
			}
			return describeText(indexType, someDigest, 1), nil
		})
		if !kept[garbage] {
			t.Error("something is gone")
		}
	})
}

// What is no blob of ours is never removed.
func TestCollectLeavesOtherFiles(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "l")
	write1(t, "oci:"+folder, payloadOf(t, "a", 1))
	others := []string{"blobs/sha512/" + strings.Repeat("0", 128), "blobs/sha256/README", "blobs/sha256/" + strings.Repeat("A", 64),
		"blobs/sha256/" + strings.Repeat("0", 63), "notes.txt", "blobs/sha256/" + strings.Repeat("b", 64) + "/dir"}
	for _, o := range others {
		os.MkdirAll(filepath.Dir(filepath.Join(folder, o)), 0o755)
		if err := os.WriteFile(filepath.Join(folder, o), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write1(t, "oci:"+folder, payloadOf(t, "a", 2))
	for _, o := range others {
		if _, err := os.Stat(filepath.Join(folder, o)); err != nil {
			t.Error(err)
		}
	}
	gone := digestsOf(t, payloadOf(t, "a", 1))
	for _, d := range gone {
		if !slices.Contains(digestsOf(t, payloadOf(t, "a", 2)), d) {
			if _, err := os.Stat(filepath.Join(folder, "blobs", "sha256", d[7:])); err == nil {
				t.Error("garbage is kept:", d)
			}
		}
	}
}

// No true circle of digests can be made; one that lies about its name must still end.
func TestCollectEndsInACircle(t *testing.T) {
	kept, _, garbage := collectAfter(t, func(f string) (string, []string) {
		path := filepath.Join(f, "blobs", "sha256", someDigest[7:])
		if err := os.WriteFile(path, []byte(`{"manifests":[`+describeText(indexType, someDigest, 1)+`]}`), 0o644); err != nil {
			t.Fatal(err)
		}
		return describeText(indexType, someDigest, 1), nil
	})
	if !kept[someDigest] || kept[garbage] {
		t.Error(kept)
	}
}

// Blobs in a layout that lost its index.json, or does not have one yet, are not garbage.
func TestCollectNeedsAnIndex(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "l")
	write1(t, "oci:"+folder, payloadOf(t, "a", 1))
	if err := os.Remove(folder + "/index.json"); err != nil {
		t.Fatal(err)
	}
	write1(t, "oci:"+folder, payloadOf(t, "a", 2))
	if d := cmp.Diff(digestsOf(t, payloadOf(t, "a", 1), payloadOf(t, "a", 2)), blobsIn(t, folder)); d != "" {
		t.Error(d)
	}
}
