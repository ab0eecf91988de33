// SPDX-License-Identifier: MIT OR Apache-2.0

//go:build linux

package main

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestTable(t *testing.T) {
	names, counted, cross := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for _, p := range programs {
		if names[p.name] {
			t.Errorf("%s stands twice in the table", p.name)
		}
		names[p.name] = true
		if p.crate == "" || p.bin == "" || p.doing == "" || p.work == nil {
			t.Errorf("%s: crate %q, bin %q, work %q: one is missing", p.name, p.crate, p.bin, p.doing)
		}
		if !strings.HasPrefix(p.name, p.of) {
			t.Errorf("%s is not called after %s", p.name, p.of)
		}
		counted[p.of] = true
		if p.cross {
			cross[p.of] = true
		}
	}
	for of := range counted {
		if !names[of] {
			t.Errorf("%s has no row of its own", of)
		}
	}
	if len(counted) != 15 || len(cross) != 5 {
		t.Errorf("%d programs, %d of them under an emulator; want 15 and 5", len(counted), len(cross))
	}
}

func TestChoose(t *testing.T) {
	for _, c := range []struct {
		only string
		want []string // nil: refused
	}{
		{"just", []string{"just"}},
		{"ripgrep", []string{"ripgrep", "ripgrep-pcre2"}},
		{"ripgrep-pcre2", []string{"ripgrep-pcre2"}},
		{"sccache, hyperfine", []string{"hyperfine", "sccache"}},
		{"just,ls", nil},
	} {
		chosen, err := choose(c.only)
		var got []string
		for _, p := range chosen {
			got = append(got, p.name)
		}
		if !slices.Equal(got, c.want) || (err != nil) != (c.want == nil) {
			t.Errorf("choose(%q) = %q, %v; want %q", c.only, got, err, c.want)
		}
	}
	if all, err := choose(""); err != nil || len(all) != len(programs) {
		t.Errorf("choose everything: %d rows, %v", len(all), err)
	}
}

func TestReport(t *testing.T) {
	failed := errors.New("one | two\nthree")
	results := []*result{
		{program: program{name: "a", of: "a"}, unpacked: 1234567, packed: 999},
		{program: program{name: "b", of: "b"}},
		{program: program{name: "b-more", of: "b"}, err: failed},
	}
	var b bytes.Buffer
	if report(&b, native, results) {
		t.Error("a failed row, and the report says that all hold")
	}
	for _, want := range []string{"| 1 234 567 | 999 |", `**no**: one \| two three |`, "**1 of 2** for " + native} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in:\n%s", want, b.String())
		}
	}
	if !report(io.Discard, native, results[:2]) {
		t.Error("no failed row, and the report says that not all hold")
	}
}

func TestFirstErrors(t *testing.T) {
	for _, c := range []struct{ log, want string }{
		{"error: a\n  error occurred: b\nsampan: error: c\n", "sampan: error: c\nerror: a\nerror occurred: b"},
		{"error: 1\nerror: 2\nerror: 3\nsampan: error: 4\nend\n", "sampan: error: 4\nerror: 1\nerror: 2"},
		{"1\n2\n3\n4\n", "2\n3\n4"},
		{"", ""},
	} {
		if got := firstErrors(c.log); got != c.want {
			t.Errorf("firstErrors(%q) = %q, want %q", c.log, got, c.want)
		}
	}
}

// TestArchive reads an archive made here: one layer packed, one not, a file in both, and counts as the file says.
func TestArchive(t *testing.T) {
	plain := tarOf(t, "etc/", "", "etc/passwd", "root\n")
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	z.Write(tarOf(t, "app", "ELF", "etc/passwd", "ours\n"))
	z.Close()
	settings := `{"architecture":"amd64","config":{"User":"1000:1000","Entrypoint":["/app"],"Labels":{"org.opencontainers.image.version":"1.2.3"}}}`
	manifest := fmt.Sprintf(`{"config":{"digest":"sha256:c","size":%d},"layers":[{"digest":"sha256:1","size":%d},{"digest":"sha256:2","size":%d}]}`,
		len(settings), len(plain), packed.Len())
	index := fmt.Sprintf(`{"manifests":[{"digest":"sha256:m","size":%d}]}`, len(manifest))
	file := filepath.Join(t.TempDir(), "image.tar")
	data := tarOf(t, "index.json", index, "blobs/sha256/m", manifest, "blobs/sha256/c", settings, "blobs/sha256/1", string(plain), "blobs/sha256/2", packed.String())
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	a, err := readArchive(file)
	if err != nil {
		t.Fatal(err)
	}
	root := filepath.Join(t.TempDir(), "root")
	if err := a.unpack(root); err != nil {
		t.Fatal(err)
	}
	if want := int64(len(manifest) + len(settings) + len(plain) + packed.Len()); a.packed != want || a.unpacked != 13 {
		t.Errorf("packed %d, unpacked %d; want %d and 13", a.packed, a.unpacked, want)
	}
	if exe, err := a.program(); exe != "/app" || err != nil {
		t.Errorf("program %q, %v", exe, err)
	}
	for name, want := range map[string]string{"app": "ELF", "etc/passwd": "ours\n"} {
		if got, err := os.ReadFile(filepath.Join(root, name)); err != nil || string(got) != want {
			t.Errorf("%s holds %q, %v; want %q", name, got, err, want)
		}
	}
	if err := static(filepath.Join(root, "app"), native); err == nil {
		t.Error("a file that is no ELF passes as a static program")
	}
}

// tarOf makes a tar of pairs: name, text; a name that ends in / is a folder.
func tarOf(t *testing.T, pairs ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for i := 0; i < len(pairs); i += 2 {
		head := &tar.Header{Name: pairs[i], Mode: 0o755, Size: int64(len(pairs[i+1])), Typeflag: tar.TypeReg}
		if strings.HasSuffix(pairs[i], "/") {
			head.Typeflag = tar.TypeDir
		}
		if err := w.WriteHeader(head); err != nil {
			t.Fatal(err)
		}
		w.Write([]byte(pairs[i+1]))
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestSite asks our own servers: HTTPS is refused without the CA, a message is kept, a WebSocket echoes.
func TestSite(t *testing.T) {
	s, err := newSite(filepath.Join(t.TempDir(), "ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	if _, err := client.Get(s.good.URL + "/hello"); err == nil {
		t.Error("a client without the CA trusts the server")
	}
	own := s.good.Client()
	if res, err := own.Post(s.good.URL+"/services/T", "application/json", strings.NewReader(`{"text":"boats"}`)); err != nil || res.StatusCode != http.StatusOK {
		t.Errorf("post: %v %v", res, err)
	}
	if told := s.messages(); len(told) != 1 || told[0] != `{"text":"boats"}` || len(s.messages()) != 0 {
		t.Errorf("Slack was told %q", told)
	}
	req, _ := http.NewRequest(http.MethodGet, s.good.URL+"/echo", nil)
	for name, value := range map[string]string{"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="} {
		req.Header.Set(name, value)
	}
	res, err := own.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if got := res.Header.Get("Sec-WebSocket-Accept"); got != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" { // RFC 6455, section 1.3
		t.Errorf("Sec-WebSocket-Accept: %s", got)
	}
	conn := res.Body.(io.ReadWriter)
	conn.Write([]byte{0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58}) // RFC 6455, section 5.7: "Hello", masked
	answer := make([]byte, 7)
	if _, err := io.ReadFull(bufio.NewReader(conn), answer); err != nil || string(answer) != "\x81\x05Hello" {
		t.Errorf("echo: %q, %v", answer, err)
	}
}
