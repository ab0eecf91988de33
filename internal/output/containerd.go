// SPDX-License-Identifier: MIT OR Apache-2.0

package output

import (
	"context"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// ctr is containerd, by the command that comes with it: on this machine, or in a cluster's node.
type ctr struct {
	tool
	node bool // the machine is another
}

type containerdOpener struct {
	m    Machine
	rest string // the namespace; "" for the tool's own choice, which the environment may make
}

func (o containerdOpener) look(context.Context) error {
	if !o.m.find("ctr") && !o.m.find("nerdctl") {
		return noTool("containerd", "ctr")
	}
	return nil
}

// open prefers ctr, which is there wherever containerd is. On machines whose containerd lives in another one, there is
// nerdctl alone.
func (o containerdOpener) open(ctx context.Context) ([]engine, error) {
	t := tool{o.m, "containerd", []string{"ctr"}, "sudo systemctl start containerd; or say where it is: CONTAINERD_ADDRESS"}
	if o.rest != "" {
		t.argv = append(t.argv, "--namespace", o.rest)
	}
	if o.m.find("ctr") {
		return []engine{ctr{tool: t}}, nil
	}
	t.argv[0] = "nerdctl"
	return []engine{nerdctl{t}}, o.look(ctx)
}

func (c ctr) platform(ctx context.Context) (v1.Platform, error) {
	if !c.node {
		return here(), nil
	}
	t := c.tool
	t.argv = t.argv[:slices.Index(t.argv, "ctr")]
	out, err := t.say(ctx, "uname", "-m")
	return ofMachine(out), err
}

// lacks reads `ctr images ls`: REF, TYPE, DIGEST and more. One call tells who has the names, and who else the digest.
func (c ctr) lacks(ctx context.Context, im *loadable) (names []string, held bool, err error) {
	words := []string{"images", "ls", "target.digest==" + im.manifest}
	out, err := c.say(ctx, words...)
	if err != nil {
		return nil, false, err
	}
	var there []string
	for line := range strings.Lines(out) {
		if f := strings.Fields(line); len(f) > 2 && slices.Contains(f, im.manifest) {
			there = append(there, f[0])
		}
	}
	return without(im.full, there), len(there) > 0, nil
}

func (c ctr) name(ctx context.Context, im *loadable, names []string) error {
	out, err := c.say(ctx, "images", "ls", "-q", "target.digest=="+im.manifest)
	if err != nil {
		return err
	}
	source, _, _ := strings.Cut(out, "\n")
	_, err = c.say(ctx, append([]string{"images", "tag", "--force", strings.TrimSpace(source)}, names...)...)
	return err
}

func (c ctr) load(ctx context.Context, _ *loadable, t *tarFile) error {
	return c.feed(ctx, t, "images", "import", "--all-platforms", "-")
}

// nerdctl is containerd where only that command reaches it.
type nerdctl struct{ tool }

func (n nerdctl) platform(ctx context.Context) (v1.Platform, error) {
	out, err := n.say(ctx, "info", "--format", "{{.Architecture}}")
	return ofMachine(out), err
}

func (n nerdctl) lacks(ctx context.Context, im *loadable) (names []string, held bool, err error) {
	for _, full := range im.full {
		out, err := n.say(ctx, "image", "inspect", "--mode", "native", "--format", "{{.Image.Target.Digest}}", full)
		if err != nil && !ended(err) {
			return nil, false, err
		}
		if err == nil && strings.Contains(out, im.manifest) {
			held = true
		} else {
			names = append(names, full)
		}
	}
	return names, held, nil
}

func (n nerdctl) name(ctx context.Context, im *loadable, names []string) error {
	source := without(im.full, names)[0]
	for _, full := range names {
		if _, err := n.say(ctx, "tag", source, full); err != nil {
			return err
		}
	}
	return nil
}

func (n nerdctl) load(ctx context.Context, _ *loadable, t *tarFile) error {
	return n.feed(ctx, t, "load", "--all-platforms")
}

// cluster is a Kubernetes cluster whose nodes are containers: each has a containerd of its own, which is asked and fed
// through the engine that runs the node.
type cluster struct {
	m        Machine
	kind     string   // "kind" or "k3d"
	name     string   // the cluster's
	engines  []string // commands that may run its nodes; the first that is there is taken
	labels   []string // of nodes
	excluded string   // ending of the name of what is no node
}

func kindOpener(m Machine, rest string) opener {
	if rest == "" {
		rest = lookup(m.Env, "KIND_CLUSTER_NAME")
	}
	if rest == "" {
		rest = "kind"
	}
	c := cluster{m: m, kind: "kind", name: rest, engines: []string{"docker", "podman", "nerdctl"},
		labels: []string{"io.x-k8s.kind.cluster=" + rest}, excluded: "-external-load-balancer"}
	if e := lookup(m.Env, "KIND_EXPERIMENTAL_PROVIDER"); e != "" && wordOf(e) {
		c.engines = []string{e}
	}
	return c
}

func k3dOpener(m Machine, rest string) opener {
	if rest == "" {
		rest = "k3s-default"
	}
	label := "k3d.cluster=" + rest
	return cluster{m: m, kind: "k3d", name: rest, engines: []string{"docker"}, labels: []string{label + ",k3d.role=server", label + ",k3d.role=agent"}}
}

func (c cluster) engine() string {
	for _, e := range c.engines {
		if c.m.find(e) {
			return e
		}
	}
	return ""
}

func (c cluster) look(context.Context) error {
	if c.engine() == "" {
		return noTool(c.kind, c.engines[0])
	}
	return nil
}

// open finds the nodes by the labels that their maker gives them.
func (c cluster) open(ctx context.Context) ([]engine, error) {
	if err := c.look(ctx); err != nil {
		return nil, err
	}
	t := tool{c.m, c.kind, []string{c.engine()}, c.engine() + " info, which says how the engine is"}
	var nodes []engine
	for _, labels := range c.labels {
		words := []string{"ps", "--format", "{{.Names}}"}
		for label := range strings.SplitSeq(labels, ",") {
			words = append(words, "--filter", "label="+label)
		}
		out, err := t.say(ctx, words...)
		if err != nil {
			return nil, err
		}
		for _, name := range strings.Fields(out) {
			if c.excluded != "" && strings.HasSuffix(name, c.excluded) || !wordOf(name) {
				continue
			}
			nodes = append(nodes, ctr{node: true, tool: tool{c.m, c.kind, []string{t.argv[0], "exec", "-i", name, "ctr", "--namespace", "k8s.io"},
				t.argv[0] + " logs " + name}})
		}
	}
	if len(nodes) == 0 {
		create := "kind create cluster --name " + c.name
		if c.kind == "k3d" {
			create = "k3d cluster create " + c.name
		}
		return nil, &EngineError{Engine: c.kind, Reason: "there is no running cluster " + c.name, hint: create + "; or choose another: -o " + c.kind + ":NAME"}
	}
	return nodes, nil
}
