// SPDX-License-Identifier: MIT OR Apache-2.0

package transport

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
)

// StatusError is an answer of a registry that is not the one that was wanted.
type StatusError struct {
	Host   string // the registry, as the user named it
	Method string
	Where  string // the address, without its query
	Status int    // of HTTP
	Codes  []string
	Text   string // what the registry says, escaped and cut
	hint   string
}

func (e *StatusError) Error() string {
	s := fmt.Sprintf("%s %s: %s", e.Method, e.Where, statusText(e.Status))
	if e.Text != "" {
		s += ": " + e.Text
	}
	return s
}

// Hint says what to type.
func (e *StatusError) Hint() string {
	if e.hint != "" {
		return e.hint
	}
	says := answer{codes: e.Codes}
	has := func(code string) bool { return says.has(code) }
	switch {
	case strings.Contains(e.Text, "HTTPS server") || strings.Contains(e.Text, "HTTPS port"):
		return "this port speaks TLS: --repo https://" + e.Host + "/…"
	case e.Status == http.StatusRequestEntityTooLarge:
		return "the registry, or a proxy before it, takes no body of this size: raise its limit, or make the image smaller: --thin"
	case e.Status == http.StatusInsufficientStorage || strings.Contains(strings.ToLower(e.Text), "quota"):
		return "the registry is full: delete images there, or ask for a higher quota"
	case has("TAG_INVALID") || strings.Contains(strings.ToLower(e.Text), "immutable"):
		return "tags of this repository cannot be moved: choose a new one, such as --tag '{version}'"
	case e.Status == http.StatusNotFound:
		return createRepository(e.Host)
	case e.Status == http.StatusTooManyRequests:
		return "wait, then run the same command again; a login may have a higher limit: sampan login " + e.Host
	case e.Status == http.StatusMethodNotAllowed || has("UNSUPPORTED"):
		return "this registry takes no pushes here: is it a mirror, or read-only?"
	case e.Status == http.StatusBadRequest && len(e.Codes) == 0 && strings.HasPrefix(e.Where, "http://"):
		return "if this port speaks TLS: --repo https://" + e.Host + "/…"
	case e.Status >= 500:
		return "the registry has trouble of its own: run the same command later"
	}
	return "is " + e.Host + " a registry, and this its repository's right name? (--repo)"
}

// createRepository says how a repository comes to be where a push does not make it.
func createRepository(host string) string {
	name := hostname(host)
	if region, ok := ecr(name); ok {
		return "make the repository first: aws ecr create-repository --region " + region + " --repository-name PATH"
	}
	if strings.HasSuffix(name, ".pkg.dev") {
		return "make the repository first: gcloud artifacts repositories create NAME --repository-format=docker --location=LOCATION"
	}
	return "is the repository's name right, and may you write there? some registries want it made first"
}

// AuthError is a registry that does not let us in. The tool's exit code for it is 4.
type AuthError struct {
	Host   string // the registry
	Where  string // who refused, when it was not the registry itself: a token server
	Status int    // of HTTP; 0 when nobody was asked
	Text   string // what it says, escaped and cut
	Origin string // where the credential came from; "" when there was none
	User   string // whose it was, "" when not known
	Reason string // in place of the status, when nobody was asked
	hint   string
}

func (e *AuthError) Error() string {
	s := "not authorised at " + e.Host
	if e.Where != "" {
		s += " (token server " + e.Where + ")"
	}
	if e.Reason != "" {
		s += ": " + e.Reason
	} else {
		s += ": " + statusText(e.Status)
	}
	if e.Text != "" {
		s += ": " + e.Text
	}
	switch {
	case e.Origin == "":
		s += "; no credential was found for this host"
	case e.User != "":
		s += fmt.Sprintf("; the credential came from %s, user %s", e.Origin, e.User)
	default:
		s += "; the credential came from " + e.Origin
	}
	return s
}

// Hint says what to type.
func (e *AuthError) Hint() string {
	if e.hint != "" {
		return e.hint
	}
	if e.Status == http.StatusForbidden && e.Origin != "" {
		return "this user may not write there: is the repository's name right? for another user: " + login(e.Host)
	}
	return login(e.Host)
}

// ecr gives the region of a registry of Amazon's.
func ecr(name string) (region string, ok bool) {
	parts := strings.Split(name, ".")
	if len(parts) >= 6 && parts[1] == "dkr" && parts[2] == "ecr" && parts[4] == "amazonaws" && parts[5] == "com" {
		return parts[3], true
	}
	return "", false
}

