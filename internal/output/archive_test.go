// SPDX-License-Identifier: MIT OR Apache-2.0

package output

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/validate"
)

var update = flag.Bool("update", false, "write the golden files anew")

// unpack reads a whole archive with archive/tar into a folder, checking what must be true of every member.
func unpack(t testing.TB, path string) (folder string, names []string) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	folder = t.TempDir()
	r := tar.NewReader(f)
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		names = append(names, h.Name)
		wantMode := int64(0o644)
		if h.Typeflag == tar.TypeDir {
			wantMode = 0o755
			os.MkdirAll(filepath.Join(folder, h.Name), 0o755)
		} else {
			data, err := io.ReadAll(r)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(folder, h.Name), data, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if h.Mode != wantMode || h.Uid != 0 || h.Gid != 0 || h.Uname != "" || !h.ModTime.Equal(time.Unix(0, 0)) {
			t.Errorf("%s: %+v", path, h)
		}
	}
	if rest, err := io.ReadAll(f); err != nil || len(rest) != 0 {
		t.Errorf("%s: %d bytes after the end: %v", path, len(rest), err)
	}
	blobsIn(t, folder)
	return folder, names
}

func TestDockerArchiveHasBothFaces(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sub", "d.tar")
	p := payloadOf(t, "team/app", 1, "v1", "latest")
	r := write1(t, "docker-archive:"+path, p)[0]
	info, err := os.Stat(path)
	if err != nil || info.Size() != r.Written || info.Mode().Perm() != 0o644 {
		t.Error(info, err, r.Written)
	}
	if want := "docker-archive:" + path + "@" + r.Digest; r.Reference != want || r.Output != "docker-archive:"+path {
		t.Errorf("%+v", r)
	}
	for _, ref := range []string{"team/app:v1", "team/app:latest"} {
		tag, err := name.NewTag(ref)
		if err != nil {
			t.Fatal(err)
		}
		img, err := tarball.ImageFromPath(path, &tag)
		if err != nil {
			t.Fatal(err)
		}
		if err := validate.Image(img); err != nil {
			t.Error(err)
		}
		got, _ := img.ConfigName()
		want, _ := p.Images[0].ConfigName()
		if got != want {
			t.Errorf("config %s, not %s", got, want)
		}
	}
	folder, names := unpack(t, path)
	if !slices.IsSorted(names) || !slices.Contains(names, "manifest.json") || names[0] != "blobs/" {
		t.Error(names)
	}
	tags := tagsIn(t, folder)
	if tags["team/app:v1"] != r.Digest || tags["team/app:latest"] != r.Digest || len(tags) != 2 {
		t.Error(tags)
	}
	if d := cmp.Diff(digestsOf(t, p), blobsIn(t, folder)); d != "" {
		t.Error(d)
	}
	index, _ := os.ReadFile(folder + "/index.json")
	if !bytes.Contains(index, []byte(`"io.containerd.image.name":"docker.io/team/app:v1"`)) {
		t.Errorf("%s", index)
	}
}

func TestOCIArchiveIsALayout(t *testing.T) {
	path := filepath.Join(t.TempDir(), "o.tar")
	ps := []Payload{platforms(t, "multi", 1), payloadOf(t, "one", 9, "v")}
	rs := write1(t, "oci-archive:"+path, ps...)
	folder, names := unpack(t, path)
	if slices.Contains(names, "manifest.json") {
		t.Error(names)
	}
	want := map[string]string{"multi:latest": rs[0].Digest, "one:v": rs[1].Digest}
	if d := cmp.Diff(want, tagsIn(t, folder)); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(digestsOf(t, ps...), blobsIn(t, folder)); d != "" {
		t.Error(d)
	}
	if rs[0].Written == 0 || rs[1].Written != 0 {
		t.Error("written counts twice", rs)
	}
}

func TestManifestJSONTakesTheHostsPlatform(t *testing.T) {
	p := platforms(t, "app", 1)
	c, err := gather(p)
	if err != nil {
		t.Fatal(err)
	}
	for arch, want := range map[string]int{"arm64": 0, "amd64": 1, "riscv64": 0} {
		path := filepath.Join(t.TempDir(), "d.tar")
		if _, err := newArchive("docker-archive", path, v1.Platform{OS: "linux", Architecture: arch}).Write(t.Context(), []Payload{p}); err != nil {
			t.Fatal(err)
		}
		folder, _ := unpack(t, path)
		data, err := os.ReadFile(folder + "/manifest.json")
		if err != nil {
			t.Fatal(err)
		}
		var m []dockerImage
		if err := json.Unmarshal(data, &m); err != nil {
			t.Fatal(err)
		}
		if len(m) != 1 || m[0].Config != blobName(c.parts[want].config) || len(m[0].Layers) != len(c.parts[want].layers) || m[0].RepoTags[0] != "app:latest" {
			t.Errorf("%s: %+v", arch, m)
		}
		if d := cmp.Diff(digestsOf(t, p), blobsIn(t, folder)); d != "" {
			t.Error(d) // the other platform is there too
		}
	}
}

func TestArchiveIsTheSameEachTime(t *testing.T) {
	root := t.TempDir()
	for _, scheme := range []string{"oci-archive:", "docker-archive:"} {
		ps := []Payload{payloadOf(t, "b", 2, "x", "y"), platforms(t, "a", 1)}
		a, b := root+"/a.tar", root+"/b.tar"
		write1(t, scheme+a, ps...)
		write1(t, scheme+b, ps...)
		one, _ := os.ReadFile(a)
		two, _ := os.ReadFile(b)
		if !bytes.Equal(one, two) || len(one)%512 != 0 {
			t.Error(scheme, "differs")
		}
		before := snapshot(t, root)
		for i, r := range write1(t, scheme+a, ps...) {
			if r.Written != 0 {
				t.Errorf("%s: %d: written %d", scheme, i, r.Written)
			}
		}
		if after := snapshot(t, root); after != before {
			t.Error(cmp.Diff(before, after))
		}
	}
}

