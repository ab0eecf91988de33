// SPDX-License-Identifier: MIT OR Apache-2.0

//go:build e2e && linux

package e2e

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// glibcBase makes a base of this machine's own loader and libraries, as Debian lays them out.
func glibcBase(t testing.TB, libs ...string) string {
	t.Helper()
	const from = "/lib/x86_64-linux-gnu/"
	if _, err := os.Stat(from + "libc.so.6"); err != nil {
		t.Skip("no glibc where Debian has it")
	}
	var archive, zipped bytes.Buffer
	w := tar.NewWriter(&archive)
	put := func(h tar.Header, data []byte) {
		h.Mode, h.Size = 0o755, int64(len(data))
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		_, _ = w.Write(data)
	}
	for _, d := range []string{"usr/", "usr/lib/", "usr/lib64/", "usr/lib/x86_64-linux-gnu/"} {
		put(tar.Header{Name: d, Typeflag: tar.TypeDir}, nil)
	}
	put(tar.Header{Name: "lib", Typeflag: tar.TypeSymlink, Linkname: "usr/lib"}, nil)
	put(tar.Header{Name: "lib64", Typeflag: tar.TypeSymlink, Linkname: "usr/lib64"}, nil)
	put(tar.Header{Name: "usr/lib64/ld-linux-x86-64.so.2", Typeflag: tar.TypeSymlink, Linkname: "/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2"}, nil)
	for _, l := range libs {
		data, err := os.ReadFile(from + l)
		if err != nil {
			t.Fatal(err)
		}
		put(tar.Header{Name: "usr/lib/x86_64-linux-gnu/" + l}, data)
	}
	z := gzip.NewWriter(&zipped)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	_, _ = z.Write(archive.Bytes())
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	blob := func(kind string, data []byte) string {
		sum := sha256.Sum256(data)
		path := filepath.Join(dir, "blobs", "sha256", fmt.Sprintf("%x", sum))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf(`{"mediaType":"application/vnd.oci.image.%s","digest":"sha256:%x","size":%d}`, kind, sum, len(data))
	}
	layer := blob("layer.v1.tar+gzip", zipped.Bytes())
	config := blob("config.v1+json", fmt.Appendf(nil, `{"os":"linux","architecture":"amd64","rootfs":{"type":"layers","diff_ids":["sha256:%x"]}}`, sha256.Sum256(archive.Bytes())))
	manifest := blob("manifest.v1+json", fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":%s,"layers":[%s]}`, config, layer))
	for name, data := range map[string]string{"index.json": `{"schemaVersion":2,"manifests":[` + manifest + `]}`, "oci-layout": `{"imageLayoutVersion":"1.0.0"}`} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(data), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestGlibcBase: a program that is linked with glibc dynamically runs upon a base with glibc, in an engine and by run;
// upon one that lacks a library it is refused.
func TestGlibcBase(t *testing.T) {
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(filepath.Join(Root(t), "examples", "hello"))); err != nil {
		t.Fatal(err)
	}
	base := glibcBase(t, "ld-linux-x86-64.so.2", "libc.so.6", "libgcc_s.so.1")
	archive := filepath.Join(t.TempDir(), "hello.tar")
	words := []string{"--target", "x86_64-unknown-linux-gnu", "--base"}
	cache := []string{"SAMPAN_CACHE_DIR=" + t.TempDir()}
	Must(t, dir, cache, Sampan(t), append([]string{"build", "-o", "docker-archive:" + archive}, append(words, base)...)...)
	for _, kind := range Engines {
		e := kind.Start(t)
		if out, code := e.Run(e.Load(archive)); code != 0 || !strings.Contains(out, "ello") {
			t.Errorf("in %s: %q, code %d", kind.Name, out, code)
		}
		_, refs := receipts(t, dir, append(client(t, e), cache...), append([]string{"build", "--name", "loaded", "-o", kind.Name + ":"}, append(words, base)...)...)
		if out, code := e.Run(refs[0]); code != 0 || !strings.Contains(out, "ello") {
			t.Errorf("loaded into %s: %q, code %d", kind.Name, out, code)
		}
	}
	if out := Must(t, dir, cache, Sampan(t), append([]string{"run"}, append(words, base)...)...); !strings.Contains(out, "ello") {
		t.Errorf("by run: %q", out)
	}
	poor := glibcBase(t, "ld-linux-x86-64.so.2", "libc.so.6")
	if out := Exec(t, dir, cache, Sampan(t), append([]string{"build"}, append(words, poor)...)...); out.Code != 3 || !strings.Contains(out.Stderr, "libgcc_s.so.1") {
		t.Errorf("upon a poor base: %+v", out)
	}
}

// TestBaseOfRegistry: a base is pushed to a real registry, pinned, fetched, and built upon; the image goes back to that
// registry without its base's layer, and a stranger reads all of it.
func TestBaseOfRegistry(t *testing.T) {
	h := newHarbour(t, registries["docker-registry"])
	base := glibcBase(t, "ld-linux-x86-64.so.2", "libc.so.6", "libgcc_s.so.1")
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(filepath.Join(Root(t), "examples", "hello"))); err != nil {
		t.Fatal(err)
	}
	ref := h.proxy.Host + "/base/glibc:1"
	env := []string{"SAMPAN_CACHE_DIR=" + t.TempDir(), "SAMPAN_BASE=" + ref, "SAMPAN_TARGET=x86_64-unknown-linux-gnu"}
	Must(t, dir, env, Sampan(t), "push", base, ref)
	if out := Exec(t, dir, env, Sampan(t), "build"); out.Code != 2 || !strings.Contains(out.Stderr, "sampan base update") {
		t.Errorf("not pinned: %+v", out)
	}
	pinned := Must(t, dir, env, Sampan(t), "base", "update")
	lock, err := os.ReadFile(filepath.Join(dir, "sampan.lock"))
	if _, digest, ok := strings.Cut(strings.TrimSpace(pinned), "@"); err != nil || !ok || !strings.Contains(string(lock), digest) {
		t.Errorf("pinned %q, lock %q, %v", pinned, lock, err)
	}
	out := Must(t, dir, env, Sampan(t), "build", "--json", "--repo", h.proxy.Host+"/apps", "-o", "oci:out")
	if !strings.Contains(out, `"how": "mounted"`) {
		t.Errorf("the base's layer was not mounted: %s", out)
	}
	Must(t, dir, nil, "skopeo", "copy", "-q", "--src-tls-verify=false", "docker://"+h.proxy.Host+"/apps/hello:latest", "oci:copy:latest")
	if ran := Unpack(t, filepath.Join(dir, "copy")).Run(t); !strings.Contains(ran.Stdout, "ello") {
		t.Errorf("what a stranger read: %+v", ran)
	}
}
