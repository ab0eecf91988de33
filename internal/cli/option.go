// SPDX-License-Identifier: MIT OR Apache-2.0

package cli

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"sampan/internal/plan"
)

// kind is how an option's value is written.
type kind int

const (
	text   kind = iota // one string
	list               // strings; a flag or the metadata's array, a comma in the environment
	words              // like list, but blanks part the words too, as cargo has it for features
	dict               // NAME=VALUE; more specific places add to less specific ones
	toggle             // true or false
	rows               // SOURCE:DESTINATION[:OWNER[:MODE]]
	health             // [--KEY=VALUE...] COMMAND, as a Dockerfile's HEALTHCHECK
)

// option is the one definition of a setting: its names, its places, its default, its help, and what it sets.
type option struct {
	flag    string // long flag; also the key in metadata unless key says otherwise
	short   string
	key     string // key in metadata and in the user's own config; "-" for none
	env     bool   // SAMPAN_<FLAG> is read
	kind    kind
	def     string // the default, written as in the environment
	group   string // heading in help and reference
	meta    string // what stands for the value in help
	doc     string // one line
	long    string // more, for the reference
	example string // a line of TOML, for the reference
	image   func(s *plan.Settings, v value)
	call    func(w *wishes, v value)
	hidden  bool     // understood, and told of nowhere: a word of another tool that means the same as one of ours
	verbs   []string // commands that have it; none means all, but for those of sparse
	rival   string   // another option that says the same in other words: the more specific place of the two counts
}

// sparse tells which of the options that belong to no command alone mean something to commands that do not build, or
// build what others name. All else has them all.
var sparse = map[string]func(*option) bool{
	"doctor":  asked,
	"setup":   among("target", "platform", "cc", "offline", "no-install", "quiet", "verbose", "json", "progress"),
	"push":    among(append([]string{"image-refs"}, spoken...)...),
	"copy":    among(append([]string{"image-refs", "platform"}, append(read, spoken...)...)...),
	"login":   among(spoken...),
	"base":    among(append([]string{"package", "workspace", "exclude", "manifest-path", "target", "platform", "base"}, append(read, spoken...)...)...),
	"logout":  among("quiet", "verbose", "progress"),
	"load":    func(o *option) bool { return o.group == groups[4] || o.flag == "name" || o.flag == "tag" },
	"resolve": referred,
	"apply":   referred,
	"create":  referred,
	"delete":  func(o *option) bool { return o.group == groups[4] && o.flag != "json" },
}

// among tells whether an option is one of those.
func among(names ...string) func(*option) bool {
	return func(o *option) bool { return slices.Contains(names, o.flag) }
}

// referred are the options of commands that build what references in YAML choose.
func referred(o *option) bool {
	return o.flag != "json" && (o.group != groups[0] || o.flag == "manifest-path")
}

// of tells whether a command has the option as a flag.
func (o *option) of(verb string) bool {
	if len(o.verbs) > 0 {
		return slices.Contains(o.verbs, verb)
	}
	some := sparse[verb]
	return some == nil || some(o)
}

// metadataKey is the option's key in metadata, "" when it has none.
func (o *option) metadataKey() string {
	switch o.key {
	case "-":
		return ""
	case "":
		return o.flag
	}
	return o.key
}

// compiles tells whether the option chooses or shapes a compile, and so means nothing where there is none.
func (o *option) compiles() bool {
	return (o.group == groups[0] || o.group == groups[1]) &&
		!slices.Contains([]string{"binary", "target", "locked", "offline", "frozen", "no-install"}, o.flag)
}

// variable is the environment variable that sets the option, "" for none.
func (o *option) variable() string {
	if !o.env {
		return ""
	}
	return "SAMPAN_" + strings.ToUpper(strings.ReplaceAll(o.flag, "-", "_"))
}

// value is an option's value and where it came from.
type value struct {
	text   string
	list   []string
	dict   map[string]string
	on     bool
	rows   []plan.File
	health *plan.Health
	origin func() string // "--user", "SAMPAN_USER", "Cargo.toml:12", "default"
}

func (v value) from() string {
	if v.origin == nil {
		return ""
	}
	return v.origin()
}

// show is the value as text, for `sampan config`.
func (v value) show(k kind) any {
	switch k {
	case list, words:
		if v.list == nil {
			return []string{}
		}
		return v.list
	case dict:
		if v.dict == nil {
			return map[string]string{}
		}
		return v.dict
	case toggle:
		return v.on
	case rows:
		if v.rows == nil {
			return []plan.File{}
		}
		return v.rows
	case health:
		return shownHealth(v.health)
	}
	return v.text
}

