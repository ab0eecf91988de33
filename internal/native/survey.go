// SPDX-License-Identifier: MIT OR Apache-2.0

package native

import (
	"context"
	"path/filepath"
	"runtime"
	"slices"

	"sampan/internal/cargo"
	"sampan/internal/run"
)

// State is where something is that a compile needs.
type State string

// States, in the words of `sampan doctor --json`.
const (
	Here    State = "here"    // on this machine
	Cached  State = "cached"  // in Sampan's cache
	Yours   State = "yours"   // the user names it
	Fetch   State = "fetch"   // the build fetches it
	Build   State = "build"   // the build makes it
	Missing State = "missing" // it is not here, and the build does not bring it
)

// Survey is what a compile needs beside Rust, and where that is on this machine. It is plain data.
type Survey struct {
	Needs    Needs
	Refused  []Refusal      // those of Needs that no folder of the user's own answers
	Tools    []SurveyedTool // those of Needs, in its order
	Install  string         // the line that installs the tools that are missing; "" when none is
	Compiler *SurveyedCC    // nil when none is needed
	Supplies []SurveyedLib  // libraries, those that others call first
	Without  []*WantError   // libraries that cannot be supplied
	Notes    []string       // variables of the user's that win over what is supplied
	Env      []string       // variables for build scripts that the compile gets
}

// SurveyedTool is a tool, and the program that serves; Path is "" when it is missing.
type SurveyedTool struct {
	Tool
	Path string
}

// SurveyedCC is the compiler that will serve.
type SurveyedCC struct {
	Kind      string // KindZig, KindHost, KindUser
	Name      string // "zig", "x86_64-linux-musl-gcc"; the user's own words
	Version   string // "" when only running it would tell
	State     State
	Path      string // of the program; "" when it is not here
	Megabytes int    // to fetch
	Variable  string // of the user's, that names it
	CXX       State  // of the C++ library; "" when none is needed
	Instead   error  // why the pinned one does not serve, where a host's takes its place
	Err       error  // why there is none, or why it cannot be used
}

// SurveyedLib is a library that is supplied.
type SurveyedLib struct {
	Supply
	Title   string
	State   State    // Cached, Build, Yours
	From    string   // the user's folder or variable, for Yours
	Seconds int      // to make it, roughly, on this machine
	Time    string   // the same in words
	Chain   []string // how the package comes by it; of one that another library calls, that one's
}

// SurveyOptions are those of PartOf, and where things are.
type SurveyOptions struct {
	PartOptions
	CacheDir string
	Install  bool // the pinned compiler may be fetched
	Thin     bool
	Runner   run.Runner
}

// SurveyOf looks what a graph's compile needs beside Rust and what of it is here, as PartOf decides it and as
// EnsureCompiler and EnsureSysroot would bring it. It brings nothing: a compiler of the user's is tried on a small file, the
// rest is looked at. What is in the way is in the answer; an error is only the context's.
func SurveyOf(ctx context.Context, g *cargo.Graph, o SurveyOptions) (*Survey, error) {
	n := NeedsOf(g, o.Triple)
	s := &Survey{Needs: n, Refused: refusedBut(n.Refused, owns(o.Sysroot)), Env: n.Allocator.PageEnv(o.Triple)}
	m, ok := machineOf(o.Triple)
	if ok {
		s.allocator(g, o)
	}
	if ok && (n.Compiler() || s.Needs.Allocator.Supplied != nil) {
		s.Compiler = surveyCC(ctx, o, m, n.CXX)
		s.supplies(ctx, g, o)
		s.overrides(o)
		s.Needs.Tools = unmade(n.Tools, s.Made())
	}
	s.tools(o.Env)
	return s, ctx.Err()
}

// allocator finds out what the allocator option means here.
func (s *Survey) allocator(g *cargo.Graph, o SurveyOptions) {
	supplied, _, err := (&view{g: g, t: o.Triple}).replacement(o.Allocator)
	if e, ok := err.(*WantError); ok {
		s.Without = append(s.Without, e)
	}
	if a := &s.Needs.Allocator; supplied != nil {
		a.Supplied, a.Slow = supplied, false
	}
}

