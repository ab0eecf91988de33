// SPDX-License-Identifier: MIT OR Apache-2.0

package kube

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// App is what a first Deployment is made of.
type App struct {
	Name    string   // of the image
	Image   string   // the reference
	Ports   []string // "8080/tcp"
	Volumes []string // paths that the program writes to
	Root    bool     // the image's user is root
	Init    bool     // the image has an init of ours

	Health       *Probe
	Capabilities []string // that its programs have from their start: "net_bind_service"
}

// Probe asks whether the program is well. Durations are seconds; 0 is the cluster's own.
type Probe struct {
	Command                                 []string
	Interval, Timeout, StartPeriod, Retries int
}

// First writes a Deployment for each app, and a Service for each that listens: with no more rights than a static program
// needs that is not root. (Pod Security Standards, "restricted".)
func First(apps []App) []byte {
	var b strings.Builder
	for i, a := range apps {
		if i > 0 {
			b.WriteString("---\n")
		}
		a.deployment(&b)
		a.service(&b)
	}
	return []byte(b.String())
}

func (a App) deployment(b *strings.Builder) {
	name := Label(a.Name)
	fmt.Fprintf(b, `apiVersion: apps/v1
kind: Deployment
metadata:
  name: %[1]s
  labels:
    app.kubernetes.io/name: %[1]s
spec:
  replicas: 1
  selector:
    matchLabels:
      app.kubernetes.io/name: %[1]s
  template:
    metadata:
      labels:
        app.kubernetes.io/name: %[1]s
    spec:
      automountServiceAccountToken: false
`, name)
	if !a.Init {
		b.WriteString("      # As process 1 a program hears SIGTERM only if it has a handler for it; without one it is killed when\n" +
			"      # this time is over. Where it has none: init = true in [package.metadata.sampan].\n")
	}
	b.WriteString("      terminationGracePeriodSeconds: 30\n      securityContext:\n        runAsNonRoot: true\n")
	if a.lowPorts() {
		b.WriteString("        sysctls: # low ports for the pod: its file's capability counts only where allowPrivilegeEscalation is true\n" +
			"          - name: net.ipv4.ip_unprivileged_port_start\n            value: \"0\"\n")
	}
	if a.Root {
		b.WriteString("        runAsUser: 1000 # the image's own user is root, which would be refused here\n        runAsGroup: 1000\n")
	}
	fmt.Fprintf(b, `        seccompProfile:
          type: RuntimeDefault
      containers:
        - name: %s
          image: %s
`, name, a.Image)
	a.ports(b)
	a.probe(b)
	b.WriteString(`          resources:
            requests:
              cpu: 50m
              memory: 32Mi
          securityContext:
`)
	a.rights(b)
	b.WriteString("          volumeMounts:\n")
	var volumes strings.Builder
	for i, path := range append([]string{"/tmp"}, a.Volumes...) {
		v := "tmp"
		if i > 0 {
			v = "volume-" + strconv.Itoa(i)
		}
		fmt.Fprintf(b, "            - name: %s\n              mountPath: %s\n", v, strconv.Quote(path))
		fmt.Fprintf(&volumes, "        - name: %s\n          emptyDir: {}\n", v)
	}
	b.WriteString("      volumes:\n" + volumes.String())
}

// probe writes how the kubelet asks whether the program is well.
func (a App) probe(b *strings.Builder) {
	if a.Health == nil {
		return
	}
	b.WriteString("          livenessProbe:\n            exec:\n              command:\n")
	for _, w := range a.Health.Command {
		b.WriteString("                - " + quoted(w) + "\n")
	}
	for _, n := range []struct {
		key string
		val int
	}{{"initialDelaySeconds", a.Health.StartPeriod}, {"periodSeconds", a.Health.Interval}, {"timeoutSeconds", a.Health.Timeout}, {"failureThreshold", a.Health.Retries}} {
		if n.val > 0 {
			fmt.Fprintf(b, "            %s: %d\n", n.key, n.val)
		}
	}
}

// quoted is a word as YAML has it between double quotes: as JSON, which is YAML too, and unlike strconv's form for all text.
func quoted(word string) string {
	out, err := json.Marshal(word)
	if err != nil {
		return strconv.Quote(word) // a string always has a JSON form
	}
	return string(out)
}

// lowPorts tells whether listening below port 1024 is all that the programs have capabilities for. Then the pod can allow
// that to everybody in it, and nothing else has to be allowed.
func (a App) lowPorts() bool {
	return len(a.Capabilities) == 1 && a.Capabilities[0] == "net_bind_service"
}

// rights writes what the container may do. A program with capabilities in its file is not started in a container that may
// not have them, and has none of them where new privileges are refused.
func (a App) rights(b *strings.Builder) {
	if len(a.Capabilities) == 0 || a.lowPorts() {
		b.WriteString("            allowPrivilegeEscalation: false\n")
	} else {
		b.WriteString("            allowPrivilegeEscalation: true # else the program runs without the capabilities of its file\n")
	}
	b.WriteString("            readOnlyRootFilesystem: true\n            capabilities:\n              drop:\n                - ALL\n")
	if len(a.Capabilities) > 0 {
		b.WriteString("              add:\n")
	}
	for _, name := range a.Capabilities {
		b.WriteString("                - " + strings.ToUpper(name) + "\n")
	}
}

// ports writes the container's ports.
func (a App) ports(b *strings.Builder) {
	for i, p := range a.Ports {
		if i == 0 {
			b.WriteString("          ports:\n")
		}
		number, protocol := port(p)
		fmt.Fprintf(b, "            - name: %s-%s\n              containerPort: %s\n              protocol: %s\n",
			strings.ToLower(protocol), number, number, protocol)
	}
}

// service writes a Service over the ports.
func (a App) service(b *strings.Builder) {
	if len(a.Ports) == 0 {
		return
	}
	fmt.Fprintf(b, `---
apiVersion: v1
kind: Service
metadata:
  name: %[1]s
  labels:
    app.kubernetes.io/name: %[1]s
spec:
  selector:
    app.kubernetes.io/name: %[1]s
  ports:
`, Label(a.Name))
	for _, p := range a.Ports {
		number, protocol := port(p)
		name := strings.ToLower(protocol) + "-" + number
		fmt.Fprintf(b, "    - name: %s\n      port: %s\n      targetPort: %s\n      protocol: %s\n", name, number, name, protocol)
	}
}

// port parts "8080/tcp"; TCP is meant when nothing is said.
func port(word string) (number, protocol string) {
	number, protocol, _ = strings.Cut(word, "/")
	if protocol == "" {
		protocol = "tcp"
	}
	return number, strings.ToUpper(protocol)
}

// Label turns an image's name into one that Kubernetes takes (RFC 1123, and for a Service a letter first).
func Label(name string) string {
	name = name[strings.LastIndexByte(name, '/')+1:]
	name = strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		if r >= 'A' && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return '-'
	}, name)
	name = strings.Trim(name, "-")
	if name == "" || name[0] <= '9' {
		name = strings.TrimSuffix("app-"+name, "-")
	}
	return strings.Trim(name[:min(len(name), 50)], "-")
}
