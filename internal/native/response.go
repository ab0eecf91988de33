// SPDX-License-Identifier: MIT OR Apache-2.0

package native

import (
	"errors"
	"fmt"
	"os"
	"strings"
)

// responseLimit ends files that name each other.
const responseLimit = 1000

// errTooManyResponses is what two files that name each other come to.
var errTooManyResponses = errors.New("too many response files, one in the other")

// expand puts the words of @file in the place of that argument, at every depth; first is the path of the first such
// file. As with every other cc, a word @file where no file is stays as it is.
func expand(args []string, read func(string) ([]byte, error)) (out []string, first string, err error) {
	queue := append([]string{}, args...)
	for files := 0; len(queue) > 0; {
		word := queue[0]
		queue = queue[1:]
		path, ok := strings.CutPrefix(word, "@")
		if !ok || path == "" {
			out = append(out, word)
			continue
		}
		text, err := read(path)
		if errors.Is(err, os.ErrNotExist) {
			out = append(out, word)
			continue
		}
		if err != nil {
			return nil, "", fmt.Errorf("read response file %s: %w", path, err)
		}
		if files++; files > responseLimit {
			return nil, "", fmt.Errorf("read response file %s: %w", path, errTooManyResponses)
		}
		if first == "" {
			first = path
		}
		queue = append(splitResponse(string(text)), queue...)
	}
	return out, first, nil
}

// splitResponse parts the text of a response file into words, as GNU programs and LLVM do: white space parts them, '
// and " hold white space together, and a backslash takes the next character as it is, within quotes as well. (rustc
// writes one word a line, with a backslash before each backslash and space.)
func splitResponse(text string) []string {
	var words []string
	var word []byte
	inWord := false
	var quote byte
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case c == '\\' && i+1 < len(text):
			i++
			word, inWord = append(word, text[i]), true
		case quote != 0:
			if c == quote {
				quote = 0
			} else {
				word = append(word, c)
			}
		case c == '\'' || c == '"':
			quote, inWord = c, true
		case isSpace(c):
			if inWord {
				words = append(words, string(word))
			}
			word, inWord = word[:0], false
		default:
			word, inWord = append(word, c), true
		}
	}
	if inWord {
		words = append(words, string(word))
	}
	return words
}

// joinResponse is the inverse of splitResponse.
func joinResponse(words []string) string {
	var b strings.Builder
	for _, w := range words {
		if w == "" {
			b.WriteString(`""`)
		}
		for i := range len(w) {
			if c := w[i]; c == '\\' || c == '\'' || c == '"' || isSpace(c) {
				b.WriteByte('\\')
			}
			b.WriteByte(w[i])
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func isSpace(c byte) bool { return c == ' ' || c >= '\t' && c <= '\r' }
