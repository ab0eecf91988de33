// SPDX-License-Identifier: MIT OR Apache-2.0

package run

import (
	"strings"
	"testing"
)

func TestQuote(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"build", "--release"}, "cargo build --release"},
		{[]string{"it's", "", "a b", "$x", "*"}, `cargo 'it'\''s' '' 'a b' '$x' '*'`},
		{[]string{"a\x1b[31m\n\\"}, `cargo $'a\x1b[31m\n\\'`},
		{[]string{"--config", `registries.r.token="hunter2"`}, `cargo --config 'registries.r.token=***'`},
		{[]string{`--config=registries={r={token = "hunter2"}}`}, `cargo '--config=registries={r={token = ***'`},
		{[]string{"--token", "hunter2", "x"}, "cargo --token *** x"},
		{[]string{"-e", "DB_PASSWORD=hunter2"}, "cargo -e 'DB_PASSWORD=***'"},
		{[]string{"API_KEY=hunter2\nhunter2"}, "cargo 'API_KEY=***'"},
		{[]string{"--config", `source.m.registry="https://me:hunter2@h.example/i"`}, `cargo --config 'source.m.registry="https://***@h.example/i"'`},
		{[]string{"https://h.example/?access_token=hunter2"}, "cargo 'https://h.example/?access_token=***'"},
		{[]string{"-p", "token-bucket", "--bin", "secretary"}, "cargo -p token-bucket --bin secretary"},
	} {
		if got := Quote(Cmd{Path: "cargo", Args: c.args}); got != c.want {
			t.Errorf("Quote(%q)\n got %s\nwant %s", c.args, got, c.want)
		}
	}
}

func TestQuoteOverShowsWhatIsNew(t *testing.T) {
	c := Cmd{Path: "cargo", Env: []string{"PATH=/bin", "RUSTFLAGS=-C a", "CARGO_REGISTRY_TOKEN=hunter2"}}
	want := "RUSTFLAGS='-C a' CARGO_REGISTRY_TOKEN=*** cargo"
	if got := QuoteOver(c, []string{"PATH=/bin", "RUSTFLAGS=-C b"}); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := Quote(c); got != "cargo" {
		t.Errorf("Quote shows the environment: %s", got)
	}
}

func FuzzQuote(f *testing.F) {
	f.Add("token=hunter2")
	f.Add("https://u:p@h/")
	f.Add("a'b\x00\xff")
	f.Fuzz(func(t *testing.T, word string) {
		line := Quote(Cmd{Path: "x", Args: []string{word, "MY_TOKEN=" + "sesame-" + word}})
		if strings.Contains(line, "sesame-") {
			t.Errorf("secret shown: %q", line)
		}
		if strings.ContainsAny(line, "\x00\n\r\x1b") {
			t.Errorf("control character shown: %q", line)
		}
	})
}
