// SPDX-License-Identifier: MIT OR Apache-2.0

package image

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sampan/internal/durable"
	"sampan/internal/rootfs"
)

// counted is a tree that counts how often its file is opened.
func counted(data []byte) (rootfs.Tree, *int) {
	n := new(int)
	e := file("program", data)
	open := e.Open
	e.Open = func() (io.ReadCloser, error) { *n++; return open() }
	return rootfs.Tree{e}, n
}

func newStore(t *testing.T) *Store {
	return &Store{Dir: filepath.Join(t.TempDir(), "cache"), Now: clock}
}

// again is the store as another process sees it.
func (s *Store) again() *Store { return &Store{Dir: s.Dir, Now: s.Now, Cap: s.Cap, Log: s.Log} }

func TestStoreHit(t *testing.T) {
	s := newStore(t)
	in, opened := counted(synthetic(1, 100000))
	first := mustLayer(t, in, LayerOptions{Store: s, Key: "k"})
	if want := filepath.Join(s.Dir, "blobs", "sha256", first.digest.Hex); first.Path() != want {
		t.Errorf("blob at %s, want %s", first.Path(), want)
	}
	called := false
	second := mustLayer(t, in, LayerOptions{Store: s.again(), Key: "k", Progress: func(int64, int64) { called = true }})
	if *opened != 1 || called {
		t.Errorf("opened %d times, progress %v", *opened, called)
	}
	if second.digest != first.digest || second.diffID != first.diffID || second.size != first.size || second.mediaType != first.mediaType {
		t.Errorf("got %+v, want %+v", second, first)
	}
	if err := second.Verify(); err != nil || *opened != 1 {
		t.Errorf("verify: %v, opened %d times", err, *opened)
	}
}

func TestStoreMisses(t *testing.T) {
	s := newStore(t)
	in, opened := counted([]byte("x"))
	all := []LayerOptions{
		{Key: "k"}, {Key: "k2"}, {Key: "k", Compression: Compression{"gzip", 1}}, {Key: "k", Compression: Compression{Algorithm: "none"}}, {}, {},
	}
	for i, o := range all {
		o.Store = s
		mustLayer(t, in, o)
		if *opened != i+1 {
			t.Errorf("%+v was a hit", o)
		}
	}
	mustLayer(t, in, LayerOptions{Store: s, Key: "k", Compression: Compression{"gzip", defaultLevel}})
	if *opened != len(all) {
		t.Error("the default level is not the default")
	}
}

// Whatever becomes of a blob, the next build gives the same layer and says nothing but to the log.
func TestDamagedBlobs(t *testing.T) {
	data := synthetic(1, 100000)
	damages := map[string]func(path string, blob []byte) error{
		"missing":   func(path string, _ []byte) error { return nil },
		"truncated": func(path string, blob []byte) error { return os.WriteFile(path, blob[:len(blob)-1], 0o644) },
		"longer":    func(path string, blob []byte) error { return os.WriteFile(path, append(blob, 0), 0o644) },
		"empty":     func(path string, _ []byte) error { return os.WriteFile(path, nil, 0o644) },
		"bit": func(path string, blob []byte) error {
			blob[len(blob)/2] ^= 1
			return os.WriteFile(path, blob, 0o644)
		},
		"folder": func(path string, _ []byte) error { return os.MkdirAll(filepath.Join(path, "x"), 0o755) },
		"symlink": func(path string, blob []byte) error {
			if err := os.WriteFile(path+"-real", blob, 0o644); err != nil {
				return err
			}
			return os.Symlink(path+"-real", path)
		},
		"fifo": func(path string, _ []byte) error { return makeSpecial(path) },
	}
	for name, damage := range damages {
		t.Run(name, func(t *testing.T) {
			s := newStore(t)
			in, opened := counted(data)
			first := mustLayer(t, in, LayerOptions{Store: s, Key: "k"})
			blob := readAll(t, first.Compressed)
			// One layer is looked up while all is well, and the damage is done behind its back.
			held := mustLayer(t, in, LayerOptions{Store: s.again(), Key: "k"})
			hurt := func() {
				if err := os.Remove(first.Path()); err != nil {
					t.Fatal(err)
				}
				if err := damage(first.Path(), bytes.Clone(blob)); err != nil {
					t.Fatal(err)
				}
			}
			hurt()
			if err := held.Verify(); err != nil {
				t.Fatal(err)
			}
			checkBlob(t, held.Path(), blob)
			hurt()
			said := 0
			fresh := s.again()
			fresh.Log = func(string) { said++ }
			l := mustLayer(t, in, LayerOptions{Store: fresh, Key: "k"})
			if got := readAll(t, l.Compressed); !bytes.Equal(got, blob) {
				t.Error("other bytes")
			}
			checkBlob(t, l.Path(), blob)
			if *opened != 3 {
				t.Errorf("opened %d times", *opened)
			}
			if name != "missing" && said != 1 {
				t.Errorf("said %d things", said)
			}
		})
	}
}

