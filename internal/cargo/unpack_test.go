// SPDX-License-Identifier: MIT OR Apache-2.0

package cargo

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"sampan/internal/run"
)

// packed is a .crate file with the entries given, by their whole names.
func packed(t *testing.T, entries map[string]string) (data []byte, sum string) {
	t.Helper()
	var b bytes.Buffer
	gz := gzip.NewWriter(&b)
	w := tar.NewWriter(gz)
	for name, text := range entries {
		if err := w.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o755, Size: int64(len(text))}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Close(), gz.Close()); err != nil {
		t.Fatal(err)
	}
	h := sha256.Sum256(b.Bytes())
	return b.Bytes(), hex.EncodeToString(h[:])
}

// fetching is a cargo that puts a file into its registry when asked for a crate.
type fetching struct {
	path  string
	data  []byte
	calls int
}

func (f *fetching) Run(_ context.Context, c run.Cmd) error {
	f.calls++
	if f.data == nil {
		_, _ = c.Stderr.Write([]byte("error: could not find `c-src` in registry"))
		return &run.ExitError{Path: c.Path, Code: 101}
	}
	if err := errors.Join(os.MkdirAll(filepath.Dir(f.path), 0o755), os.WriteFile(f.path, f.data, 0o644)); err != nil {
		return err
	}
	src := filepath.Join(filepath.Dir(filepath.Dir(filepath.Dir(f.path))), "src", "reg", "c-src-1.0.0+c.2")
	err := errors.Join(os.MkdirAll(src, 0o755), os.WriteFile(filepath.Join(src, ".cargo-ok"), []byte(`{"v":1}`), 0o644),
		os.WriteFile(filepath.Join(src, "Cargo.toml"), []byte("[package]\nname = \"c-src\"\nversion = \"1.0.0+c.2\"\n"), 0o644))
	_, _ = c.Stdout.Write([]byte("c-src\nversion: 1.0.0+c.2\n"))
	return err
}

func TestUnpack(t *testing.T) {
	ok, sum := packed(t, map[string]string{"c-src-1.0.0+c.2/Cargo.toml": "x", "c-src-1.0.0+c.2/src/a.c": "int a;"})
	up, upSum := packed(t, map[string]string{"c-src-1.0.0+c.2/../../evil": "x"})
	aside, asideSum := packed(t, map[string]string{"other/evil": "x"})
	for _, c := range []struct {
		name       string
		here, from []byte // in the registry's cache before, what cargo brings
		sum        string
		want       string // a part of the error, "" for success
		calls      int
	}{
		{"there already", ok, nil, sum, "", 0},
		{"fetched", nil, ok, sum, "", 1},
		{"not to be had", nil, nil, sum, "no such version", 1},
		{"changed on disk", append(bytes.Clone(ok), 0), nil, sum, "another checksum", 0},
		{"another one by the mirror", nil, up, sum, "another checksum", 1},
		{"leads outside", up, nil, upSum, "lies outside", 0},
		{"another folder", aside, nil, asideSum, "lies outside", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			home := filepath.Join(t.TempDir(), "ho[m]e")
			path := filepath.Join(home, "registry", "cache", "reg", "c-src-1.0.0+c.2.crate")
			if c.here != nil {
				if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, c.here, 0o644)); err != nil {
					t.Fatal(err)
				}
			}
			r := &fetching{path: path, data: c.from}
			into := t.TempDir()
			o := LoadOptions{Dir: t.TempDir(), Cargo: []string{"cargo", "+x"}, Env: []string{"CARGO_HOME=" + home, "PATH=/usr/bin"}}
			err := Unpack(t.Context(), r, o, SourceCrate{Name: "c-src", Version: "1.0.0+c.2", Checksum: c.sum}, into)
			if r.calls != c.calls {
				t.Errorf("%d calls", r.calls)
			}
			if c.want != "" {
				if err == nil || !bytes.Contains([]byte(err.Error()), []byte(c.want)) {
					t.Errorf("error %v", err)
				}
				return
			}
			if text, readErr := os.ReadFile(filepath.Join(into, "src", "a.c")); err != nil || readErr != nil || string(text) != "int a;" {
				t.Errorf("%q, %v, %v", text, err, readErr)
			}
		})
	}
}

func TestUnpackVendored(t *testing.T) {
	root := t.TempDir()
	vendor := filepath.Join(root, "vendor", "c-src")
	hash := func(s string) string { h := sha256.Sum256([]byte(s)); return hex.EncodeToString(h[:]) }
	manifest := "[package]\nname = \"c-src\"\nversion = \"1.0.0+c.2\"\n"
	list, err := json.Marshal(map[string]any{"package": hash("archive"), "files": map[string]string{"Cargo.toml": hash(manifest), "a.c": hash("int a;")}})
	if err != nil {
		t.Fatal(err)
	}
	put := func(name, text string) {
		p := filepath.Join(root, filepath.FromSlash(name))
		if err := errors.Join(os.MkdirAll(filepath.Dir(p), 0o755), os.WriteFile(p, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	put("vendor/c-src/.cargo-checksum.json", string(list))
	put("vendor/c-src/Cargo.toml", manifest)
	put("vendor/c-src/a.c", "int a;")
	put("ws/.cargo/config.toml", "[source.crates-io]\nreplace-with = \"v\"\n[source.v]\ndirectory = \"../vendor\"\n")
	o := LoadOptions{Dir: filepath.Join(root, "ws"), Env: []string{"CARGO_HOME=" + filepath.Join(root, "home")}}
	c := SourceCrate{Name: "c-src", Version: "1.0.0+c.2", Checksum: hash("archive")}
	into := t.TempDir()
	if err := Unpack(t.Context(), &fetching{}, o, c, into); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(into, "a.c")); err != nil {
		t.Error(err)
	}
	wrong := c
	wrong.Checksum = hash("other")
	if _, ok := errors.AsType[*ChecksumError](Unpack(t.Context(), &fetching{}, o, wrong, t.TempDir())); !ok {
		t.Error("another crate under the name passed")
	}
	if err := os.WriteFile(filepath.Join(vendor, "a.c"), []byte("int b;"), 0o644); err != nil {
		t.Fatal(err)
	}
	if e, ok := errors.AsType[*ChecksumError](Unpack(t.Context(), &fetching{}, o, c, t.TempDir())); !ok || e.Hint() == "" {
		t.Error("a changed file passed")
	}
}
