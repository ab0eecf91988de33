// SPDX-License-Identifier: MIT OR Apache-2.0

package output

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"sampan/internal/run"
)

// endpoint is where a Docker engine listens: what `docker` would talk to with the same environment and home.
type endpoint struct {
	text string // as the user knows it: "unix:///var/run/docker.sock"
	url  *url.URL
	tls  func() (*tls.Config, error) // nil for none
}

// dialTimeout bounds connecting to an engine.
const dialTimeout = 10 * time.Second

// dockerEndpoint finds the engine as the docker command does: DOCKER_HOST, then the context of DOCKER_CONTEXT, then
// that of config.json, then the default socket.
func dockerEndpoint(m Machine) (endpoint, error) {
	config := lookup(m.Env, "DOCKER_CONFIG")
	if config == "" && m.Home != "" {
		config = filepath.Join(m.Home, ".docker")
	}
	host := lookup(m.Env, "DOCKER_HOST")
	name := lookup(m.Env, "DOCKER_CONTEXT")
	if host == "" && name == "" && config != "" {
		var file struct {
			CurrentContext string `json:"currentContext"`
		}
		if err := readJSON(filepath.Join(config, "config.json"), &file); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return endpoint{}, &EngineError{Engine: "docker", Reason: "read its config.json", Err: err, hint: "DOCKER_HOST=unix:///var/run/docker.sock"}
		}
		name = file.CurrentContext
	}
	if host == "" && name != "" && name != "default" {
		return contextEndpoint(config, name)
	}
	if host == "" {
		host = "unix:///var/run/docker.sock"
		if runtime.GOOS == "windows" {
			host = "npipe:////./pipe/docker_engine"
		}
	}
	certs := lookup(m.Env, "DOCKER_CERT_PATH")
	if certs == "" {
		certs = config
	}
	verify := lookup(m.Env, "DOCKER_TLS_VERIFY") != ""
	var secure func() (*tls.Config, error)
	if verify || lookup(m.Env, "DOCKER_TLS") != "" {
		secure = func() (*tls.Config, error) { return certificates(certs, !verify) }
	}
	return newEndpoint(host, secure)
}

// contextEndpoint reads a context of the docker command: contexts/meta/<SHA-256 of its name>/meta.json.
func contextEndpoint(config, name string) (endpoint, error) {
	sum := sha256.Sum256([]byte(name))
	id := hex.EncodeToString(sum[:])
	var meta struct {
		Endpoints map[string]struct {
			Host          string
			SkipTLSVerify bool
		}
	}
	if err := readJSON(filepath.Join(config, "contexts", "meta", id, "meta.json"), &meta); err != nil {
		return endpoint{}, &EngineError{Engine: "docker", Reason: "there is no context " + foreign(name), Err: err, hint: "docker context ls, then DOCKER_CONTEXT=NAME; or DOCKER_HOST"}
	}
	e := meta.Endpoints["docker"]
	certs := filepath.Join(config, "contexts", "tls", id, "docker")
	var secure func() (*tls.Config, error)
	if _, err := os.Stat(certs); err == nil || e.SkipTLSVerify {
		secure = func() (*tls.Config, error) { return certificates(certs, e.SkipTLSVerify) }
	}
	return newEndpoint(e.Host, secure)
}

func newEndpoint(host string, secure func() (*tls.Config, error)) (endpoint, error) {
	u, err := url.Parse(host)
	known := err == nil && (u.Scheme == "unix" || u.Scheme == "npipe" || (u.Scheme == "tcp" || u.Scheme == "http" || u.Scheme == "https" || u.Scheme == "ssh") && u.Hostname() != "")
	if !known || strings.HasPrefix(u.Hostname(), "-") {
		return endpoint{}, &EngineError{Engine: "docker", Reason: "its address cannot be read: " + foreign(host),
			hint: "DOCKER_HOST=unix:///var/run/docker.sock, tcp://HOST:PORT or ssh://USER@HOST"}
	}
	if u.Scheme == "https" && secure == nil {
		secure = func() (*tls.Config, error) { return &tls.Config{MinVersion: tls.VersionTLS12}, nil }
	}
	shown := *u
	shown.User = nil
	return endpoint{text: shown.String(), url: u, tls: secure}, nil
}

// certificates reads ca.pem, cert.pem and key.pem of a folder; those that are not there are not used.
func certificates(folder string, insecure bool) (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: insecure}
	ca, err := os.ReadFile(filepath.Join(folder, "ca.pem"))
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, err
	default:
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(ca) {
			return nil, &fs.PathError{Op: "read certificates", Path: filepath.Join(folder, "ca.pem"), Err: errors.New("there are none in it")}
		}
	}
	pair, err := tls.LoadX509KeyPair(filepath.Join(folder, "cert.pem"), filepath.Join(folder, "key.pem"))
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, err
	default:
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}

// byProgram is the program that brings us to the engine by its stdin and stdout; "" when a socket does.
func (e endpoint) byProgram() string {
	switch e.url.Scheme {
	case "ssh":
		return "ssh"
	case "npipe":
		return "docker"
	}
	return ""
}

// dial connects.
func (e endpoint) dial(ctx context.Context, m Machine) (net.Conn, error) {
	d := net.Dialer{Timeout: dialTimeout}
	switch e.url.Scheme {
	case "unix":
		return d.DialContext(ctx, "unix", e.url.Path)
	case "ssh":
		args := []string{"-o", "ConnectTimeout=30", "-T"}
		if u := e.url.User.Username(); u != "" {
			args = append(args, "-l", u)
		}
		if p := e.url.Port(); p != "" {
			args = append(args, "-p", p)
		}
		args = append(args, "--", e.url.Hostname(), "docker")
		if p := strings.TrimSuffix(e.url.Path, "/"); p != "" {
			args = append(args, "--host", "unix://"+p)
		}
		return dialProgram(ctx, m, "ssh", append(args, "system", "dial-stdio")), nil
	case "npipe":
		return dialProgram(ctx, m, "docker", []string{"--host", e.text, "system", "dial-stdio"}), nil
	}
	port := e.url.Port()
	if port == "" {
		port = "2375"
		if e.tls != nil {
			port = "2376"
		}
	}
	return d.DialContext(ctx, "tcp", net.JoinHostPort(e.url.Hostname(), port))
}

// readJSON reads a small file of the user's.
func readJSON(path string, into any) error {
	f, err := os.Open(path) // which may be a link: many keep their settings elsewhere
	if err != nil {
		return err
	}
	defer f.Close()
	return json.NewDecoder(io.LimitReader(f, maxJSON)).Decode(into)
}

// lookup is the value of a variable of an environment, the last one that counts.
func lookup(env []string, name string) string {
	value := ""
	for _, pair := range env {
		if n, v, ok := strings.Cut(pair, "="); ok && n == name {
			value = v
		}
	}
	return value
}

// find tells whether a program is there.
func (m Machine) find(name string) bool {
	_, err := run.LookPath(name, m.Env)
	return err == nil
}
