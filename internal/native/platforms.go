// SPDX-License-Identifier: MIT OR Apache-2.0

package native

import (
	"slices"
	"strings"

	"sampan/internal/cargo"
)

// AllPlatforms is the word for every platform that can be had.
const AllPlatforms = "all"

// Wanted are triples that were asked for.
type Wanted struct {
	Triples []string       // as Choose takes them
	Without []cargo.Triple // of "all": those that cannot be had
}

// TriplesOf joins triples with platforms ("linux/arm64", several parted by commas, "all"): each platform is its musl
// triple. Of "all" only those count whose std is there or, with install, can be installed.
func TriplesOf(ws *cargo.Workspace, triples, platforms []string, install bool) (Wanted, error) {
	w := Wanted{Triples: slices.Clone(triples)}
	for _, word := range platforms {
		for _, p := range strings.Split(word, ",") {
			if p = strings.TrimSpace(p); p == AllPlatforms {
				w.all(ws, install)
				continue
			}
			t, err := cargo.MuslFor(p)
			if err != nil {
				return w, err
			}
			w.add(t)
		}
	}
	return w, nil
}

func (w *Wanted) all(ws *cargo.Workspace, install bool) {
	for _, t := range cargo.Triples() {
		switch {
		case !t.Musl():
		case ws.Toolchain.HasStd(t), install && canInstall(ws) && ws.Toolchain.Offers(t):
			w.add(t)
		default:
			w.Without = append(w.Without, t)
		}
	}
}

func (w *Wanted) add(t cargo.Triple) {
	if !slices.Contains(w.Triples, string(t)) {
		w.Triples = append(w.Triples, string(t))
	}
}
