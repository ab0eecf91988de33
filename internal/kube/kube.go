// SPDX-License-Identifier: MIT OR Apache-2.0

// Package kube finds image references in YAML and puts digests in their place.
//
// A reference is a value that is "sampan://PATH-OR-PACKAGE[#BIN]" or "sampan://crate:NAME[@VERSION][#BIN]", or ends in
// one after a "=", in any field of any document. The room promises that nothing but those words changes: comments,
// order, quotes, spaces and line ends stay as they were, byte for byte. (A parser only says where the words are; nothing
// is written by it.) It refuses YAML that does not parse, with file and line, and words that it cannot find in the text.
//
// It also writes a first Deployment for an image of ours: see First.
//
//	f, err := kube.Parse("app.yaml", data)
//	text := f.With(func(r kube.Ref) string { return references[r.Word] })
package kube

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// Scheme is how a reference begins.
const Scheme = "sampan://"

// Ref is one reference in a file.
type Ref struct {
	Word string // "sampan://./api#server"
	Line int    // from 1
	at   int    // in bytes from the beginning of its document
}

// Document is one YAML document of a file, with the marker before it.
type Document struct {
	Text   []byte
	Refs   []Ref
	Labels map[string]string // metadata.labels
}

// File is one file of documents.
type File struct {
	Name      string
	Documents []Document
}

// Error says what is wrong with a file, and in which line.
type Error struct {
	File   string
	Line   int // 0 when that is not known
	Reason string
	hint   string
}

func (e *Error) Error() string {
	if e.Line > 0 {
		return fmt.Sprintf("read %s:%d: %s", e.File, e.Line, e.Reason)
	}
	return fmt.Sprintf("read %s: %s", e.File, e.Reason)
}

// Hint says what to type.
func (e *Error) Hint() string { return e.hint }

// Parse reads a file's documents. The error is an *Error.
func Parse(name string, data []byte) (*File, error) {
	if !utf8.Valid(data) {
		return nil, &Error{File: name, Reason: "it is not UTF-8", hint: "iconv -t UTF-8 FILE | sampan resolve -f -"}
	}
	f := &File{Name: name}
	line := 1
	for _, text := range documents(data) {
		d := Document{Text: text}
		if err := d.parse(); err != nil {
			e := &Error{File: name, Reason: err.Error(), hint: "kubectl apply --dry-run=client -f FILE says more of it"}
			if bytes.Contains(data, []byte("{{")) {
				e.hint = "templates are rendered first: helm template . | sampan resolve -f -"
			}
			if at, ok := errors.AsType[*lineError](err); ok {
				e.Line, e.Reason = line+at.line-1, at.reason
			}
			return nil, e
		}
		for i := range d.Refs {
			d.Refs[i].Line += line - 1
		}
		line += breaks(text)
		f.Documents = append(f.Documents, d)
	}
	return f, nil
}

// documents parts a file where its documents begin: at lines of "---", which are nothing else anywhere (YAML 1.2,
// section 9.1.2). Comments and directives before such a line belong to the document below it.
func documents(data []byte) (out [][]byte) {
	start, content := 0, false
	for at := 0; at < len(data); {
		end := at + len(data[at:])
		if i := bytes.IndexByte(data[at:], '\n'); i >= 0 {
			end = at + i + 1
		}
		text := bytes.TrimSpace(data[at:end])
		marker := bytes.HasPrefix(data[at:end], []byte("---")) && (end-at == 3 || strings.ContainsRune(" \t\r\n", rune(data[at+3])))
		if marker && content {
			out = append(out, data[start:at])
			start, content = at, false
		}
		if bytes.HasPrefix(data[at:end], []byte("...")) && len(text) == 3 && content {
			out = append(out, data[start:end])
			start, content, at = end, false, end
			continue
		}
		content = content || marker || len(text) > 0 && text[0] != '#' && text[0] != '%'
		at = end
	}
	if start < len(data) {
		out = append(out, data[start:])
	}
	return out
}

// lineError is an error in a line of a document, from 1.
type lineError struct {
	line   int
	reason string
}

func (e *lineError) Error() string { return e.reason }

