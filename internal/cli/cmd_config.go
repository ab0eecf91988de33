// SPDX-License-Identifier: MIT OR Apache-2.0

package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"
)

// shownOption is one option of one image, for `sampan config`.
type shownOption struct {
	Option string `json:"option"`
	Value  any    `json:"value"`
	Origin string `json:"origin"`
}

// shownImage is one image's options.
type shownImage struct {
	Image   string        `json:"image"`
	Options []shownOption `json:"options"`
}

func configCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "config [PATH] [flags]",
		Short: "Show every option, its value, and where it came from",
		Long: "Show every option, its value, and where it came from. A flag wins over a SAMPAN_… variable, that over\n" +
			"[[package.metadata.sampan.image]], [package.metadata.sampan], [workspace.metadata.sampan], the user's own\n" +
			"config.toml, and the default. Tables are joined, all else is replaced.",
		Example: "  sampan config\n  sampan config --json\n  sampan config --schema > sampan.schema.json",
	}
	held := a.bind(cmd)
	schema := cmd.Flags().Bool("schema", false, "print the JSON schema of the settings in Cargo.toml, for editors, and nothing else")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if *schema {
			_, err := io.WriteString(a.streams.Out, Schema())
			return err
		}
		path, rest, err := parts(cmd, args)
		if err != nil {
			return err
		}
		s, err := a.prepare(cmd.Context(), flags(cmd, held), path, rest)
		if err != nil {
			return err
		}
		return s.showConfig()
	}
	return cmd
}

func (s *session) showConfig() error {
	var all []shownImage
	for i, l := range s.settled {
		im := shownImage{Image: s.imageName(i)}
		for _, o := range options {
			if o.hidden {
				continue
			}
			v := l[o.flag]
			im.Options = append(im.Options, shownOption{Option: o.flag, Value: v.show(o.kind), Origin: v.from()})
		}
		all = append(all, im)
	}
	if s.w.json {
		return writeJSON(s.streams.Out, all)
	}
	w := tabwriter.NewWriter(s.streams.Out, 0, 0, 2, ' ', 0)
	for i, im := range all {
		if i > 0 {
			fmt.Fprintln(w)
		}
		fmt.Fprintf(w, "# %s\n", im.Image)
		for _, o := range im.Options {
			val, err := json.Marshal(o.Value)
			if err != nil {
				return err
			}
			fmt.Fprintf(w, "%s\t%s\t%s\n", o.Option, val, o.Origin)
		}
	}
	return w.Flush()
}

// imageName names the settings of row i: settings of one row may give several images.
func (s *session) imageName(i int) string {
	n := 0
	for _, c := range s.choices {
		for j := range c.Images {
			if n == i {
				if c.Images[j].Name != "" {
					return c.Package.Name + ": " + c.Images[j].Name
				}
				return c.Package.Name
			}
			n++
		}
	}
	if len(s.plan.Images) > 0 {
		return s.plan.Images[0].Name
	}
	return ""
}
