// SPDX-License-Identifier: MIT OR Apache-2.0

package output

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
)

func TestLayoutKeepsOtherTags(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "layout")
	a, b, c := payloadOf(t, "app", 1, "v1", "latest", "v1"), payloadOf(t, "app", 2), payloadOf(t, "app", 3, "v1")
	write1(t, "oci:"+dir, a)
	write1(t, "oci:"+dir, b) // no tag: latest moves
	write1(t, "oci:"+dir+":explicit", platforms(t, "app", 10, "unused"))
	r := write1(t, "oci:"+dir, c)[0]
	c1, _ := gather(c)
	b1, _ := gather(b)
	m1, _ := gather(platforms(t, "app", 10))
	want := map[string]string{"latest": b1.top.Digest.String(), "v1": c1.top.Digest.String(), "explicit": m1.top.Digest.String()}
	if d := cmp.Diff(want, tagsIn(t, dir)); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(digestsOf(t, b, c, platforms(t, "app", 10)), blobsIn(t, dir)); d != "" {
		t.Error("garbage or losses:", d)
	}
	wantReceipt := Receipt{Image: "app", Output: "oci:" + dir, Reference: "oci:" + dir + "@" + c1.top.Digest.String(),
		Digest: c1.top.Digest.String(), MediaType: "application/vnd.oci.image.manifest.v1+json", Size: c1.size,
		Tags: []string{"v1"}, Written: r.Written}
	if d := cmp.Diff(wantReceipt, r); d != "" {
		t.Error(d)
	}
	index, err := os.Stat(filepath.Join(dir, "index.json"))
	if err != nil {
		t.Fatal(err)
	}
	if r.Written != c1.size+index.Size() {
		t.Errorf("written %d of %d+%d", r.Written, c1.size, index.Size())
	}
	if left := temps(t, dir); left != nil {
		t.Error(left)
	}
}

func TestLayoutNoopWritesNothing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "l")
	ps := []Payload{payloadOf(t, "a", 1, "v1", "v2"), platforms(t, "b", 5)}
	first := write1(t, "oci:"+dir, ps...)
	before := snapshot(t, dir)
	again := write1(t, "oci:"+dir, ps...)
	if after := snapshot(t, dir); after != before {
		t.Error(cmp.Diff(before, after))
	}
	for i := range again {
		if first[i].Written == 0 || again[i].Written != 0 {
			t.Errorf("written %d, then %d", first[i].Written, again[i].Written)
		}
	}
	if want := []string{"a:v1", "a:v2"}; !slices.Equal(again[0].Tags, want) {
		t.Error(again[0].Tags)
	}
}

// A layout that lost a blob, or holds another in its place, is mended although its index is right.
func TestLayoutMendsBlobs(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "l")
	p := payloadOf(t, "a", 1)
	write1(t, "oci:"+dir, p)
	c, _ := gather(p)
	for _, b := range c.blobs {
		path := filepath.Join(dir, "blobs", "sha256", b.digest.Hex)
		spoil := map[string]func() error{
			"missing": func() error { return os.Remove(path) },
			"cut":     func() error { return os.Truncate(path, b.size-1) },
			"link": func() error {
				if err := os.Rename(path, filepath.Join(dir, "aside")); err != nil {
					return err
				}
				return os.Symlink(filepath.Join(dir, "aside"), path)
			},
		}
		if b.layer == nil {
			spoil["changed"] = func() error { return os.WriteFile(path, bytes.Repeat([]byte("x"), int(b.size)), 0o644) }
		}
		for how, do := range spoil {
			if err := do(); err != nil {
				t.Fatal(err)
			}
			if r := write1(t, "oci:"+dir, p)[0]; r.Written != b.size {
				t.Errorf("%s: written %d, not %d", how, r.Written, b.size)
			}
			if info, err := os.Lstat(path); err != nil || !info.Mode().IsRegular() {
				t.Errorf("%s: %v %v", how, info, err)
			}
			blobsIn(t, dir)
		}
	}
}

