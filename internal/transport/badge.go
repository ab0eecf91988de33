// SPDX-License-Identifier: MIT OR Apache-2.0

package transport

import (
	"context"
	"encoding/base64"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// Credential is who we are at a registry. Its text says nothing of its secrets.
type Credential struct {
	Origin   string // where it came from: a file, a helper, a variable
	User     string
	Password string
	Identity string // identity token: it is exchanged for another at the token server
	Bearer   string // registry token: it goes to the registry as it is
}

// String names the credential without its secrets.
func (c Credential) String() string { return c.User + " from " + c.Origin }

// GoString is String, so that no form of printing tells more.
func (c Credential) GoString() string { return c.String() }

func (c Credential) none() bool { return c.Password == "" && c.Identity == "" && c.Bearer == "" }

func (c Credential) basic() string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(c.User+":"+c.Password))
}

// badge is what a registry knows us by: what it wants, who we are, the tokens that we got.
type badge struct {
	name Name

	mu        sync.Mutex // held while a token is fetched: others wait for it instead of fetching their own
	challenge *challenge
	asked     bool
	who       Credential
	tokens    map[string]token

	hidden struct {
		sync.Mutex
		secrets
	}
}

func (b *badge) hide(text string) string {
	b.hidden.Lock()
	defer b.hidden.Unlock()
	return b.hidden.secrets.hide(text)
}

func (b *badge) secret(words ...string) {
	b.hidden.Lock()
	defer b.hidden.Unlock()
	b.hidden.secrets.add(words...)
}

// token is one bearer token.
type token struct {
	word  string
	until time.Time
}

// pass is what one try of a request shows.
type pass struct {
	header string // Authorization, "" for none
	key    string // of the token in it
	word   string
	fresh  bool // it was fetched for this very try
}

// credential asks once who we are. The caller holds mu.
func (h *host) credential(ctx context.Context) (Credential, error) {
	b := &h.badge
	if b.asked || h.c.o.Credentials == nil {
		return b.who, nil
	}
	who, err := h.c.o.Credentials(ctx, b.name)
	if err != nil {
		return who, err
	}
	b.asked, b.who = true, who
	b.secret(who.Password, who.Identity, who.Bearer, strings.TrimPrefix(who.basic(), "Basic "))
	return who, nil
}

// authorize gives what a request to the registry shows. Before the registry has asked, that is nothing. A request whose
// new token was used up by others gets one that is its alone.
func (h *host) authorize(ctx context.Context, scope []string, alone bool) (pass, *fault, error) {
	b := &h.badge
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.challenge == nil {
		return pass{}, nil, nil
	}
	who, err := h.credential(ctx)
	if err != nil {
		return pass{}, nil, err
	}
	switch {
	case who.Bearer != "":
		return pass{header: "Bearer " + who.Bearer, word: who.Bearer}, nil, nil
	case b.challenge.scheme == "basic" && who.none():
		return pass{}, nil, &AuthError{Host: h.name, Status: http.StatusUnauthorized}
	case b.challenge.scheme == "basic":
		return pass{header: who.basic(), word: who.basic()}, nil, nil
	}
	key := strings.Join(scope, " ")
	t, ok := b.tokens[key]
	if ok && !alone && h.c.o.Now().Before(t.until) {
		return pass{header: "Bearer " + t.word, key: key, word: t.word}, nil, nil
	}
	t, f, err := h.fetch(ctx, who, h.scopes(scope))
	if f != nil || err != nil {
		return pass{}, f, err
	}
	if b.tokens == nil {
		b.tokens = map[string]token{}
	}
	if !alone {
		b.tokens[key] = t
	}
	b.secret(t.word)
	return pass{header: "Bearer " + t.word, key: key, word: t.word, fresh: true}, nil, nil
}

// scopes are ours; where the registry calls the same repository by another name, its word goes along.
func (h *host) scopes(ours []string) []string {
	out := slices.Clone(ours)
	if len(ours) != 1 {
		return out
	}
	for _, theirs := range strings.Fields(h.badge.challenge.scope) {
		mine, his := strings.Split(ours[0], ":"), strings.Split(theirs, ":")
		if len(his) != 3 || his[0] != "repository" || his[1] == mine[1] || !strings.HasSuffix(mine[1], "/"+his[1]) && !strings.HasSuffix(his[1], "/"+mine[1]) {
			continue
		}
		for _, action := range strings.Split(his[2], ",") {
			if action != "pull" && action != "push" {
				return out
			}
		}
		out = append(out, theirs)
	}
	return out
}

// challenged takes in that the registry wants to know, or no longer knows, who we are. An error says that there is
// nothing more to show.
func (h *host) challenged(ctx context.Context, got *reply, shown pass, last bool) error {
	b := &h.badge
	b.mu.Lock()
	defer b.mu.Unlock()
	says := parseAnswer(got.header, got.body)
	refused := &AuthError{Host: h.name, Status: got.status, Text: b.hide(says.text), Origin: b.who.Origin, User: b.who.User}
	want := wants(got.header)
	if want == nil {
		return refused
	}
	known := b.challenge
	b.challenge = want
	who, err := h.credential(ctx)
	if err != nil {
		return err
	}
	refused.Origin, refused.User = who.Origin, who.User
	switch {
	case last:
		return refused
	case shown.header == "" && known == nil:
		return nil // the first word of a talk
	case want.scheme == "basic":
		if shown.word == who.basic() || who.none() {
			return refused
		}
		return nil
	case who.Bearer != "":
		return refused
	case shown.fresh && known != nil && *known == *want && want.fault != "" && want.fault != "invalid_token":
		return refused // a new token, and it does not allow this: another would not either
	}
	if t, ok := b.tokens[shown.key]; ok && t.word == shown.word {
		delete(b.tokens, shown.key)
	}
	return nil
}

// challenge is one WWW-Authenticate (RFC 9110, section 11.6.1), as far as registries use it.
type challenge struct {
	scheme  string // "basic" or "bearer"
	realm   string
	service string
	scope   string
	fault   string
}

// wants reads what a 401 asks for: a bearer token before a password.
func wants(h http.Header) *challenge {
	var basic *challenge
	for _, line := range h.Values("WWW-Authenticate") {
		scheme, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch strings.ToLower(scheme) {
		case "bearer":
			p := parameters(rest)
			return &challenge{scheme: "bearer", realm: p["realm"], service: p["service"], scope: p["scope"], fault: p["error"]}
		case "basic":
			basic = &challenge{scheme: "basic"}
		}
	}
	return basic
}

// parameters reads name="value", … with quoted values that may hold commas.
func parameters(s string) map[string]string {
	out := map[string]string{}
	for s = strings.TrimLeft(s, " ,"); s != ""; s = strings.TrimLeft(s, " ,") {
		name, rest, ok := strings.Cut(s, "=")
		if !ok {
			break
		}
		var value strings.Builder
		if strings.HasPrefix(rest, `"`) {
			i := 1
			for ; i < len(rest) && rest[i] != '"'; i++ {
				if rest[i] == '\\' && i+1 < len(rest) {
					i++
				}
				value.WriteByte(rest[i])
			}
			s = rest[min(i+1, len(rest)):]
		} else {
			word, after, _ := strings.Cut(rest, ",")
			value.WriteString(strings.TrimSpace(word))
			s = after
		}
		out[strings.ToLower(strings.TrimSpace(name))] = value.String()
	}
	return out
}
