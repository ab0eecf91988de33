// SPDX-License-Identifier: MIT OR Apache-2.0

package output

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

func loadInto(t testing.TB, m Machine, spec string, ps ...Payload) ([]Receipt, error) {
	t.Helper()
	o, err := m.Parse(spec)
	if err != nil {
		t.Fatal(err)
	}
	if err := o.(Preflighter).Preflight(t.Context(), ps); err != nil {
		return nil, err
	}
	return o.Write(t.Context(), ps)
}

func loaded(t testing.TB, m Machine, spec string, ps ...Payload) []Receipt {
	t.Helper()
	rs, err := loadInto(t, m, spec, ps...)
	if err != nil {
		t.Fatal(err)
	}
	return rs
}

// TestDockerLoad: sent once, asked for with one request afterwards, named without being sent.
func TestDockerLoad(t *testing.T) {
	for _, byManifest := range []bool{false, true} {
		t.Run(fmt.Sprint("manifest ", byManifest), func(t *testing.T) {
			f := newFakeDocker()
			f.byManifest = byManifest
			m := f.listen(t)
			p := payloadOf(t, "hello", 1)
			r := loaded(t, m, "docker:", p)[0]
			if r.Reference != "hello:latest" || r.Written != f.received || r.Written == 0 {
				t.Errorf("receipt %+v, the engine received %d bytes", r, f.received)
			}
			f.take()
			if r := loaded(t, m, "docker:", p)[0]; r.Written != 0 {
				t.Errorf("again: %d bytes written", r.Written)
			}
			if got := f.take(); len(got) != 1 {
				t.Errorf("a load with nothing to do took %q, want one request", got)
			}
			before := f.received
			r = loaded(t, m, "docker:team/{name}:v2", p)[0]
			if r.Reference != "team/hello:v2" || f.images["team/hello:v2"] == "" || f.received != before {
				t.Errorf("another name: %+v, %d bytes sent", r, f.received-before)
			}
			loaded(t, m, "docker:", payloadOf(t, "hello", 2, "latest", "v2"))
			if a, b := f.images["hello:latest"], f.images["hello:v2"]; a != b || a == f.images["team/hello:v2"] {
				t.Errorf("another image under the names: %v", f.images)
			}
		})
	}
}

// TestDockerPlatform: of an index the engine gets its own platform.
func TestDockerPlatform(t *testing.T) {
	f := newFakeDocker()
	f.arch = "arm64"
	m := f.listen(t)
	p := platforms(t, "hello", 5)
	loaded(t, m, "docker:", p)
	want, err := p.Images[0].ConfigName() // the helper makes arm64 first
	if err != nil {
		t.Fatal(err)
	}
	if got := f.images["hello:latest"]; got != want.String() {
		t.Errorf("the engine has %s, want %s", got, want)
	}
	f.arch = "riscv64"
	_, err = loadInto(t, m, "docker:", p)
	if err == nil || !strings.Contains(err.Error(), "linux/arm64, linux/amd64") {
		t.Errorf("a platform that is not there: %v", err)
	}
	hinted(t, err, "--platform linux/riscv64")
	// Of variants the lowest, whose programs run on all.
	l := &loader{}
	im, err := l.choose(t.Context(), fixed{"linux", "arm"}, variants(t))
	if err != nil || im.platform.Variant != "v6" {
		t.Errorf("variant %+v, %v", im, err)
	}
}

type fixed struct{ os, arch string }

func (f fixed) platform(context.Context) (v1.Platform, error) {
	return v1.Platform{OS: f.os, Architecture: f.arch}, nil
}
func (fixed) lacks(context.Context, *loadable) ([]string, bool, error) { return nil, true, nil }
func (fixed) load(context.Context, *loadable, *tarFile) error          { return nil }

// TestDockerRefusals: what an engine says in any way, and what is no engine, is an error with what to type.
func TestDockerRefusals(t *testing.T) {
	for _, c := range []struct {
		name       string
		change     func(f *fakeDocker)
		says, hint string
	}{
		{"error in the stream", func(f *fakeDocker) { f.complain = "Error processing tar file: no space left on device" }, "Error processing tar file", "docker system prune"},
		{"refused", func(f *fakeDocker) { f.status = 500 }, "answers 500 to POST /images/load: write /var/lib/docker/tmp: no space left on device?[31m", "docker system prune"},
		{"not kept", func(f *fakeDocker) { f.forget = true }, "took the image and does not have it: hello:latest", "again"},
		{"too old", func(f *fakeDocker) { f.api = "1.22" }, "too old: its API is 1.22", "upgrade Docker"},
		{"windows", func(f *fakeDocker) { f.os = "windows" }, "windows containers", "Linux containers"},
		{"no engine", func(f *fakeDocker) { f.html = true }, "no Docker engine", "docker version"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFakeDocker()
			m := f.listen(t)
			c.change(f)
			_, err := loadInto(t, m, "docker:", payloadOf(t, "hello", 1))
			if _, ok := errors.AsType[*EngineError](err); !ok || !strings.Contains(err.Error(), c.says) {
				t.Fatalf("error %v, want one that says %q", err, c.says)
			}
			hinted(t, err, c.hint)
			if len(f.images) > 0 {
				t.Errorf("the engine kept %v", f.images)
			}
		})
	}
}

