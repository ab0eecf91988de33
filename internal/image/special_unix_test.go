// SPDX-License-Identifier: MIT OR Apache-2.0

//go:build unix

package image

import (
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

func makeSpecial(path string) error { return syscall.Mkfifo(path, 0o644) }

// foreign is a file's description with another owner.
type foreign struct{ fs.FileInfo }

func (f foreign) Sys() any {
	stat := *f.FileInfo.Sys().(*syscall.Stat_t)
	stat.Uid++
	return &stat
}

func TestOwner(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	if !ours(info) || ours(foreign{info}) {
		t.Error("the owner is not told")
	}
}

// Where this user may give files away, the whole way is tried: what belongs to another is not used and made again.
func TestForeignBlobAndMemo(t *testing.T) {
	for _, what := range []string{"blob", "memo", "folder"} {
		s := newStore(t)
		in, opened := counted([]byte("x"))
		l := mustLayer(t, in, LayerOptions{Store: s, Key: "k"})
		path := map[string]string{"blob": l.Path(), "memo": filepath.Join(s.memos(), memoName("k", Compression{})), "folder": s.blobs()}[what]
		if os.Lchown(path, 12345, 12345) != nil {
			return
		}
		again := mustLayer(t, in, LayerOptions{Store: s.again(), Key: "k", Scratch: t.TempDir()})
		if again.digest != l.digest || *opened != 2 {
			t.Errorf("%s: opened %d times", what, *opened)
		}
		if info, err := os.Lstat(again.Path()); err != nil || !ours(info) {
			t.Errorf("%s: %v, %v", what, info, err)
		}
	}
}

// A hit must leave no more trace than a memo's time, and that once in an hour.
func TestHitWritesAlmostNothing(t *testing.T) {
	s := newStore(t)
	l := mustLayer(t, nil, LayerOptions{Store: s, Key: "k"})
	memo := filepath.Join(s.memos(), memoName("k", Compression{}))
	at := func(path string) time.Time {
		info, err := os.Lstat(path)
		if err != nil {
			t.Fatal(err)
		}
		return info.ModTime()
	}
	blob := at(l.Path())
	for _, c := range []struct{ after, want time.Duration }{{30 * time.Minute, 0}, {2 * time.Hour, 2 * time.Hour}, {150 * time.Minute, 2 * time.Hour}} {
		p := s.again()
		p.Now = func() time.Time { return clock().Add(c.after) }
		mustLayer(t, nil, LayerOptions{Store: p, Key: "k"})
		if got := at(memo).Sub(clock()); got != c.want {
			t.Errorf("after %v the memo is of %v", c.after, got)
		}
	}
	if !at(l.Path()).Equal(blob) {
		t.Error("the blob's time changed")
	}
}
