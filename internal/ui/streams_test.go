// SPDX-License-Identifier: MIT OR Apache-2.0

package ui

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestEnvironment(t *testing.T) {
	for _, tt := range []struct {
		env             string
		tty             bool
		color, ci, dumb bool
	}{
		{"TERM=xterm", true, true, false, false},
		{"TERM=xterm", false, false, false, false},
		{"", true, true, false, false},
		{"NO_COLOR=1", true, false, false, false},
		{"NO_COLOR=", true, true, false, false},
		{"NO_COLOR=0", true, false, false, false},
		{"NO_COLOR=1 CLICOLOR_FORCE=1", true, false, false, false},
		{"CLICOLOR_FORCE=1", false, true, false, false},
		{"CLICOLOR_FORCE=0", false, false, false, false},
		{"CLICOLOR_FORCE=", false, false, false, false},
		{"CLICOLOR=0", true, false, false, false},
		{"CLICOLOR=1", false, false, false, false},
		{"TERM=dumb", true, false, false, true},
		{"TERM=dumb CLICOLOR_FORCE=1", true, true, false, true},
		{"CI=true", true, true, true, false},
		{"CI=1", false, false, true, false},
		{"CI=false", true, true, false, false},
		{"CI=0", true, true, false, false},
		{"CI=", true, true, false, false},
		{"CI=woodpecker", true, true, true, false},
		{"NO_COLOR=1 NO_COLOR=", true, false, false, false},
		{"NO_COLORS=1 XNO_COLOR=1 NO_COLOR", true, true, false, false},
	} {
		s := &Streams{ErrTTY: tt.tty}
		s.obey(strings.Fields(tt.env))
		if s.Color != tt.color || s.CI != tt.ci || s.Dumb != tt.dumb {
			t.Errorf("%q, terminal %v: color %v, CI %v, dumb %v", tt.env, tt.tty, s.Color, s.CI, s.Dumb)
		}
	}
}

func TestError(t *testing.T) {
	var all strings.Builder
	for _, color := range []bool{false, true} {
		for _, err := range []error{
			nil,
			errors.New("plain"),
			errors.New(""),
			errors.New("read \x1b[31mCargo.toml\x07: bad byte \xff\nsampan: hint: rm -rf /\u202e"),
			fmt.Errorf("outer: %w", hinted{errors.New("inner"), "type `this`"}),
			fmt.Errorf("both: %w", errors.Join(hinted{errors.New("one"), "first"}, hinted{fmt.Errorf("two: %w", hinted{errors.New("x"), "deep"}), "second"}, hinted{errors.New("three"), "first"})),
			hinted{errors.New("empty hint"), "  "},
			hinted{errors.New("two lines of hint"), "either this\nor that"},
		} {
			var out strings.Builder
			s := &Streams{Err: &out, Color: color}
			s.Error(err)
			all.WriteString(strings.ReplaceAll(out.String(), "\x1b", "<ESC>"))
		}
	}
	golden(t, "error.golden", all.String())
}

