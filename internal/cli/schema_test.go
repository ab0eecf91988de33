// SPDX-License-Identifier: MIT OR Apache-2.0

package cli

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pelletier/go-toml/v2"
)

// errorsOf validates as draft-07 wants it, for the words that our schema uses; any other word is an error of its own.
func errorsOf(schema, root map[string]any, val any, at string) (out []string) {
	bad := func(format string, args ...any) { out = append(out, at+": "+fmt.Sprintf(format, args...)) }
	for _, word := range keys(schema) {
		arg := schema[word]
		switch word {
		case "$schema", "$comment", "title", "description", "default", "definitions":
		case "$ref":
			name := strings.TrimPrefix(arg.(string), "#/definitions/")
			out = append(out, errorsOf(root["definitions"].(map[string]any)[name].(map[string]any), root, val, at)...)
		case "type":
			types, ok := arg.([]any)
			if !ok {
				types = []any{arg}
			}
			if !slices.Contains(types, any(typeOf(val))) {
				bad("is %s, not %v", typeOf(val), types)
			}
		case "enum":
			if !slices.Contains(arg.([]any), val) {
				bad("%v is none of %v", val, arg)
			}
		case "anyOf":
			fits := false
			for _, s := range arg.([]any) {
				fits = fits || len(errorsOf(s.(map[string]any), root, val, at)) == 0
			}
			if !fits {
				bad("%v fits none", val)
			}
		case "items":
			for i, item := range asList(val) {
				out = append(out, errorsOf(arg.(map[string]any), root, item, fmt.Sprint(at, "[", i, "]"))...)
			}
		case "properties", "additionalProperties":
			if word == "properties" || schema["properties"] == nil {
				out = append(out, members(schema, root, val, at)...)
			}
		case "required":
			for _, name := range arg.([]any) {
				if _, ok := asTable(val)[name.(string)]; !ok {
					bad("lacks %s", name)
				}
			}
		default:
			bad("the schema has the word %q, which this test does not know", word)
		}
	}
	return out
}

func members(schema, root map[string]any, val any, at string) (out []string) {
	known, _ := schema["properties"].(map[string]any)
	for _, name := range keys(asTable(val)) {
		sub, ok := known[name].(map[string]any)
		if !ok {
			sub, ok = schema["additionalProperties"].(map[string]any)
		}
		switch {
		case ok:
			out = append(out, errorsOf(sub, root, asTable(val)[name], at+"."+name)...)
		case schema["additionalProperties"] == false:
			out = append(out, at+": unknown key "+name)
		}
	}
	return out
}

func asTable(val any) map[string]any { m, _ := val.(map[string]any); return m }
func asList(val any) []any           { l, _ := val.([]any); return l }

func keys(m map[string]any) (out []string) {
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

func typeOf(val any) string {
	switch val.(type) {
	case string:
		return "string"
	case bool:
		return "boolean"
	case int64, float64:
		return "number"
	case []any:
		return "array"
	case map[string]any:
		return "object"
	}
	return fmt.Sprintf("%T", val)
}

func checked(t *testing.T, doc string) []string {
	t.Helper()
	var schema, val map[string]any
	if err := json.Unmarshal([]byte(Schema()), &schema); err != nil {
		t.Fatal(err)
	}
	if err := toml.Unmarshal([]byte(doc), &val); err != nil {
		t.Fatalf("%v in\n%s", err, doc)
	}
	return errorsOf(schema, schema, val, "Cargo.toml")
}

// TestSchemaTakes: the reference's example, the examples' manifests, each example of the table, and what scripts build with.
func TestSchemaTakes(t *testing.T) {
	_, example, _ := strings.Cut(settingsPage(), "```toml\n")
	docs := map[string]string{"reference": strings.TrimSuffix(example, "```\n")}
	manifests, err := filepath.Glob("../../examples/*/Cargo.toml")
	if err != nil || len(manifests) < 3 {
		t.Fatalf("%q, %v", manifests, err)
	}
	for _, m := range manifests {
		text, err := os.ReadFile(m)
		if err != nil {
			t.Fatal(err)
		}
		docs[m] = string(text)
	}
	docs["forms"] = "[workspace.metadata.sampan]\npackage = 'a'\nports = [80, '53/udp']\nuser = 0\nfiles = ['a:/b', {source = 'a', destination = '/b', mode = '0644'}]\n" +
		"healthcheck = '/a'\nlabels = {a = 1, b = true}\n[[package.metadata.sampan.image]]\nbins = ['a']\n[package]\nname = 'x'\n[dependencies]\nx = '1'"
	settings := 0
	for name, doc := range docs {
		settings += strings.Count(doc, "metadata.sampan")
		if errs := checked(t, doc); len(errs) > 0 {
			t.Errorf("%s: %q\n%s", name, errs, doc)
		}
	}
	if settings < 4 {
		t.Errorf("only %d tables were looked at", settings)
	}
}

// TestSchemaRefuses what the tool refuses.
func TestSchemaRefuses(t *testing.T) {
	for want, line := range map[string]string{
		"unknown key usr":      "usr = '0'",
		"unknown key package":  "package = ['a']",
		"is string, not":       "init = 'yes'",
		"none of [zig host]":   "cc = 'gcc'",
		"fits none":            "ports = [true]",
		"is boolean, not":      "user = true",
		"is array, not":        "env = ['A=b']",
		"files[0]: map":        "files = [{source = 'a'}]",
		"healthcheck: map":     "healthcheck = {command = ['/a'], retry = 1}",
		"image[0]: unknown":    "image = [{profile = 'dev'}]",
		"healthcheck: map[int": "healthcheck = {interval = '1s'}",
	} {
		if errs := strings.Join(checked(t, "[package.metadata.sampan]\n"+line), "\n"); !strings.Contains(errs, want) {
			t.Errorf("%s: %q, want %q", line, errs, want)
		}
	}
}

// TestSchemaDescribes: every setting is told, and its default fits.
func TestSchemaDescribes(t *testing.T) {
	var schema map[string]any
	if err := json.Unmarshal([]byte(Schema()), &schema); err != nil {
		t.Fatal(err)
	}
	for name, table := range schema["definitions"].(map[string]any) {
		all := table.(map[string]any)["properties"].(map[string]any)
		for key, s := range all {
			n := s.(map[string]any)
			if text, _ := n["description"].(string); len(text) < 10 {
				t.Errorf("%s.%s: %q", name, key, text)
			}
			if def, ok := n["default"]; ok {
				if errs := errorsOf(n, schema, def, key); len(errs) > 0 {
					t.Errorf("%s: its default: %q", name, errs)
				}
			}
		}
		if len(all) < 20 {
			t.Errorf("%s: %d settings", name, len(all))
		}
	}
}
