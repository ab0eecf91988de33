// SPDX-License-Identifier: MIT OR Apache-2.0

package cargo

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// crates writes an answer of cargo metadata: packages by name, each a list of words. "lib", "macro", "script", "bin" and
// "links=x" say what a package is; "feature:f=a b" is a line of its features; other words are dependencies: name, then
// any of "?" (optional), "!" (no default features), "+f" (a feature), ">build", ">dev", "@platform", "=alias".
func crates(all map[string][]string) []byte {
	answer := map[string]any{}
	var packages, nodes []any
	var members []string
	for name, words := range all {
		dir := filepath.Join("/w", name)
		p := map[string]any{"id": crateID(name), "name": name, "version": "1.0.0", "manifest_path": filepath.Join(dir, "Cargo.toml"), "edition": "2021", "license": "MIT"}
		features, targets := Enables{}, []any{}
		var deps, edges []any
		for _, w := range words {
			switch kind := map[string]string{"lib": "lib", "macro": "proc-macro", "script": "custom-build", "bin": "bin"}[w]; {
			case kind != "":
				targets = append(targets, map[string]any{"kind": []string{kind}, "name": name})
			case w == "member":
				members = append(members, crateID(name))
			case strings.HasPrefix(w, "links="):
				p["links"] = w[len("links="):]
			case strings.HasPrefix(w, "feature:"):
				f, means, _ := strings.Cut(w[len("feature:"):], "=")
				features[f] = strings.Fields(means)
			default:
				dep, edge := crateDep(w)
				deps, edges = append(deps, dep), append(edges, edge)
			}
		}
		p["features"], p["targets"], p["dependencies"] = features, targets, deps
		packages = append(packages, p)
		nodes = append(nodes, map[string]any{"id": crateID(name), "deps": edges})
	}
	answer["packages"], answer["workspace_members"] = packages, members
	answer["resolve"] = map[string]any{"nodes": nodes}
	out, err := json.Marshal(answer)
	if err != nil {
		panic(err)
	}
	return out
}

func crateID(name string) string { return "path+file:///w/" + name + "#1.0.0" }

func crateDep(word string) (dep, edge map[string]any) {
	fields := strings.Fields(word)
	d := dependency{Name: fields[0], Defaults: true, Features: []string{}}
	for _, f := range fields[1:] {
		switch f[0] {
		case '?':
			d.Optional = true
		case '!':
			d.Defaults = false
		case '+':
			d.Features = append(d.Features, f[1:])
		case '>':
			d.Kind = f[1:]
		case '@':
			d.Target = f[1:]
		case '=':
			d.Rename = f[1:]
		}
	}
	null := func(s string) any {
		if s == "" {
			return nil
		}
		return s
	}
	return map[string]any{"name": d.Name, "rename": null(d.Rename), "kind": null(d.Kind), "target": null(d.Target), "optional": d.Optional,
			"uses_default_features": d.Defaults, "features": d.Features},
		map[string]any{"name": d.alias(), "pkg": crateID(d.Name), "dep_kinds": []any{map[string]any{"kind": null(d.Kind), "target": null(d.Target)}}}
}

// graphText makes the graph of app, and writes a line for each node: "name t|h|th features".
func graphText(t *testing.T, all map[string][]string, w wants) (*Graph, []string) {
	t.Helper()
	u, err := parseUniverse(crates(all))
	if err != nil {
		t.Fatal(err)
	}
	if w.resolver == 0 {
		w.resolver = 2
	}
	g := graphOf(u, u.byID[crateID("app")], w, func(platform string, host bool) bool {
		return platform == "" || platform == map[bool]string{true: "host", false: "musl"}[host]
	})
	var lines []string
	for _, n := range g.Nodes {
		where := ""
		if n.Target {
			where = "t"
		}
		if n.Host {
			where += "h"
		}
		lines = append(lines, strings.TrimSpace(n.Name+" "+where+" "+strings.Join(n.Features, ",")))
	}
	return g, lines
}

