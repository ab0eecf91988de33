// SPDX-License-Identifier: MIT OR Apache-2.0

package transport

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"sampan/internal/run"
)

// Limits of a credential helper (docker-credential-helpers, "Development").
const (
	helperTime = 30 * time.Second
	helperText = 64 << 10 // bytes of its answer
)

// helper asks docker-credential-<name> for the credential of a host. A helper that knows none is no error.
func (k *Keys) helper(ctx context.Context, name, file string, n Name) (Credential, error) {
	out, err := k.helperRun(ctx, helperCall{name: name, file: file, verb: "get", input: helperKey(n)})
	if err != nil {
		if e, ok := errors.AsType[*helperRefusal](err); ok && e.missing() {
			return Credential{}, nil
		}
		return Credential{}, err
	}
	program := "docker-credential-" + name
	var doc struct{ Username, Secret string }
	if err := json.Unmarshal(out, &doc); err != nil {
		return Credential{}, &KeyError{Source: program, Err: errors.New("its answer is not the JSON of a credential helper"), hint: "try it by hand: echo " + n.Host + " | " + program + " get"}
	}
	if strings.ContainsAny(doc.Username+doc.Secret, "\r\n\x00") {
		return Credential{}, &KeyError{Source: program, Err: errors.New("its answer holds a line feed in a name or a secret"), hint: "log in again"}
	}
	c := Credential{Origin: program, User: doc.Username, Password: doc.Secret}
	if doc.Username == "<token>" {
		c.Password, c.Identity = "", doc.Secret
	}
	return c, nil
}

// helperKey is a host as helpers know it.
func helperKey(n Name) string {
	if isHub(n.Host) {
		return "https://index.docker.io/v1/"
	}
	return n.Host
}

type helperCall struct {
	name, file, verb, input string
}

// helperRefusal is a helper that ended with an error of its own.
type helperRefusal struct{ said string }

func (e *helperRefusal) Error() string { return foreign(e.said) }

func (e *helperRefusal) missing() bool {
	said := strings.ToLower(e.said)
	return strings.Contains(said, "credentials not found") || strings.Contains(said, "no credentials server url") || strings.Contains(said, "not found in native keychain")
}

// helperRun starts a helper, without a shell, for a limited time and with a limited answer.
func (k *Keys) helperRun(ctx context.Context, call helperCall) ([]byte, error) {
	program := "docker-credential-" + call.name
	if !helperName(call.name) {
		return nil, &KeyError{Source: call.file, Err: fmt.Errorf("%q is no name of a credential helper", foreign(call.name)), hint: "mend " + call.file}
	}
	limited, cancel := context.WithTimeout(ctx, helperTime)
	defer cancel()
	stdout, stderr := &capped{}, &capped{}
	err := k.Runner.Run(limited, run.Cmd{Path: program, Args: []string{call.verb}, Env: k.Env, Stdin: strings.NewReader(call.input), Stdout: stdout, Stderr: stderr})
	var missing *run.NotFoundError
	var ended *run.ExitError
	broken := func(err error) error {
		return &KeyError{Source: program, Err: err, hint: "try it by hand: echo HOST | " + program + " " + call.verb + "; it is named in " + call.file}
	}
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case limited.Err() != nil:
		return nil, broken(fmt.Errorf("no answer in %s", helperTime))
	case errors.As(err, &missing):
		return nil, &KeyError{Source: call.file, Err: fmt.Errorf("it names the credential helper %s, which is not there", program),
			hint: "install " + program + ", or take it out of " + call.file}
	case stdout.over:
		return nil, broken(fmt.Errorf("its answer is longer than %d bytes", helperText))
	case errors.As(err, &ended):
		said := strings.TrimSpace(stdout.String() + " " + stderr.String())
		refusal := &helperRefusal{said: said}
		if refusal.missing() {
			return nil, refusal
		}
		return nil, broken(fmt.Errorf("%s: %w", statusOf(ended), refusal))
	case err != nil:
		return nil, broken(err)
	}
	return stdout.Bytes(), nil
}

func statusOf(e *run.ExitError) string {
	if e.Signal != "" {
		return "ended by signal: " + e.Signal
	}
	return fmt.Sprintf("exit status %d", e.Code)
}

// helperName keeps what a file names inside the folders of PATH.
func helperName(name string) bool {
	for _, r := range name {
		if (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_' && r != '.' {
			return false
		}
	}
	return name != "" && name[0] != '.' && name[0] != '-'
}

// capped keeps the beginning of what is written to it.
type capped struct {
	bytes.Buffer
	over bool
}

func (c *capped) Write(p []byte) (int, error) {
	if c.Len()+len(p) > helperText {
		c.over = true
		c.Buffer.Write(p[:helperText-c.Len()])
		return len(p), nil
	}
	return c.Buffer.Write(p)
}
