// SPDX-License-Identifier: MIT OR Apache-2.0

package cli

import (
	"github.com/spf13/cobra"
)

func planCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "plan [PATH | crate:NAME[@VERSION]] [flags] [-- CARGO-ARGS]",
		Short: "Print what build would do, as JSON, and do nothing",
		Example: "  sampan plan\n" +
			"  sampan plan --workspace | jq '.images[].name'",
	}
	held := a.bind(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		path, rest, err := parts(cmd, args)
		if err != nil {
			return err
		}
		s, err := a.prepare(cmd.Context(), flags(cmd, held), path, rest)
		if err != nil {
			return err
		}
		return writeJSON(a.streams.Out, s.plan)
	}
	return cmd
}
