// SPDX-License-Identifier: MIT OR Apache-2.0

package run

import (
	"regexp"
	"slices"
	"strings"
	"sync"
)

// Quote writes c as one line for a shell, without its environment and with secrets cut: what is assigned to a key
// that speaks of a token, secret, password or credential, the word after such a flag, and the user part of URLs.
func Quote(c Cmd) string { return QuoteOver(c, c.Env) }

// QuoteOver is Quote with the variables in front that c.Env has beyond base, or has with another value.
func QuoteOver(c Cmd, base []string) string {
	var words []string
	for _, kv := range c.Env {
		if k, v, ok := strings.Cut(kv, "="); ok && !slices.Contains(base, kv) {
			k, v, _ = strings.Cut(redact(k+"="+v), "=")
			words = append(words, k+"="+shellWord(v))
		}
	}
	words = append(words, shellWord(redact(c.Path)))
	secretNext := false
	for _, a := range c.Args {
		switch {
		case secretNext:
			words = append(words, cut)
			secretNext = false
		default:
			words = append(words, shellWord(redact(a)))
			secretNext = secretFlag().MatchString(a)
		}
	}
	return strings.Join(words, " ")
}

// cut stands where a secret was.
const cut = "***"

const secretName = `(?:token|secret|passw(?:or)?d|passphrase|credential|authorization|api[-_]?key|private[-_]?key)`

var (
	secretFlag  = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`(?i)^--?[\w-]*` + secretName + `[\w-]*$`) })
	secretValue = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`(?is)(` + secretName + `[\w-]*["']?\s*[=:]\s*).+$`) })
	userInfo    = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`([A-Za-z][A-Za-z0-9+.-]*://)[^/\s"'?#]*@`) })
)

// redact cuts the secrets out of one word. All that follows a secret's key goes: where its value ends is a matter
// of a grammar we do not know.
func redact(word string) string {
	word = userInfo().ReplaceAllString(word, "${1}"+cut+"@")
	return secretValue().ReplaceAllString(word, "${1}"+cut)
}

var plainWord = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[\w@%+=:,./~^-]+$`) })

// shellWord quotes a word for a POSIX shell when it needs that. Control characters are shown, not sent to the terminal.
func shellWord(w string) string {
	if plainWord().MatchString(w) && !strings.HasPrefix(w, "~") || w == cut {
		return w
	}
	if strings.ContainsFunc(w, isControl) {
		return ansiWord(w)
	}
	return "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
}

func isControl(r rune) bool { return r < 0x20 || r >= 0x7f && r < 0xa0 || r == 0xfffd }

// ansiWord writes $'…', which bash, zsh, ksh and newer POSIX shells read.
func ansiWord(w string) string {
	const hex = "0123456789abcdef"
	var b strings.Builder
	b.WriteString("$'")
	for _, c := range []byte(w) {
		switch {
		case c == '\'' || c == '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		case c == '\n':
			b.WriteString(`\n`)
		case c == '\t':
			b.WriteString(`\t`)
		case c < 0x20 || c >= 0x7f:
			b.WriteString(`\x`)
			b.WriteByte(hex[c>>4])
			b.WriteByte(hex[c&15])
		default:
			b.WriteByte(c)
		}
	}
	b.WriteString("'")
	return b.String()
}