func TestGraphFeatures(t *testing.T) {
	leaf := []string{"lib", "feature:default=one", "feature:one=", "feature:two=", "feature:maybe=dep:maybe", "feature:weak=maybe?/on", "maybe ?"}
	maybe := []string{"lib", "feature:on="}
	mid := []string{"lib", "leaf ! +two"}
	for name, tc := range map[string]struct {
		app  []string
		more map[string][]string
		w    wants
		want string
	}{
		"defaults":            {app: []string{"leaf"}, want: "app t; leaf t default,one"},
		"no defaults":         {app: []string{"leaf !"}, want: "app t; leaf t"},
		"joined":              {app: []string{"leaf !", "mid"}, want: "app t; leaf t two; mid t"},
		"optional is off":     {app: []string{"leaf ?"}, want: "app t"},
		"user switches on":    {app: []string{"feature:x=dep:leaf", "leaf ? !"}, w: wants{features: []string{"app/x"}}, want: "app t x; leaf t"},
		"implicit feature":    {app: []string{"feature:leaf=dep:leaf", "leaf ? !"}, w: wants{features: []string{"leaf"}}, want: "app t leaf; leaf t"},
		"of a dependency":     {app: []string{"feature:default=leaf/two", "leaf !"}, want: "app t default; leaf t two"},
		"of an optional one":  {app: []string{"feature:default=leaf/two", "feature:leaf=dep:leaf", "leaf ? !"}, want: "app t default,leaf; leaf t two"},
		"no default features": {app: []string{"feature:default=leaf/two", "leaf !"}, w: wants{noDefaults: true}, want: "app t; leaf t"},
		"all features":        {app: []string{"feature:a=leaf/two", "feature:b=", "leaf !"}, w: wants{all: true}, want: "app t a,b; leaf t two"},
		"user's, of a dependency": {app: []string{"leaf !"}, w: wants{features: []string{"leaf/two,leaf/one"}},
			want: "app t; leaf t one,two"},
		"weak stays off":        {app: []string{"leaf ! +weak"}, want: "app t; leaf t weak"},
		"weak, then on":         {app: []string{"leaf ! +weak +maybe"}, want: "app t; leaf t maybe,weak; maybe t on"},
		"on, then weak":         {app: []string{"leaf ! +maybe +weak"}, want: "app t; leaf t maybe,weak; maybe t on"},
		"renamed":               {app: []string{"feature:default=other?/two", "leaf =other !"}, want: "app t default; leaf t two"},
		"build is apart":        {app: []string{"script", "leaf !", "mid >build"}, want: "app t; leaf t; leaf h two; mid h"},
		"build without script":  {app: []string{"leaf !", "mid >build"}, want: "app t; leaf t"},
		"build, first resolver": {app: []string{"script", "leaf !", "mid >build"}, w: wants{resolver: 1}, want: "app t; leaf th two; mid h"},
		"macro is apart":        {app: []string{"leaf !", "derive"}, want: "app t; derive h; leaf t; leaf h two"},
		"macro, same features":  {app: []string{"leaf ! +two", "derive"}, want: "app t; derive h; leaf th two"},
		"other platform":        {app: []string{"leaf !", "leaf @windows +two", "mid @windows"}, want: "app t; leaf t"},
		"other platform, first resolver": {app: []string{"leaf !", "leaf @windows +two", "mid @windows"}, w: wants{resolver: 1},
			want: "app t; leaf t default,one,two"},
		"own platform":          {app: []string{"leaf ! @musl", "mid @host"}, want: "app t; leaf t"},
		"host's platform":       {app: []string{"script", "leaf ! >build @host", "mid >build @musl"}, want: "app t; leaf h"},
		"dev":                   {app: []string{"leaf !", "leaf >dev +two", "mid >dev"}, want: "app t; leaf t"},
		"dev, for examples":     {app: []string{"leaf !", "leaf >dev +two"}, w: wants{dev: true, devUnify: true}, want: "app t; leaf t default,one,two"},
		"dev, first resolver":   {app: []string{"leaf !", "leaf ! >dev +two", "mid >dev"}, w: wants{resolver: 1, devUnify: true}, want: "app t; leaf t two"},
		"other's dev":           {app: []string{"lib2"}, more: map[string][]string{"lib2": {"lib", "member", "leaf >dev"}}, w: wants{dev: true}, want: "app t; lib2 t"},
		"cycle of dev":          {app: []string{"lib2"}, more: map[string][]string{"lib2": {"lib", "app >dev"}}, w: wants{resolver: 1, devUnify: true}, want: "app t; lib2 t"},
		"other member's":        {app: []string{"leaf !"}, more: map[string][]string{"other": {"member", "leaf +two"}}, want: "app t; leaf t"},
		"feature that is not":   {app: []string{"leaf ! +none"}, want: "app t; leaf t"},
		"features in a circle":  {app: []string{"feature:default=a", "feature:a=b", "feature:b=a"}, want: "app t a,b,default"},
		"optional build script": {app: []string{"script", "feature:default=dep:mid", "mid >build ?"}, want: "app t default; leaf h two; mid h"},
	} {
		t.Run(name, func(t *testing.T) {
			all := map[string][]string{"app": append(tc.app, "bin", "member"), "leaf": leaf, "maybe": maybe, "mid": mid,
				"derive": {"macro", "leaf ! +two"}}
			for k, v := range tc.more {
				all[k] = v
			}
			if _, lines := graphText(t, all, tc.w); strings.Join(lines, "; ") != tc.want {
				t.Errorf("got  %s\nwant %s", strings.Join(lines, "; "), tc.want)
			}
		})
	}
}