func checkBlob(t *testing.T, path string, want []byte) {
	t.Helper()
	f, err := durable.OpenRegular(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if got, err := io.ReadAll(f); err != nil || !bytes.Equal(got, want) {
		t.Fatalf("%s is damaged, %v", path, err)
	}
}

func TestDamagedMemos(t *testing.T) {
	damages := map[string]func(data []byte) []byte{
		"empty":     func([]byte) []byte { return nil },
		"truncated": func(d []byte) []byte { return d[:len(d)/2] },
		"digit": func(d []byte) []byte {
			at := bytes.Index(d, []byte("sha256:")) + 7
			d[at] = "10"[d[at]&1]
			return d
		},
		"old version": func(d []byte) []byte { return bytes.Replace(d, []byte(`"version":1`), []byte(`"version":0`), 1) },
		"trailing":    func(d []byte) []byte { return append(d, "{}"...) },
		"huge":        func(d []byte) []byte { return append(bytes.Repeat([]byte(" "), 1<<20), d...) },
		"path": func(d []byte) []byte {
			at := bytes.Index(d, []byte("sha256:"))
			return append(append(bytes.Clone(d[:at+7]), "../../../../../../../../../../etc/passwd"...), d[at+7:]...)
		},
	}
	for name, damage := range damages {
		t.Run(name, func(t *testing.T) {
			s := newStore(t)
			in, opened := counted([]byte("x"))
			first := mustLayer(t, in, LayerOptions{Store: s, Key: "k"})
			path := filepath.Join(s.memos(), memoName("k", Compression{}))
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, damage(data), 0o600); err != nil {
				t.Fatal(err)
			}
			l := mustLayer(t, in, LayerOptions{Store: s.again(), Key: "k"})
			if l.digest != first.digest || l.diffID != first.diffID || *opened != 2 {
				t.Errorf("digest %s, opened %d times", l.digest, *opened)
			}
			mustLayer(t, in, LayerOptions{Store: s.again(), Key: "k"})
			if *opened != 2 {
				t.Error("the memo was not renewed")
			}
		})
	}
}

// A memo found under the name of another key must not be believed.
func TestMemoUnderAnotherName(t *testing.T) {
	s := newStore(t)
	a, _ := counted([]byte("a"))
	b, opened := counted([]byte("b"))
	mustLayer(t, a, LayerOptions{Store: s, Key: "a"})
	err := os.Rename(filepath.Join(s.memos(), memoName("a", Compression{})), filepath.Join(s.memos(), memoName("b", Compression{})))
	if err != nil {
		t.Fatal(err)
	}
	mustLayer(t, b, LayerOptions{Store: s.again(), Key: "b"})
	if *opened != 1 {
		t.Error("took the layer of another tree")
	}
}

func TestKeyThatLies(t *testing.T) {
	s := newStore(t)
	a, _ := counted([]byte("a"))
	b, _ := counted([]byte("b"))
	first := mustLayer(t, a, LayerOptions{Store: s, Key: "k"})
	l := mustLayer(t, b, LayerOptions{Store: s.again(), Key: "k"})
	if err := os.Remove(first.Path()); err != nil {
		t.Fatal(err)
	}
	var typed *KeyError
	if err := l.Verify(); !errors.As(err, &typed) || typed.Hint() == "" {
		t.Fatalf("%v", err)
	}
	if l := mustLayer(t, b, LayerOptions{Store: s.again(), Key: "k"}); l.digest == first.digest {
		t.Error("the wrong memo is still there")
	}
}

func TestStoreThatCannotBeUsed(t *testing.T) {
	dir := t.TempDir()
	open := filepath.Join(dir, "open")
	if err := os.Mkdir(open, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(open, 0o777); err != nil {
		t.Fatal(err)
	}
	inner := filepath.Join(dir, "inner")
	if err := os.MkdirAll(filepath.Join(inner, "blobs"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(open, filepath.Join(inner, "blobs", "sha256")); err != nil {
		t.Fatal(err)
	}
	plain := filepath.Join(dir, "plain")
	if err := os.WriteFile(plain, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, where := range []string{open, inner, plain, filepath.Join(plain, "below"), ""} {
		said := ""
		s := &Store{Dir: where, Now: clock, Log: func(text string) { said += text + "\n" }}
		o := LayerOptions{Store: s, Key: "k", Scratch: t.TempDir()}
		for range 2 {
			in, opened := counted([]byte("x"))
			l := mustLayer(t, in, o)
			if filepath.Dir(l.Path()) != o.Scratch || *opened != 1 {
				t.Errorf("%s: blob at %s", where, l.Path())
			}
			if err := l.Verify(); err != nil {
				t.Error(err)
			}
		}
		if strings.Count(said, "\n") != 1 || !strings.Contains(said, where) {
			t.Errorf("%s: said %q", where, said)
		}
		o.Scratch = ""
		if _, err := NewLayer(context.Background(), nil, o); err == nil {
			t.Errorf("%s: written somewhere", where)
		}
	}
	if left, _ := os.ReadDir(open); len(left) > 0 {
		t.Errorf("touched a folder that others may write: %v", left)
	}
}

func TestStoreBehindALink(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "real"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("real", filepath.Join(dir, "cache")); err != nil {
		t.Fatal(err)
	}
	s := &Store{Dir: filepath.Join(dir, "cache")}
	if l := mustLayer(t, nil, LayerOptions{Store: s, Key: "k"}); filepath.Dir(l.Path()) != s.blobs() {
		t.Errorf("blob at %s", l.Path())
	}
}

func FuzzMemo(f *testing.F) {
	name := memoName("k", Compression{})
	good, err := memo{DiffID: hashOf(nil), Digest: hashOf([]byte("x")), Size: 7, MediaType: Compression{}.mediaType()}.encode(name)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add(good[:20])
	f.Add([]byte(`{"version":1,"diffID":"sha256:../../x","digest":"sha512:00","size":-1}`))
	f.Add([]byte(`[[[[[[[[`))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := parseMemo(data, name)
		if err != nil {
			return
		}
		if !isSHA256(m.Digest) || !isSHA256(m.DiffID) || m.Size <= 0 {
			t.Fatalf("accepted %+v", m)
		}
		back, err := m.encode(name)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := parseMemo(back, name); err != nil || again != m {
			t.Fatalf("%+v became %+v, %v", m, again, err)
		}
		if _, err := parseMemo(data, memoName("other", Compression{})); err == nil {
			t.Fatal("accepted under another name")
		}
	})
}
