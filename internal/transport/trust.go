// SPDX-License-Identifier: MIT OR Apache-2.0

package transport

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Trust is what is true of one host's certificates alone.
type Trust struct {
	Roots        *x509.CertPool    // nil for those of all hosts
	Certificates []tls.Certificate // that say who we are
}

// CertFolders are the folders in which docker, podman and their kin look for one named like a host, the user's own first.
func CertFolders(lookup func(string) string, home string) []string {
	var out []string
	config := lookup("XDG_CONFIG_HOME")
	if config == "" && home != "" {
		config = filepath.Join(home, ".config")
	}
	if config != "" {
		out = append(out, filepath.Join(config, "containers", "certs.d"), filepath.Join(config, "docker", "certs.d"))
	}
	if home != "" {
		out = append(out, filepath.Join(home, ".docker", "certs.d"))
	}
	return append(out, "/etc/containers/certs.d", "/etc/docker/certs.d")
}

// HostTrust reads such folders: the first that has one named HOST[:PORT] counts. In it every *.crt holds CA certificates,
// which join those of all hosts, and every *.cert a certificate of ours, whose key is in the *.key of the same name. A host
// that is not there has nil. Errors are *CertError.
func HostTrust(folders []string, all *x509.CertPool) func(host string) (*Trust, error) {
	return func(host string) (*Trust, error) {
		for _, folder := range folders {
			dir := filepath.Join(folder, host)
			entries, err := os.ReadDir(dir)
			if errors.Is(err, fs.ErrNotExist) || host == "" || strings.ContainsAny(host, `/\`) || host == ".." || host == "." {
				continue
			}
			if err != nil {
				return nil, certError(dir, err, "ls -ld "+dir)
			}
			return readTrust(dir, entries, all)
		}
		return nil, nil
	}
}

// CertError is a certificate of a host that cannot be read.
type CertError struct {
	Path string
	Err  error
	hint string
}

func (e *CertError) Error() string { return fmt.Sprintf("read certificate %s: %v", e.Path, e.Err) }

// Unwrap returns the cause.
func (e *CertError) Unwrap() error { return e.Err }

// Hint says what to type.
func (e *CertError) Hint() string { return e.hint }

func certError(path string, err error, hint string) error {
	return &CertError{Path: path, Err: err, hint: hint}
}

func readTrust(dir string, entries []fs.DirEntry, all *x509.CertPool) (*Trust, error) {
	t := &Trust{}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		switch filepath.Ext(path) {
		case ".crt":
			data, err := os.ReadFile(path)
			if err != nil {
				return nil, certError(path, err, "ls -l "+path)
			}
			if t.Roots == nil {
				t.Roots = widened(all)
			}
			if !t.Roots.AppendCertsFromPEM(data) {
				return nil, certError(path, errors.New("it holds no certificate in PEM"), "a file that begins with -----BEGIN CERTIFICATE-----")
			}
		case ".cert":
			key := strings.TrimSuffix(path, ".cert") + ".key"
			c, err := tls.LoadX509KeyPair(path, key)
			if err != nil {
				return nil, certError(path, err, "its key belongs into "+key)
			}
			t.Certificates = append(t.Certificates, c)
		}
	}
	return t, nil
}

// widened is a pool of its own with the certificates of another, or of the system.
func widened(all *x509.CertPool) *x509.CertPool {
	if all != nil {
		return all.Clone()
	}
	if p, err := x509.SystemCertPool(); err == nil {
		return p
	}
	return x509.NewCertPool()
}

// tripper is the one for a host: certificates are looked at everywhere but where the user named it, and what is true of
// one host alone is used for no other.
func (c *Client) tripper(host string) (*http.Transport, error) {
	if c.lax != nil && slices.Contains(c.o.Insecure, host) {
		return c.lax, nil
	}
	if c.o.Trust == nil {
		return c.strict, nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if own := c.own[host]; own != nil {
		return own, nil
	}
	t, err := c.o.Trust(host)
	if err != nil {
		return nil, &localError{err}
	}
	own := c.strict
	if t != nil {
		roots := t.Roots
		if roots == nil {
			roots = c.o.Roots
		}
		own = c.dialer(&tls.Config{RootCAs: roots, Certificates: t.Certificates, MinVersion: tls.VersionTLS12})
	}
	c.own[host] = own
	return own, nil
}
