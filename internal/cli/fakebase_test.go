// SPDX-License-Identifier: MIT OR Apache-2.0

package cli

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"

	"github.com/rogpeppe/go-internal/testscript"
)

// fakeBase is the blobs of a base in the making.
type fakeBase map[string][]byte

func (b fakeBase) add(kind string, data []byte, more string) string {
	sum := sha256.Sum256(data)
	name := hex.EncodeToString(sum[:])
	b[name] = data
	return fmt.Sprintf(`{"mediaType":%q,"digest":"sha256:%s","size":%d%s}`, kind, name, len(data), more)
}

// image is a base in docker's types, with merged /usr, and with what a dynamic fake program needs when glibc says so.
func (b fakeBase) image(arch string, glibc bool) string {
	var archive, zipped bytes.Buffer
	w := tar.NewWriter(&archive)
	put := func(h tar.Header, data []byte) {
		h.Size, h.Mode = int64(len(data)), 0o755
		_ = w.WriteHeader(&h)
		_, _ = w.Write(data)
	}
	for _, d := range []string{"etc/", "tmp/", "usr/", "usr/lib/", "usr/lib64/"} {
		put(tar.Header{Name: d, Typeflag: tar.TypeDir}, nil)
	}
	put(tar.Header{Name: "etc/passwd"}, []byte("base:x:7:7::/:/bin/false\n"))
	put(tar.Header{Name: "lib", Typeflag: tar.TypeSymlink, Linkname: "usr/lib"}, nil)
	put(tar.Header{Name: "lib64", Typeflag: tar.TypeSymlink, Linkname: "usr/lib64"}, nil)
	if glibc {
		put(tar.Header{Name: "usr/lib64/ld-linux-x86-64.so.2"}, fakeELF("shared", "loader"))
		put(tar.Header{Name: "usr/lib/libc.so.6"}, fakeELF("shared", "libc"))
		put(tar.Header{Name: "usr/lib/libz.so.1"}, fakeELF("shared", "libz"))
	}
	_ = w.Close()
	z := gzip.NewWriter(&zipped)
	_, _ = z.Write(archive.Bytes())
	_ = z.Close()
	layer := b.add("application/vnd.docker.image.rootfs.diff.tar.gzip", zipped.Bytes(), "")
	sum := sha256.Sum256(archive.Bytes())
	config := b.add("application/vnd.docker.container.image.v1+json", fmt.Appendf(nil,
		`{"os":"linux","architecture":%q,"config":{"Env":["PATH=/usr/bin:/bin","LANG=C"],"Cmd":["sh"],"Labels":{"a":"b"}},"history":[{"created_by":"base"}],"rootfs":{"type":"layers","diff_ids":["sha256:%x"]}}`,
		arch, sum), "")
	kind := "application/vnd.docker.distribution.manifest.v2+json"
	return b.add(kind, fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"config":%s,"layers":[%s]}`, kind, config, layer),
		fmt.Sprintf(`,"platform":{"os":"linux","architecture":%q}`, arch))
}

// fakeBaseCommand writes a layout with a base for amd64 and arm64: base DIR [glibc].
func fakeBaseCommand(ts *testscript.TestScript, _ bool, args []string) {
	b := fakeBase{}
	glibc := len(args) > 1 && args[1] == "glibc"
	top := b.index(glibc)
	dir := ts.MkAbs(args[0])
	ts.Check(os.MkdirAll(filepath.Join(dir, "blobs", "sha256"), 0o755))
	for name, data := range b {
		ts.Check(os.WriteFile(filepath.Join(dir, "blobs", "sha256", name), data, 0o644))
	}
	ts.Check(os.WriteFile(filepath.Join(dir, "index.json"), []byte(`{"schemaVersion":2,"manifests":[`+top+`]}`), 0o644))
	ts.Check(os.WriteFile(filepath.Join(dir, "oci-layout"), []byte(`{"imageLayoutVersion":"1.0.0"}`), 0o644))
}

func (b fakeBase) index(glibc bool) string {
	kind := "application/vnd.docker.distribution.manifest.list.v2+json"
	return b.add(kind, fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"manifests":[%s,%s]}`, kind, b.image("amd64", glibc), b.image("arm64", false)), "")
}

// damageCommand changes a byte in each layer of a layout: damage DIR.
func damageCommand(ts *testscript.TestScript, _ bool, args []string) {
	blobs, err := filepath.Glob(filepath.Join(ts.MkAbs(args[0]), "blobs", "sha256", "*"))
	ts.Check(err)
	for _, path := range blobs {
		data, err := os.ReadFile(path)
		ts.Check(err)
		if json.Valid(data) {
			continue
		}
		data[len(data)/2] ^= 1
		ts.Check(os.WriteFile(path, data, 0o644))
	}
}

// harbourBaseCommand pushes a base to the script's registry: harbourbase REPOSITORY TAG [glibc].
func harbourBaseCommand(ts *testscript.TestScript, _ bool, args []string) {
	b := fakeBase{}
	b.index(len(args) > 2)
	store := harbourOf(ts).store
	send := func(method, at, kind string, data []byte) *httptest.ResponseRecorder {
		r := httptest.NewRequest(method, at, bytes.NewReader(data))
		r.Header.Set("Content-Type", kind)
		w := httptest.NewRecorder()
		store.ServeHTTP(w, r)
		return w
	}
	// Blobs first, then manifests, then the index: the store is strict.
	for _, round := range []string{"", `"layers"`, `"manifests"`} {
		for name, data := range b {
			isDoc := json.Valid(data) && bytes.Contains(data, []byte(`"schemaVersion"`))
			switch {
			case round == "" && !isDoc:
				at := send("POST", "/v2/"+args[0]+"/blobs/uploads/", "", nil).Header().Get("Location")
				send("PUT", at+"&digest=sha256:"+name, "", data)
			case round != "" && isDoc && bytes.Contains(data, []byte(round)):
				var doc struct{ MediaType string }
				ts.Check(json.Unmarshal(data, &doc))
				ref := "sha256:" + name
				if round == `"manifests"` {
					ref = args[1]
				}
				if got := send("PUT", "/v2/"+args[0]+"/manifests/"+ref, doc.MediaType, data); got.Code >= 300 {
					ts.Fatalf("%d: %s", got.Code, got.Body)
				}
			}
		}
	}
}
