// SPDX-License-Identifier: MIT OR Apache-2.0

// Package recipes reads the files of docs/ci.md, for tests that try them.
package recipes

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Read gives the YAML documents of a Markdown file, the first below each heading, by heading.
func Read(path string) (map[string]string, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	out := map[string]string{}
	for section := range strings.SplitSeq(string(data), "\n## ") {
		title, rest, _ := strings.Cut(section, "\n")
		_, block, ok := strings.Cut(rest, "```yaml\n")
		if ok {
			out[title], _, _ = strings.Cut(block, "```")
		}
	}
	return out, nil
}

// shellKeys are the keys under which services have lines for a shell.
var shellKeys = []string{"run", "script", "command", "commands"}

// Shell gives the lines that a document has for a shell, in their order, with what the service fills in itself ("$$" of
// Buildkite) filled in. None is an error.
func Shell(document string) ([]string, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal([]byte(document), &doc); err != nil {
		return nil, err
	}
	lines := lines(&doc, false)
	if len(lines) == 0 {
		return nil, fmt.Errorf("there is no line for a shell")
	}
	for i := range lines {
		lines[i] = strings.ReplaceAll(lines[i], "$$", "$")
	}
	return lines, nil
}

func lines(n *yaml.Node, shell bool) (out []string) {
	switch n.Kind {
	case yaml.ScalarNode:
		if shell {
			out = append(out, n.Value)
		}
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			out = append(out, lines(n.Content[i+1], slices.Contains(shellKeys, n.Content[i].Value))...)
		}
	default:
		for _, c := range n.Content {
			out = append(out, lines(c, shell && c.Kind == yaml.ScalarNode)...)
		}
	}
	return out
}