// add reads one word, as a flag or the environment has it, into a value.
func (v *value) add(k kind, word string) error {
	switch k {
	case text:
		v.text = word
	case list:
		v.list = append(v.list, word)
	case words:
		v.list = append(v.list, strings.FieldsFunc(word, func(r rune) bool { return r == ',' || r == ' ' })...)
	case toggle:
		on, err := strconv.ParseBool(word)
		if err != nil {
			return fmt.Errorf("%q is not true or false", word)
		}
		v.on = on
	case dict:
		name, val, ok := strings.Cut(word, "=")
		if !ok {
			return fmt.Errorf("%q is not NAME=VALUE", word)
		}
		if v.dict == nil {
			v.dict = map[string]string{}
		}
		v.dict[name] = val
	case rows:
		f, err := row(word)
		if err != nil {
			return err
		}
		v.rows = append(v.rows, f)
	case health:
		h, err := readHealth(word)
		if err != nil {
			return err
		}
		v.health = h
	}
	return nil
}

// row reads SOURCE:DESTINATION[:OWNER[:MODE]]; an owner may itself be UID:GID.
func row(word string) (plan.File, error) {
	parts := strings.Split(word, ":")
	f := plan.File{}
	switch len(parts) {
	case 2, 3:
	case 4, 5:
		f.Mode = parts[len(parts)-1]
		parts = parts[:len(parts)-1]
		if len(parts) == 4 {
			parts = []string{parts[0], parts[1], parts[2] + ":" + parts[3]}
		}
	default:
		return f, fmt.Errorf("%q is not SOURCE:DESTINATION[:OWNER[:MODE]]", word)
	}
	f.Source, f.Destination = parts[0], parts[1]
	if len(parts) == 3 {
		f.Owner = parts[2]
	}
	return f, nil
}

// inherit lays a more specific value over a less specific one: tables are joined, all else is replaced.
func (v value) inherit(k kind, less value) value {
	if k != dict || less.dict == nil {
		return v
	}
	joined := map[string]string{}
	for name, val := range less.dict {
		joined[name] = val
	}
	for name, val := range v.dict {
		joined[name] = val
	}
	v.dict = joined
	return v
}

// decode reads a value as metadata has it: JSON as cargo gives it.
func decode(k kind, raw any) (value, error) {
	var v value
	switch k {
	case text:
		s, err := scalar(raw)
		v.text = s
		return v, err
	case toggle:
		on, ok := raw.(bool)
		if !ok {
			return v, fmt.Errorf("wants true or false")
		}
		v.on = on
		return v, nil
	case list, words:
		return decodeList(k, raw)
	case dict:
		table, ok := raw.(map[string]any)
		if !ok {
			return v, fmt.Errorf("wants a table, such as { NAME = \"value\" }")
		}
		v.dict = map[string]string{}
		for name, item := range table {
			s, err := scalar(item)
			if err != nil {
				return v, fmt.Errorf("%s: %w", name, err)
			}
			v.dict[name] = s
		}
		return v, nil
	case health:
		h, err := decodeHealth(raw)
		v.health = h
		return v, err
	}
	return decodeRows(raw)
}

func decodeList(k kind, raw any) (value, error) {
	v := value{list: []string{}}
	items, ok := raw.([]any)
	if !ok {
		items = []any{raw}
	}
	for _, item := range items {
		s, err := scalar(item)
		if err != nil {
			return v, fmt.Errorf("wants an array of strings")
		}
		if err := v.add(k, s); err != nil {
			return v, err
		}
	}
	return v, nil
}

func decodeRows(raw any) (value, error) {
	v := value{rows: []plan.File{}}
	items, ok := raw.([]any)
	if !ok {
		return v, fmt.Errorf("wants an array, such as [{ source = \"assets/**\", destination = \"/srv/\" }]")
	}
	for i, item := range items {
		if s, ok := item.(string); ok {
			if err := v.add(rows, s); err != nil {
				return v, err
			}
			continue
		}
		table, ok := item.(map[string]any)
		if !ok {
			return v, fmt.Errorf("row %d wants a table with source and destination", i+1)
		}
		var f plan.File
		places := map[string]*string{"source": &f.Source, "destination": &f.Destination, "owner": &f.Owner, "mode": &f.Mode}
		for name, val := range table {
			place, known := places[name]
			if !known {
				return v, fmt.Errorf("row %d: unknown key %q: %s", i+1, name, plan.Nearest(name, []string{"source", "destination", "owner", "mode"}))
			}
			s, err := scalar(val)
			if err != nil {
				return v, fmt.Errorf("row %d: %s: %w", i+1, name, err)
			}
			*place = s
		}
		v.rows = append(v.rows, f)
	}
	return v, nil
}

// scalar is a string, or a number or truth value written as one.
func scalar(raw any) (string, error) {
	switch x := raw.(type) {
	case string:
		return x, nil
	case bool:
		return strconv.FormatBool(x), nil
	case json.Number:
		return x.String(), nil
	case int64:
		return strconv.FormatInt(x, 10), nil
	case float64:
		return strconv.FormatFloat(x, 'f', -1, 64), nil
	}
	return "", fmt.Errorf("wants a string")
}

// byFlag finds an option.
func byFlag(name string) *option {
	i := slices.IndexFunc(options, func(o *option) bool { return o.flag == name })
	return options[i]
}
