// SPDX-License-Identifier: MIT OR Apache-2.0

package cargo

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"
)

// Join is how flags of ours reach rustc beside the user's. Its parts go into the one cargo call that they were made
// for: Env after the user's environment, Config as --config words after the user's.
type Join struct {
	Env    []string // "CARGO_ENCODED_RUSTFLAGS=…", when the user's flags come from the environment
	Config []string // one "target.T.rustflags=[…]" otherwise
	All    []string // the flags that rustc gets, in its order
}

// NeedsCfg reports whether RustFlags must know a target's cfg: whether a cfg(...) key carries flags that could count.
func (ws *Workspace) NeedsCfg() bool {
	if ws.Config.EnvFlagsPresent {
		return false
	}
	for key := range ws.Config.TargetFlags {
		if strings.HasPrefix(key, "cfg(") {
			return true
		}
	}
	return false
}

// RustFlags joins ours with the flags that the user's configuration gives for t; none of either is lost. cfg is what
// CfgOf says of t, and may be nil where NeedsCfg is false.
//
// cargo takes flags from the first of four places that has any (the book's "build.rustflags"):
// CARGO_ENCODED_RUSTFLAGS, RUSTFLAGS, all matching target.* keys together, build.rustflags. So a flag of ours in a
// place that comes first would silence the user's, and one in a later place would be silenced itself.
func (ws *Workspace) RustFlags(t Triple, ours, cfg []string) (Join, error) {
	for _, f := range ours {
		if strings.ContainsRune(f, '\x1f') || !utf8.ValidString(f) {
			return Join{}, fmt.Errorf("join rustc flags: %q cannot be passed through cargo", f)
		}
	}
	if cfg == nil && ws.NeedsCfg() {
		return Join{}, fmt.Errorf("join rustc flags: the cfg of %s is not known", t)
	}
	c := ws.Config
	if c.EnvFlagsPresent {
		return encoded(c.EnvFlags, ours), nil
	}
	own := c.TargetFlags[string(t)]
	rest := c.cfgFlags(cfg)
	word := ours // what is added under target.T
	if len(own)+len(rest) == 0 {
		own, word = c.BuildFlags, append(append([]string{}, c.BuildFlags...), ours...)
	}
	if c.TargetString[string(t)] {
		return encoded(append(append([]string{}, own...), rest...), ours), nil
	}
	j := Join{All: append(append(append([]string{}, own...), ours...), rest...)}
	if len(ours) > 0 {
		j.Config = []string{"target." + tomlKey(string(t)) + ".rustflags=" + tomlList(word)}
	}
	return j, nil
}

// cfgFlags are the flags of all cfg(...) keys that hold, in the keys' order.
func (c Config) cfgFlags(cfg []string) []string {
	var out []string
	for _, key := range slices.Sorted(maps.Keys(c.TargetFlags)) {
		if MatchCfg(key, cfg) {
			out = append(out, c.TargetFlags[key]...)
		}
	}
	return out
}

// encoded puts everything into the variable that beats all other places.
func encoded(user, ours []string) Join {
	j := Join{All: append(append([]string{}, user...), ours...)}
	if len(ours) > 0 {
		j.Env = []string{"CARGO_ENCODED_RUSTFLAGS=" + strings.Join(j.All, "\x1f")}
	}
	return j
}

// tomlKey quotes a key where it must be.
func tomlKey(k string) string {
	plain := func(r rune) bool {
		return r == '-' || r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
	}
	if k != "" && strings.IndexFunc(k, func(r rune) bool { return !plain(r) }) < 0 {
		return k
	}
	return tomlString(k)
}

func tomlList(items []string) string {
	quoted := make([]string, len(items))
	for i, s := range items {
		quoted[i] = tomlString(s)
	}
	return "[" + strings.Join(quoted, ",") + "]"
}

// tomlString writes a basic string of TOML 1.0.
func tomlString(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r < 0x20 || r == 0x7f:
			fmt.Fprintf(&b, `\u%04X`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}