func TestEscape(t *testing.T) {
	for in, want := range map[string]string{
		"plain, with ünïcode and 日本 and\ttab\nline": "plain, with ünïcode and 日本 and\ttab\nline",
		"\x00\x1b[0m\r\x7f": `\x00\x1b[0m\x0d\x7f`,
		"\u009b31m":         `\u009b31m`,
		"a\xffb\xc3":        `a\xffb\xc3`,
		"\ufffd":            "\ufffd",
		"\u202eabc\u2066":   `\u202eabc\u2066`,
		"\U000e0041":        `\U000e0041`,
		`C:\new`:            `C:\new`,
	} {
		if got := Escape(in); got != want {
			t.Errorf("Escape(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestFilter(t *testing.T) {
	for _, tt := range []struct{ in, plain, color string }{
		{"a\tb\n", "a\tb\n", "a\tb\n"},
		{"\x1b[1;31mred\x1b[0m\n", "red\n", "\x1b[1;31mred\x1b[0m\n"},
		{"\x1b[38;5;9mred\n", "red\n", "\x1b[38;5;9mred\x1b[0m\n"},
		{"\x1b[38:2:1:2:3mred\x1b[m\n", "red\n", "\x1b[38:2:1:2:3mred\x1b[m\n"},
		{"\x1b[2K\x1b[1Ax\x1b[?25l\n", "x\n", "x\n"},
		{"\x1b[>4;2mx\n", "x\n", "x\n"},
		{"\x1b]8;;http://x\x1b\\link\x1b]8;;\x07\n", "link\n", "link\n"},
		{"\x1b]0;title\nnext\n", "\nnext\n", "\nnext\n"},
		{"\x1bP1$r\x1b\\x\x1b(Bx\x1bcx\n", "xxx\n", "xxx\n"},
		{"10%\r20%\r\n", "10%\n20%\n", "10%\n20%\n"},
		{"bell\x07 back\x08 \u009b \x9b\n", "bell\\x07 back\\x08 \\u009b \\x9b\n", "bell\\x07 back\\x08 \\u009b \\x9b\n"},
		{"latin \xe9\n", "latin \xe9\n", "latin \xe9\n"},
		{"end\x1b", "end", "end"},
		{"end\x1b[", "end", "end"},
		{"end\x1b[31", "end", "end"},
	} {
		if got := string(filter([]byte(tt.in), false)); got != tt.plain {
			t.Errorf("filter(%q, plain) = %q", tt.in, got)
		}
		if got := string(filter([]byte(tt.in), true)); got != tt.color {
			t.Errorf("filter(%q, color) = %q", tt.in, got)
		}
	}
}

func FuzzFilter(f *testing.F) {
	for _, seed := range []string{"\x1b[1;31mred\x1b[0m\n", "\x1b]8;;x\x07y\n", "a\rb\r\n", "\xff\x9b\u009b", "\x1b[31\x1b[m\x1bP\x1b"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		plain := filter(in, false)
		if strings.ContainsFunc(string(plain), func(r rune) bool { return r != '\ufffd' && controls(r) }) {
			t.Errorf("%q leaves a control character in %q", in, plain)
		}
		color := string(filter(in, true))
		if again := string(filter([]byte(color), true)); again != color {
			t.Errorf("%q: %q, then %q", in, color, again)
		}
		if got := string(filter([]byte(color), false)); got != string(plain) {
			t.Errorf("%q: with colours %q, without %q", in, got, plain)
		}
	})
}

func TestHuman(t *testing.T) {
	for n, want := range map[int64]string{
		0: "0 B", 999: "999 B", 1000: "1.0 kB", 1_400_000: "1.4 MB", 99_949: "99.9 kB", 99_950: "100 kB", 363_984: "364 kB",
		999_499: "999 kB", 999_500: "1.0 MB", 999_999_999: "1.0 GB", -1500: "-1.5 kB", 1<<63 - 1: "9.2 EB", -1 << 63: "-9.2 EB",
	} {
		if got := Bytes(n); got != want {
			t.Errorf("Bytes(%d) = %q, want %q", n, got, want)
		}
	}
	for d, want := range map[time.Duration]string{
		0: "0 ms", time.Microsecond: "<1 ms", 84 * time.Millisecond: "84 ms", 999400 * time.Microsecond: "999 ms",
		999600 * time.Microsecond: "1.0 s", 3449 * time.Millisecond: "3.4 s", 59949 * time.Millisecond: "59.9 s",
		59960 * time.Millisecond: "1 min 00 s", 125 * time.Second: "2 min 05 s", time.Hour - time.Second: "59 min 59 s",
		time.Hour - time.Millisecond: "1 h 00 min", 62 * time.Minute: "1 h 02 min", -time.Second: "-1.0 s",
	} {
		if got := Duration(d); got != want {
			t.Errorf("Duration(%v) = %q, want %q", d, got, want)
		}
	}
}