// A leftover blob with the right size and the wrong bytes is not trusted by a delivery that needs it anew.
func TestLayoutHashesLeftovers(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "l")
	write1(t, "oci:"+dir, payloadOf(t, "a", 1))
	p := payloadOf(t, "a", 2)
	c, _ := gather(p)
	path := filepath.Join(dir, "blobs", "sha256", c.blobs[0].digest.Hex)
	if err := os.WriteFile(path, make([]byte, c.blobs[0].size), 0o644); err != nil {
		t.Fatal(err)
	}
	write1(t, "oci:"+dir, p)
	tagsIn(t, dir)
}

func TestLayoutLinksVerifiedFiles(t *testing.T) {
	root := t.TempDir()
	cache, dir := filepath.Join(root, "cache"), filepath.Join(root, "l")
	if err := os.Mkdir(cache, 0o755); err != nil {
		t.Fatal(err)
	}
	verified := 0
	img, err := inFiles(testImage(t, 1), cache, &verified)
	if err != nil {
		t.Fatal(err)
	}
	p := Payload{Name: "a", Images: []v1.Image{img}}
	write1(t, "oci:"+dir, p)
	write1(t, "oci:"+dir+":second", p) // the blobs are there: no second look
	if verified != len(img.layers) {
		t.Errorf("%d verifications of %d layers", verified, len(img.layers))
	}
	for _, l := range img.layers {
		from := l.(fileLayer).path
		a, _ := os.Stat(from)
		b, err := os.Stat(filepath.Join(dir, "blobs", "sha256", filepath.Base(from)))
		if err != nil || !os.SameFile(a, b) {
			t.Errorf("%s is not linked: %v", from, err)
		}
	}
	tagsIn(t, dir)

	broken := img.layers[0].(fileLayer)
	broken.verify = errors.New("flipped bit")
	img.layers[0] = broken
	fresh := filepath.Join(root, "fresh")
	if _, err := mustParse(t, "oci:"+fresh).Write(t.Context(), []Payload{p}); err == nil || !strings.Contains(err.Error(), "flipped bit") {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(fresh, "index.json")); !errors.Is(err, os.ErrNotExist) {
		t.Error("index.json without its blobs", err)
	}
}

// pathOnly is a file layer that cannot verify itself.
type pathOnly struct {
	v1.Layer
	path string
}

func (p pathOnly) Path() string { return p.path }

func TestLayoutVerifiesFilesItself(t *testing.T) {
	root := t.TempDir()
	img, err := inFiles(testImage(t, 1), root, new(int))
	if err != nil {
		t.Fatal(err)
	}
	for i, l := range img.layers {
		img.layers[i] = pathOnly{l, l.(fileLayer).path}
	}
	p := Payload{Name: "a", Images: []v1.Image{img}}
	write1(t, "oci:"+filepath.Join(root, "good"), p)
	path := img.layers[1].(pathOnly).path
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	data[100] ^= 1
	os.Remove(path) // it has a twin in the first layout
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	_, err = mustParse(t, "oci:"+filepath.Join(root, "bad")).Write(t.Context(), []Payload{p})
	var c *ContentError
	if !errors.As(err, &c) {
		t.Error(err)
	}
}

// wrongLayer gives other bytes than its digest names.
type wrongLayer struct {
	v1.Layer
	change func([]byte) []byte
}

func (w wrongLayer) Compressed() (io.ReadCloser, error) {
	r, err := w.Layer.Compressed()
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(r)
	return io.NopCloser(bytes.NewReader(w.change(data))), err
}