// TestDockerDamaged: our own broken layer is told as such, not as what the engine makes of it.
func TestDockerDamaged(t *testing.T) {
	f := newFakeDocker()
	m := f.listen(t)
	img, err := inFiles(testImage(t, 1), t.TempDir(), new(int))
	if err != nil {
		t.Fatal(err)
	}
	img.layers[1] = broken{img.layers[1]}
	_, err = loadInto(t, m, "docker:", Payload{Name: "hello", Images: []v1.Image{img}})
	if _, ok := errors.AsType[*ContentError](err); !ok {
		t.Errorf("error %v, want a *ContentError", err)
	}
	if len(f.images) > 0 {
		t.Errorf("the engine kept %v", f.images)
	}
}

// TestDockerAway: nobody listens, or nobody answers.
func TestDockerAway(t *testing.T) {
	m := Machine{Env: []string{"DOCKER_HOST=unix://" + filepath.Join(t.TempDir(), "none.sock")}}
	_, err := loadInto(t, m, "docker:", payloadOf(t, "hello", 1))
	if err == nil || !strings.Contains(err.Error(), "none.sock") {
		t.Errorf("error %v", err)
	}
	hinted(t, err, "start Docker")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx, stop := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer stop()
	o, err := Machine{Env: []string{"DOCKER_HOST=tcp://" + l.Addr().String()}}.Parse("docker:")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := o.Write(ctx, []Payload{payloadOf(t, "hello", 1)}); err == nil {
		t.Error("silence is taken for a load")
	}
}

// TestDockerStall: the watch ends what does not move.
func TestDockerStall(t *testing.T) {
	ctx, moved, stop := watched(t.Context(), 20*time.Millisecond)
	defer stop()
	moved()
	<-ctx.Done()
	if err := context.Cause(ctx); err == nil || !strings.Contains(err.Error(), "nothing moved for 20ms") {
		t.Errorf("cause %v", err)
	}
}

// TestDockerEndpoint: the order of the docker command.
func TestDockerEndpoint(t *testing.T) {
	home := t.TempDir()
	config := filepath.Join(home, ".docker")
	sum := sha256.Sum256([]byte("far"))
	meta := filepath.Join(config, "contexts", "meta", hex.EncodeToString(sum[:]))
	if err := os.MkdirAll(meta, 0o700); err != nil {
		t.Fatal(err)
	}
	write := func(path, text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(filepath.Join(meta, "meta.json"), `{"Name":"far","Metadata":{},"Endpoints":{"docker":{"Host":"ssh://me@far.example:2222/run/d.sock","SkipTLSVerify":false}}}`)
	standard := "unix:///var/run/docker.sock"
	if runtime.GOOS == "windows" {
		standard = "npipe:////./pipe/docker_engine"
	}
	at := func(env ...string) string {
		t.Helper()
		e, err := dockerEndpoint(Machine{Env: env, Home: home})
		if err != nil {
			return err.Error()
		}
		return e.text
	}
	for _, c := range []struct {
		env  []string
		want string
	}{
		{nil, standard},
		{[]string{"DOCKER_HOST=tcp://engine:2375"}, "tcp://engine:2375"},
		{[]string{"DOCKER_CONTEXT=far"}, "ssh://far.example:2222/run/d.sock"},
		{[]string{"DOCKER_CONTEXT=default"}, standard},
		{[]string{"DOCKER_HOST=tcp://engine:2375", "DOCKER_CONTEXT=far"}, "tcp://engine:2375"},
		{[]string{"DOCKER_CONTEXT=none"}, "load into docker: there is no context none: open " + filepath.Join(config, "contexts", "meta")},
		{[]string{"DOCKER_HOST=ssh://-oProxyCommand=x/"}, "load into docker: its address cannot be read: ssh://-oProxyCommand=x/"},
		{[]string{"DOCKER_HOST=engine:2375"}, "load into docker: its address cannot be read: engine:2375"},
	} {
		if got := at(c.env...); !strings.HasPrefix(got, c.want) {
			t.Errorf("%q: %s, want %s", c.env, got, c.want)
		}
	}
	write(filepath.Join(config, "config.json"), `{"currentContext":"far"}`)
	if got := at(); got != "ssh://far.example:2222/run/d.sock" {
		t.Errorf("current context: %s", got)
	}
	if got := at("DOCKER_CONFIG=" + t.TempDir()); got != standard {
		t.Errorf("another DOCKER_CONFIG: %s", got)
	}
}

// TestDockerTLS: the engine's certificate is checked against ca.pem of the folder that DOCKER_CERT_PATH names.
func TestDockerTLS(t *testing.T) {
	f := newFakeDocker()
	s := httptest.NewTLSServer(f)
	defer s.Close()
	certs := t.TempDir()
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	if err := os.WriteFile(filepath.Join(certs, "ca.pem"), ca, 0o600); err != nil {
		t.Fatal(err)
	}
	m := Machine{Env: []string{"DOCKER_HOST=tcp://" + s.Listener.Addr().String(), "DOCKER_TLS_VERIFY=1", "DOCKER_CERT_PATH=" + certs}}
	loaded(t, m, "docker:", payloadOf(t, "hello", 1))
	m.Env[2] = "DOCKER_CERT_PATH=" + t.TempDir()
	_, err := loadInto(t, m, "docker:", payloadOf(t, "hello", 1))
	if err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("a certificate that nobody signed: %v", err)
	}
	hinted(t, err, "DOCKER_CERT_PATH")
}
