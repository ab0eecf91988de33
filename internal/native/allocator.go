// SPDX-License-Identifier: MIT OR Apache-2.0

package native

import (
	"slices"

	"sampan/internal/cargo"
)

// Allocator is what the graph says of the program's memory allocator.
type Allocator struct {
	Crates  []Cause `json:"crates"`  // allocators that the program brings; whether one of them is the global one, only its sources tell
	Threads []Cause `json:"threads"` // crates that run the program's work on many threads
	Slow    bool    `json:"slow"`    // threads, and no allocator but musl's, for which they all wait in one line
	Pages   bool    `json:"pages"`   // jemalloc, for a machine whose kernels differ in their page size

	Supplied *Supply `json:"supplied,omitempty"` // what the setting puts in the place of musl's
}

// PageEnv is what jemalloc's build script must hear where pages may have 64 KiB: it writes the size of the machine that
// compiles into the program, which then does not start on a kernel with larger pages. Nil where nothing needs saying.
func (a Allocator) PageEnv(t cargo.Triple) []string {
	if !a.Pages {
		return nil
	}
	return []string{t.EnvName() + "_JEMALLOC_SYS_WITH_LG_PAGE=16"}
}

var (
	allocators = []string{"mimalloc", "mimalloc-safe", "tikv-jemallocator", "jemallocator", "snmalloc-rs", "rpmalloc", "tcmalloc", "scudo", "dlmalloc"}
	jemallocs  = []string{"tikv-jemalloc-sys", "jemalloc-sys"}
	largePages = []string{"aarch64", "powerpc64", "powerpc64le", "loongarch64"}
)

func (v *view) allocator() Allocator {
	a := Allocator{Crates: []Cause{}, Threads: []Cause{}}
	for _, i := range v.target(allocators...) {
		a.Crates = append(a.Crates, v.cause(i))
	}
	for _, i := range v.target("tokio", "rayon", "async-std", "smol") {
		if n := &v.g.Nodes[i]; n.Name != "tokio" || n.Has("rt-multi-thread") {
			a.Threads = append(a.Threads, v.cause(i))
		}
	}
	a.Slow = v.t.Musl() && len(a.Threads) > 0 && len(a.Crates) == 0
	a.Pages = slices.Contains(largePages, arch(v.t)) && len(v.target(jemallocs...)) > 0
	return a
}
