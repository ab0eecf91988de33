// SPDX-License-Identifier: MIT OR Apache-2.0

package output

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// docker speaks the Docker engine's API over its socket (Docker Engine API, 1.25 and later). Podman's service speaks it too.
type docker struct {
	m      Machine
	at     endpoint
	client *http.Client

	mu    sync.Mutex
	early net.Conn // opened by look, for the first request
}

const (
	oldestAPI = 25 // of 1.25, which came with Docker 1.13
	// engineStall is how long an engine may neither take nor say anything.
	engineStall = 2 * time.Minute
	// engineText bounds an answer of the engine, and a line of its stream.
	engineText = 1 << 20
)

// dockerOpener opens one engine, once.
type dockerOpener struct {
	m      Machine
	engine *docker
}

func (o *dockerOpener) find() (*docker, error) {
	if o.engine != nil {
		return o.engine, nil
	}
	at, err := dockerEndpoint(o.m)
	if err != nil {
		return nil, err
	}
	if p := at.byProgram(); p != "" && !o.m.find(p) {
		return nil, noTool("docker", p)
	}
	o.engine = &docker{m: o.m, at: at}
	return o.engine, nil
}

func (o *dockerOpener) open(context.Context) ([]engine, error) {
	d, err := o.find()
	if err != nil {
		return nil, err
	}
	return []engine{d}, d.connect()
}

// look connects and keeps the connection, where that takes no other program.
func (o *dockerOpener) look(ctx context.Context) error {
	d, err := o.find()
	if err != nil || d.at.byProgram() != "" {
		return err
	}
	conn, err := d.at.dial(ctx, d.m)
	if err != nil {
		return d.unreachable(err)
	}
	d.mu.Lock()
	d.early = conn
	d.mu.Unlock()
	return nil
}

// connect makes the client. Certificates are read here: after all project code has ended.
func (d *docker) connect() error {
	if d.client != nil {
		return nil
	}
	t := &http.Transport{DisableCompression: true, MaxIdleConns: 2, IdleConnTimeout: engineStall, WriteBufferSize: 64 << 10,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			d.mu.Lock()
			conn := d.early
			d.early = nil
			d.mu.Unlock()
			if conn != nil {
				return conn, nil
			}
			return d.at.dial(ctx, d.m)
		}}
	if d.at.tls != nil {
		c, err := d.at.tls()
		if err != nil {
			return &EngineError{Engine: "docker", Reason: "read its certificates", Err: err, hint: "DOCKER_CERT_PATH=DIR, with ca.pem, cert.pem and key.pem"}
		}
		c.ServerName = d.at.url.Hostname()
		t.TLSClientConfig = c
	}
	d.client = &http.Client{Transport: t, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return nil
}

// ask sends a request and gives the answer if its code is one of those wanted; else the error says what the engine says.
func (d *docker) ask(req *http.Request, wanted ...int) (*http.Response, error) {
	req.Header.Set("User-Agent", "sampan")
	resp, err := d.client.Do(req)
	if err != nil {
		if cause := context.Cause(req.Context()); cause != nil {
			err = cause
		}
		return nil, d.unreachable(err)
	}
	if err := d.fit(resp); err != nil {
		resp.Body.Close()
		return nil, err
	}
	for _, code := range wanted {
		if resp.StatusCode == code {
			return resp, nil
		}
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(resp.Body, engineText))
	var said struct{ Message string }
	if json.Unmarshal(text, &said) == nil && said.Message != "" {
		text = []byte(said.Message)
	}
	return nil, &EngineError{Engine: "docker", Reason: fmt.Sprintf("%s answers %d to %s %s: %s", d.at.text, resp.StatusCode, req.Method, req.URL.Path, foreign(string(text))),
		hint: d.advise(string(text))}
}

// advise knows what to do about some of what an engine says.
func (d *docker) advise(text string) string {
	if strings.Contains(text, "no space left") {
		return "docker system prune, then run the same command again"
	}
	return "docker info, which says how the engine is"
}

// fit refuses engines that are too old, and those that run programs of another system.
func (d *docker) fit(resp *http.Response) error {
	if _, minor, ok := strings.Cut(resp.Header.Get("Api-Version"), "."); ok {
		if n, err := strconv.Atoi(minor); err == nil && strings.HasPrefix(resp.Header.Get("Api-Version"), "1.") && n < oldestAPI {
			return &EngineError{Engine: "docker", Reason: fmt.Sprintf("the engine at %s is too old: its API is 1.%d, and 1.%d is needed", d.at.text, n, oldestAPI),
				hint: "upgrade Docker to 1.13 or newer, or load an archive by hand: -o docker-archive:FILE"}
		}
	}
	if os := resp.Header.Get("Ostype"); os != "" && os != "linux" {
		return &EngineError{Engine: "docker", Reason: "the engine runs " + foreign(os) + " containers, and the image is for linux",
			hint: "switch Docker Desktop to Linux containers"}
	}
	return nil
}

