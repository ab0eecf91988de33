// SPDX-License-Identifier: MIT OR Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"sampan/internal/transport"
	"sampan/internal/ui"
)

// loginWords are the words of login alone.
type loginWords struct {
	user     string
	stdin    bool
	password string
}

func loginCommand(a *app) *cobra.Command {
	var w loginWords
	cmd := &cobra.Command{
		Use:   "login HOST -u USER [--password-stdin]",
		Short: "Log in to a registry, for all tools that read docker's or podman's logins",
		Long: "Log in to a registry. The password is read from stdin, tried, and kept where docker keeps it: by the credential helper of\n" +
			"docker's config.json where one is named, else in that file; REGISTRY_AUTH_FILE names another file.",
		Example: "  echo TOKEN | sampan login ghcr.io -u USER --password-stdin\n" +
			"  sampan login registry.example.com:5000 -u USER",
		Args: cobra.ArbitraryArgs,
	}
	held := a.bind(cmd)
	if len(held) > 0 {
		cmd.Flags().StringVarP(&w.user, "username", "u", "", "the user's `NAME`")
		cmd.Flags().BoolVar(&w.stdin, "password-stdin", false, "read the password from stdin, which is what is done in any case")
		cmd.Flags().StringVarP(&w.password, "password", "p", "", "refused: others would see it in the list of processes")
		_ = cmd.Flags().MarkHidden("password")
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if cmd.Flags().Changed("password") {
			return &usageError{err: errors.New("a password on the command line can be seen by others"), hint: "echo PASSWORD | sampan login HOST -u USER --password-stdin"}
		}
		return a.login(cmd.Context(), flags(cmd, held), args, w)
	}
	return cmd
}

// hostOf reads the one word that login and logout take: a registry.
func hostOf(verb string, args []string) (transport.Name, error) {
	if len(args) != 1 {
		return transport.Name{}, &usageError{err: fmt.Errorf("%s wants one registry, not %d words", verb, len(args)), hint: "sampan " + verb + " ghcr.io"}
	}
	word := args[0]
	if !strings.ContainsAny(word, "./:") && word != "localhost" {
		return transport.Name{}, &usageError{err: fmt.Errorf("%q is no registry", word), hint: "write its host out: sampan " + verb + " docker.io"}
	}
	n, err := transport.ParseName(word)
	n.Path = ""
	return n, err
}

func (a *app) login(ctx context.Context, set level, args []string, words loginWords) error {
	n, err := hostOf("login", args)
	if err != nil {
		return err
	}
	if words.user == "" {
		return &usageError{err: errors.New("no user is named"), hint: "sampan login " + n.Host + " -u USER"}
	}
	w, err := a.speak(set)
	if err != nil {
		return err
	}
	defer a.progress.Close()
	password, err := a.streams.ReadSecret("Password of " + words.user + " at " + n.Host + ": ")
	if err != nil {
		return err
	}
	if password == "" {
		return &usageError{err: errors.New("the password is empty"), hint: "echo PASSWORD | sampan login " + n.Host + " -u " + words.user + " --password-stdin"}
	}
	who := transport.Credential{Origin: "stdin", User: words.user, Password: password}
	client, err := a.client(w.registry, []string{n.Host})
	if err != nil {
		return err
	}
	defer client.Close()
	if err := client.Check(ctx, n, who); err != nil {
		return err
	}
	where, err := a.keys().Store(ctx, n, who)
	if err != nil {
		return err
	}
	a.progress.Handle(ui.Event{Kind: "note", Text: fmt.Sprintf("logged in to %s as %s; kept by %s", n.Host, words.user, where)})
	return nil
}

func logoutCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "logout HOST",
		Short:   "Forget the login at a registry",
		Example: "  sampan logout ghcr.io",
		Args:    cobra.ArbitraryArgs,
	}
	held := a.bind(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		n, err := hostOf("logout", args)
		if err != nil {
			return err
		}
		if _, err := a.speak(flags(cmd, held)); err != nil {
			return err
		}
		defer a.progress.Close()
		where, err := a.keys().Erase(cmd.Context(), n)
		if err != nil {
			return err
		}
		text := "there was no login at " + n.Host
		if len(where) > 0 {
			text = fmt.Sprintf("logged out of %s: %s", n.Host, strings.Join(where, ", "))
		}
		a.progress.Handle(ui.Event{Kind: "note", Text: text})
		return nil
	}
	return cmd
}