// login is how one gets a credential for a host: with the cloud's own helper where there is one.
func login(host string) string {
	name := hostname(host)
	if region, ok := ecr(name); ok {
		return "aws ecr get-login-password --region " + region + " | sampan login " + host + " -u AWS --password-stdin; or install docker-credential-ecr-login"
	}
	switch {
	case strings.HasSuffix(name, ".pkg.dev") || name == "gcr.io" || strings.HasSuffix(name, ".gcr.io"):
		return "gcloud auth configure-docker " + host + " (it uses docker-credential-gcloud)"
	case strings.HasSuffix(name, ".azurecr.io"):
		return "az acr login --name " + strings.TrimSuffix(name, ".azurecr.io") + "; or install docker-credential-acr-env"
	case name == "ghcr.io":
		return "echo TOKEN | sampan login ghcr.io -u USER --password-stdin, with a token that has write:packages; in Actions: permissions: packages: write"
	}
	return "sampan login " + host
}

// DigestError is a registry that stored, or says that it stored, something else than it was given.
type DigestError struct {
	Host string
	What string // "manifest", "blob"
	Want string
	Got  string // a digest, or what was found instead
}

func (e *DigestError) Error() string {
	return fmt.Sprintf("%s was given %s %s and has %s instead", e.Host, e.What, e.Want, e.Got)
}

// Hint says what it means.
func (e *DigestError) Hint() string {
	return "nothing can be trusted there now: run the same command again; if it stays, something between here and the registry changes what passes"
}

// UnknownBlobError is a manifest that a registry refuses since a blob that it names is not there.
type UnknownBlobError struct{ Err error }

func (e *UnknownBlobError) Error() string { return e.Err.Error() }

// Unwrap returns the registry's answer.
func (e *UnknownBlobError) Unwrap() error { return e.Err }

// NetError is a registry that cannot be spoken with at all.
type NetError struct {
	Host string
	Err  error
	hint string
}

func (e *NetError) Error() string { return fmt.Sprintf("speak with %s: %v", e.Host, e.Err) }

// Unwrap returns the cause.
func (e *NetError) Unwrap() error { return e.Err }

// Hint says what to look at.
func (e *NetError) Hint() string { return e.hint }

// RefusedError is a place that an answer would send us to, and that we do not go to.
type RefusedError struct {
	Host string
	Why  string
	hint string
}

func (e *RefusedError) Error() string { return fmt.Sprintf("follow %s: %s", e.Host, e.Why) }

// Hint says what can be done.
func (e *RefusedError) Hint() string {
	if e.hint != "" {
		return e.hint
	}
	return "ask who runs " + e.Host + "; nothing was sent there"
}

var (
	errStalled = errors.New("no progress")
	errPlain   = errors.New("it speaks plain HTTP, not TLS")
)

// netError sorts an error of the connection: what a new try may mend, and what it will not.
func (h *host) netError(err error) (*fault, error) {
	var address *url.Error
	if errors.As(err, &address) {
		err = address.Err // its text would repeat the whole address
	}
	e := &NetError{Host: h.name, Err: errors.New(h.badge.hide(foreign(err.Error()))), hint: "is the network there, and is " + h.name + " up?"}
	var (
		certificate *tls.CertificateVerificationError
		record      tls.RecordHeaderError
		unknown     x509.UnknownAuthorityError
		name        x509.HostnameError
		invalid     x509.CertificateInvalidError
		dns         *net.DNSError
	)
	text := err.Error()
	switch {
	case errors.As(err, &unknown):
		e.hint = "for a CA of your own: --registry-ca FILE, or ~/.docker/certs.d/" + h.name + "/ca.crt; to look away for this host alone: --insecure " + h.name
		return nil, e
	case errors.As(err, &name):
		e.hint = "name the host as its certificate does"
		return nil, e
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		e.hint = "its certificate has expired, or this machine's clock is wrong: date"
		return nil, e
	case errors.As(err, &certificate):
		e.hint = "--registry-ca FILE for a CA of your own"
		return nil, e
	case errors.As(err, &record) || strings.Contains(text, "server gave HTTP response to HTTPS client"):
		e.Err = errPlain
		e.hint = "if that is meant: --repo http://" + h.name + "/…"
		return nil, e
	case strings.Contains(text, "Proxy Authentication Required"):
		e.Err = errors.New("the proxy wants a login: 407 Proxy Authentication Required")
		e.hint = "HTTPS_PROXY=http://USER:PASSWORD@PROXY:PORT, or NO_PROXY=" + hostname(h.name)
		return nil, e
	case errors.As(err, &dns) && dns.IsNotFound:
		e.hint = "is the host's name right? (--repo)"
		return nil, e
	}
	weight := 1
	if errors.Is(err, errStalled) {
		weight = max(h.c.o.Attempts/3, 1)
		e.Err = fmt.Errorf("%w for %s", errStalled, h.c.o.Stall)
	} else if strings.Contains(text, "connection refused") {
		weight = max(h.c.o.Attempts/4, 1)
		e.hint = "nothing listens there: is the registry up, and the port right?"
	}
	return &fault{err: e, weight: weight}, nil
}
