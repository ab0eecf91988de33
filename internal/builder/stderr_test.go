// SPDX-License-Identifier: MIT OR Apache-2.0

package builder

import (
	"bytes"
	"reflect"
	"strings"
	"testing"
)

// feed writes text in pieces of n bytes and returns what came out.
func feed(text string, frames bool, n int) (out string, states []Progress, kept string) {
	var b bytes.Buffer
	s := &stderr{out: &b, frames: frames, progress: func(p Progress) { states = append(states, p) }}
	for len(text) > 0 {
		k := min(n, len(text))
		_, _ = s.Write([]byte(text[:k]))
		text = text[k:]
	}
	s.flush()
	return b.String(), states, s.kept()
}

// session is what cargo 1.95 wrote, shortened.
const session = "\x1b[1m\x1b[92m   Compiling\x1b[0m quote v1.0.47\n" +
	"\x1b[1m\x1b[96m    Building\x1b[0m [        ] 0/16: quote(build.rs), proc-macro2(build.rs)     \r\x1b[K\x1b[1m\x1b[96m    Building\x1b[0m [        ] 0/16: quote(build.rs), proc-macro2(build.rs)     \r" +
	"\x1b[1m\x1b[96m    Building\x1b[0m [===>    ] 7/16: serde, ...                    \r\x1b[K\x1b[33mwarning\x1b[0m: unused\r\n  |\n" +
	"\x1b]9;4;1;50\x1b\\ Downloading 3 crates      \r  Downloaded syn v3.0.10\n" +
	"    Fetch [=====>       ] 12.3MiB/s     \r    Finished release\nprogress 50%\rprogress 100%\nno end"

func TestStderrPartsBarAndText(t *testing.T) {
	out, states, kept := feed(session, true, len(session))
	want := "\x1b[1m\x1b[92m   Compiling\x1b[0m quote v1.0.47\n\x1b[33mwarning\x1b[0m: unused\r\n  |\n  Downloaded syn v3.0.10\n" +
		"    Finished release\nprogress 50%\rprogress 100%\nno end"
	if out != want {
		t.Errorf("text\n got %q\nwant %q", out, want)
	}
	if w := []Progress{{0, 16, []string{"quote(build.rs)", "proc-macro2(build.rs)"}}, {7, 16, []string{"serde"}}}; !reflect.DeepEqual(states, w) {
		t.Errorf("progress %v, want %v", states, w)
	}
	if strings.Contains(kept, "\x1b") || !strings.HasPrefix(kept, "   Compiling quote") {
		t.Errorf("kept %q", kept)
	}
}

func TestStderrWithoutABarIsUntouched(t *testing.T) {
	if out, states, _ := feed(session, false, 7); out != session || states != nil {
		t.Errorf("%q, %v", out, states)
	}
}

func TestStderrWritesWholeLines(t *testing.T) {
	var pieces []string
	s := &stderr{out: writerFunc(func(p []byte) { pieces = append(pieces, string(p)) })}
	for _, c := range "one\ntwo\nend" {
		_, _ = s.Write([]byte(string(c)))
	}
	s.flush()
	if want := []string{"one\n", "two\n", "end"}; !reflect.DeepEqual(pieces, want) {
		t.Errorf("writes %q, want %q", pieces, want)
	}
}

type writerFunc func([]byte)

func (f writerFunc) Write(p []byte) (int, error) {
	f(p)
	return len(p), nil
}

func FuzzStderr(f *testing.F) {
	f.Add(session, 3)
	f.Add("Building [=] 1/2\r\n\r\r\n", 1)
	f.Add("a\r", 1)
	f.Fuzz(func(t *testing.T, text string, n int) {
		if len(text) > pendingLimit {
			return
		}
		out, states, _ := feed(text, true, len(text)+1)
		again, statesAgain, _ := feed(text, true, n&31+1)
		if out != again || !reflect.DeepEqual(states, statesAgain) {
			t.Errorf("%q depends on how it is cut:\n%q\n%q", text, out, again)
		}
		if plain, _, _ := feed(text, false, n&31+1); plain != text {
			t.Errorf("%q came out as %q", text, plain)
		}
	})
}
