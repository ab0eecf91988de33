// SPDX-License-Identifier: MIT OR Apache-2.0

package ui

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// longestSecret bounds what ReadSecret takes from a pipe, in bytes: some clouds' passwords are long.
const longestSecret = 64 << 10

// ReadSecret reads one line that must not be seen: without echo after a prompt from a terminal, else everything that
// the pipe gives, less the line feed at its end.
func (s *Streams) ReadSecret(prompt string) (string, error) {
	if f, ok := s.In.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		s.write([]byte(prompt))
		word, err := term.ReadPassword(int(f.Fd()))
		s.write([]byte("\n"))
		return string(word), err
	}
	data, err := io.ReadAll(io.LimitReader(s.In, longestSecret+1))
	if err != nil {
		return "", err
	}
	word := strings.TrimRight(string(data), "\r\n")
	if len(data) > longestSecret {
		return "", fmt.Errorf("read a secret: more than %d bytes", longestSecret)
	}
	if strings.ContainsAny(word, "\r\n\x00") {
		return "", errors.New("read a secret: more than one line")
	}
	return word, nil
}
