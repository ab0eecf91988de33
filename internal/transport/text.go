// SPDX-License-Identifier: MIT OR Apache-2.0

package transport

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// longestText is how much of what others wrote is shown, in bytes.
const longestText = 300

// foreign makes what others wrote fit to be part of a message: one line, cut, and everything that a terminal would
// obey or hide shown as \x1b or \u202e.
func foreign(text string) string {
	text = strings.TrimSpace(text)
	cut := len(text) > longestText
	if cut {
		text = text[:longestText]
		for len(text) > 0 {
			if r, n := utf8.DecodeLastRuneInString(text); r != utf8.RuneError || n != 1 {
				break
			}
			text = text[:len(text)-1]
		}
	}
	var b strings.Builder
	space := false
	for i := 0; i < len(text); {
		r, n := utf8.DecodeRuneInString(text[i:])
		i += n
		if r == '\n' || r == '\t' || r == '\r' || r == ' ' {
			space = true
			continue
		}
		if space {
			b.WriteByte(' ')
			space = false
		}
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, `\x%02x`, text[i-1])
		case !unicode.IsPrint(r):
			b.WriteString(strings.Trim(strconv.QuoteRune(r), "'"))
		default:
			b.WriteRune(r)
		}
	}
	if cut {
		b.WriteString("…")
	}
	return b.String()
}

// answer is what a registry says in the body of an error (distribution specification, "Error Codes"), or a token server
// in its own form.
type answer struct {
	codes   []string
	text    string
	details []json.RawMessage
}

func (a answer) has(code ...string) bool {
	for _, c := range a.codes {
		for _, want := range code {
			if c == want {
				return true
			}
		}
	}
	return false
}

// parseAnswer reads an error's body. What is no JSON is shown only when it is a short plain text: a page of HTML tells
// a person nothing.
func parseAnswer(h http.Header, body []byte) answer {
	var doc struct {
		Errors []struct {
			Code    string          `json:"code"`
			Message string          `json:"message"`
			Detail  json.RawMessage `json:"detail"`
		} `json:"errors"`
		Code        string `json:"code"`
		Error       string `json:"error"`
		Description string `json:"error_description"`
		Message     string `json:"message"`
		Details     string `json:"details"`
	}
	var a answer
	if json.Unmarshal(body, &doc) != nil {
		text := strings.TrimSpace(string(body))
		if strings.HasPrefix(text, "<") || strings.Contains(h.Get("Content-Type"), "html") {
			text = "the answer is a web page, not a registry's"
		}
		a.text = foreign(text)
		return a
	}
	var parts []string
	for _, e := range doc.Errors {
		a.codes = append(a.codes, strings.ToUpper(e.Code))
		a.details = append(a.details, e.Detail)
		text := e.Code
		if e.Message != "" {
			text = strings.TrimPrefix(text+": "+e.Message, ": ")
		}
		parts = append(parts, text)
	}
	for _, extra := range []string{doc.Error, doc.Description, doc.Message, doc.Details} {
		if extra != "" && len(doc.Errors) == 0 {
			parts = append(parts, extra)
		}
	}
	if doc.Code != "" {
		a.codes = append(a.codes, strings.ToUpper(doc.Code))
	}
	a.text = foreign(strings.Join(parts, "; "))
	return a
}

func statusText(status int) string {
	if text := http.StatusText(status); text != "" {
		return strconv.Itoa(status) + " " + text
	}
	return strconv.Itoa(status)
}

// shown is an address as messages name it: without query and user, which may be secrets, and not too long.
func shown(u *url.URL) string {
	bare := url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}
	return foreign(bare.String())
}

// secrets are words that must reach no message, in each form that they travel in.
type secrets []string

func (s *secrets) add(words ...string) {
	for _, w := range words {
		// Short ones would tear holes into ordinary text, and hide nothing that could not be guessed.
		if len(w) >= 6 {
			*s = append(*s, w, url.QueryEscape(w), base64.StdEncoding.EncodeToString([]byte(w)))
		}
	}
}

func (s secrets) hide(text string) string {
	for _, w := range s {
		text = strings.ReplaceAll(text, w, "***")
	}
	return text
}
