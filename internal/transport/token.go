// SPDX-License-Identifier: MIT OR Apache-2.0

package transport

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/publicsuffix"
)

// fetch gets a token from the token server that the registry names (distribution, "Token Authentication" and "OAuth2
// Token Authentication").
func (h *host) fetch(ctx context.Context, who Credential, scopes []string) (token, *fault, error) {
	realm, err := h.realm(who)
	if err != nil {
		return token{}, nil, err
	}
	r := tokenRequest(*realm, h.badge.challenge.service, who, scopes)
	got, f, err := h.try(ctx, r)
	if f != nil || err != nil {
		return token{}, f, err
	}
	refused := &AuthError{Host: h.name, Where: elsewhere(realm.Host, h), Status: got.status, Origin: who.Origin, User: who.User}
	if got.status != http.StatusOK {
		says := parseAnswer(got.header, got.body)
		if got.status >= 500 {
			return token{}, nil, h.statusError(r, got)
		}
		refused.Text = h.badge.hide(says.text)
		return token{}, nil, refused
	}
	var doc struct {
		Token   string      `json:"token"`
		Access  string      `json:"access_token"`
		Expires json.Number `json:"expires_in"`
	}
	err = json.Unmarshal(got.body, &doc)
	word := doc.Token
	if word == "" {
		word = doc.Access
	}
	if err == nil && !isToken(word) {
		err = errors.New("it holds no token")
	}
	if err != nil {
		// What it holds may be a secret all the same: it is not shown.
		return token{}, nil, &NetError{Host: h.name, Err: fmt.Errorf("read the answer of the token server %s: %s", foreign(realm.Host), jsonFault(err)),
			hint: "the token server is broken, or something answers in its place: is a proxy or a login page before it?"}
	}
	return token{word: word, until: h.c.o.Now().Add(lifetime(doc.Expires))}, nil, nil
}

// jsonFault says in own words what is wrong with a JSON text: those of the library would quote from it.
func jsonFault(err error) string {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	if errors.As(err, &syntax) || errors.As(err, &kind) {
		return "it is not what a token server sends"
	}
	return err.Error()
}

// elsewhere is a token server's host when it is not the registry's.
func elsewhere(realm string, h *host) string {
	if base := h.base(); realm == base.Host {
		return ""
	}
	return foreign(realm)
}

// isToken refuses what cannot be part of a header.
func isToken(word string) bool {
	for i := range len(word) {
		if word[i] <= ' ' || word[i] >= 0x7f {
			return false
		}
	}
	return word != ""
}

// lifetime is how long a token is used without asking for a new one. It counts from now by our own clock, so that it
// does not matter what time the server believes it is; without a word of the server's it is the minute that the
// specification gives. A token that dies earlier is found out by a 401.
func lifetime(word json.Number) time.Duration {
	n, err := word.Int64()
	if err != nil || n <= 0 {
		n = 60
	}
	d := time.Duration(min(n, 24*60*60)) * time.Second
	return d - d/10
}

func tokenRequest(realm url.URL, service string, who Credential, scopes []string) *request {
	r := &request{method: http.MethodGet, bare: true, header: http.Header{"Accept": {"application/json"}}}
	if who.Identity != "" {
		form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {who.Identity}, "service": {service},
			"client_id": {"sampan"}, "scope": {strings.Join(scopes, " ")}}.Encode()
		r.method, r.url, r.size = http.MethodPost, realm, int64(len(form))
		r.header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.open = func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(form)), nil }
		return r
	}
	q := realm.Query()
	if service != "" {
		q.Set("service", service)
	}
	q["scope"] = scopes
	if !who.none() {
		if who.User != "" {
			q.Set("account", who.User)
		}
		r.header.Set("Authorization", who.basic())
	}
	realm.RawQuery = q.Encode()
	r.url = realm
	return r
}

// realm decides whether the token server that the registry names may be asked, and may get the credential.
func (h *host) realm(who Credential) (*url.URL, error) {
	home := h.base()
	word := h.badge.challenge.realm
	refuse := func(why, hint string) (*url.URL, error) {
		return nil, &AuthError{Host: h.name, Origin: who.Origin, User: who.User, hint: hint,
			Reason: fmt.Sprintf("its token server %s is not asked: %s", foreign(word), why)}
	}
	u, err := url.Parse(word)
	broken := "the registry is set up wrongly, or it is not the one that you think"
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		return refuse("it is no address", broken)
	case u.User != nil:
		return refuse("its address holds a user", broken)
	case u.Scheme == "http" && home.Scheme == "https":
		return refuse("the registry speaks HTTPS, and its token server does not", broken)
	case sameOrigin(u, &home):
		return u, nil
	case slices.Contains(h.c.o.Realms, u.Host) || slices.Contains(h.c.o.Realms, u.Hostname()):
		return u, nil
	case sameDomain(u.Hostname(), h.badge.name):
		return u, nil
	case inward(u.Hostname()):
		return refuse("it leads into this machine or its network", "if that is meant: --trust-realm "+u.Host)
	case who.none():
		return u, nil // it learns nothing but what anybody may ask
	}
	return refuse("it is not of the registry's own domain, and would get the credential", "if it belongs to the registry: --trust-realm "+u.Host)
}

// sameDomain tells whether a token server's host is of the registry's own domain: below the same name that one can
// register (the public suffix list). Addresses, and names of this machine, have no domain.
func sameDomain(realm string, n Name) bool {
	own := hostname(n.Host)
	if isHub(n.Host) {
		own = "docker.io"
	}
	realm = strings.TrimSuffix(strings.ToLower(realm), ".")
	if inward(own) || inward(realm) {
		return false
	}
	a, err := publicsuffix.EffectiveTLDPlusOne(own)
	if err != nil {
		return false
	}
	b, err := publicsuffix.EffectiveTLDPlusOne(realm)
	return err == nil && a == b
}
