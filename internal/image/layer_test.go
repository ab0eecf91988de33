// SPDX-License-Identifier: MIT OR Apache-2.0

package image

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/zstd"

	"sampan/internal/rootfs"
)

var update = flag.Bool("update", false, "write the golden files anew")

// mixed has all kinds of entries, and files that end before, at and after the edges of blocks.
var mixed = sync.OnceValue(func() rootfs.Tree {
	return tree(
		dir("etc"), file("etc/passwd", []byte("root:x:0:0\n")), link("etc/link", "passwd"), file("empty", nil),
		file("edge", synthetic(2, blockSize-3*512)), file("over", synthetic(3, blockSize+1)),
		file("program", synthetic(4, 3*blockSize+12345)), file("zeros", make([]byte, blockSize)),
		file("noise", noise(300000)), file("dir-like/"+strings.Repeat("n", 120), []byte("long")),
	)
})

func noise(n int) []byte {
	out := make([]byte, 0, n)
	for i := 0; len(out) < n; i++ {
		h := sha256.Sum256(fmt.Append(nil, i))
		out = append(out, h[:]...)
	}
	return out[:n]
}

var compressions = []Compression{{"gzip", 1}, {"gzip", 6}, {"gzip", 9}, {"none", 0}, {"zstd", 1}, {"zstd", 3}, {"zstd", 7}, {"zstd", 19}}

