package intercept_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go/cmd/appevents/internal/intercept"
)

type forgery struct {
	name string
	leaf *x509.Certificate
	pool *x509.CertPool
}

// forgeries are certificates that an authority with the constraints of ours signed for what it may not. The real one
// has no key any more, so its certificate is copied with a key of our own.
func forgeries(t *testing.T) []forgery {
	t.Helper()
	a, err := intercept.NewAuthority(t.TempDir(), time.Now)
	require.NoError(t, err)
	block, _ := pem.Decode(a.PEM())
	template, err := x509.ParseCertificate(block.Bytes)
	require.NoError(t, err)
	template.PublicKey, template.SubjectKeyId, template.AuthorityKeyId = nil, nil, nil
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	ca, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	pool := x509.NewCertPool()
	pool.AddCert(ca)

	var list []forgery
	for name, leaf := range map[string]*x509.Certificate{
		"another name": {DNSNames: []string{"example.com"}},
		"one beside":   {DNSNames: []string{"graph.facebook.com", "facebook.com"}},
		"an address":   {IPAddresses: []net.IP{net.IPv4(192, 0, 2, 1)}},
		"IPv6":         {IPAddresses: []net.IP{net.ParseIP("2001:db8::1")}},
	} {
		leaf.SerialNumber = big.NewInt(1)
		leaf.NotBefore, leaf.NotAfter = ca.NotBefore, ca.NotAfter
		leaf.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
		der, err := x509.CreateCertificate(rand.Reader, leaf, ca, key.Public(), key)
		require.NoError(t, err)
		parsed, err := x509.ParseCertificate(der)
		require.NoError(t, err)
		list = append(list, forgery{name, parsed, pool})
	}
	return list
}
