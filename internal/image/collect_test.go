// SPDX-License-Identifier: MIT OR Apache-2.0

package image

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"sampan/internal/rootfs"
)

// fill makes layers of incompressible files, an hour apart, each by a process of its own.
func fill(t *testing.T, s *Store, first, count, size int) []*Layer {
	t.Helper()
	var out []*Layer
	for i := first; i < first+count; i++ {
		p := s.again()
		p.Now = func() time.Time { return clock().Add(time.Duration(i) * time.Hour) }
		in := rootfs.Tree{file("f", noise(size+i))}
		out = append(out, mustLayer(t, in, LayerOptions{Store: p, Key: in[0].Path + string(rune('A'+i)), Compression: Compression{Algorithm: "none"}}))
	}
	return out
}

func exists(path string) bool { _, err := os.Lstat(path); return err == nil }

func TestCollectKeepsWhatWasUsedLast(t *testing.T) {
	s := newStore(t)
	s.Cap = 5 * 102400
	layers := fill(t, s, 0, 4, 100000)
	// The first is looked up again, later than the others were made.
	p := s.again()
	p.Now = func() time.Time { return clock().Add(10 * time.Hour) }
	mustLayer(t, layers[0].tree, LayerOptions{Store: p, Key: "fA", Compression: Compression{Algorithm: "none"}})
	layers = append(layers, fill(t, s, 11, 3, 100000)...)
	var got []bool
	var total int64
	for _, l := range layers {
		there := exists(l.Path())
		got = append(got, there)
		if there {
			total += l.size
		}
	}
	for i, want := range []bool{true, false, false, true, true, true, true} {
		if got[i] != want {
			t.Errorf("kept %v", got)
			break
		}
	}
	if total > s.Cap {
		t.Errorf("%d bytes are kept, the cap is %d", total, s.Cap)
	}
	if memos, _ := readNames(s.memos()); len(memos) != 5 {
		t.Errorf("%d memos for 5 blobs", len(memos))
	}
}

func TestCollectSparesWhatThisProcessUses(t *testing.T) {
	s := newStore(t)
	s.Cap = 1
	var layers []*Layer
	for i := range 3 {
		layers = append(layers, mustLayer(t, rootfs.Tree{file("f", noise(1000+i))}, LayerOptions{Store: s, Key: string(rune('a' + i))}))
	}
	for _, l := range layers {
		if !exists(l.Path()) {
			t.Errorf("%s is gone", l.Path())
		}
	}
}

func TestCollectTakesTheFutureForOld(t *testing.T) {
	s := newStore(t)
	s.Cap = 3 * 102400
	layers := fill(t, s, 0, 2, 100000)
	future := clock().Add(1000 * time.Hour)
	memo := filepath.Join(s.memos(), memoName("fA", Compression{Algorithm: "none"}))
	for _, path := range []string{layers[0].Path(), memo} {
		if err := os.Chtimes(path, future, future); err != nil {
			t.Fatal(err)
		}
	}
	more := fill(t, s, 2, 2, 100000)
	if exists(layers[0].Path()) || !exists(layers[1].Path()) || !exists(more[0].Path()) {
		t.Error("a time from the future kept a blob")
	}
}

func TestWriteSweepsLeftovers(t *testing.T) {
	s := newStore(t)
	mustLayer(t, nil, LayerOptions{Store: s, Key: "a"})
	for _, dir := range []string{s.blobs(), s.memos()} {
		if err := os.WriteFile(filepath.Join(dir, ".sampan-abc.tmp"), []byte("half"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	mustLayer(t, nil, LayerOptions{Store: s, Key: "b"})
	for _, dir := range []string{s.blobs(), s.memos()} {
		if exists(filepath.Join(dir, ".sampan-abc.tmp")) {
			t.Errorf("%s was not swept", dir)
		}
	}
}

func TestMemosDoNotPileUp(t *testing.T) {
	s := newStore(t)
	l := mustLayer(t, nil, LayerOptions{Store: s, Key: "k"})
	for i := range maxMemos + 10 {
		name := hexOf([]byte{byte(i), byte(i >> 8)})
		data, err := memo{DiffID: l.diffID, Digest: l.digest, Size: l.size, MediaType: l.mediaType}.encode(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(s.memos(), name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	mustLayer(t, rootfs.Tree{file("f", nil)}, LayerOptions{Store: s, Key: "new"})
	if names, _ := readNames(s.memos()); len(names) > maxMemos/2+1 {
		t.Errorf("%d memos", len(names))
	}
}
