// SPDX-License-Identifier: MIT OR Apache-2.0

package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"sampan/internal/run"
)

// kubeVerbs are the commands that read Kubernetes' YAML.
var kubeVerbs = []string{"resolve", "apply", "create", "delete"}

const kubeLong = "A reference is a value in any field of any document: sampan://PATH-OR-PACKAGE[#BIN] for sources here, or\n" +
	"sampan://crate:NAME[@VERSION] for a published crate. Each is built once. Everything else stays as it is, byte for byte."

func resolveCommand(a *app) *cobra.Command {
	return a.kubeCommand("resolve -f FILE [flags]", "Build what Kubernetes YAML refers to, and print it with digests",
		kubeLong,
		"  sampan resolve -f deploy/ --repo registry.example/team > release.yaml\n"+
			"  helm template . | sampan resolve -f - -o kind:",
		func(ctx context.Context, set level, rest []string) error {
			if rest != nil {
				return &usageError{err: errors.New("resolve starts no kubectl to pass words after -- to"), hint: "sampan apply -f FILE -- WORDS"}
			}
			text, err := a.resolve(ctx, set)
			if err != nil {
				return err
			}
			_, err = a.streams.Out.Write(text)
			return err
		})
}

func applyCommand(a *app) *cobra.Command  { return a.kubectlCommand("apply") }
func createCommand(a *app) *cobra.Command { return a.kubectlCommand("create") }

// kubectlCommand resolves, and gives the result to kubectl.
func (a *app) kubectlCommand(verb string) *cobra.Command {
	return a.kubeCommand(verb+" -f FILE [flags] [-- KUBECTL-ARGS]", "Resolve, and give the YAML to kubectl "+verb, kubeLong,
		"  sampan "+verb+" -f deploy/ --repo registry.example/team\n"+
			"  sampan "+verb+" -f app.yaml -o kind:dev -- --context kind-dev --namespace web",
		func(ctx context.Context, set level, rest []string) error {
			if err := a.kubectlThere(); err != nil {
				return err
			}
			text, err := a.resolve(ctx, set)
			if err != nil {
				return err
			}
			return a.kubectl(ctx, text, append([]string{verb, "-f", "-"}, rest...))
		})
}

func deleteCommand(a *app) *cobra.Command {
	return a.kubeCommand("delete -f FILE [flags] [-- KUBECTL-ARGS]", "Give YAML to kubectl delete; nothing is built",
		"What is deleted is known by its kind and its name: references stay as they are.",
		"  sampan delete -f deploy/",
		func(ctx context.Context, set level, rest []string) error {
			if err := a.kubectlThere(); err != nil {
				return err
			}
			if err := a.terminal(settle(set).calls()); err != nil {
				return err
			}
			files, err := a.yamlFiles(set)
			if err != nil {
				return err
			}
			return a.kubectl(ctx, textOf(files, nil), append([]string{"delete", "-f", "-"}, rest...))
		})
}

// kubeCommand is a command that takes YAML and no other words.
func (a *app) kubeCommand(use, short, long, example string, do func(ctx context.Context, set level, rest []string) error) *cobra.Command {
	cmd := &cobra.Command{Use: use, Short: short, Long: long, Example: example}
	held := a.bind(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		var rest []string
		if n := cmd.ArgsLenAtDash(); n >= 0 {
			args, rest = args[:n], args[n:]
		}
		if len(args) > 0 {
			return &usageError{err: fmt.Errorf("%s takes files after -f, and no word %q", cmd.Name(), args[0]), hint: "sampan " + cmd.Name() + " -f " + args[0]}
		}
		return do(cmd.Context(), flags(cmd, held), rest)
	}
	return cmd
}

// kubectlThere finds out early that there is no kubectl.
func (a *app) kubectlThere() error {
	if _, err := run.LookPath("kubectl", a.env); err != nil {
		return &placeError{err: errors.New("there is no kubectl in PATH"), hint: "install kubectl; or without it: sampan resolve -f FILE > release.yaml"}
	}
	return nil
}

// kubectl runs kubectl with the YAML as its stdin; its end is ours.
func (a *app) kubectl(ctx context.Context, text []byte, words []string) error {
	a.progress.Close()
	return a.hand(ctx, run.Cmd{Path: "kubectl", Args: words, Stdin: bytes.NewReader(text), Stdout: a.stdout, Stderr: a.stderr})
}

// readAll reads a file that -f names, or stdin.
func (a *app) readAll(path string) ([]byte, error) {
	const limit = 64 << 20
	f := a.stdin
	if path != "-" {
		var err error
		if f, err = os.Open(path); err != nil {
			return nil, err
		}
		defer f.Close()
	}
	var b bytes.Buffer
	if _, err := b.ReadFrom(&capped{r: f, left: limit}); err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return b.Bytes(), nil
}

// capped is a reader that fails beyond a limit.
type capped struct {
	r    *os.File
	left int
}

func (c *capped) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	if c.left -= n; c.left < 0 {
		return 0, errors.New("more than 64 MiB")
	}
	return n, err
}
