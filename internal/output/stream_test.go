// SPDX-License-Identifier: MIT OR Apache-2.0

package output

import (
	"bytes"
	"errors"
	"io"
	"os"
	"testing"
	"testing/iotest"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// TestStream: read in any pieces, an archive is what would be written.
func TestStream(t *testing.T) {
	img, err := inFiles(testImage(t, 1), t.TempDir(), new(int))
	if err != nil {
		t.Fatal(err)
	}
	for _, images := range [][]v1.Image{{testImage(t, 1)}, {img}} {
		archive := laidOut(t, images[0])
		var want bytes.Buffer
		if err := archive.writeTo(t.Context(), &want); err != nil {
			t.Fatal(err)
		}
		for _, how := range []func(io.Reader) io.Reader{func(r io.Reader) io.Reader { return r }, iotest.OneByteReader, iotest.HalfReader} {
			s := archive.stream()
			got, err := io.ReadAll(how(s))
			if err := errors.Join(err, s.end()); err != nil || !bytes.Equal(got, want.Bytes()) {
				t.Fatalf("%d bytes, %v; want the %d that are written", len(got), err, want.Len())
			}
		}
	}
}

func laidOut(t testing.TB, img v1.Image) *tarFile {
	t.Helper()
	c, err := gather(Payload{Name: "a", Images: []v1.Image{img}})
	if err != nil {
		t.Fatal(err)
	}
	archive, err := newArchive("docker-archive", "", here()).layOut([]*content{c}, []archiveNames{{refs: []string{"a:latest"}, full: []string{"docker.io/library/a:latest"}}})
	if err != nil {
		t.Fatal(err)
	}
	return archive
}

// TestStreamEnds: a reader that had enough, and a layer that is not what it should be.
func TestStreamEnds(t *testing.T) {
	s := laidOut(t, testImage(t, 1)).stream()
	if _, err := io.CopyN(io.Discard, s, 5000); err != nil {
		t.Fatal(err)
	}
	if err := s.end(); err != nil {
		t.Errorf("enough is an error: %v", err)
	}
	if _, err := s.Read(make([]byte, 1)); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("after its end: %v", err)
	}
	img, err := inFiles(testImage(t, 1), t.TempDir(), new(int))
	if err != nil {
		t.Fatal(err)
	}
	for _, size := range []int64{10, 1 << 20} {
		if err := os.Truncate(img.layers[1].(fileLayer).path, size); err != nil {
			t.Fatal(err)
		}
		img.layers[1] = short{img.layers[1].(fileLayer)}
		s = laidOut(t, img).stream()
		_, err := io.Copy(io.Discard, s)
		if _, ok := errors.AsType[*ContentError](err); !ok || !errors.Is(s.end(), err) {
			t.Errorf("a layer of another size: %v", err)
		}
		img.layers[1] = img.layers[1].(short).fileLayer
	}
}

// short reads its file as it is.
type short struct{ fileLayer }

func (s short) Compressed() (io.ReadCloser, error) { return os.Open(s.path) }
