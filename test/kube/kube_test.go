// SPDX-License-Identifier: MIT OR Apache-2.0

// Package kube reads what `sampan init kubernetes` writes with Kubernetes' own types. It is a module of its own, so that
// the tool does not depend on them.
package kube

import (
	"bufio"
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/yaml"
	strict "sigs.k8s.io/yaml"
)

// TestStrict: every field is one that the API knows, and the pod has the rights of the "restricted" standard.
func TestStrict(t *testing.T) {
	files, err := filepath.Glob("../../internal/kube/testdata/*.yaml")
	if err != nil || len(files) < 3 {
		t.Fatalf("%q, %v", files, err)
	}
	deployments := 0
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		r := yaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(data)))
		for {
			text, err := r.Read()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			var service corev1.Service
			var d appsv1.Deployment
			if strings.Contains(string(text), "kind: Service") {
				if err := strict.UnmarshalStrict(text, &service); err != nil {
					t.Errorf("%s: %v", f, err)
				}
				names(t, f, service.Name, service.Spec.Ports)
				continue
			}
			if err := strict.UnmarshalStrict(text, &d); err != nil {
				t.Errorf("%s: %v", f, err)
			}
			deployments++
			restricted(t, f, d)
		}
	}
	if deployments < 4 {
		t.Errorf("%d deployments", deployments)
	}
	var wrong appsv1.Deployment
	if err := strict.UnmarshalStrict([]byte("spec: {template: {spec: {contaners: []}}}"), &wrong); err == nil {
		t.Error("a field that is not there is taken: this test would find nothing")
	}
}

func names(t *testing.T, f, name string, ports []corev1.ServicePort) {
	t.Helper()
	if why := validation.IsDNS1035Label(name); len(why) > 0 || len(ports) == 0 {
		t.Errorf("%s: service %q: %v, %d ports", f, name, why, len(ports))
	}
	for _, p := range ports {
		if why := validation.IsValidPortName(p.TargetPort.StrVal); len(why) > 0 || p.Port == 0 {
			t.Errorf("%s: port %+v: %v", f, p, why)
		}
	}
}

// restricted asks what the Pod Security Standard of that name asks, and a read-only root besides.
func restricted(t *testing.T, f string, d appsv1.Deployment) {
	t.Helper()
	if why := validation.IsDNS1123Label(d.Name); len(why) > 0 {
		t.Errorf("%s: name %q: %v", f, d.Name, why)
	}
	pod := d.Spec.Template.Spec
	if s := pod.SecurityContext; s == nil || s.RunAsNonRoot == nil || !*s.RunAsNonRoot || s.SeccompProfile == nil || s.SeccompProfile.Type != corev1.SeccompProfileTypeRuntimeDefault {
		t.Errorf("%s: the pod's security context is %+v", f, s)
	}
	if d.Spec.Selector.MatchLabels["app.kubernetes.io/name"] != d.Spec.Template.Labels["app.kubernetes.io/name"] {
		t.Errorf("%s: the selector does not choose the pods", f)
	}
	if len(pod.Containers) != 1 {
		t.Fatalf("%s: %d containers", f, len(pod.Containers))
	}
	c := pod.Containers[0]
	s := c.SecurityContext
	if s == nil || s.AllowPrivilegeEscalation == nil || *s.AllowPrivilegeEscalation || s.ReadOnlyRootFilesystem == nil || !*s.ReadOnlyRootFilesystem ||
		s.Capabilities == nil || len(s.Capabilities.Drop) != 1 || s.Capabilities.Drop[0] != "ALL" || !added(s.Capabilities.Add) {
		t.Errorf("%s: the container's security context is %+v", f, s)
	}
	if !strings.HasPrefix(c.Image, "sampan://") {
		t.Errorf("%s: image %q", f, c.Image)
	}
	for _, p := range c.Ports {
		if why := validation.IsValidPortName(p.Name); len(why) > 0 || p.ContainerPort == 0 {
			t.Errorf("%s: port %+v: %v", f, p, why)
		}
	}
	tmp := false
	for i, m := range c.VolumeMounts {
		tmp = tmp || m.MountPath == "/tmp"
		if pod.Volumes[i].Name != m.Name || pod.Volumes[i].EmptyDir == nil {
			t.Errorf("%s: volume %+v of mount %+v", f, pod.Volumes[i], m)
		}
	}
	if !tmp {
		t.Errorf("%s: no /tmp", f)
	}
}

// added are the capabilities that "restricted" lets a container ask for.
func added(list []corev1.Capability) bool {
	return len(list) == 0 || len(list) == 1 && list[0] == "NET_BIND_SERVICE"
}
