// SPDX-License-Identifier: MIT OR Apache-2.0

//go:build linux

package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"sampan/internal/faulty"
)

const (
	user     = "user"
	password = "correct-horse-battery-staple"
)

// cell is one push: a client and a scene.
type cell struct {
	sizes    map[string]int64 // of the blobs that the client pushes
	guard    *faulty.Guard
	proxy    *faulty.Proxy
	stranger *faulty.Stranger
}

// outcome is what a push left.
type outcome struct {
	verdict string
	why     string // in few words; "" when there is nothing to add
	took    time.Duration
	said    string // the end of what the client wrote
	group   int    // of its processes
}

// wares are what a client pushes, as a registry sees it.
type wares struct {
	digest string
	sizes  map[string]int64
}

// sheet is the table: outcomes by scene and client.
type sheet struct {
	scenes []scene
	cells  [][]outcome
}

// play plays all scenes with all clients, those of one scene side by side.
func (h *harness) play(ctx context.Context, q *quay, scenes []scene, clients []*client) (*sheet, error) {
	s := &sheet{scenes: append([]scene{calm}, scenes...)}
	known := make([]wares, len(clients))
	for n, sc := range s.scenes {
		row := make([]outcome, len(clients))
		errs := make([]error, len(clients))
		var all sync.WaitGroup
		for i, c := range clients {
			all.Go(func() { row[i], errs[i] = h.push(ctx, q, sc, c, &known[i]) })
		}
		all.Wait()
		if err := errors.Join(append(errs, ctx.Err())...); err != nil {
			return nil, fmt.Errorf("%s: %w", sc.id, err)
		}
		for i, o := range row {
			say("%d/%d %s %s: %s: %s %s (%.1f s) %s", n, len(s.scenes)-1, q.name, sc.id, clients[i].name, o.verdict, o.why, o.took.Seconds(), o.said)
		}
		s.cells = append(s.cells, row)
	}
	return s, nil
}

// open builds what a scene needs before a registry.
func (sc *scene) open(q *quay, known *wares) *cell {
	c := &cell{sizes: known.sizes}
	behind := faulty.Before("http://" + q.address)
	c.stranger = faulty.NewStranger(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/token") {
			faulty.Status(http.StatusOK, `{"token":"of-a-stranger","access_token":"of-a-stranger"}`)(w, r, nil)
			return
		}
		behind.ServeHTTP(w, r)
	}))
	c.guard = &faulty.Guard{Behind: behind, User: user, Password: password, Uses: sc.uses}
	if sc.realm {
		c.guard.Realm = "http://" + c.stranger.Host + "/token"
	}
	front := behind
	if sc.guarded {
		front = c.guard
	}
	c.proxy = faulty.NewProxy(front, false, time.Now)
	if sc.faults != nil {
		c.proxy.Play(sc.faults(c)...)
	}
	return c
}

func (c *cell) close() {
	c.proxy.Close()
	c.stranger.Close()
}

func credential() string { return base64.StdEncoding.EncodeToString([]byte(user + ":" + password)) }

func login(host string) string {
	return fmt.Sprintf(`{"auths":{%q:{"auth":%q}}}`, host, credential())
}

