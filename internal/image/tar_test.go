// SPDX-License-Identifier: MIT OR Apache-2.0

package image

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"io/fs"
	"math"
	"strings"
	"testing"
	"time"

	"sampan/internal/rootfs"
)

func TestTarIsReadAsWritten(t *testing.T) {
	long := strings.Repeat("d", 99)
	names := []string{
		"plain", " trailing space ", "-dash", "new\nline", "a=b", "bürste", "日本", strings.Repeat("x", 100), strings.Repeat("x", 101),
		long + "/" + long, long + "/" + long + "/f", long + "/" + strings.Repeat("y", 101), strings.Repeat("p", 155) + "/" + strings.Repeat("q", 100),
		strings.Repeat("p", 156) + "/q", strings.Repeat("z", 255), strings.Repeat("é", 127), long + "/" + long + "/" + long,
	}
	var entries []rootfs.Entry
	for i, name := range names {
		e := file("files/"+name, []byte(name))
		e.Mode = fs.FileMode(0o400 + i)
		entries = append(entries, e)
		entries = append(entries, dir("dirs/"+name))
		entries = append(entries, link("links/"+name, name))
	}
	special := []fs.FileMode{fs.ModeSetuid | 0o755, fs.ModeSetgid | 0o755, fs.ModeSticky | fs.ModeDir | 0o777}
	for i, mode := range special {
		e := rootfs.Entry{Path: "mode" + string(rune('0'+i)), Mode: mode}
		if !mode.IsDir() {
			e.Open = func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader("")), nil }
		}
		e.UID, e.GID = 2097151, 65532
		if i == 1 {
			e.UID, e.GID = 2097152, math.MaxInt32
		}
		entries = append(entries, e)
	}
	var raw []byte
	for i := range entries {
		e := &entries[i]
		raw = appendEntry(raw, e)
		if e.Mode.IsRegular() {
			raw = append(raw, readAll(t, e.Open)...)
			raw = append(raw, make([]byte, padding(e.Size))...)
		}
	}
	r := tar.NewReader(bytes.NewReader(append(raw, make([]byte, 1024)...)))
	for i := range entries {
		h, err := r.Next()
		if err != nil {
			t.Fatalf("%q: %v", entries[i].Path, err)
		}
		compareHeader(t, h, &entries[i])
		if data, err := io.ReadAll(r); err != nil || int64(len(data)) != entries[i].Size {
			t.Errorf("%q: %d bytes, %v", h.Name, len(data), err)
		}
	}
	if _, err := r.Next(); !errors.Is(err, io.EOF) {
		t.Errorf("after the last entry: %v", err)
	}
}

func compareHeader(t *testing.T, h *tar.Header, e *rootfs.Entry) {
	t.Helper()
	name := strings.TrimSuffix(h.Name, "/")
	if name != e.Path || h.Linkname != e.Link || h.Size != e.Size || h.Uid != e.UID || h.Gid != e.GID {
		t.Errorf("got %+v, want %+v", h, e)
	}
	if h.FileInfo().Mode() != e.Mode {
		t.Errorf("%q: mode %v, want %v", e.Path, h.FileInfo().Mode(), e.Mode)
	}
	if e.Mode.IsDir() != strings.HasSuffix(h.Name, "/") {
		t.Errorf("name %q", h.Name)
	}
	if !h.ModTime.Equal(time.Unix(0, 0)) || !h.AccessTime.IsZero() || !h.ChangeTime.IsZero() || h.Uname+h.Gname != "" {
		t.Errorf("%q: time or name in %+v", e.Path, h)
	}
	needs := !isASCII(e.Path+e.Link) || len(e.Link) > 100 || e.UID > maxID || e.GID > maxID || e.Size > maxSize
	if _, _, ok := splitName(h.Name); !ok {
		needs = true
	}
	if (h.Format == tar.FormatPAX) != needs {
		t.Errorf("%q: format %v, PAX needed: %v", e.Path, h.Format, needs)
	}
}

// A program's capabilities stand in a record that tar readers hand to setxattr; without any nothing changes.
func TestCapabilities(t *testing.T) {
	e := file("app", []byte("12345"))
	without := appendEntry(nil, &e)
	e.Caps = 1 << 10
	e.UID = maxID + 1
	with := appendEntry(nil, &e)
	h, err := tar.NewReader(bytes.NewReader(with)).Next()
	if err != nil || h.Name != "app" || h.Uid != e.UID || h.PAXRecords["SCHILY.xattr.security.capability"] != string(e.Caps.Xattr()) {
		t.Errorf("%+v, %v", h, err)
	}
	if len(without) != tarBlock {
		t.Errorf("without capabilities: %d bytes of header", len(without))
	}
}

// Whatever ustar can hold stands in the same bytes that the standard library writes.
func TestUstarIsCanonical(t *testing.T) {
	for _, name := range []string{"app", "a/b/c", strings.Repeat("p", 155) + "/" + strings.Repeat("q", 100), strings.Repeat("d", 60) + "/" + strings.Repeat("e", 60)} {
		e := file(name, []byte("12345"))
		e.UID, e.GID = 1000, 1000
		var want bytes.Buffer
		w := tar.NewWriter(&want)
		err := w.WriteHeader(&tar.Header{
			Typeflag: tar.TypeReg, Name: name, Size: 5, Mode: 0o555, Uid: 1000, Gid: 1000, ModTime: time.Unix(0, 0), Format: tar.FormatUSTAR,
		})
		if err != nil {
			t.Fatal(err)
		}
		if got := appendEntry(nil, &e); !bytes.Equal(got, want.Bytes()) {
			t.Errorf("%q:\n got %q\nwant %q", name, got, want.Bytes())
		}
	}
}

func TestHugeSizesNeedPAX(t *testing.T) {
	for _, size := range []int64{maxSize, maxSize + 1, 1 << 40} {
		e := rootfs.Entry{Path: "sparse", Mode: 0o444, Size: size, Open: func() (io.ReadCloser, error) { return nil, io.EOF }}
		h, err := tar.NewReader(bytes.NewReader(appendEntry(nil, &e))).Next()
		if err != nil || h.Size != size || (h.Format == tar.FormatPAX) != (size > maxSize) {
			t.Errorf("%d: %+v, %v", size, h, err)
		}
	}
}

// The length of a record counts its own digits, also where counting them adds one.
func TestRecordLength(t *testing.T) {
	for n := range 1100 {
		record := string(appendRecord(nil, "path", strings.Repeat("v", n)))
		length, _, _ := strings.Cut(record, " ")
		var want int
		for _, c := range length {
			want = want*10 + int(c-'0')
		}
		if want != len(record) {
			t.Fatalf("%d bytes say %s", len(record), length)
		}
	}
}

func FuzzTarNames(f *testing.F) {
	for _, seed := range []string{"a", "a/b", strings.Repeat("d/", 120) + "f", "é", "x\ny=1", strings.Repeat("n", 255)} {
		f.Add(seed, "../t", uint32(0))
	}
	f.Fuzz(func(t *testing.T, name, target string, uid uint32) {
		e := rootfs.Entry{Path: name, Mode: fs.ModeSymlink | 0o777, Link: target, UID: int(uid >> 1), GID: int(uid >> 2)}
		if (rootfs.Tree{e}).Validate() != nil {
			return
		}
		h, err := tar.NewReader(bytes.NewReader(appendEntry(nil, &e))).Next()
		if err != nil || h.Name != name || h.Linkname != target || h.Uid != e.UID || h.Gid != e.GID {
			t.Fatalf("%+v from %+v, %v", h, e, err)
		}
	})
}
