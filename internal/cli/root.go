// SPDX-License-Identifier: MIT OR Apache-2.0

package cli

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"sampan/internal/plan"
)

// commands is the table of verbs.
var commands = []func(a *app) *cobra.Command{buildCommand, runCommand, pushCommand, copyCommand, loadCommand, resolveCommand, applyCommand,
	createCommand, deleteCommand, initCommand, doctorCommand, setupCommand, baseCommand, planCommand, configCommand, loginCommand, logoutCommand, versionCommand}

// execute parses the words and runs the verb.
func (a *app) execute(ctx context.Context, words []string) error {
	a.words = words
	root := a.root()
	root.SetArgs(words)
	root.SetIn(a.stdin)
	out := &strict{w: a.stdout}
	root.SetOut(out)
	root.SetErr(a.stderr)
	if err := root.ExecuteContext(ctx); err != nil {
		return err
	}
	return out.err
}

// strict remembers that its text could not be written: cobra prints help without looking.
type strict struct {
	w   io.Writer
	err error
}

func (s *strict) Write(p []byte) (int, error) {
	n, err := s.w.Write(p)
	if s.err == nil {
		s.err = err
	}
	return n, err
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "sampan",
		Short: "Turn a Rust package into the thinnest container image that runs",
		Long: "Sampan turns a Rust package into the thinnest container image that runs: one static program, the files that\n" +
			"every program needs, a user who is not root. No Dockerfile, no Docker, no base image.",
		Example: "  sampan build                             an OCI layout under target/sampan\n" +
			"  sampan build -o docker-archive:app.tar   for docker load, podman load, ctr images import\n" +
			"  sampan run -- --help                     build, and start the program at once",
		SilenceErrors: true, SilenceUsage: true,
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: false},
		Version:           Version,
	}
	root.SetVersionTemplate("sampan {{.Version}}\n")
	root.SetFlagErrorFunc(flagError)
	root.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) > 0 {
			return unknownCommand(cmd, args[0])
		}
		return cmd.Help()
	}
	root.SetHelpCommand(helpCommand(root))
	root.Args = cobra.ArbitraryArgs
	for _, c := range commands {
		cmd := c(a)
		cmd.SetFlagErrorFunc(flagError)
		root.AddCommand(cmd)
	}
	return root
}

func unknownCommand(root *cobra.Command, word string) error {
	var verbs []string
	for _, c := range root.Commands() {
		verbs = append(verbs, c.Name())
	}
	return &usageError{err: fmt.Errorf("unknown command %q", word), hint: plan.Nearest(word, verbs)}
}

// helpCommand is cobra's, but for a command that is not there: that is an error here.
func helpCommand(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use:   "help [command]",
		Short: "Help about any command",
		RunE: func(_ *cobra.Command, args []string) error {
			cmd, rest, err := root.Find(args)
			if err != nil || len(rest) > 0 {
				return unknownCommand(root, args[0])
			}
			cmd.InitDefaultHelpFlag()
			return cmd.Help()
		},
	}
}

// flagError turns pflag's words into ours, with the nearest flag.
func flagError(cmd *cobra.Command, err error) error {
	hint := "see: " + cmd.CommandPath() + " --help"
	msg := err.Error()
	if name, ok := strings.CutPrefix(msg, "unknown flag: --"); ok {
		var all []string
		cmd.Flags().VisitAll(func(f *pflag.Flag) { all = append(all, "--"+f.Name) })
		if n := plan.Nearest("--"+name, all); strings.HasPrefix(n, "did you mean") {
			hint = n
		}
	}
	return &usageError{err: err, hint: hint}
}

// flagValue lets pflag fill a value.
type flagValue struct {
	o *option
	v *value
}

func (f flagValue) String() string {
	if f.o == nil {
		return ""
	}
	return f.o.def
}
func (f flagValue) Set(word string) error { return f.v.add(f.o.kind, word) }
func (f flagValue) Type() string {
	if f.o.kind == toggle {
		return "bool"
	}
	return f.o.meta
}

// bind gives a command the options of the table that are its. What is set is read back by flags. Only a command that the command
// line names gets them, or all when there is none: many have nearly all, and every start would pay for each.
func (a *app) bind(cmd *cobra.Command) map[string]*value {
	held := map[string]*value{}
	if a.words != nil && !slices.Contains(a.words, cmd.Name()) {
		return held
	}
	cmd.Flags().SortFlags = false
	for _, o := range options {
		if !o.of(cmd.Name()) {
			continue
		}
		v := &value{}
		held[o.flag] = v
		f := cmd.Flags().VarPF(flagValue{o, v}, o.flag, o.short, o.doc)
		if o.kind == toggle {
			f.NoOptDefVal = "true"
		}
		if o.def == "false" || o.def == "" {
			f.DefValue = ""
		}
		f.Hidden = o.hidden
	}
	cmd.SetUsageTemplate(usageTemplate)
	cmd.SetUsageFunc(usage)
	return held
}

// flags is the level of the command line.
func flags(cmd *cobra.Command, held map[string]*value) level {
	out := level{}
	for name, v := range held {
		if cmd.Flags().Changed(name) {
			set := *v
			set.origin = func() string { return "--" + name }
			out[name] = set
		}
	}
	return out
}

const usageTemplate = ""

// usage prints a command's help with its flags under their headings.
func usage(cmd *cobra.Command) error {
	out := cmd.OutOrStdout()
	fmt.Fprintf(out, "Usage:\n  %s\n", cmd.UseLine())
	if cmd.Example != "" {
		fmt.Fprintf(out, "\nExamples:\n%s\n", cmd.Example)
	}
	for _, g := range groups {
		set := pflag.NewFlagSet(g, pflag.ContinueOnError)
		set.SortFlags = false
		for _, o := range options {
			if f := cmd.Flags().Lookup(o.flag); f != nil && o.group == g {
				set.AddFlag(f)
			}
		}
		if set.HasFlags() {
			fmt.Fprintf(out, "\n%s:\n%s", g, set.FlagUsages())
		}
	}
	return nil
}
