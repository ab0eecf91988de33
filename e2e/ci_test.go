// SPDX-License-Identifier: MIT OR Apache-2.0

//go:build e2e && long && linux

package e2e

import (
	"os"
	"path/filepath"
	"testing"

	"sampan/test/recipes"
)

// services are the schemas that check-jsonschema brings along, by the headings of docs/ci.md.
var services = map[string]string{
	"GitHub Actions":      "vendor.github-workflows",
	"GitLab CI":           "vendor.gitlab-ci",
	"CircleCI":            "vendor.circle-ci",
	"Azure Pipelines":     "vendor.azure-pipelines",
	"Buildkite":           "vendor.buildkite",
	"Woodpecker":          "vendor.woodpecker-ci",
	"Bitbucket Pipelines": "vendor.bitbucket-pipelines",
}

// TestCIRecipes: the services' own schemas take the files of docs/ci.md, and actionlint the one for Actions. What the shell
// lines do is tried by internal/cli's script.
func TestCIRecipes(t *testing.T) {
	all, err := recipes.Read(filepath.Join("..", "docs", "ci.md"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	venv := filepath.Join(dir, "venv")
	Must(t, dir, nil, "python3", "-m", "venv", venv)
	Must(t, dir, nil, filepath.Join(venv, "bin", "pip"), "install", "-q", "check-jsonschema==0.33.0")
	Must(t, dir, []string{"GOBIN=" + dir, "GOFLAGS="}, "go", "install", "github.com/rhysd/actionlint/cmd/actionlint@v1.7.7")
	for title, schema := range services {
		path := filepath.Join(dir, schema+".yml")
		if err := os.WriteFile(path, []byte(all[title]), 0o644); err != nil {
			t.Fatal(err)
		}
		if out := Exec(t, dir, nil, filepath.Join(venv, "bin", "check-jsonschema"), "--regex-variant", "python", "--builtin-schema", schema, path); out.Code != 0 {
			t.Errorf("%s:\n%s%s", title, out.Stdout, out.Stderr)
		}
	}
	if out := Exec(t, dir, nil, filepath.Join(dir, "actionlint"), "-no-color", filepath.Join(dir, "vendor.github-workflows.yml")); out.Code != 0 {
		t.Errorf("actionlint:\n%s%s", out.Stdout, out.Stderr)
	}
	for title := range all {
		if services[title] == "" && title != "Elsewhere" {
			t.Errorf("no schema is known for %q", title)
		}
	}
}
