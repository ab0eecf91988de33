// SPDX-License-Identifier: MIT OR Apache-2.0

package cargo

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// cfgDepth bounds how deep an expression may nest.
const cfgDepth = 64

// MatchCfg reports whether a key of cargo's [target] table, "cfg(unix)", holds for a target; lines are what
// `rustc --print cfg` says of it. A key that is no such expression, or a broken one, never holds, as for cargo.
func MatchCfg(key string, lines []string) bool {
	inner, ok := strings.CutPrefix(key, "cfg(")
	if !ok {
		return false
	}
	if inner, ok = strings.CutSuffix(inner, ")"); !ok {
		return false
	}
	set := make(map[string]bool, len(lines))
	for _, l := range lines {
		set[strings.TrimSpace(l)] = true
	}
	p := &cfgParser{rest: inner, set: set}
	holds := p.expr(0)
	p.space()
	return holds && !p.bad && p.rest == ""
}

// cfgParser reads an expression and says at once whether it holds.
type cfgParser struct {
	rest string
	set  map[string]bool // `unix`, `target_os="linux"`
	bad  bool
}

func (p *cfgParser) expr(depth int) bool {
	if depth > cfgDepth {
		return p.fail()
	}
	word, raw := p.word()
	if p.bad {
		return false
	}
	if !raw {
		switch word {
		case "all", "any":
			return p.list(depth, word == "all")
		case "not":
			if !p.take('(') {
				return p.fail()
			}
			holds := p.expr(depth + 1)
			if !p.take(')') {
				return p.fail()
			}
			return !holds
		}
	}
	if p.take('=') {
		return p.set[word+`="`+p.quoted()+`"`]
	}
	if word == "true" || word == "false" {
		return word == "true"
	}
	return p.set[word]
}

// list reads what follows all or any; a comma may stand before the closing parenthesis.
func (p *cfgParser) list(depth int, all bool) bool {
	if !p.take('(') {
		return p.fail()
	}
	holds := all
	for !p.take(')') {
		one := p.expr(depth + 1)
		if p.bad {
			return false
		}
		if all {
			holds = holds && one
		} else {
			holds = holds || one
		}
		if !p.take(',') {
			if !p.take(')') {
				return p.fail()
			}
			break
		}
	}
	return holds
}

// word reads an identifier, without the r# that marks it as raw.
func (p *cfgParser) word() (word string, raw bool) {
	p.space()
	p.rest, raw = strings.CutPrefix(p.rest, "r#")
	end := len(p.rest)
	for i, r := range p.rest {
		if r != '_' && !unicode.IsLetter(r) && (i == 0 || !unicode.IsDigit(r)) {
			end = i
			break
		}
	}
	word, p.rest = p.rest[:end], p.rest[end:]
	if word == "" {
		p.fail()
	}
	return word, raw
}

// quoted reads a string, which knows no escapes.
func (p *cfgParser) quoted() string {
	if !p.take('"') {
		p.fail()
		return ""
	}
	s, rest, ok := strings.Cut(p.rest, `"`)
	if !ok {
		p.fail()
	}
	p.rest = rest
	return s
}

func (p *cfgParser) take(c rune) bool {
	p.space()
	r, n := utf8.DecodeRuneInString(p.rest)
	if r != c {
		return false
	}
	p.rest = p.rest[n:]
	return true
}

func (p *cfgParser) space() { p.rest = strings.TrimLeft(p.rest, " ") }

func (p *cfgParser) fail() bool {
	p.bad = true
	return false
}