// Made are the libraries that nothing has to be made for: the cache has them, or the user.
func (s *Survey) Made() (names []string) {
	for _, l := range s.Supplies {
		if l.State != Build {
			names = append(names, l.Name)
		}
	}
	return names
}

func (s *Survey) tools(env []string) {
	var missing []Tool
	for _, t := range s.Needs.Tools {
		path := t.Find(env)
		s.Tools = append(s.Tools, SurveyedTool{t, path})
		if path == "" {
			missing = append(missing, t)
		}
	}
	if len(missing) > 0 {
		s.Install = Install(missing, env)
	}
}

// supplies finds out which libraries the cache has.
func (s *Survey) supplies(ctx context.Context, g *cargo.Graph, o SurveyOptions) {
	so := &SupplyOptions{Triple: o.Triple, CacheDir: o.CacheDir, Own: o.Sysroot, Env: o.Env, Thin: o.Thin, Runner: o.Runner, CC: CC{ID: s.Compiler.id(ctx, o)}}
	var wanted []Supply
	chains := map[string][]string{}
	for _, w := range s.Needs.Libraries {
		found, err := Resolve([]Want{w}, g, o.Triple)
		if e, ok := err.(*WantError); ok {
			s.Without = append(s.Without, e)
		}
		for _, f := range found {
			if chains[f.Name] == nil {
				chains[f.Name] = w.Chain
				wanted = append(wanted, f)
			}
		}
	}
	for _, w := range s.Needs.Libraries {
		chains[w.Library] = w.Chain // its own is plainer than that of one that calls it
	}
	var made []*entry
	for _, want := range wanted {
		l, r, from, err := so.pick(want, wanted)
		if err != nil {
			continue // Resolve has just named a release of the table
		}
		f := SurveyedLib{Supply: want, Title: l.title, State: Yours, Chain: chains[want.Name]}
		switch from {
		case fromOwn:
			f.From = o.Sysroot
		case fromUser:
			f.From = opensslGiven(o.Env, o.Triple)
		default:
			e := newEntry(l, r, so, made)
			made = append(made, e)
			if f.State = Cached; so.CC.ID == "" || verify(e.dir, e.key) != nil {
				f.State, f.Seconds, f.Time = Build, max(1, l.cost/runtime.NumCPU()), about(l.cost, runtime.NumCPU())
			}
		}
		s.Supplies = append(s.Supplies, f)
	}
}

// overrides asks for the variables that would be set, for what is said of those that the user has set already.
func (s *Survey) overrides(o SurveyOptions) {
	if c := s.Compiler; c.Kind != KindUser {
		would := &Compiler{Kind: c.Kind, Name: c.Name, Triple: o.Triple, CC: []string{"cc"}, CXX: []string{"c++"}, AR: []string{"ar"}, RANLIB: []string{"ranlib"}, cxxName: "c++"}
		_, notes := would.Env(o.Env)
		s.Notes = append(s.Notes, notes...)
	}
	root := &Sysroot{triple: o.Triple, own: o.Sysroot, pkg: "pkg-config", Dir: "sysroot"}
	for _, l := range s.Supplies {
		if l.State == Yours && l.From != o.Sysroot {
			root.spared = true
			continue
		}
		if l.State != Yours {
			root.Supplies = append(root.Supplies, l.Supply)
		}
	}
	_, notes := root.Env(o.Env)
	s.Notes = append(s.Notes, notes...)
}

// id is what libraries made by the compiler are known by; "" when it is not known.
func (c *SurveyedCC) id(ctx context.Context, o SurveyOptions) string {
	if c.Err != nil {
		return ""
	}
	name, version := c.Name, c.Version
	switch c.Kind {
	case KindUser:
		name = filepath.Base(c.Path)
	case KindHost:
		p := prober{cacheDir: o.CacheDir, runner: o.Runner, env: o.Env}
		said, err := p.version(ctx, c.Path)
		if err != nil {
			return ""
		}
		version = said
	}
	return c.Kind + " " + name + " " + version
}

