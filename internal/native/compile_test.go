// SPDX-License-Identifier: MIT OR Apache-2.0

package native

import (
	"path/filepath"
	"slices"
	"testing"
)

// What a caller leaves out is left out, and nothing else: the compiler's own headers go with -nostdinc alone.
func TestHeadersOfACompile(t *testing.T) {
	lib := filepath.FromSlash("/zig/lib")
	own := filepath.Join(lib, "include")
	brought, host := settings{Lib: lib, triple: "aarch64-unknown-linux-musl"}, settings{Headers: []string{"/musl/include"}}
	for _, c := range []struct {
		s    settings
		args []string
		want []string // nil for nothing at all
		more bool     // a libc's headers follow
	}{
		{brought, []string{"-nostdinc"}, nil, false},
		{brought, []string{"-nostdlibinc"}, []string{"-nostdinc", "-isystem", own}, false},
		{brought, []string{"-ffreestanding"}, []string{"-nostdinc", "-isystem", own}, true},
		{brought, nil, []string{"-nostdinc", "-isystem", own}, true},
		{host, []string{"-nostdlibinc"}, nil, false},
		{host, nil, []string{"-nostdlibinc", "-isystem", "/musl/include"}, false},
	} {
		got := c.s.includes(c.args, false)
		if len(got) < len(c.want) || !slices.Equal(got[:len(c.want)], c.want) || len(got) > len(c.want) != c.more {
			t.Errorf("%v, %q: %q, want %q, more %t", c.s.Lib, c.args, got, c.want, c.more)
		}
	}
}
