// SPDX-License-Identifier: MIT OR Apache-2.0

package native

import "sampan/internal/cargo"

// TLS is what a program trusts when it speaks TLS, as far as its graph tells.
type TLS struct {
	Stacks []Stack `json:"stacks"` // what looks for CA certificates, or brings its own
	Bundle bool    `json:"bundle"` // one of them reads the image's CA bundle
}

// Stack is a crate that decides which CA certificates are trusted.
type Stack struct {
	Cause
	Builtin bool   `json:"builtin"` // its certificates are compiled in; private CAs do not count
	Without string `json:"without"` // what happens without a CA bundle; "" when that changes nothing
}

// trust is a row for each crate that finds certificates.
type trust struct {
	crate   string
	needs   string // a feature without which it speaks no TLS; "" for none
	builtin bool
	without string
}

const handshake = "every handshake fails"

// trusts begins with what fails earliest: the first row that holds is the reason that is told.
var trusts = []trust{
	{crate: "rustls-platform-verifier", without: "no client can be made, not even for plain HTTP"},
	{crate: "rustls-native-certs", without: handshake},
	{crate: "native-tls", without: handshake},
	{crate: "curl-sys", needs: "ssl", without: handshake},
	{crate: "libgit2-sys", needs: "https", without: handshake},
	{crate: "rdkafka-sys", needs: "ssl", without: handshake},
	{crate: "openssl-probe", without: handshake},
	{crate: "openssl-sys", without: handshake},
	{crate: "webpki-roots", builtin: true},
	{crate: "webpki-root-certs", builtin: true},
}

// TLSOf reads from a graph what a program for t trusts. It is pure.
func TLSOf(g *cargo.Graph, t cargo.Triple) TLS { return (&view{g: g, t: t}).tls() }

// tls finds out what is trusted. A crate that only others of the table use is told all the same, after them.
func (v *view) tls() TLS {
	t := TLS{Stacks: []Stack{}}
	for _, row := range trusts {
		for _, i := range v.target(row.crate) {
			if row.needs != "" && !v.g.Nodes[i].Has(row.needs) {
				continue
			}
			t.Stacks = append(t.Stacks, Stack{Cause: v.cause(i), Builtin: row.builtin, Without: row.without})
			t.Bundle = t.Bundle || !row.builtin
		}
	}
	return t
}
