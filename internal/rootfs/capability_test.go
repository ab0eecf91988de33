// SPDX-License-Identifier: MIT OR Apache-2.0

package rootfs

import (
	"encoding/hex"
	"io"
	"io/fs"
	"slices"
	"strings"
	"testing"
)

// TestCapsXattr compares with what setcap of libcap 2.66 wrote for the same words.
func TestCapsXattr(t *testing.T) {
	for _, c := range []struct {
		names []string
		want  string
	}{
		{[]string{"net_bind_service"}, "0100000200040000000000000000000000000000"},
		{[]string{"CAP_NET_RAW", "Net_Bind_Service"}, "0100000200240000000000000000000000000000"},
		{[]string{"checkpoint_restore", "chown"}, "0100000201000000000000000001000000000000"},
	} {
		set, unknown := LookupCaps(c.names)
		if got := hex.EncodeToString(set.Xattr()); unknown != "" || got != c.want {
			t.Errorf("%q: %s, unknown %q; want %s", c.names, got, unknown, c.want)
		}
	}
	if _, unknown := LookupCaps([]string{"chown", "net_bind"}); unknown != "net_bind" {
		t.Errorf("unknown: %q", unknown)
	}
	all, _ := LookupCaps(CapabilityNames())
	if got := all.Names(); len(got) != 41 || !slices.Equal(got, CapabilityNames()) {
		t.Errorf("%d names: %q", len(got), got)
	}
}

// TestOnlyProgramsHaveCaps: a folder or a link with capabilities is refused.
func TestOnlyProgramsHaveCaps(t *testing.T) {
	open := func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader("")), nil }
	tree, err := Program(ProgramFile{Path: "/bin/app", Open: open, Caps: 1 << 10})
	if err != nil || tree[0].Caps != 0 || tree[1].Caps != 1<<10 {
		t.Errorf("%+v, %v", tree, err)
	}
	for _, e := range []Entry{{Path: "d", Mode: fs.ModeDir | 0o755, Caps: 1}, {Path: "l", Mode: linkMode, Link: "d", Caps: 1}} {
		if err := (Tree{e}).Validate(); err == nil {
			t.Errorf("%+v is accepted", e)
		}
	}
}
