// SPDX-License-Identifier: MIT OR Apache-2.0

package base

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"path/filepath"

	"sampan/internal/durable"
)

const (
	memoryFormat = "1"
	maxMemory    = 256 << 20 // bytes of what is remembered of one layer
)

// place is where a layer is remembered: its digest says what its bytes are, the diff ID and the kind what they must be.
func (l *layer) place(memory string) string {
	sum := sha256.Sum256([]byte(memoryFormat + "\n" + l.d.Digest.String() + "\n" + l.diffID.String() + "\n" + string(l.kind)))
	return filepath.Join(memory, hex.EncodeToString(sum[:]))
}

// recall reads what was found in a layer before. A memory that is damaged is none.
func (l *layer) recall(memory string) (*listing, bool) {
	if memory == "" {
		return nil, false
	}
	f, err := durable.OpenRegular(l.place(memory))
	if err != nil {
		return nil, false
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxMemory))
	if err != nil {
		return nil, false
	}
	head, doc, _ := bytes.Cut(data, []byte("\n"))
	if sum := sha256.Sum256(doc); hex.EncodeToString(sum[:]) != string(head) {
		return nil, false
	}
	var found listing
	if json.Unmarshal(doc, &found) != nil {
		return nil, false
	}
	return &found, true
}

// remember keeps what was found. Where that cannot be written, the layer is read again the next time.
func (l *layer) remember(memory string, found *listing) {
	if memory == "" || durable.MkdirPrivate(memory) != nil {
		return
	}
	doc, err := json.Marshal(found)
	if err != nil {
		return
	}
	sum := sha256.Sum256(doc)
	_ = durable.WriteFile(l.place(memory), append([]byte(hex.EncodeToString(sum[:])+"\n"), doc...), 0o600)
}