func TestGraphChain(t *testing.T) {
	g, _ := graphText(t, map[string][]string{
		"app": {"bin", "member", "script", "build-tool >build", "a"}, "build-tool": {"lib", "openssl-sys"},
		"a": {"lib", "b"}, "b": {"lib", "openssl-sys"}, "openssl-sys": {"lib", "script", "links=openssl", "cc >build"}, "cc": {"lib"},
	}, wants{})
	node := g.Linking("openssl")
	if len(node) != 1 || !g.Nodes[node[0]].Target || !g.Nodes[node[0]].Host || !g.Nodes[node[0]].BuildScript || g.Nodes[node[0]].License != "MIT" {
		t.Fatalf("%v of %+v", node, g.Nodes)
	}
	// The way through the build-dependency is shorter, but it is not why the target has it.
	if got, want := g.Chain(node[0]), []string{"app 1.0.0", "a 1.0.0", "b 1.0.0", "openssl-sys 1.0.0"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	cc := g.Find("cc")[0]
	if got, want := g.Chain(cc), []string{"app 1.0.0", "build-tool 1.0.0", "openssl-sys 1.0.0", "cc 1.0.0"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if !g.Uses(node[0], "cc", true) || g.Uses(node[0], "cc", false) || g.Uses(g.Root, "cc", true) {
		t.Error("who uses cc")
	}
	if got := g.Chain(g.Root); !slices.Equal(got, []string{"app 1.0.0"}) || g.Chain(-1) != nil || g.Chain(99) != nil || g.Find("none") != nil {
		t.Errorf("root: %q", got)
	}
}

// TestGraphSameName has two releases of one crate under one name in different tables.
func TestGraphSameName(t *testing.T) {
	u, err := parseUniverse([]byte(`{"packages":[
		{"id":"app","name":"app","version":"1.0.0","manifest_path":"/w/Cargo.toml","features":{},"dependencies":[
			{"name":"rand","rename":null,"kind":null,"target":null,"optional":false,"uses_default_features":true,"features":[]},
			{"name":"rand","rename":"old","kind":null,"target":null,"optional":false,"uses_default_features":true,"features":["x"]},
			{"name":"rand","rename":null,"kind":"build","target":null,"optional":false,"uses_default_features":true,"features":[]}],
		 "targets":[{"kind":["bin"],"name":"app"},{"kind":["custom-build"],"name":"b"}]},
		{"id":"r7","name":"rand","version":"0.7.0","manifest_path":"/r/7/Cargo.toml","features":{"x":[]},"dependencies":[],"targets":[{"kind":["lib"],"name":"rand"}]},
		{"id":"r8","name":"rand","version":"0.8.0","manifest_path":"/r/8/Cargo.toml","features":{"x":[]},"dependencies":[],"targets":[{"kind":["lib"],"name":"rand"}]},
		{"id":"r9","name":"rand","version":"0.9.0","manifest_path":"/r/9/Cargo.toml","features":{"x":[]},"dependencies":[],"targets":[{"kind":["lib"],"name":"rand"}]}],
		"workspace_members":["app"],"resolve":{"nodes":[{"id":"app","deps":[
			{"name":"old","pkg":"r7","dep_kinds":[{"kind":null,"target":null}]},
			{"name":"rand","pkg":"r8","dep_kinds":[{"kind":null,"target":null}]},
			{"name":"rand","pkg":"r9","dep_kinds":[{"kind":"build","target":null}]}]},
			{"id":"r7","deps":[]},{"id":"r8","deps":[]},{"id":"r9","deps":[]}]}}`))
	if err != nil {
		t.Fatal(err)
	}
	g := graphOf(u, 0, wants{resolver: 2}, func(string, bool) bool { return true })
	var lines []string
	for _, n := range g.Nodes {
		lines = append(lines, fmt.Sprintf("%s %t %t %q", n.Spec(), n.Target, n.Host, n.Features))
	}
	if want := []string{`app 1.0.0 true false []`, `rand 0.7.0 true false ["x"]`, `rand 0.8.0 true false []`, `rand 0.9.0 false true []`}; !slices.Equal(lines, want) {
		t.Errorf("%q", lines)
	}
	if d := cmp.Diff([]Edge{{To: 1}, {To: 2}, {To: 3, Build: true}}, g.Nodes[0].Deps); d != "" {
		t.Error(d)
	}
}

func TestParseUniverseRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"no JSON": "x", "no resolve": `{"packages":[]}`, "no name": `{"packages":[{"id":"a"}],"resolve":{}}`,
		"unknown node": `{"packages":[],"resolve":{"nodes":[{"id":"a"}]}}`,
		"unknown dependency": `{"packages":[{"id":"a","name":"a","version":"1.0.0","dependencies":[{"name":"b"}]}],
			"resolve":{"nodes":[{"id":"a","deps":[{"name":"b","pkg":"b","dep_kinds":[]}]}]}}`,
	} {
		if _, err := parseUniverse([]byte(text)); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
