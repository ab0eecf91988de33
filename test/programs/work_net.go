// SPDX-License-Identifier: MIT OR Apache-2.0

//go:build linux

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// The pieces of work that talk to a server of ours, or are one.

// serves starts a file server on a port of its own, asks it, and ends it by a signal, as an engine does.
func (j *job) serves(end syscall.Signal, args func(port string) []string, ask func(url string) error) error {
	if err := j.files("hello.txt", hello+"\n"); err != nil {
		return err
	}
	port, err := freePort()
	if err != nil {
		return err
	}
	p, err := j.start(words{args: args(port), network: true})
	if err != nil {
		return err
	}
	defer p.end()
	if err := p.await("port "+port, func() bool { return listens(port) }); err != nil {
		return err
	}
	if err := ask("http://127.0.0.1:" + port); err != nil {
		return err
	}
	return p.stop(end)
}

// client is for servers of ours on loopback, never through a proxy of the user's.
var client = &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{}}

// get expects text in the answer.
func get(url, text string) error {
	res, err := client.Get(url)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK || !strings.Contains(string(body), text) {
		return fmt.Errorf("get %s: %s: %s", url, res.Status, lastLines(string(body), 2))
	}
	return nil
}

func workMiniserve(j *job) error {
	return j.serves(syscall.SIGTERM, func(port string) []string { return []string{"--interfaces", "127.0.0.1", "--port", port, "/w"} }, func(url string) error {
		if err := get(url+"/", "hello.txt"); err != nil {
			return err
		}
		return get(url+"/hello.txt", hello)
	})
}

// workDufs ends dufs by SIGINT: it takes no other, and PID 1 is not ended by a signal that it does not take. Its users
// build with --stop-signal SIGINT, or wait ten seconds.
func workDufs(j *job) error {
	return j.serves(syscall.SIGINT, func(port string) []string {
		return []string{"--bind", "127.0.0.1", "--port", port, "--allow-upload", "/w"}
	}, func(url string) error {
		if err := get(url+"/hello.txt", hello); err != nil {
			return err
		}
		req, err := http.NewRequest(http.MethodPut, url+"/up.txt", strings.NewReader("up"))
		if err != nil {
			return err
		}
		res, err := client.Do(req)
		if err != nil {
			return err
		}
		res.Body.Close()
		data, err := os.ReadFile(filepath.Join(j.dir, "up.txt"))
		if err == nil && string(data) != "up" {
			err = fmt.Errorf("put up.txt: %s: the file holds %q", res.Status, data)
		}
		return err
	})
}

func workXh(j *job) error { return j.trust("--ignore-stdin") }

func workXhNative(j *job) error { return j.trust("--ignore-stdin", "--native-tls") }

// trust asks a server whose CA the image has, and one whose CA it has not.
func (j *job) trust(flags ...string) error {
	ask := func(url string) (answer, error) {
		return j.run(words{args: append(append([]string{}, flags...), "GET", url+"/hello"), network: true})
	}
	a, err := ask(j.site.good.URL)
	if err != nil {
		return err
	}
	if a.code != 0 || !strings.Contains(a.stdout, hello) {
		return fmt.Errorf("get %s, signed by our CA: exit code %d: %s", j.site.good.URL, a.code, lastLines(a.all(), 3))
	}
	if a, err = ask(j.site.unknown.URL); err != nil {
		return err
	}
	if a.code == 0 || strings.Contains(a.stdout, hello) || !strings.Contains(strings.ToLower(a.stderr), "cert") {
		return fmt.Errorf("get %s, signed by an unknown CA: exit code %d: %s", j.site.unknown.URL, a.code, lastLines(a.all(), 3))
	}
	return nil
}

// queues is RabbitMQ's answer about two queues, one of them too long.
const queues = `[{"name":"boats","state":"running","consumers":1,"memory":1000,"messages":12000,"messages_ready":12000,"messages_unacknowledged":0},
{"name":"cars","state":"running","consumers":1,"memory":1000,"messages":1,"messages_ready":1,"messages_unacknowledged":0}]`

