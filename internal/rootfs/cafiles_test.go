// SPDX-License-Identifier: MIT OR Apache-2.0

package rootfs

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// authority makes a certificate of a private CA, as DER; the same for the same name.
func authority(t testing.TB, name string) []byte {
	t.Helper()
	key := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, ed25519.SeedSize))
	c := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: time.Unix(0, 0),
		NotAfter: time.Unix(4e9, 0), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func pemBlock(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

func caFile(t testing.TB, data string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "my ca.pem")
	if err := os.WriteFile(name, []byte(data), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestCAFiles(t *testing.T) {
	a, b := authority(t, "a"), authority(t, "b")
	base := Static(StaticOptions{CA: true})
	e, _ := base.lookup(CABundle)
	mozilla := content(t, e)
	first, _ := pem.Decode([]byte(mozilla))
	files := []string{
		caFile(t, "# b, with a comment\r\n"+strings.ReplaceAll(pemBlock("CERTIFICATE", b), "\n", "\r\n")+"trailing text"),
		caFile(t, string(a)),
		caFile(t, pemBlock("CERTIFICATE", b)+pemBlock("X509 CERTIFICATE", a)+pemBlock("CERTIFICATE", first.Bytes)),
		caFile(t, string(a)+string(b)),
	}
	tree := mustFiles(t, FilesOptions{Base: base, CAFiles: files})
	own := pemBlock("CERTIFICATE", b) + pemBlock("CERTIFICATE", a)
	equal(t, []string{"0644 0:0 etc/ssl/certs/ca-certificates.crt = " + mozilla + own}, short(t, tree))
	if e, _ := Static(StaticOptions{CA: true}).lookup(CABundle); content(t, e) != mozilla {
		t.Error("Static's bundle has changed")
	}

	tree = mustFiles(t, FilesOptions{Base: Static(StaticOptions{}), CAFiles: files})
	equal(t, []string{"0755 0:0 etc/ssl/", "0777 0:0 etc/ssl/cert.pem -> certs/ca-certificates.crt", "0755 0:0 etc/ssl/certs/",
		"0644 0:0 etc/ssl/certs/ca-certificates.crt = " + own + pemBlock("CERTIFICATE", first.Bytes)}, short(t, tree))

	t.Chdir(filepath.Dir(files[1]))
	mustFiles(t, FilesOptions{CAFiles: []string{"my ca.pem"}})
	_, err := Files(FilesOptions{Root: ".", CAFiles: files, Files: []File{{"my ca.pem", "/" + CABundle, "", ""}}})
	hinted(t, err, `files[0] ("my ca.pem") and ca-files`)
}

func TestCAFilesRefused(t *testing.T) {
	cert := pemBlock("CERTIFICATE", authority(t, "a"))
	edKey := ed25519.NewKeyFromSeed(make([]byte, 32))
	ecKey, err1 := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	rsaKey, err2 := rsa.GenerateKey(rand.Reader, 2048)
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	pkcs8, err1 := x509.MarshalPKCS8PrivateKey(edKey)
	sec1, err2 := x509.MarshalECPrivateKey(ecKey)
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	pkcs1 := x509.MarshalPKCS1PrivateKey(rsaKey)
	for text, files := range map[string][]string{
		"private key": {string(pkcs8), string(sec1), string(pkcs1), cert + pemBlock("PRIVATE KEY", pkcs8), pemBlock("RSA PRIVATE KEY", pkcs1) + cert,
			cert + pemBlock("EC PRIVATE KEY", sec1), pemBlock("OPENSSH PRIVATE KEY", []byte("x")), cert + "-----BEGIN ENCRYPTED PRIVATE KEY-----\n???\n",
			pemBlock("CERTIFICATE", pkcs8)},
		"no certificate":      {"", "text", "\x30\x00", "PK\x03\x04", strings.Repeat("\x30\x80", 1000)},
		"not a certificate":   {cert + pemBlock("PUBLIC KEY", []byte("x")), pemBlock("X509 CRL", []byte("x")), pemBlock("PKCS7", []byte("x"))},
		"TRUSTED CERTIFICATE": {pemBlock("TRUSTED CERTIFICATE", authority(t, "a"))},
		"block 2 is no":       {cert + pemBlock("CERTIFICATE", []byte("x"))},
		"damaged block":       {cert + cert[:len(cert)-30], cert[:100] + "?" + cert[101:] + cert, strings.Replace(cert, "END", "EMD", 1)},
		"larger than 16 MiB":  {strings.Repeat(" ", 16<<20+1)},
	} {
		for i, data := range files {
			name := caFile(t, data)
			tree, err := Files(FilesOptions{CAFiles: []string{caFile(t, cert), name}})
			var e *CAError
			if !errors.As(err, &e) || e.Path != name || tree != nil {
				t.Errorf("%s %d: %v, error %v", text, i, tree, err)
				continue
			}
			hinted(t, err, text)
		}
	}
	for _, name := range []string{"", "does not exist", t.TempDir()} {
		_, err := Files(FilesOptions{CAFiles: []string{name}})
		hinted(t, err, "read ca-files")
	}
}

func FuzzParseCertificates(f *testing.F) {
	der := authority(f, "a")
	f.Add(der)
	f.Add([]byte(pemBlock("CERTIFICATE", der)))
	f.Add([]byte(pemBlock("PRIVATE KEY", der)))
	f.Add([]byte("-----BEGIN CERTIFICATE-----\n\n-----END CERTIFICATE-----\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		certs, err := parseCertificates(data)
		if e := (*CAError)(nil); err != nil && (!errors.As(err, &e) || certs != nil) {
			t.Fatalf("%v, %v", certs, err)
		}
		if err == nil && len(certs) == 0 {
			t.Fatal("neither certificates nor an error")
		}
		for _, c := range certs {
			if _, err := x509.ParseCertificate(c); err != nil || !bytes.Contains(data, c) && !bytes.Contains(data, []byte("BEGIN")) {
				t.Fatalf("not a certificate of the file: %x", c)
			}
		}
	})
}
