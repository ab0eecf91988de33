// SPDX-License-Identifier: MIT OR Apache-2.0

package ui

import (
	"bytes"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Escape makes text that others wrote safe to print: everything that a terminal would obey or hide (control
// characters but line feed and tab, marks that reverse the direction of writing, bytes that are no UTF-8) is shown as
// \x1b or \u202e. Backslashes stay as they are, so this is for people, not for machines.
func Escape(text string) string {
	if !strings.ContainsFunc(text, hidden) {
		return text
	}
	var b strings.Builder
	for i := 0; i < len(text); {
		r, n := utf8.DecodeRuneInString(text[i:])
		switch {
		case r == utf8.RuneError && n == 1, hidden(r) && r < 0x80:
			fmt.Fprintf(&b, `\x%02x`, text[i])
		case hidden(r) && r > 0xffff:
			fmt.Fprintf(&b, `\U%08x`, r)
		case hidden(r) && r != utf8.RuneError:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteString(text[i : i+n])
		}
		i += n
	}
	return b.String()
}

// hidden says that a rune must be shown as an escape, or may be the sign of a broken byte.
func hidden(r rune) bool {
	return r != '\n' && r != '\t' && !unicode.IsGraphic(r) || r == utf8.RuneError
}

// filter makes whole lines of another program fit to stand among ours: colours stay when color allows them, all other
// escape sequences go (moving the cursor would tear the bar), a carriage return becomes a line of its own, other
// control characters are shown. Colours never run on behind the text.
func filter(text []byte, color bool) []byte {
	if bytes.IndexFunc(text, controls) < 0 {
		return text
	}
	out := make([]byte, 0, len(text)+16)
	painted := false
	for i := 0; i < len(text); {
		c := text[i]
		if c == 0x1b {
			n, style := sequence(text[i:])
			if style && color {
				out = append(out, text[i:i+n]...)
				painted = !isReset(text[i : i+n])
			}
			i += n
			continue
		}
		r, n := utf8.DecodeRune(text[i:])
		switch {
		case c == '\r' && (i+1 == len(text) || text[i+1] == '\n'):
		case c == '\r':
			out = append(out, '\n')
		case r == utf8.RuneError && n == 1 && c < 0xa0, controls(r) && r < 0x80:
			out = fmt.Appendf(out, `\x%02x`, c)
		case controls(r) && r != utf8.RuneError:
			out = fmt.Appendf(out, `\u%04x`, r)
		default:
			out = append(out, text[i:i+n]...)
		}
		i += n
	}
	if painted {
		out = closeColor(out)
	}
	return out
}

// controls says that a rune is a C0 or C1 control character (ECMA-48, 5), or may be the sign of a broken byte.
func controls(r rune) bool {
	return r < 0x20 && r != '\n' && r != '\t' || r >= 0x7f && r < 0xa0 || r == utf8.RuneError
}

// closeColor ends all colours before the last line feed.
func closeColor(b []byte) []byte {
	if n := len(b) - 1; n >= 0 && b[n] == '\n' {
		return append(append(b[:n], reset...), '\n')
	}
	return append(b, reset...)
}

func isReset(seq []byte) bool { return string(seq) == "\x1b[m" || string(seq) == reset }

// sequence measures the escape sequence at the start of b (ECMA-48, 5.3 to 5.6), and says whether it only sets
// colours and weights (SGR). An unfinished one ends with its line.
func sequence(b []byte) (n int, style bool) {
	if len(b) < 2 {
		return len(b), false
	}
	switch b[1] {
	case '[':
		return controlSequence(b)
	case ']', 'P', 'X', '^', '_': // a string, up to BEL or ESC \
		for i := 2; i < len(b); i++ {
			switch {
			case b[i] == '\n':
				return i, false
			case b[i] == 0x07:
				return i + 1, false
			case b[i] == 0x1b && i+1 < len(b) && b[i+1] == '\\':
				return i + 2, false
			}
		}
		return len(b), false
	}
	i := 1
	for i < len(b) && b[i] >= 0x20 && b[i] < 0x30 {
		i++
	}
	if i < len(b) && b[i] >= 0x30 && b[i] < 0x7f {
		i++
	}
	return i, false
}

// controlSequence is sequence for CSI: parameters, intermediates, one final byte.
func controlSequence(b []byte) (n int, style bool) {
	i, plain := 2, true
	for ; i < len(b) && b[i] >= 0x20 && b[i] < 0x40; i++ {
		plain = plain && (b[i] >= '0' && b[i] <= '9' || b[i] == ';' || b[i] == ':')
	}
	if i < len(b) && b[i] >= 0x40 && b[i] < 0x7f {
		return i + 1, plain && b[i] == 'm'
	}
	return i, false
}