// surveyCC finds the compiler in EnsureCompiler's order.
func surveyCC(ctx context.Context, o SurveyOptions, m machine, plus bool) *SurveyedCC {
	co := CompilerOptions{CacheDir: o.CacheDir, Triple: o.Triple, Env: o.Env, Runner: o.Runner, Install: o.Install, Kind: o.Kind, NeedCXX: plus}
	if name, value := userCompiler(o.Env, o.Triple, "CC"); value != "" {
		return surveyUser(ctx, co, name, value)
	}
	if o.Kind == KindHost {
		return surveyHost(co, m)
	}
	c := surveyZig(ctx, co)
	if c.Err == nil || o.Kind == KindZig {
		return c
	}
	host := surveyHost(co, m)
	if host.Err != nil {
		return c // zig is what to install; that the host has nothing either is no news
	}
	host.Instead = c.Err
	return host
}

func surveyUser(ctx context.Context, o CompilerOptions, name, value string) *SurveyedCC {
	out := &SurveyedCC{Kind: KindUser, Name: value, State: Yours, Variable: name}
	c, err := ensureUser(ctx, o, name, value)
	if c != nil {
		out.Version, out.Path = c.Version, c.CC[0]
	}
	if out.Err = err; err != nil {
		out.State = Missing
	}
	if _, plus := userCompiler(o.Env, o.Triple, "CXX"); o.NeedCXX && plus == "" {
		out.CXX = Missing
	} else if o.NeedCXX {
		out.CXX = Yours
	}
	return out
}

func surveyHost(o CompilerOptions, m machine) *SurveyedCC {
	out := &SurveyedCC{Kind: KindHost, State: Here}
	h, ok := findHost(o, m)
	if !ok {
		out.State, out.Err = Missing, &CompilerError{Reason: NoHost, Triple: o.Triple}
		return out
	}
	out.Name, out.Path = h.name, h.path
	if o.NeedCXX {
		out.CXX = Here
		if _, err := run.LookPath(h.prefix+"g++", o.Env); h.prefix == "" || err != nil {
			out.State, out.CXX, out.Err = Missing, Missing, &CompilerError{Reason: NoCXX, Triple: o.Triple, Detail: h.name + " comes without"}
		}
	}
	return out
}

// surveyZig looks where ensureZig does.
func surveyZig(ctx context.Context, o CompilerOptions) *SurveyedCC {
	out := &SurveyedCC{Kind: KindZig, Name: "zig", Version: ZigVersion}
	if o.NeedCXX {
		if out.CXX = Cached; !cxxIntact(cxxDir(o.CacheDir, cxxZig, o.Triple)) {
			out.CXX = Build
		}
	}
	if z, ok := zigInPath(ctx, o); ok {
		out.State, out.Path, out.Version = Here, z.exe, z.version
		return out
	}
	w, ok := wheelFor(runtime.GOOS, runtime.GOARCH)
	if !ok {
		out.State, out.Err = Missing, &CompilerError{Reason: NoWheel, Triple: o.Triple, Detail: runtime.GOOS + "/" + runtime.GOARCH}
		return out
	}
	dir := zigDir(o.CacheDir)
	if intact(dir) || pinned(dir, w) {
		out.State, out.Path = Cached, filepath.Join(dir, "zig"+exeSuffix)
		return out
	}
	switch {
	case !o.Install:
		out.State, out.Err = Missing, &CompilerError{Reason: NotAllowed, Triple: o.Triple}
	case !slices.ContainsFunc(clients, func(c client) bool { _, err := run.LookPath(c.cmd[0], o.Env); return err == nil }):
		out.State, out.Err = Missing, &CompilerError{Reason: NoClient, Triple: o.Triple}
	default:
		out.State, out.Megabytes = Fetch, zigMegabytes
	}
	return out
}

// pinned reports whether a zig folder holds the pinned bytes, whatever its times are.
func pinned(dir string, w wheel) bool {
	if !exists(dir) {
		return false
	}
	_, err := checkZig(dir, w)
	return err == nil
}