func TestWrongBytesAreRefused(t *testing.T) {
	for name, change := range map[string]func([]byte) []byte{
		"flipped": func(b []byte) []byte { b[50] ^= 1; return b },
		"short":   func(b []byte) []byte { return b[1:] },
		"long":    func(b []byte) []byte { return append(b, 0) },
		"empty":   func(b []byte) []byte { return nil },
	} {
		root := t.TempDir()
		layers, _ := testImage(t, 1).Layers()
		layers[1] = wrongLayer{layers[1], change}
		p := Payload{Name: "a", Images: []v1.Image{fileImage{testImage(t, 1), layers}}}
		for _, spec := range []string{"oci:" + root + "/l", "oci-archive:" + root + "/o.tar", "docker-archive:" + root + "/d.tar"} {
			rs, err := mustParse(t, spec).Write(t.Context(), []Payload{p})
			var c *ContentError
			if !errors.As(err, &c) || len(rs) != 0 {
				t.Errorf("%s %s: %v %v", name, spec, rs, err)
			}
		}
		for _, f := range []string{"l/index.json", "o.tar", "d.tar"} {
			if _, err := os.Stat(filepath.Join(root, f)); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("%s: %s is there", name, f)
			}
		}
		if left := temps(t, root); left != nil {
			t.Error(left)
		}
	}
}

func TestSeveralImagesInOneLayout(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "l")
	ps := []Payload{payloadOf(t, "a", 1, "v1"), payloadOf(t, "b", 2, "v1", "v2")}
	rs := write1(t, "oci:"+dir, ps...)
	want := map[string]string{"a:v1": rs[0].Digest, "b:v1": rs[1].Digest, "b:v2": rs[1].Digest}
	if d := cmp.Diff(want, tagsIn(t, dir)); d != "" {
		t.Error(d)
	}
	_, err := mustParse(t, "oci:"+dir+":v1").Write(t.Context(), ps)
	var place *PlaceError
	if !errors.As(err, &place) {
		t.Error(err)
	}
	hinted(t, err, "-o oci:"+dir+"/{name}")
	if _, err := mustParse(t, "oci:"+dir).Write(t.Context(), []Payload{ps[0], ps[0]}); !errors.As(err, &place) {
		t.Error("two images of one name:", err)
	}
	rs = write1(t, "oci:"+dir+":{name}-x", ps...)
	if got := tagsIn(t, dir); got["a-x"] != rs[0].Digest || got["b-x"] != rs[1].Digest || len(got) != 5 {
		t.Error(got)
	}
	each := filepath.Join(t.TempDir(), "{name}")
	rs = write1(t, "oci:"+each, ps...)
	for i, name := range []string{"a", "b"} {
		got := tagsIn(t, strings.ReplaceAll(each, "{name}", name))
		if got["v1"] != rs[i].Digest || !strings.HasSuffix(rs[i].Output, "/"+name) {
			t.Error(name, got, rs[i])
		}
	}
}

