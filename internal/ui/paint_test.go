// SPDX-License-Identifier: MIT OR Apache-2.0

package ui

import "testing"

func TestPaint(t *testing.T) {
	for name, c := range map[string]struct {
		env  []string
		out  bool // a terminal
		want string
	}{
		"terminal": {nil, true, red + "bad" + reset},
		"pipe":     {nil, false, "bad"},
		"no color": {[]string{"NO_COLOR=1", "CLICOLOR_FORCE=1"}, true, "bad"},
		"forced":   {[]string{"CLICOLOR_FORCE=1"}, false, red + "bad" + reset},
		"dumb":     {[]string{"TERM=dumb"}, true, "bad"},
	} {
		s := &Streams{OutTTY: c.out}
		s.obey(c.env)
		if got := s.Paint("error", "bad"); got != c.want {
			t.Errorf("%s: %q", name, got)
		}
		if got := s.Paint("nothing", "plain"); got != "plain" {
			t.Errorf("%s: %q", name, got)
		}
	}
}
