// SPDX-License-Identifier: MIT OR Apache-2.0

//go:build e2e && long && linux

package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestMoreReadersAgree: the clients that scripts/setup --peers brings, and the schemas of the image specification.
func TestMoreReadersAgree(t *testing.T) {
	x := newExhibit(t)
	tool := func(name string, words ...string) string {
		t.Helper()
		path, err := filepath.Abs(filepath.Join("..", ".cache", "bin", name))
		if err != nil {
			t.Fatal(err)
		}
		return Must(t, x.harbour.dir, nil, path, words...)
	}
	x.agree("crane", func(name string) string { return tool("crane", "digest", x.at(name)) })
	x.agree("oras, registry", func(name string) string { return tool("oras", "resolve", "--plain-http", x.at(name)) })
	x.agree("oras, layout", func(name string) string { return tool("oras", "resolve", "--oci-layout", name+":v1") })
	tool("regctl", "registry", "set", "--tls=disabled", x.harbour.address)
	x.agree("regctl, registry", func(name string) string { return tool("regctl", "image", "digest", x.at(name)) })
	x.agree("regctl, layout", func(name string) string { return tool("regctl", "image", "digest", "ocidir://"+name+":v1") })
	tool("crane", "validate", "--remote", x.at("one"))
	x.schemas(t)
}

// schemas checks every document of both layouts by the image specification's own schemas.
func (x *exhibit) schemas(t *testing.T) {
	t.Helper()
	spec := strings.TrimSpace(Must(t, ".", nil, "go", "list", "-m", "-f", "{{.Dir}}", "github.com/opencontainers/image-spec"))
	schemas := t.TempDir()
	files, err := filepath.Glob(filepath.Join(spec, "schema", "*.json"))
	if err != nil || len(files) < 5 {
		t.Fatalf("%d schemas, %v", len(files), err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		// Their names are addresses of a host that is not asked: without them they refer to each other as files.
		var kept []string
		for line := range strings.Lines(string(data)) {
			if !strings.Contains(line, `"id": "https://opencontainers.org/`) {
				kept = append(kept, line)
			}
		}
		if err := os.WriteFile(filepath.Join(schemas, filepath.Base(file)), []byte(strings.Join(kept, "")), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	venv := filepath.Join(t.TempDir(), "venv")
	Must(t, x.harbour.dir, nil, "python3", "-m", "venv", venv)
	Must(t, x.harbour.dir, nil, filepath.Join(venv, "bin", "pip"), "install", "-q", "check-jsonschema==0.33.0")
	check := func(schema, text string) {
		t.Helper()
		path := filepath.Join(t.TempDir(), "document.json")
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		Must(t, x.harbour.dir, nil, filepath.Join(venv, "bin", "check-jsonschema"), "--regex-variant", "python",
			"--schemafile", filepath.Join(schemas, schema), path)
	}
	image := func(layout, digest string) {
		check("image-manifest-schema.json", x.blob(layout, digest))
		check("config-schema.json", x.blob(layout, x.document(layout, digest).Config.Digest))
	}
	image("one", x.digests["one"])
	check("image-index-schema.json", x.blob("two", x.digests["two"]))
	for _, m := range x.document("two", x.digests["two"]).Manifests {
		image("two", m.Digest)
	}
	for _, layout := range []string{"one", "two"} {
		for file, schema := range map[string]string{"index.json": "image-index-schema.json", "oci-layout": "image-layout-schema.json"} {
			data, err := os.ReadFile(filepath.Join(x.harbour.dir, layout, file))
			if err != nil || !json.Valid(data) {
				t.Fatalf("%s: %v", file, err)
			}
			check(schema, string(data))
		}
	}
}