// workMonitor lets rmq_monitor poll a RabbitMQ that answers once: it ends with an error at the second poll.
func workMonitor(j *job) error {
	var polls, denied atomic.Int64
	rabbit := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, ok := r.BasicAuth()
		switch {
		case r.URL.Path != "/api/queues" || !ok || user != "guest" || password != "secret":
			denied.Add(1)
			w.WriteHeader(http.StatusUnauthorized)
		case polls.Add(1) > 1:
			w.WriteHeader(http.StatusServiceUnavailable)
		default:
			fmt.Fprint(w, queues)
		}
	}))
	defer rabbit.Close()
	_, port, _ := strings.Cut(strings.TrimPrefix(rabbit.URL, "http://"), ":")
	settings := fmt.Sprintf(`
[rabbitmq]
protocol = "http"
host = "127.0.0.1"
port = %q
username = "guest"
password = "secret"
vhost = "/"

[settings]
poll_seconds = 1

[slack]
webhook_url = "%s/services/T/B/X"
channel = "#boats"
screen_name = "monitor"

[[triggers]]
type = "messages_ready"
threshold = 10000
`, port, j.site.good.URL)
	if err := j.files("config.toml", settings); err != nil {
		return err
	}
	j.site.messages()
	a, err := j.run(words{args: []string{"--config", "/w/config.toml"}, network: true})
	if err != nil {
		return err
	}
	told := j.site.messages()
	if len(told) != 1 || !strings.Contains(told[0], "boats") || !strings.Contains(told[0], "12000") || !json.Valid([]byte(told[0])) {
		return fmt.Errorf("%d polls, %d of them denied, Slack was told %q: %s", polls.Load(), denied.Load(), told, lastLines(a.all(), 5))
	}
	return nil
}

func workWebsocat(j *job) error {
	if err := j.echoes(j.site.good.URL); err != nil {
		return err
	}
	if err := j.echoes(j.site.unknown.URL); err == nil {
		return errors.New("echo through wss, signed by an unknown CA: it was not refused")
	}
	return nil
}

// echoes sends a line through a WebSocket and waits for it to come back.
func (j *job) echoes(url string) error {
	p, err := j.start(words{args: []string{"--text", "wss" + strings.TrimPrefix(url, "https") + "/echo"}, network: true})
	if err != nil {
		return err
	}
	defer p.end()
	if _, err := io.WriteString(p.stdin, "ahoy\n"); err != nil {
		return err
	}
	return p.await("the echo", func() bool { return strings.Contains(p.output.String(), "ahoy") })
}

func workSccache(j *job) error {
	if err := j.give(); err != nil {
		return err
	}
	port, err := freePort()
	if err != nil {
		return err
	}
	env := []string{"HOME=/w", "SCCACHE_DIR=/w/cache", "SCCACHE_SERVER_PORT=" + port}
	// What --start-server starts, but not in the background of a container that would end with it.
	p, err := j.start(words{env: append([]string{"SCCACHE_START_SERVER=1", "SCCACHE_NO_DAEMON=1"}, env...), network: true})
	if err != nil {
		return err
	}
	defer p.end()
	if err := p.await("port "+port, func() bool { return listens(port) }); err != nil {
		return err
	}
	a, err := j.must(words{args: []string{"--show-stats", "--stats-format", "json"}, env: env, network: true})
	if err != nil {
		return err
	}
	if !json.Valid([]byte(a.stdout)) || !strings.Contains(a.stdout, "/w/cache") {
		return fmt.Errorf("show statistics: no /w/cache in %s", lastLines(a.all(), 3))
	}
	if _, err := j.must(words{args: []string{"--stop-server"}, env: env, network: true}); err != nil {
		return err
	}
	select {
	case <-p.done:
		return nil
	case <-time.After(termWithin):
		return errors.New("stop the server: it did not end")
	}
}
