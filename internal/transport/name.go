// SPDX-License-Identifier: MIT OR Apache-2.0

package transport

import (
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"sync"
)

// Name is a repository of a registry, or a registry alone when Path is "".
type Name struct {
	Scheme string // "http" or "https" when the user wrote it, else ""
	Host   string // with its port when it has one, in lower case: "registry.example.com:5000"
	Path   string // "team/app"
}

// String is the name as other tools take it: without a scheme.
func (n Name) String() string {
	if n.Path == "" {
		return n.Host
	}
	return n.Host + "/" + n.Path
}

// pathGrammar is <name> of the distribution specification, "Pulling manifests".
var pathGrammar = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$`)
})

var hostGrammar = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?$`)
})

// ParseName reads HOST, HOST/PATH, or either after http:// or https://. The host has to be written out: a word before
// the first slash is one when it holds a dot or a colon, or is "localhost". The error is a *NameError.
func ParseName(word string) (Name, error) {
	var n Name
	rest := word
	for _, scheme := range []string{"http", "https"} {
		if after, ok := strings.CutPrefix(word, scheme+"://"); ok {
			n.Scheme, rest = scheme, after
		}
	}
	first, path, slash := strings.Cut(rest, "/")
	n.Host, n.Path = strings.ToLower(first), path
	bad := func(why, hint string) (Name, error) { return Name{}, &NameError{Word: word, Why: why, hint: hint} }
	switch {
	case word == "":
		return bad("empty", "HOST/PATH, such as ghcr.io/team")
	case strings.Contains(rest, "@"):
		return bad("it names a digest, or holds a user", "HOST/PATH alone; credentials: sampan login HOST")
	case n.Scheme == "" && first != "localhost" && !strings.ContainsAny(first, ".:"):
		return bad("it does not begin with a registry's host", "docker.io/"+strings.ToLower(rest)+", or another host before it")
	case !validHost(n.Host):
		return bad(fmt.Sprintf("%q is no host", first), "HOST[:PORT]/PATH, such as ghcr.io/team")
	case slash && path == "":
		return n, nil // "host/" is the host
	case path != "" && strings.Contains(path, ":"):
		return bad("it holds a tag", "tags: --tag "+path[strings.LastIndex(path, ":")+1:])
	case path != "" && path != strings.ToLower(path):
		return bad("repositories have no upper-case letters", strings.ToLower(word))
	case path != "" && (!pathGrammar().MatchString(path) || len(n.String()) > 255):
		return bad("repositories are lower-case letters and digits, parted by single . _ / or by -", "HOST/PATH, such as ghcr.io/team")
	}
	return n, nil
}

func validHost(h string) bool {
	if !hostGrammar().MatchString(h) {
		return false
	}
	if _, port, err := net.SplitHostPort(h); err == nil {
		p, err := strconv.Atoi(port)
		return err == nil && p > 0 && p < 1<<16
	}
	return !strings.HasPrefix(h, "[") || strings.HasSuffix(h, "]")
}

// hub is where Docker Hub's API is; the other names are those that people and files give it.
const hub = "registry-1.docker.io"

func isHub(host string) bool {
	return host == "docker.io" || host == "index.docker.io" || host == hub
}

// api is the host that requests go to.
func (n Name) api() string {
	if isHub(n.Host) {
		return hub
	}
	return n.Host
}

// repository is the path that requests name: Docker Hub keeps what has one word under library/.
func (n Name) repository() string {
	if isHub(n.Host) && !strings.Contains(n.Path, "/") {
		return "library/" + n.Path
	}
	return n.Path
}

// scheme is the one that is spoken first: HTTPS, but plain HTTP on this machine's own addresses.
func (n Name) scheme() string {
	switch {
	case n.Scheme != "":
		return n.Scheme
	case loopback(hostname(n.Host)):
		return "http"
	}
	return "https"
}

// hostname is a host without its port and brackets.
func hostname(host string) string {
	if h, _, err := net.SplitHostPort(host); err == nil {
		return h
	}
	return strings.Trim(host, "[]")
}

func loopback(name string) bool {
	ip, err := netip.ParseAddr(name)
	return err == nil && ip.Unmap().IsLoopback() || name == "localhost" || strings.HasSuffix(name, ".localhost")
}

// inward tells of an address that leads into a machine or its network: no stranger may send us there.
func inward(name string) bool {
	ip, err := netip.ParseAddr(name)
	if err != nil {
		return loopback(name)
	}
	ip = ip.Unmap()
	return ip.IsLoopback() || ip.IsPrivate() || ip.IsLinkLocalUnicast() || ip.IsUnspecified() || ip.IsMulticast() || ip.IsLinkLocalMulticast()
}

// IsDigest tells whether s is a SHA-256 digest as the image specification writes it: nothing else becomes part of an
// address.
func IsDigest(s string) bool {
	hex, ok := strings.CutPrefix(s, "sha256:")
	if !ok || len(hex) != 64 {
		return false
	}
	for i := range len(hex) {
		if c := hex[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// NameError says why a word is no name of a repository.
type NameError struct {
	Word string
	Why  string
	hint string
}

func (e *NameError) Error() string { return fmt.Sprintf("read repository %q: %s", e.Word, e.Why) }

// Hint says what to type.
func (e *NameError) Hint() string { return e.hint }
