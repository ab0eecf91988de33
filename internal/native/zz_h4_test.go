package native

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"sampan/internal/cargo"
	"sampan/internal/run"
)

func TestZZ(t *testing.T) {
	tr := cargo.Triple("x86_64-unknown-linux-musl")
	if v := os.Getenv("ZZT"); v != "" {
		tr = cargo.Triple(v)
	}
	for _, c := range strings.Fields(os.Getenv("ZZ")) {
		r := &run.System{}
		c, feats, _ := strings.Cut(c, "+")
		o := cargo.LoadOptions{Dir: "/tmp", Env: os.Environ(), CacheDir: "/tmp/h/h4/cache"}
		ws, err := cargo.FetchCrate(context.Background(), r, o, c)
		if err != nil {
			fmt.Println(c, "ERR", err)
			continue
		}
		began := time.Now()
		name, _, _ := strings.Cut(c, "@")
		g, err := cargo.LoadGraph(context.Background(), r, ws, cargo.GraphOptions{Package: name, Triple: tr, Locked: true, Features: strings.FieldsFunc(feats, func(r rune) bool { return r == ',' })})
		if err != nil {
			fmt.Println(c, "ERR graph", err)
			continue
		}
		loaded := time.Since(began)
		began = time.Now()
		n := NeedsOf(g, tr)
		fmt.Printf("=== %s %d nodes, graph %v needs %v\n", c, len(g.Nodes), loaded.Round(time.Millisecond), time.Since(began))
		fmt.Printf("  C=%v C++=%v bindgen=%v\n", n.C, n.CXX, n.Bindgen)
		for _, b := range n.By {
			fmt.Println("    by", b.Crate, b.Version, "|", Arrow(b.Chain))
		}
		for _, w := range n.Libraries {
			fmt.Println("    want", w.Library, w.Crate, w.Version, "|", Arrow(w.Chain))
		}
		for _, w := range n.Tools {
			fmt.Println("    tool", w.Name, w.Sure, w.Crate, "|", Arrow(w.Chain), "|", w.Find(os.Environ()))
		}
		for _, w := range n.Loaders {
			fmt.Println("    loader", w.Crate, w.Version, "|", Arrow(w.Chain))
		}
		for _, w := range n.TLS.Stacks {
			fmt.Println("    tls", w.Crate, w.Builtin, w.Without, "|", Arrow(w.Chain))
		}
		j, _ := json.Marshal(n.Allocator)
		fmt.Println("    alloc", string(j))
		for _, w := range n.Zones {
			fmt.Println("    zone", w.Crate, w.Version, "|", Arrow(w.Chain))
		}
		if n.OldLibc != nil {
			fmt.Println("    OLD LIBC", n.OldLibc.Version)
		}
		if err := Refuse(n, os.Environ(), nil); err != nil {
			fmt.Println("    REFUSED", err, "\n    HINT", err.(*RefusalError).Hint())
		}
	}
}
