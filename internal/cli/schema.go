// SPDX-License-Identifier: MIT OR Apache-2.0

package cli

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strconv"
	"strings"
)

// schemaFile is the schema's name among the pages of docs/reference.
const schemaFile = "sampan.schema.json"

// node is a JSON schema or a part of one: draft-07, which editors' TOML extensions and SchemaStore read.
type node = map[string]any

// Schema is the JSON schema of a Cargo.toml's tables that are Sampan's, made from the table of options. Of all else in a
// Cargo.toml it says nothing.
func Schema() string {
	table := func(ref string) node {
		return node{"type": "object", "properties": node{"metadata": node{"type": "object", "properties": node{"sampan": refer(ref)}}}}
	}
	schema := node{
		"$schema":     "http://json-schema.org/draft-07/schema#",
		"$comment":    "Made by `go generate ./internal/cli`. Do not edit.",
		"title":       "Sampan's settings in Cargo.toml",
		"type":        "object",
		"properties":  node{"package": table("package"), "workspace": table("workspace")},
		"definitions": node{"workspace": settingsNode(anywhere, ""), "package": settingsNode(inPackage, "image"), "image": settingsNode(inImage, "")},
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	// Maps of strings, lists and such maps always have a JSON form.
	_ = e.Encode(schema)
	return b.String()
}

func refer(name string) node { return node{"$ref": "#/definitions/" + name} }

// settingsNode is a table with the settings that are allowed in it. images is the key of the tables for several images.
func settingsNode(allowed func(*option) bool, images string) node {
	properties := node{}
	for _, o := range options {
		if o.metadataKey() != "" && allowed(o) {
			properties[o.metadataKey()] = o.schema()
		}
	}
	if images != "" {
		properties[images] = node{"description": "One image each, with the bins that share it and settings of its own.", "type": "array", "items": refer(images)}
	}
	return node{"type": "object", "additionalProperties": false, "properties": properties}
}

// wordTypes is what stands for one string: numbers are taken for their digits.
var wordTypes = []string{"string", "number"}

// choices is a meta that lists all words there are: "zig|host".
var choices = regexp.MustCompile(`^[a-z]+(\|[a-z]+)+$`)

// schema is what a value in metadata may look like.
func (o *option) schema() node {
	n := shape(o.kind)
	if o.kind == text && choices.MatchString(o.meta) {
		n = node{"type": "string", "enum": strings.Split(o.meta, "|")}
	}
	said := strings.ToUpper(o.doc[:1]) + o.doc[1:] + "."
	if o.long != "" {
		said += " " + o.long
	}
	n["description"] = said
	if o.def != "" {
		n["default"] = o.standard()
	}
	return n
}

// standard is the default as metadata would have it.
func (o *option) standard() any {
	switch o.kind {
	case toggle:
		on, _ := strconv.ParseBool(o.def) // ours, and read by a test
		return on
	case list, words:
		return []string{o.def}
	}
	return o.def
}

func shape(k kind) node {
	strings := node{"type": "array", "items": node{"type": wordTypes}}
	switch k {
	case toggle:
		return node{"type": "boolean"}
	case list, words:
		return node{"anyOf": []node{strings, {"type": wordTypes}}}
	case dict:
		return node{"type": "object", "additionalProperties": node{"type": []string{"string", "number", "boolean"}}}
	case rows:
		row := node{"type": "object", "additionalProperties": false, "required": []string{"source", "destination"}, "properties": node{
			"source":      node{"type": "string", "description": "A glob under the package's folder."},
			"destination": node{"type": "string", "description": "Absolute in the image; a folder when it ends in /."},
			"owner":       node{"type": wordTypes, "description": "UID, UID:GID, or a name of the image's /etc/passwd; root by itself."},
			"mode":        node{"type": wordTypes, "description": "Octal, such as \"0644\"."},
		}}
		return node{"type": "array", "items": node{"anyOf": []node{row, {"type": "string"}}}}
	case health:
		span := func(doc string) node {
			return node{"type": "string", "description": doc + ", such as 30s or 1m30s."}
		}
		return node{"anyOf": []node{{"type": "string"}, {"type": "object", "additionalProperties": false, "required": []string{"command"}, "properties": node{
			"command":        node{"description": "Words of the command; the first is a path in the image.", "anyOf": []node{strings, {"type": "string"}}},
			"interval":       span("Time between two questions"),
			"timeout":        span("Time for an answer"),
			"start-period":   span("Time in which failures do not count"),
			"start-interval": span("Time between two checks as long as failures do not count; Docker 25 and later"),
			"retries":        node{"type": wordTypes, "description": "Failures in a row that count as not well."},
		}}}}
	}
	return node{"type": wordTypes}
}