// unreachable says what to do when nobody answers.
func (d *docker) unreachable(err error) error {
	if errors.Is(err, context.Canceled) {
		return err
	}
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err
	}
	e := &EngineError{Engine: "docker", Reason: "ask the engine at " + d.at.text, Err: err, hint: "start Docker, or say where it is: DOCKER_HOST, docker context use NAME"}
	switch {
	case errors.Is(err, fs.ErrPermission):
		e.hint = "sudo usermod -aG docker $USER, then log in anew; or podman, which needs no group: -o podman:"
	case d.at.byProgram() == "ssh":
		e.hint = "try: ssh " + d.at.url.Hostname() + " docker version"
	case d.at.tls != nil:
		e.hint = "DOCKER_CERT_PATH=DIR with ca.pem, cert.pem and key.pem; without TLS unset DOCKER_TLS_VERIFY"
	case d.at.url.Scheme == "unix" && d.at.url.Path == "/var/run/docker.sock":
		e.hint = "start Docker: sudo systemctl start docker; or say where it is: DOCKER_HOST, docker context use NAME"
	}
	return e
}

// request makes a request for a path of the API.
func (d *docker) request(ctx context.Context, method, path string, query url.Values) (*http.Request, error) {
	u := url.URL{Scheme: "http", Host: "docker", Path: path, RawQuery: query.Encode()}
	if d.at.url.Scheme != "unix" && d.at.byProgram() == "" {
		u.Host = d.at.url.Host
	}
	if d.at.tls != nil {
		u.Scheme = "https"
	}
	return http.NewRequestWithContext(ctx, method, u.String(), nil)
}

// platform asks for the engine's version.
func (d *docker) platform(ctx context.Context) (v1.Platform, error) {
	var said struct{ Os, Arch string }
	found, err := d.get(ctx, "/version", &said)
	if err == nil && !found {
		err = &EngineError{Engine: "docker", Reason: "the engine at " + d.at.text + " does not tell its version", hint: "docker version"}
	}
	return v1.Platform{OS: said.Os, Architecture: said.Arch}, err
}

// get reads a document; false means that there is none.
func (d *docker) get(ctx context.Context, path string, into any) (bool, error) {
	ctx, stop := context.WithTimeoutCause(ctx, engineStall, errors.New("no answer"))
	defer stop()
	req, err := d.request(ctx, http.MethodGet, path, nil)
	if err != nil {
		return false, err
	}
	resp, err := d.ask(req, http.StatusOK, http.StatusNotFound)
	if err != nil {
		return false, err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(io.LimitReader(resp.Body, engineText))
	if err != nil {
		return false, d.unreachable(err)
	}
	if resp.StatusCode == http.StatusNotFound {
		return false, nil
	}
	if err := json.Unmarshal(data, into); err != nil {
		return false, &EngineError{Engine: "docker", Reason: "what answers at " + d.at.text + " is no Docker engine", Err: err, hint: "docker version"}
	}
	return true, nil
}

// id is what a name leads to; "" when that is nothing.
func (d *docker) id(ctx context.Context, name string) (string, error) {
	var said struct{ ID string }
	_, err := d.get(ctx, "/images/"+name+"/json", &said)
	return said.ID, err
}

func (d *docker) lacks(ctx context.Context, im *loadable) (names []string, held bool, err error) {
	for _, ref := range im.refs {
		id, err := d.id(ctx, ref)
		if err != nil {
			return nil, false, err
		}
		if im.is(id) {
			held = true
		} else {
			names = append(names, ref)
		}
	}
	for _, known := range []string{im.config, im.manifest} {
		if len(names) == 0 || held {
			break
		}
		id, err := d.id(ctx, known)
		if err != nil {
			return nil, false, err
		}
		held = im.is(id)
	}
	return names, held, nil
}

func (d *docker) name(ctx context.Context, im *loadable, names []string) error {
	for _, ref := range names {
		i := strings.LastIndexByte(ref, ':')
		err := d.tag(ctx, im.config, ref[:i], ref[i+1:])
		if err != nil {
			err = d.tag(ctx, im.manifest, ref[:i], ref[i+1:]) // what an engine on containerd's store knows it by
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (d *docker) tag(ctx context.Context, id, repo, tag string) error {
	req, err := d.request(ctx, http.MethodPost, "/images/"+id+"/tag", url.Values{"repo": {repo}, "tag": {tag}})
	if err != nil {
		return err
	}
	resp, err := d.ask(req, http.StatusCreated)
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

func (d *docker) load(ctx context.Context, _ *loadable, t *tarFile) error {
	ctx, moved, stop := watched(ctx, engineStall)
	defer stop()
	req, err := d.request(ctx, http.MethodPost, "/images/load", url.Values{"quiet": {"0"}})
	if err != nil {
		return err
	}
	s := t.stream()
	req.Body, req.ContentLength = struct {
		io.Reader
		io.Closer
	}{moving(s, moved), s}, t.size
	req.Header.Set("Content-Type", "application/x-tar")
	resp, err := d.ask(req, http.StatusOK)
	if err == nil {
		err = d.listen(moving(resp.Body, moved))
		resp.Body.Close()
	}
	if own := s.end(); own != nil && ctx.Err() == nil {
		return own // the engine only saw an archive that ended early
	}
	return err
}

// listen reads what the engine says of a load: one JSON document a line. An error in any of them is one.
func (d *docker) listen(r io.Reader) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, engineText)
	for lines.Scan() {
		var said struct{ Error string }
		if json.Unmarshal(lines.Bytes(), &said) == nil && said.Error != "" {
			return &EngineError{Engine: "docker", Reason: "the engine refuses the image: " + foreign(said.Error), hint: d.advise(said.Error)}
		}
	}
	if err := lines.Err(); err != nil {
		return d.unreachable(err)
	}
	return nil
}