// The digests of one synthetic tree. When this fails, every user's digests change: raise the constant encoding, say so
// in the changelog, then renew with -update.
func TestGoldenDigests(t *testing.T) {
	var got strings.Builder
	for _, c := range compressions {
		l := mustLayer(t, mixed(), scratch(t, c))
		fmt.Fprintf(&got, "%s-%d %s %s %d\n", c.Algorithm, c.Level, l.diffID, l.digest, l.size)
	}
	golden := filepath.Join("testdata", "digests.golden")
	if *update {
		if err := os.WriteFile(golden, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Errorf("digests changed (-want +got):\n%s", diff)
	}
}

func TestDigestDoesNotKnowTheWorkers(t *testing.T) {
	for _, c := range []Compression{{"gzip", 1}, {"gzip", 6}, {"gzip", 7}, {"none", 0}, {"zstd", 1}, {"zstd", 3}, {"zstd", 7}} {
		var want *Layer
		for _, workers := range []int{1, 2, 4, 8} {
			o := scratch(t, c)
			o.Workers = workers
			l := mustLayer(t, mixed(), o)
			if want == nil {
				want = l
			}
			if l.digest != want.digest || l.diffID != want.diffID || l.size != want.size {
				t.Errorf("%v: %d workers give %s, one gives %s", c, workers, l.digest, want.digest)
			}
		}
	}
}

// A piece must follow from its block alone, whatever the encoder did before: else digests would hang on which worker
// happened to get which block.
func TestEncoderRemembersNothing(t *testing.T) {
	parts := [][]byte{synthetic(1, 150000), make([]byte, 70000), noise(70000), synthetic(5, 100), {}, synthetic(6, 40000), []byte(strings.Repeat("ab", 35000))}
	zstds := []effort{Compression{"zstd", 1}.effort(), Compression{"zstd", 3}.effort(), Compression{"zstd", 7}.effort(), Compression{"zstd", 22}.effort()}
	for _, level := range append([]effort{1, 2, 3, 4, 5, 6, 7, 8, 9}, zstds...) {
		var old encoder
		for i, data := range parts {
			for j, dict := range parts {
				b := filled(data, dict[max(0, len(dict)-dictSize):], level)
				b.last = (i+j)%2 == 0
				old.compress(b)
				fresh := filled(data, dict[max(0, len(dict)-dictSize):], level)
				fresh.last = b.last
				new(encoder).compress(fresh)
				if b.err != nil || !bytes.Equal(b.out, fresh.out) {
					t.Fatalf("level %d, part %d after dictionary %d: %d bytes, fresh %d, %v", level, i, j, len(b.out), len(fresh.out), b.err)
				}
			}
		}
	}
}

func filled(data, dict []byte, level effort) *block {
	b := newBlock()
	b.start(dict, level)
	b.n = copy(b.room(), data)
	return b
}

func TestEncoderIsRenewed(t *testing.T) {
	var e encoder
	b := filled(synthetic(1, 1000), nil, 6)
	e.compress(b)
	want := bytes.Clone(b.out)
	first := e.writers[6]
	e.used[6] = renewAfter
	e.compress(b)
	if e.writers[6] == first || !bytes.Equal(b.out, want) {
		t.Fatal("not renewed, or other bytes")
	}
}

// What comes out is read by the standard library, at every level, to just the bytes that went in.
func TestLayerReadsBack(t *testing.T) {
	in := mixed()
	for _, c := range []Compression{{"none", 0}, {"gzip", 1}, {"gzip", 4}, {"gzip", 6}, {"gzip", 7}, {"gzip", 9}, {"zstd", 1}, {"zstd", 7}} {
		l := mustLayer(t, in, scratch(t, c))
		blob, err := os.ReadFile(l.Path())
		if err != nil {
			t.Fatal(err)
		}
		raw := blob
		switch {
		case c.Algorithm == "gzip":
			raw = gunzip(t, blob)
			if string(blob[:10]) != gzipHeader {
				t.Errorf("header %x", blob[:10])
			}
		case c.Algorithm == "zstd":
			raw = unframed(t, blob)
		case l.digest != l.diffID:
			t.Error("digest and diffID differ")
		}
		if hexOf(blob) != l.digest.Hex || hexOf(raw) != l.diffID.Hex || int64(len(blob)) != l.size {
			t.Errorf("%v: digest, diffID or size is wrong", c)
		}
		if !bytes.Equal(readAll(t, l.Uncompressed), raw) || !bytes.Equal(readAll(t, l.Compressed), blob) {
			t.Errorf("%v: methods give other bytes", c)
		}
		compareTar(t, raw, in)
	}
}

func gunzip(t *testing.T, blob []byte) []byte {
	t.Helper()
	r, err := gzip.NewReader(bytes.NewReader(blob))
	if err != nil {
		t.Fatal(err)
	}
	r.Multistream(false)
	raw, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// unframed is what a blob's frames hold, read as one stream.
func unframed(t *testing.T, blob []byte) []byte {
	t.Helper()
	d, err := zstd.NewReader(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	raw, err := d.DecodeAll(blob, nil)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func hexOf(b []byte) string {
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:])
}

func compareTar(t *testing.T, raw []byte, in rootfs.Tree) {
	t.Helper()
	r := tar.NewReader(bytes.NewReader(raw))
	for i := range in {
		h, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		compareHeader(t, h, &in[i])
		if !in[i].Mode.IsRegular() {
			continue
		}
		data, err := io.ReadAll(r)
		if err != nil || !bytes.Equal(data, readAll(t, in[i].Open)) {
			t.Fatalf("%s: other bytes, %v", h.Name, err)
		}
	}
	if _, err := r.Next(); !errors.Is(err, io.EOF) {
		t.Errorf("after the last entry: %v", err)
	}
}

// Cutting the stream into blocks must not cost more than a trifle against one stream.
func TestSizeAgainstOneStream(t *testing.T) {
	data := synthetic(9, 8*blockSize)
	l := mustLayer(t, tree(file("a", data)), scratch(t, Compression{}))
	var one bytes.Buffer
	w, err := flate.NewWriter(&one, defaultLevel)
	if err != nil {
		t.Fatal(err)
	}
	w.Write(data)
	w.Close()
	if limit := int64(one.Len()) * 1005 / 1000; l.size > limit {
		t.Errorf("%d bytes, one stream has %d", l.size, one.Len())
	}
}

func TestEmptyTree(t *testing.T) {
	l := mustLayer(t, nil, scratch(t, Compression{}))
	if raw := readAll(t, l.Uncompressed); !bytes.Equal(raw, make([]byte, 1024)) {
		t.Errorf("%d bytes", len(raw))
	}
}

func TestMediaTypes(t *testing.T) {
	for c, want := range map[Compression]types.MediaType{
		{}:                  "application/vnd.oci.image.layer.v1.tar+gzip",
		{"gzip", 9}:         "application/vnd.oci.image.layer.v1.tar+gzip",
		{Algorithm: "none"}: "application/vnd.oci.image.layer.v1.tar",
		{Algorithm: "zstd"}: "application/vnd.oci.image.layer.v1.tar+zstd",
	} {
		if got, _ := mustLayer(t, nil, scratch(t, c)).MediaType(); got != want {
			t.Errorf("%v: %s", c, got)
		}
	}
	for _, c := range []Compression{{"zstd", 23}, {"none", 1}, {"xz", 1}, {"gzip", 10}, {"gzip", -1}, {"GZIP", 6}} {
		var typed *CompressionError
		if _, err := NewLayer(context.Background(), nil, scratch(t, c)); !errors.As(err, &typed) || typed.Hint() == "" {
			t.Errorf("%v: %v", c, err)
		}
	}
}

func TestWrongSizeNamesTheEntry(t *testing.T) {
	for _, size := range []int64{0, 5, 7, 2 * blockSize} {
		e := file("srv/data", []byte("sixsix"))
		e.Size = size
		o := scratch(t, Compression{})
		_, err := NewLayer(context.Background(), rootfs.Tree{e}, o)
		var typed *SizeError
		if !errors.As(err, &typed) || typed.Path != "srv/data" || typed.Size != size || !strings.Contains(err.Error(), `"srv/data"`) {
			t.Errorf("size %d: %v", size, err)
		}
		if left, _ := os.ReadDir(o.Scratch); len(left) > 0 {
			t.Errorf("left over: %v", left)
		}
	}
}

type failing struct {
	io.Reader
	closeErr error
}

func (f failing) Close() error { return f.closeErr }

func TestErrorsOfFiles(t *testing.T) {
	cause := errors.New("bad sector")
	opens := map[string]func() (io.ReadCloser, error){
		"open":  func() (io.ReadCloser, error) { return nil, cause },
		"close": func() (io.ReadCloser, error) { return failing{strings.NewReader("ab"), cause}, nil },
		"read": func() (io.ReadCloser, error) {
			return failing{io.MultiReader(strings.NewReader("a"), errReader{cause}), nil}, nil
		},
		"end": func() (io.ReadCloser, error) {
			return failing{io.MultiReader(strings.NewReader("ab"), errReader{cause}), nil}, nil
		},
	}
	for name, open := range opens {
		e := rootfs.Entry{Path: "f", Mode: 0o444, Size: 2, Open: open}
		if _, err := NewLayer(context.Background(), rootfs.Tree{e}, scratch(t, Compression{})); !errors.Is(err, cause) || !strings.Contains(err.Error(), `pack "f"`) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

type errReader struct{ err error }

func (r errReader) Read([]byte) (int, error) { return 0, r.err }

func TestInvalidTree(t *testing.T) {
	var typed *rootfs.TreeError
	_, err := NewLayer(context.Background(), rootfs.Tree{file("../up", nil)}, scratch(t, Compression{}))
	if !errors.As(err, &typed) {
		t.Errorf("%v", err)
	}
}

// The layer is cancelled while it is read, from within; nothing may be left, neither file nor goroutine that holds a
// block: the crew must serve the next layer.
func TestCancel(t *testing.T) {
	store := &Store{Dir: t.TempDir(), Now: clock}
	for i := range 6 {
		ctx, cancel := context.WithCancel(context.Background())
		data := synthetic(1, 6*blockSize)
		e := file("f", data)
		e.Open = func() (io.ReadCloser, error) {
			return io.NopCloser(io.MultiReader(bytes.NewReader(data[:i*blockSize]), cancelReader(cancel), bytes.NewReader(data[i*blockSize:]))), nil
		}
		_, err := NewLayer(ctx, rootfs.Tree{e}, LayerOptions{Store: store, Workers: 2})
		if !errors.Is(err, context.Canceled) {
			t.Fatalf("%d: %v", i, err)
		}
		if left, _ := os.ReadDir(store.blobs()); len(left) > 0 {
			t.Fatalf("left over: %v", left)
		}
	}
	mustLayer(t, mixed(), LayerOptions{Store: store, Workers: 2})
}

type cancelReader func()

func (c cancelReader) Read([]byte) (int, error) { c(); return 0, io.EOF }

func TestProgress(t *testing.T) {
	var total, last int64
	in := mixed()
	for _, e := range in {
		total += e.Size
	}
	o := scratch(t, Compression{})
	o.Progress = func(done, all int64) {
		if all != total || done < last || done > total {
			t.Errorf("%d of %d after %d", done, all, last)
		}
		last = done
	}
	mustLayer(t, in, o)
	if last != total {
		t.Errorf("ended at %d of %d", last, total)
	}
}

// Layers made at once share workers and blocks.
func TestManyAtOnce(t *testing.T) {
	store := &Store{Dir: t.TempDir(), Now: clock}
	want := mustLayer(t, mixed(), scratch(t, Compression{})).digest
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			l, err := NewLayer(context.Background(), mixed(), LayerOptions{Store: store, Workers: 2})
			if err != nil || l.digest != want {
				t.Errorf("%v", err)
			}
		})
	}
	group.Wait()
	if store.crewed.current != nil || len(store.crewed.free) != store.crewed.blocks {
		t.Error("workers or blocks are not back")
	}
}

func TestNoPlace(t *testing.T) {
	if _, err := NewLayer(context.Background(), nil, LayerOptions{}); !errors.Is(err, errNoPlace) {
		t.Errorf("%v", err)
	}
}

// A writer that fails must stop the whole pipeline, and its error must win over the cancelling that follows from it.
func TestWriteErrorStopsPacking(t *testing.T) {
	cause := errors.New("no space")
	reads := 0
	e := rootfs.Entry{Path: "f", Mode: 0o444, Size: 1 << 40, Open: func() (io.ReadCloser, error) { return io.NopCloser(countReader{&reads}), nil }}
	c := newCrew(2)
	_, err := pack(context.Background(), rootfs.Tree{e}, Compression{}, c, job{w: errWriter{cause}})
	if !errors.Is(err, cause) {
		t.Fatalf("%v", err)
	}
	if reads > 2*c.blocks || len(c.free) != c.blocks {
		t.Errorf("%d reads, %d of %d blocks are back", reads, len(c.free), c.blocks)
	}
}

type errWriter struct{ err error }

func (w errWriter) Write([]byte) (int, error) { return 0, w.err }

type countReader struct{ n *int }

func (r countReader) Read(p []byte) (int, error) { *r.n++; clear(p); return len(p), nil }
