// SPDX-License-Identifier: MIT OR Apache-2.0

package output

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// field is one member of a JSON object, its value byte for byte as it was read.
type field struct {
	key   string
	value json.RawMessage
}

// object reads the members of exactly one JSON object, in their order. Unlike encoding/json into a struct it tells
// "Digest" from "digest" and refuses a key that is there twice: two readers of such an object may see two things.
func object(data []byte) ([]field, error) {
	d := json.NewDecoder(bytes.NewReader(data))
	start, err := d.Token()
	if err != nil {
		return nil, fmt.Errorf("parse JSON: %w", noEOF(err))
	}
	if start != json.Delim('{') {
		return nil, errors.New("parse JSON: not an object")
	}
	var out []field
	seen := map[string]bool{}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return nil, fmt.Errorf("parse JSON: %w", noEOF(err))
		}
		key, ok := t.(string)
		if !ok || seen[key] {
			return nil, fmt.Errorf("parse JSON: key %q twice", key)
		}
		seen[key] = true
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil, fmt.Errorf("parse JSON: %w", noEOF(err))
		}
		out = append(out, field{key, value})
	}
	if _, err := d.Token(); err != nil {
		return nil, fmt.Errorf("parse JSON: %w", noEOF(err))
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("parse JSON: more text after the object")
	}
	return out, nil
}

func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// marshal is json.Marshal without the escapes that are meant for HTML.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}