var complaint = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^yaml: (?:line (\d+): )?(.*)`) })

// ofParser are the complaints whose lines the library counts from 0, and not from 1 as those of its scanner.
var ofParser = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`expected (<.*>|node content|'-' indicator|key|',' or '[\]}]')$|undefined tag handle|duplicate %|incompatible YAML`)
})

// parse finds references and labels.
func (d *Document) parse() error {
	r := yaml.NewDecoder(bytes.NewReader(d.Text))
	for {
		var n yaml.Node
		err := r.Decode(&n)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			if m := complaint().FindStringSubmatch(err.Error()); m != nil {
				line, _ := strconv.Atoi(m[1])
				if ofParser().MatchString(m[2]) {
					line++
				}
				return &lineError{max(line, 1), m[2]}
			}
			return err
		}
		if err := d.walk(&n); err != nil {
			return err
		}
		if labels := child(child(root(&n), "metadata"), "labels"); labels != nil && d.Labels == nil {
			d.Labels = map[string]string{}
			for i := 0; i+1 < len(labels.Content); i += 2 {
				d.Labels[labels.Content[i].Value] = labels.Content[i+1].Value
			}
		}
	}
}

func root(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.DocumentNode && len(n.Content) == 1 {
		return n.Content[0]
	}
	return nil
}

// child is the value of a key of a mapping; nil when there is none.
func child(n *yaml.Node, key string) *yaml.Node {
	if n == nil || n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	return nil
}

// walk looks at every value. An alias has none of its own: its anchor is looked at where it stands.
func (d *Document) walk(n *yaml.Node) error {
	if n.Kind == yaml.ScalarNode {
		return d.look(n)
	}
	for i, c := range n.Content {
		if n.Kind == yaml.MappingNode && i%2 == 0 {
			continue // a key
		}
		if err := d.walk(c); err != nil {
			return err
		}
	}
	return nil
}

// wordIn gives the reference in a value: all of it, or what follows its last "=".
func wordIn(value string) string {
	word := strings.TrimSpace(value)
	if i := strings.LastIndex(word, "="+Scheme); i >= 0 {
		word = word[i+1:]
	}
	if !strings.HasPrefix(word, Scheme) || strings.ContainsAny(word, " \t\n") {
		return ""
	}
	return word
}

// look takes a value's reference, and finds the bytes that it stands in.
func (d *Document) look(n *yaml.Node) error {
	word := wordIn(n.Value)
	if word == "" {
		return nil
	}
	at := offset(d.Text, n.Line, n.Column)
	limit := at + len(n.Value) + 2 // with quotes
	if n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0 {
		// The value begins below its indicator, which may have a comment.
		if i := bytes.IndexByte(d.Text[min(at, len(d.Text)):], '\n'); i >= 0 {
			at += i
		}
		limit = len(d.Text)
	}
	if n.Tag != "" && n.Style&yaml.TaggedStyle != 0 || n.Anchor != "" {
		limit = len(d.Text) // a tag or an anchor stands before the value
	}
	i := -1
	if at <= len(d.Text) {
		i = bytes.Index(d.Text[at:min(limit, len(d.Text))], []byte(word))
	}
	if i < 0 {
		return &lineError{n.Line, "the reference " + word + " is not written plainly: it has escapes in it"}
	}
	d.Refs = append(d.Refs, Ref{Word: word, Line: n.Line + breaks(d.Text[offset(d.Text, n.Line, 1):at+i]), at: at + i})
	return nil
}

// offset turns a line and a column of the parser, both from 1, the column in characters, into bytes. The parser takes
// for a line's end what YAML 1.1 takes for one.
func offset(text []byte, line, column int) int {
	at := 0
	for line > 1 && at < len(text) {
		r, size := utf8.DecodeRune(text[at:])
		at += size
		if isBreak(r) {
			if r == '\r' && at < len(text) && text[at] == '\n' {
				at++
			}
			line--
		}
	}
	for ; column > 1 && at < len(text); column-- {
		_, size := utf8.DecodeRune(text[at:])
		at += size
	}
	return at
}

func isBreak(r rune) bool {
	return r == '\n' || r == '\r' || r == '\u0085' || r == '\u2028' || r == '\u2029'
}

// breaks counts line ends.
func breaks(text []byte) (n int) {
	for i, r := range string(text) {
		if isBreak(r) && !(r == '\r' && i+1 < len(text) && text[i+1] == '\n') {
			n++
		}
	}
	return n
}

// With gives the file with other words in the place of its references.
func (f *File) With(to func(Ref) string) []byte {
	var out []byte
	for _, d := range f.Documents {
		at := 0
		for _, r := range d.Refs {
			out = append(append(out, d.Text[at:r.at]...), to(r)...)
			at = r.at + len(r.Word)
		}
		out = append(out, d.Text[at:]...)
	}
	return out
}

// Join puts texts of several files together, with the marker of a new document where one is wanted.
func Join(texts [][]byte) []byte {
	var out []byte
	for _, t := range texts {
		if len(bytes.TrimSpace(t)) == 0 {
			continue
		}
		if len(out) > 0 {
			if out[len(out)-1] != '\n' {
				out = append(out, '\n')
			}
			if !bytes.HasPrefix(t, []byte("---")) {
				out = append(out, "---\n"...)
			}
		}
		out = append(out, t...)
	}
	return out
}
