// SPDX-License-Identifier: MIT OR Apache-2.0

package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Reference gives the pages of docs/reference, by file name: made from the table of options and the commands, so that
// they say what the tool does.
func Reference() map[string]string {
	pages := map[string]string{"settings.md": settingsPage(), "exit-codes.md": exitPage, schemaFile: Schema()}
	a := &app{}
	for _, c := range commands {
		cmd := c(a)
		pages["sampan-"+cmd.Name()+".md"] = commandPage(cmd)
	}
	return pages
}

const generated = "<!-- Made by `go generate ./internal/cli`. Do not edit. -->\n\n"

func settingsPage() string {
	var b strings.Builder
	b.WriteString("# Options and settings\n\n" + generated)
	b.WriteString("Every option, with its flag, its key in `[package.metadata.sampan]` or `[workspace.metadata.sampan]`, and its\n" +
		"environment variable. A flag wins over the variable, that over `[[package.metadata.sampan.image]]`, the package's\n" +
		"table, the workspace's, the user's own `config.toml`, and the default. Tables are joined, all else is replaced.\n" +
		"`sampan config` shows what holds and why. [sampan.schema.json](sampan.schema.json) is all this for editors, which\n" +
		"complete and check with it; `sampan config --schema` prints the same.\n")
	for _, g := range groups {
		fmt.Fprintf(&b, "\n## %s\n\n| flag | key | variable | default | what it is |\n| --- | --- | --- | --- | --- |\n", g)
		for _, o := range options {
			if o.group == g && !o.hidden {
				b.WriteString(settingsRow(o))
			}
		}
	}
	b.WriteString("\n## Examples\n\n```toml\n[package.metadata.sampan]\n")
	for _, o := range options {
		if o.example != "" && o.metadataKey() != "" && o.flag != "bin" {
			b.WriteString(o.example + "\n")
		}
	}
	b.WriteString("\n[[package.metadata.sampan.image]]   # several bins in one image\nname = \"tools\"\n" + byFlag("bin").example + "\n```\n")
	return b.String()
}

func settingsRow(o *option) string {
	name := "`--" + o.flag
	if o.meta != "" {
		name += " " + o.meta
	}
	name += "`"
	if o.short != "" {
		name = "`-" + o.short + "`, " + name
	}
	doc := o.doc
	if o.long != "" {
		doc += ". " + strings.TrimSuffix(o.long, ".")
	}
	return fmt.Sprintf("| %s | %s | %s | %s | %s |\n", strings.ReplaceAll(name, "|", "\\|"), code(o.metadataKey()), code(o.variable()), code(o.def), doc)
}

func code(s string) string {
	if s == "" {
		return ""
	}
	return "`" + s + "`"
}

func commandPage(cmd *cobra.Command) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# sampan %s\n\n%s%s.\n\n", cmd.Name(), generated, cmd.Short)
	if cmd.Long != "" {
		b.WriteString(cmd.Long + "\n\n")
	}
	fmt.Fprintf(&b, "```\nsampan %s\n```\n\nExamples:\n\n```\n%s\n```\n", cmd.Use, cmd.Example)
	if cmd.Flags().HasFlags() {
		b.WriteString("\n" + optionsOf(cmd) + "\n")
	}
	return b.String()
}

// optionsOf says which options a command has.
func optionsOf(cmd *cobra.Command) string {
	all := true
	for _, o := range options {
		all = all && (o.hidden || len(o.verbs) > 0 || cmd.Flags().Lookup(o.flag) != nil)
	}
	if all {
		return "Its options are those of [settings.md](settings.md)."
	}
	var names []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if !f.Hidden && f.Name != "help" {
			names = append(names, "`--"+f.Name+"`")
		}
	})
	return "Options, as in [settings.md](settings.md) where they are there: " + strings.Join(names, ", ") + "."
}

const exitPage = "# Exit codes\n\n" + generated + `| code | meaning |
| --- | --- |
| 0 | done |
| 1 | failed: something that should have worked did not |
| 2 | misused: a word, a setting or a choice that cannot be |
| 3 | a check found the program unfit: dynamic, for another machine, a shared object |
| 4 | not authorised: a registry does not let us in, or credentials cannot be read |
| 130 | interrupted |

` + "`sampan run`" + ` gives the program's own code once the program has started; 128 + N when signal N ended it.
` + "`sampan doctor`" + ` gives 1 when the build would fail.
`