// Any difference that is not inside a layer makes the archive be written again, and the old bytes come back.
func TestArchiveIsMended(t *testing.T) {
	path := filepath.Join(t.TempDir(), "d.tar")
	p := payloadOf(t, "app", 1)
	size := write1(t, "docker-archive:"+path, p)[0].Written
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	layers, _ := p.Images[0].Layers()
	inLayer := make([]bool, len(good))
	for _, l := range layers {
		h, _ := l.Digest()
		n, _ := l.Size()
		start := bytes.Index(good, []byte(blobName(h))) + 512 // after its header; manifest.json comes later
		for i := range n {
			inLayer[start+int(i)] = true
		}
	}
	for at := 0; at < len(good); at += 331 {
		if inLayer[at] {
			continue
		}
		bad := bytes.Clone(good)
		bad[at] ^= 0x40
		if at >= 257 && at < 262 {
			continue // no archive any more
		}
		if err := os.WriteFile(path, bad, 0o644); err != nil {
			t.Fatal(err)
		}
		if r := write1(t, "docker-archive:"+path, p)[0]; r.Written != size {
			t.Fatalf("byte %d: written %d", at, r.Written)
		}
	}
	for _, n := range []int{0, 600, len(good) - 512} {
		os.WriteFile(path, good[:n], 0o644)
		write1(t, "docker-archive:"+path, p)
	}
	os.WriteFile(path, append(bytes.Clone(good), make([]byte, 512)...), 0o644)
	write1(t, "docker-archive:"+path, p)
	if got, _ := os.ReadFile(path); !bytes.Equal(got, good) {
		t.Error("the archive is another")
	}
	if r := write1(t, "oci-archive:"+path, p)[0]; r.Written == 0 || r.Written >= size {
		t.Errorf("written %d of %d", r.Written, size)
	}
}

func TestArchiveFollowsItsLink(t *testing.T) {
	root := t.TempDir()
	os.Mkdir(root+"/real", 0o755)
	write1(t, "oci-archive:"+root+"/real/a.tar", payloadOf(t, "a", 1))
	if err := os.Symlink("real/a.tar", root+"/link.tar"); err != nil {
		t.Fatal(err)
	}
	write1(t, "oci-archive:"+root+"/link.tar", payloadOf(t, "a", 2))
	if info, err := os.Lstat(root + "/link.tar"); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Error("the link is gone", err)
	}
	folder, _ := unpack(t, root+"/real/a.tar")
	if d := cmp.Diff(digestsOf(t, payloadOf(t, "a", 2)), blobsIn(t, folder)); d != "" {
		t.Error(d)
	}
}

func TestArchiveNamesMustBeOnesThatEnginesTake(t *testing.T) {
	root := t.TempDir()
	var n *NameError
	_, err := mustParse(t, "docker-archive:"+root+"/a.tar").Write(t.Context(), []Payload{payloadOf(t, "My App", 1)})
	if !errors.As(err, &n) || n.Text != "My App" {
		t.Error(err)
	}
	hinted(t, err, "--name my-app")
	var p *PlaceError
	_, err = mustParse(t, "docker-archive:"+root+"/a.tar").Write(t.Context(), []Payload{payloadOf(t, "a", 1), payloadOf(t, "a", 2)})
	if !errors.As(err, &p) {
		t.Error(err)
	}
	hinted(t, err, "{name}.tar")
	rs := write1(t, "docker-archive:"+root+"/{name}.tar", payloadOf(t, "team/a", 1), payloadOf(t, "b", 2))
	if rs[0].Output != "docker-archive:"+root+"/team/a.tar" || rs[1].Written == 0 {
		t.Errorf("%+v", rs)
	}
}

// The text members are the interface to three engines: a person reads every change of them.
func TestArchiveGolden(t *testing.T) {
	path := filepath.Join(t.TempDir(), "d.tar")
	write1(t, "docker-archive:"+path, payloadOf(t, "app", 1, "v1"), platforms(t, "localhost:5000/multi", 5))
	folder, names := unpack(t, path)
	var b strings.Builder
	for _, n := range names {
		if !strings.HasPrefix(n, "blobs/sha256/") {
			b.WriteString(n + "\n")
		}
	}
	for _, f := range []string{"oci-layout", "index.json", "manifest.json"} {
		data, err := os.ReadFile(filepath.Join(folder, f))
		if err != nil {
			t.Fatal(err)
		}
		b.WriteString("\n-- " + f + " --\n")
		var out bytes.Buffer
		if err := json.Indent(&out, data, "", "  "); err != nil {
			t.Fatal(err)
		}
		b.WriteString(out.String() + "\n")
	}
	// The digests are those of a random image: what matters is which of them are equal.
	numbers := map[string]string{}
	text := regexp.MustCompile(`[0-9a-f]{64}`).ReplaceAllStringFunc(b.String(), func(hex string) string {
		if numbers[hex] == "" {
			numbers[hex] = fmt.Sprintf("<digest %d>", len(numbers)+1)
		}
		return numbers[hex]
	})
	golden := filepath.Join("testdata", "archive.golden")
	if *update {
		os.MkdirAll("testdata", 0o755)
		if err := os.WriteFile(golden, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), text); d != "" {
		t.Error(d)
	}
}