func TestLayoutRefusesOtherPlaces(t *testing.T) {
	root := t.TempDir()
	file := filepath.Join(root, "file")
	full := filepath.Join(root, "full")
	newer := filepath.Join(root, "newer")
	linked := filepath.Join(root, "linked")
	for path, text := range map[string]string{file: "x", full + "/src.rs": "x", newer + "/oci-layout": `{"imageLayoutVersion":"2.0.0"}`,
		linked + "/oci-layout": layoutFile} {
		os.MkdirAll(filepath.Dir(path), 0o755)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(full, linked+"/blobs"); err != nil {
		t.Fatal(err)
	}
	before := snapshot(t, root)
	for spec, want := range map[string][2]string{
		"oci:" + file:                   {"a file is there", "-o oci-archive:"},
		"oci:" + file + "/sub":          {"", ""},
		"oci:" + full:                   {`not empty ("src.rs")`, "-o oci:" + full + "/image"},
		"oci:" + newer:                  {`version "2.0.0"`, "-o oci:" + newer + "-new"},
		"oci:" + linked:                 {`"blobs" is not a folder`, "-o oci:"},
		"oci-archive:" + full:           {"a folder is there", "-o oci-archive:" + full + "/image.tar"},
		"oci-archive:" + file:           {"is no archive", "rm " + file},
		"docker-archive:" + "/dev/null": {"not a regular file", "-o docker-archive:"},
	} {
		o := mustParse(t, spec)
		for call, err := range map[string]error{
			"write":     second(o.Write(t.Context(), []Payload{payloadOf(t, "a", 1)})),
			"preflight": o.(Preflighter).Preflight(t.Context(), []Payload{{Name: "a"}}),
		} {
			if err == nil || !strings.Contains(err.Error(), want[0]) || !strings.Contains(err.Error(), strings.SplitN(spec, ":", 2)[1]) {
				t.Errorf("%s %s: %v", call, spec, err)
			} else if want[1] != "" {
				hinted(t, err, want[1])
			}
		}
	}
	if after := snapshot(t, root); after != before {
		t.Error(cmp.Diff(before, after))
	}
}

func second[T any](_ T, err error) error { return err }

func TestPreflightPasses(t *testing.T) {
	root := t.TempDir()
	os.Mkdir(root+"/empty", 0o755)
	write1(t, "oci:"+root+"/l", payloadOf(t, "a", 1))
	write1(t, "oci-archive:"+root+"/o.tar", payloadOf(t, "a", 1))
	before := snapshot(t, root)
	for _, spec := range []string{"oci:" + root + "/empty", "oci:" + root + "/l", "oci:" + root + "/x/y", "oci-archive:" + root + "/o.tar", "docker-archive:" + root + "/z/d.tar"} {
		if err := mustParse(t, spec).(Preflighter).Preflight(t.Context(), []Payload{{Name: "a"}}); err != nil {
			t.Errorf("%s: %v", spec, err)
		}
	}
	if after := snapshot(t, root); after != before {
		t.Error(cmp.Diff(before, after))
	}
}

// A killed first run may leave the marker alone, or a temporary file alone.
func TestLayoutGoesOnAfterAFirstKill(t *testing.T) {
	root := t.TempDir()
	for name, files := range map[string]map[string]string{
		"marker": {"oci-layout": layoutFile},
		"temp":   {".sampan-1k2j3h.tmp": "{"},
		"blobs":  {"oci-layout": layoutFile, "blobs/sha256/.sampan-zz9.tmp": "half"},
	} {
		dir := filepath.Join(root, name)
		for f, text := range files {
			path := filepath.Join(dir, f)
			os.MkdirAll(filepath.Dir(path), 0o755)
			if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		write1(t, "oci:"+dir, payloadOf(t, "a", 1))
		if got := tagsIn(t, dir); len(got) != 1 {
			t.Error(name, got)
		}
		if left := temps(t, dir); left != nil {
			t.Error(left)
		}
	}
}

func TestContextEnds(t *testing.T) {
	root := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, spec := range []string{"oci:" + root + "/l", "oci-archive:" + root + "/o.tar"} {
		if _, err := mustParse(t, spec).Write(ctx, []Payload{payloadOf(t, "a", 1)}); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", spec, err)
		}
	}
	if left := temps(t, root); left != nil {
		t.Error(left)
	}
}

func TestPayloadMustFitTogether(t *testing.T) {
	good := platforms(t, "a", 1)
	digest := digestOf([]byte("other"))
	for name, p := range map[string]Payload{
		"no image":      {Name: "a"},
		"no index":      {Name: "a", Images: good.Images},
		"missing image": {Name: "a", Images: good.Images[:1], Index: good.Index},
		"other digest":  {Name: "a", Images: good.Images, Index: good.Index, Digest: digest},
		"other type":    {Name: "a", Images: good.Images, Index: good.Index, MediaType: "application/x"},
		"other layers":  {Name: "a", Images: []v1.Image{fileImage{good.Images[0], nil}}},
		"bad tag":       {Name: "a", Images: good.Images[:1], Tags: []string{"a/b"}},
	} {
		dir := filepath.Join(t.TempDir(), "l")
		if _, err := mustParse(t, "oci:"+dir).Write(t.Context(), []Payload{p}); err == nil {
			t.Errorf("%s: no error", name)
		}
		if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: something was written", name)
		}
	}
}
