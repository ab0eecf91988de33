// SPDX-License-Identifier: MIT OR Apache-2.0

package rootfs

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// maxCAFile bounds a CA file, in bytes: all of Mozilla's certificates are 180 kB.
const maxCAFile = 16 << 20

// caTree gives a bundle of base's certificates and those of the files, and what leads to it where base has no bundle.
func caTree(files []string, base map[string]Entry) (Tree, error) {
	var out []byte
	seen := map[[sha256.Size]byte]bool{}
	_, mozilla := base[CABundle]
	if mozilla {
		out = bytes.Clone(roots())
		for block, rest := pem.Decode(out); block != nil; block, rest = pem.Decode(rest) {
			seen[sha256.Sum256(block.Bytes)] = true
		}
	}
	for _, name := range files {
		certs, err := readCAFile(name)
		if err != nil {
			return nil, err
		}
		for _, der := range certs {
			if sum := sha256.Sum256(der); !seen[sum] {
				seen[sum] = true
				out = append(out, certificatePEM(der)...)
			}
		}
	}
	t := Tree{caEntry(int64(len(out)), func() []byte { return out })}
	if !mozilla {
		t = append(t, caLinkEntry())
	}
	return t, nil
}

// readCAFile gives the certificates of a file, as DER.
func readCAFile(name string) ([][]byte, error) {
	f, err := os.OpenFile(name, os.O_RDONLY|openFlags, 0)
	if err != nil {
		return nil, &CAError{Path: name, Err: pathCause(err), hint: "check the path; a relative one counts from the current folder"}
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, &CAError{Path: name, Err: pathCause(err)}
	}
	if !info.Mode().IsRegular() {
		return nil, &CAError{Path: name, Err: errors.New("is not a file"), hint: "name a file of certificates"}
	}
	data, err := io.ReadAll(io.LimitReader(f, maxCAFile+1))
	if err != nil {
		return nil, &CAError{Path: name, Err: pathCause(err)}
	}
	if len(data) > maxCAFile {
		return nil, &CAError{Path: name, Err: errors.New("is larger than 16 MiB"), hint: "name a file of certificates"}
	}
	certs, err := parseCertificates(data)
	if e := (*CAError)(nil); errors.As(err, &e) {
		e.Path = name
	}
	return certs, err
}

func pathCause(err error) error {
	var p *os.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

// parseCertificates reads PEM or DER. What it takes is all certificates or nothing: an error is a *CAError without path.
func parseCertificates(data []byte) ([][]byte, error) {
	if bytes.Contains(data, []byte("-----BEGIN")) {
		return parsePEM(data)
	}
	if isPrivateKey(data) {
		return nil, errPrivateKey()
	}
	certs, err := x509.ParseCertificates(data)
	if err != nil || len(certs) == 0 {
		return nil, &CAError{Err: errors.New("has no certificate in it"),
			hint: "name a PEM file (-----BEGIN CERTIFICATE-----) or a DER file; for PKCS #7: openssl pkcs7 -print_certs"}
	}
	var out [][]byte
	for _, c := range certs {
		out = append(out, c.Raw)
	}
	return out, nil
}

func parsePEM(data []byte) ([][]byte, error) {
	var out [][]byte
	begun := bytes.Count(data, []byte("-----BEGIN"))
	// Looked for by its letters: a key must not slip through because its block is damaged.
	if bytes.Contains(data, []byte("PRIVATE KEY-----")) {
		return nil, errPrivateKey()
	}
	for i := 1; ; i++ {
		block, rest := pem.Decode(data)
		if block == nil {
			break
		}
		data = rest
		begun--
		if isPrivateKey(block.Bytes) {
			return nil, errPrivateKey()
		}
		switch block.Type {
		case "CERTIFICATE", "X509 CERTIFICATE":
		case "TRUSTED CERTIFICATE":
			return nil, &CAError{Err: fmt.Errorf("block %d is OpenSSL's TRUSTED CERTIFICATE", i),
				hint: "convert it: openssl x509 -in FILE -out plain.pem"}
		default:
			return nil, &CAError{Err: fmt.Errorf("block %d is a %q, not a certificate", i, block.Type), hint: "name a file of certificates"}
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, &CAError{Err: fmt.Errorf("block %d is no certificate: %s", i, strings.TrimPrefix(err.Error(), "x509: ")),
				hint: "look at it with: openssl x509 -text -noout -in FILE"}
		}
		out = append(out, cert.Raw)
	}
	if begun > 0 {
		return nil, &CAError{Err: errors.New("has a damaged block in it"), hint: "look for a line that is cut or missing between BEGIN and END"}
	}
	return out, nil
}

func isPrivateKey(der []byte) bool {
	_, pkcs8 := x509.ParsePKCS8PrivateKey(der)
	_, pkcs1 := x509.ParsePKCS1PrivateKey(der)
	_, ec := x509.ParseECPrivateKey(der)
	return pkcs8 == nil || pkcs1 == nil || ec == nil
}

func errPrivateKey() error {
	return &CAError{Err: errors.New("has a private key in it, which must not be in an image"),
		hint: "keep the certificates only: openssl x509 -in FILE -out ca.pem"}
}