// push lets a client push once and judges it. The first push of a client, the calm one, tells its wares.
func (h *harness) push(ctx context.Context, q *quay, sc scene, by *client, known *wares) (outcome, error) {
	if known.digest == "" && sc.id != calm.id {
		return outcome{verdict: refuses, why: "it cannot push at all"}, nil
	}
	c := sc.open(q, known)
	defer c.close()
	dir := filepath.Join(h.dir, "push")
	env, err := surroundings(dir+"-"+by.name, login(c.proxy.Host))
	if err != nil {
		return outcome{}, err
	}
	defer os.RemoveAll(dir + "-" + by.name)
	repo := "faults/" + strings.ToLower(strings.ReplaceAll(sc.id, "–", "calm")) + "-" + by.name
	if by.before != nil {
		if err := by.before(ctx, c.proxy.Host, repo); err != nil {
			return outcome{}, err
		}
	}
	argv, more := by.push(c.proxy.Host, repo)
	limit := sc.limit
	if limit == 0 {
		limit = usualLimit
	}
	o, code := start(ctx, argv, append(env, more...), limit)
	if by.after != nil {
		if err := by.after(ctx, c.proxy.Host, repo); err != nil {
			return outcome{}, err
		}
	}
	r := newReader(q.address)
	if sc.id == calm.id && code == 0 {
		if known.digest, known.sizes, err = r.tagged(repo, "v1"); err != nil {
			return outcome{}, err
		}
	}
	bad := error(nil)
	if code == 0 {
		bad = r.whole(repo, "v1", known.digest)
	}
	heard, _ := c.stranger.Heard()
	o.verdict, o.why = judge(evidence{code: code, incomplete: bad, leaked: leak(heard), early: early(c.proxy.Requests(), sc.asked), asked: sc.asked})
	return o, nil
}

// start runs a client, for so long at most. code is -1 when it did not end by itself.
func start(ctx context.Context, argv, env []string, limit time.Duration) (o outcome, code int) {
	var said bytes.Buffer
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Env, cmd.Stdout, cmd.Stderr = env, &said, &said
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.WaitDelay = time.Second
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return outcome{said: err.Error()}, 1
	}
	o.group = cmd.Process.Pid
	late := false
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	select {
	case <-done:
	case <-ctx.Done():
		late = true
	case <-time.After(limit):
		late = true
	}
	if late {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		<-done
	}
	o.took = time.Since(began)
	text := strings.Join(strings.Fields(said.String()), " ")
	o.said = text[max(0, len(text)-600):]
	if late {
		return o, -1
	}
	return o, cmd.ProcessState.ExitCode()
}

// evidence is what the registry, the proxy and strangers say of a push.
type evidence struct {
	code       int           // exit status; -1 when it was ended from outside
	incomplete error         // what a stranger misses
	leaked     string        // what a stranger heard; "" for nothing
	early      time.Duration // the shortest wait after a refusal; below 0 when there was none to look at
	asked      time.Duration
}

// slack is what may be on its way already when a refusal is sent.
const slack = 150 * time.Millisecond

func judge(e evidence) (verdict, why string) {
	switch {
	case e.leaked != "":
		return wrong, e.leaked + " shown"
	case e.code < 0:
		return wrong, "no end"
	case e.code != 0:
		return refuses, ""
	case e.incomplete != nil:
		return wrong, "says done"
	case e.asked > 0 && e.early >= 0 && e.early < e.asked:
		return hasty, fmt.Sprintf("%.1f s", e.early.Seconds())
	}
	return right, ""
}

// early is the shortest time from a refusal to the next request of the kind that began after it, or to the last one of
// all when that was no later than what was on its way.
func early(rs []faulty.Request, asked time.Duration) time.Duration {
	shortest := time.Duration(-1)
	var kinds []string
	for _, r := range rs {
		if r.Played && asked > 0 {
			kinds = append(kinds, r.Kind)
		}
	}
	note := func(d time.Duration) {
		if shortest < 0 || d < shortest {
			shortest = d
		}
	}
	for _, refused := range rs {
		if !refused.Played || asked == 0 {
			continue
		}
		last := time.Duration(-1)
		for _, r := range rs {
			after := r.Began.Sub(refused.Ended)
			if !slices.Contains(kinds, r.Kind) || after < 0 {
				continue
			}
			last = max(last, after)
			if after > slack {
				note(after)
			}
		}
		if last >= 0 && last <= slack {
			note(last)
		}
	}
	return shortest
}

// leak tells which credential is in what a stranger heard.
func leak(heard string) string {
	switch {
	case strings.Contains(heard, password), strings.Contains(heard, credential()):
		return "password"
	case strings.Contains(heard, "of-many"):
		return "token"
	}
	return ""
}
