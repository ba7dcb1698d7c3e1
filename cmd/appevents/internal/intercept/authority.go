// Package intercept lets an unmodified program meet the emulator where it expects Meta: a forward proxy that ends the
// calls to Graph's hosts, the certificate that makes them trusted, and the environment that leads a child there.
package intercept

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	_ "embed" // the shim for Node
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// Hosts are Graph's: calls to them end at the emulator.
func Hosts() []string { return []string{"graph.facebook.com", "graph.instagram.com"} }

// lifetime of the certificates: longer than anybody debugs in one go.
const lifetime = 24 * time.Hour

//go:embed shim.cjs
var shim []byte

// An Authority is a certificate authority that exists for one run. It can vouch for Graph's hosts alone, its own key is
// dropped as soon as it has signed their certificate, and nothing of it but public certificates gets into a file.
type Authority struct {
	dir   string
	leaf  tls.Certificate
	caPEM []byte
	now   func() time.Time
}

// NewAuthority makes an authority and a directory for its files, mode 0700, below tempDir ("" for the usual place).
// Close removes it.
func NewAuthority(tempDir string, now func() time.Time) (*Authority, error) {
	a := &Authority{now: now}
	if err := a.issue(); err != nil {
		return nil, fmt.Errorf("intercept: certificate authority: %w", err)
	}
	dir, err := os.MkdirTemp(tempDir, "appevents-")
	if err != nil {
		return nil, fmt.Errorf("intercept: certificate authority: %w", err)
	}
	a.dir = dir
	return a, nil
}

func (a *Authority) issue() error {
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	ca := &x509.Certificate{
		SerialNumber:          serial(),
		Subject:               pkix.Name{CommonName: "appevents emulator of this run"},
		NotBefore:             a.now().Add(-time.Hour),
		NotAfter:              a.now().Add(lifetime),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLenZero:        true,

		// Whatever trusts this authority trusts it for these names only, and for no address.
		PermittedDNSDomainsCritical: true,
		PermittedDNSDomains:         Hosts(),
		ExcludedIPRanges:            []*net.IPNet{anyAddress(net.IPv4len), anyAddress(net.IPv6len)},
	}
	caDER, err := x509.CreateCertificate(rand.Reader, ca, ca, caKey.Public(), caKey)
	if err != nil {
		return err
	}
	if ca, err = x509.ParseCertificate(caDER); err != nil { // with its subject key ID
		return err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	leaf := &x509.Certificate{
		SerialNumber: serial(),
		Subject:      pkix.Name{CommonName: Hosts()[0]},
		NotBefore:    ca.NotBefore,
		NotAfter:     ca.NotAfter,
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames:     Hosts(),
	}
	leafDER, err := x509.CreateCertificate(rand.Reader, leaf, ca, key.Public(), caKey)
	if err != nil {
		return err
	}
	a.leaf = tls.Certificate{Certificate: [][]byte{leafDER, caDER}, PrivateKey: key}
	a.caPEM = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: caDER})
	return nil
}

func serial() *big.Int {
	var random [16]byte
	_, _ = rand.Read(random[:]) // never fails
	random[0] &= 0x7f
	return new(big.Int).SetBytes(random[:])
}

func anyAddress(size int) *net.IPNet {
	return &net.IPNet{IP: make(net.IP, size), Mask: make(net.IPMask, size)}
}

// PEM is the certificate of the authority.
func (a *Authority) PEM() []byte { return bytes.Clone(a.caPEM) }

// TLS is the configuration of a server that speaks for Graph's hosts.
func (a *Authority) TLS() *tls.Config {
	return &tls.Config{
		Certificates: []tls.Certificate{a.leaf},
		MinVersion:   tls.VersionTLS12,
		NextProtos:   []string{"http/1.1"},
		Time:         a.now,
	}
}

// Dir is where the files are.
func (a *Authority) Dir() string { return a.dir }

// Close removes the files.
func (a *Authority) Close() error { return os.RemoveAll(a.dir) }

// files writes what a child needs to trust the authority: its certificate, alone and behind the roots that were
// trusted before, the settings of PHP, and the shim for Node.
func (a *Authority) files(roots []byte, extra []byte) error {
	bundle := filepath.Join(a.dir, "bundle.pem")
	for name, content := range map[string][]byte{
		"ca.pem":     joinPEM(extra, a.caPEM),
		"bundle.pem": joinPEM(roots, extra, a.caPEM),
		"shim.cjs":   shim,
		"php/appevents.ini": fmt.Appendf(nil, "curl.cainfo=%q\nopenssl.cafile=%q\n",
			filepath.ToSlash(bundle), filepath.ToSlash(bundle)),
	} {
		path := filepath.Join(a.dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return err
		}
		if err := os.WriteFile(path, content, 0o600); err != nil {
			return err
		}
	}
	return nil
}

func joinPEM(parts ...[]byte) []byte {
	var out []byte
	for _, part := range parts {
		if len(part) > 0 && len(out) > 0 && out[len(out)-1] != '\n' {
			out = append(out, '\n')
		}
		out = append(out, part...)
	}
	return out
}
