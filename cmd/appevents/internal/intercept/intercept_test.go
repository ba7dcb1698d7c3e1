package intercept_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go/cmd/appevents/internal/intercept"
)

// start serves a proxy on loopback. Its emulator answers with what it was asked.
func start(t *testing.T, change func(*intercept.Proxy)) (base string, a *intercept.Authority) {
	t.Helper()
	a, err := intercept.NewAuthority(t.TempDir(), time.Now)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, a.Close()) })
	p := &intercept.Proxy{TLS: a.TLS(), Emulator: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "emulator %s %s %s %s", r.Method, r.Host, r.URL, body)
	})}
	if change != nil {
		change(p)
	}
	server := httptest.NewServer(p)
	t.Cleanup(func() {
		p.Close()
		server.Close()
	})
	return server.URL, a
}

func trusting(t *testing.T, base string, a *intercept.Authority) *http.Client {
	t.Helper()
	pool := x509.NewCertPool()
	require.True(t, pool.AppendCertsFromPEM(a.PEM()))
	proxy, err := url.Parse(base)
	require.NoError(t, err)
	transport := &http.Transport{Proxy: http.ProxyURL(proxy), TLSClientConfig: &tls.Config{RootCAs: pool}}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

func get(t *testing.T, client *http.Client, address string) (int, string) {
	t.Helper()
	resp, err := client.Get(address)
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, string(body)
}

func TestGraphEndsAtTheEmulator(t *testing.T) {
	t.Parallel()
	base, a := start(t, nil)
	client := trusting(t, base, a)
	for _, host := range intercept.Hosts() {
		for range 2 { // the second time over the same connection
			status, body := get(t, client, "https://"+host+"/v26.0/me?fields=id")
			require.Equal(t, 200, status)
			require.Equal(t, "emulator GET "+host+" /v26.0/me?fields=id ", body)
		}
		status, body := get(t, client, "http://"+host+"/me")
		require.Equal(t, 200, status)
		require.Equal(t, "emulator GET "+host+" /me ", body)
	}
	_, body := get(t, http.DefaultClient, base+"/-/api/ready")
	require.Contains(t, body, "/-/api/ready", "what the port is asked itself is the emulator's")
}

func TestAbsoluteFormOfHTTPSEndsAtTheEmulator(t *testing.T) {
	t.Parallel()
	base, _ := start(t, nil)
	conn, err := net.Dial("tcp", strings.TrimPrefix(base, "http://"))
	require.NoError(t, err)
	defer conn.Close()
	fmt.Fprint(conn, "POST https://graph.facebook.com/me/messages HTTP/1.1\r\nHost: graph.facebook.com\r\n"+
		"Content-Length: 2\r\nConnection: close\r\n\r\nhi")
	answer, err := io.ReadAll(conn)
	require.NoError(t, err)
	require.Contains(t, string(answer), "emulator POST graph.facebook.com /me/messages hi")
}

func TestOtherHostsPassUntouched(t *testing.T) {
	t.Parallel()
	other := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "other "+r.Host)
	}))
	defer other.Close()
	plain := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "plain "+r.Method+" "+r.URL.String())
	}))
	defer plain.Close()
	base, _ := start(t, nil)
	proxy, err := url.Parse(base)
	require.NoError(t, err)
	transport := other.Client().Transport.(*http.Transport).Clone()
	transport.Proxy = func(*http.Request) (*url.URL, error) { return proxy, nil } // also for loopback
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}

	_, body := get(t, client, other.URL)
	require.Equal(t, "other "+strings.TrimPrefix(other.URL, "https://"), body)
	_, body = get(t, client, plain.URL+"/x?y=1")
	require.Equal(t, "plain GET /x?y=1", body)
}

func TestOfflineRefusesOtherHosts(t *testing.T) {
	t.Parallel()
	refused := make(chan string, 2)
	base, a := start(t, func(p *intercept.Proxy) {
		p.Offline = true
		p.Refused = func(host string) { refused <- host }
	})
	client := trusting(t, base, a)
	_, err := client.Get("https://other.example/")
	require.ErrorContains(t, err, "Forbidden")
	require.Equal(t, "other.example", <-refused)
	status, body := get(t, client, "http://other.example/")
	require.Equal(t, http.StatusForbidden, status)
	require.Contains(t, body, "--offline")
	require.Equal(t, "other.example", <-refused)
	status, _ = get(t, client, "https://graph.facebook.com/me")
	require.Equal(t, 200, status)
}

func TestOtherHostsGoThroughTheProxyOfTheMachine(t *testing.T) {
	t.Parallel()
	asked := make(chan string, 1)
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- r.Method + " " + r.Host + " " + r.Header.Get("Proxy-Authorization")
		w.WriteHeader(http.StatusTeapot)
	}))
	defer upstream.Close()
	through, err := url.Parse(strings.Replace(upstream.URL, "http://", "http://me:word@", 1))
	require.NoError(t, err)
	base, a := start(t, func(p *intercept.Proxy) {
		p.Upstream = func(*http.Request) (*url.URL, error) { return through, nil }
	})
	_, err = trusting(t, base, a).Get("https://other.example/")
	require.ErrorContains(t, err, "Bad Gateway")
	require.Equal(t, "CONNECT other.example:443 Basic bWU6d29yZA==", <-asked)
}

func TestProxyServesThisMachineOnly(t *testing.T) {
	t.Parallel()
	p := &intercept.Proxy{Emulator: http.NotFoundHandler()}
	for _, r := range []*http.Request{
		{Method: http.MethodConnect, Host: "graph.facebook.com:443", URL: &url.URL{}, RemoteAddr: "192.0.2.7:1234"},
		{Method: http.MethodGet, URL: &url.URL{Scheme: "http", Host: "other.example"}, RemoteAddr: "192.0.2.7:1234"},
	} {
		w := httptest.NewRecorder()
		p.ServeHTTP(w, r)
		require.Equal(t, http.StatusForbidden, w.Code)
	}
}

func TestCloseEndsOpenTunnels(t *testing.T) {
	t.Parallel()
	var proxy *intercept.Proxy
	base, a := start(t, func(p *intercept.Proxy) { proxy = p })
	conn, err := net.Dial("tcp", strings.TrimPrefix(base, "http://"))
	require.NoError(t, err)
	defer conn.Close()
	fmt.Fprint(conn, "CONNECT graph.facebook.com:443 HTTP/1.1\r\nHost: graph.facebook.com:443\r\n\r\n")
	answer := make([]byte, 39)
	_, err = io.ReadFull(conn, answer)
	require.NoError(t, err)
	require.Contains(t, string(answer), "200 Connection established")
	proxy.Close()
	_, err = conn.Read(answer)
	require.Error(t, err)
	require.NotNil(t, a)
}

// Whoever has a client that trusts the authority, and even its key, cannot speak for another name or an address.
func TestAuthorityCannotVouchForOtherNames(t *testing.T) {
	t.Parallel()
	a, err := intercept.NewAuthority(t.TempDir(), time.Now)
	require.NoError(t, err)
	block, _ := pem.Decode(a.PEM())
	ca, err := x509.ParseCertificate(block.Bytes)
	require.NoError(t, err)
	require.True(t, ca.PermittedDNSDomainsCritical)
	require.Equal(t, intercept.Hosts(), ca.PermittedDNSDomains)
	require.LessOrEqual(t, ca.NotAfter.Sub(ca.NotBefore), 25*time.Hour)

	pool := x509.NewCertPool()
	pool.AddCert(ca)
	leaf, err := x509.ParseCertificate(a.TLS().Certificates[0].Certificate[0])
	require.NoError(t, err)
	for _, host := range intercept.Hosts() {
		_, err = leaf.Verify(x509.VerifyOptions{Roots: pool, DNSName: host})
		require.NoError(t, err)
	}
	_, err = leaf.Verify(x509.VerifyOptions{Roots: pool, DNSName: "example.com"})
	require.Error(t, err)
	for _, other := range forgeries(t) {
		_, err = other.leaf.Verify(x509.VerifyOptions{Roots: other.pool})
		require.ErrorContains(t, err, "not authorized to sign", other.name)
	}
}

func TestAuthorityLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	parent := t.TempDir()
	a, err := intercept.NewAuthority(parent, time.Now)
	require.NoError(t, err)
	info, err := os.Stat(a.Dir())
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o700), info.Mode().Perm())
	_, err = a.Environment(intercept.Child{Roots: []string{}})
	require.NoError(t, err)
	require.NoError(t, filepath.WalkDir(a.Dir(), func(path string, entry os.DirEntry, err error) error {
		require.NoError(t, err)
		if !entry.IsDir() {
			data, err := os.ReadFile(path)
			require.NoError(t, err)
			require.NotContains(t, string(data), "PRIVATE KEY", path)
		}
		return nil
	}))
	require.NoError(t, a.Close())
	entries, err := os.ReadDir(parent)
	require.NoError(t, err)
	require.Empty(t, entries)
}

// Programs of other languages reach the emulator by Graph's real name with nothing but their environment.
func TestClientsOfOtherLanguages(t *testing.T) {
	t.Parallel()
	const want = "emulator POST graph.facebook.com /v26.0/me/messages {}"
	for name, command := range map[string][]string{
		"curl": {"curl", "-sS", "-H", "Content-Type: application/json", "-d", "{}",
			"https://graph.facebook.com/v26.0/me/messages"},
		"python urllib": {"python3", "-c", `import urllib.request
print(urllib.request.urlopen("https://graph.facebook.com/v26.0/me/messages", b"{}").read().decode())`},
		"python http.client": {"python3", "-c", `import http.client, os, ssl, urllib.parse
p = urllib.parse.urlsplit(os.environ["HTTPS_PROXY"])
c = http.client.HTTPSConnection(p.hostname, p.port, context=ssl.create_default_context())
c.set_tunnel("graph.facebook.com", 443)
c.request("POST", "/v26.0/me/messages", b"{}")
print(c.getresponse().read().decode())`},
		"node https": {"node", "-e", `const r = require("https").request(
"https://graph.facebook.com/v26.0/me/messages", {method: "POST"}, (a) => a.pipe(process.stdout)); r.end("{}")`},
		"node https options": {"node", "-e", `const r = require("https").request({hostname: "graph.facebook.com", port: 443,
path: "/v26.0/me/messages", method: "POST"}, (a) => a.pipe(process.stdout)); r.end("{}")`},
		"node module": {"node", "--input-type=module", "-e", `import { request } from "https"; request(
"https://graph.facebook.com/v26.0/me/messages", {method: "POST"}, (a) => a.pipe(process.stdout)).end("{}")`},
		"node https get": {"node", "-e", `require("https").get("https://graph.facebook.com/v26.0/me", (a) =>
a.pipe(process.stdout))`},
		"node fetch": {"node", "-e", `fetch("https://graph.facebook.com/v26.0/me/messages", {method: "POST", body: "{}"})
.then((a) => a.text()).then((s) => console.log(s))`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := exec.LookPath(command[0]); err != nil {
				t.Skipf("NOT RUN: %s is not installed", command[0])
			}
			base, a := start(t, func(p *intercept.Proxy) { p.Offline = true })
			env, err := a.Environment(intercept.Child{Parent: os.Environ(), Emulator: base})
			require.NoError(t, err)
			cmd := exec.CommandContext(t.Context(), command[0], command[1:]...)
			cmd.Env = env
			var errors bytes.Buffer
			cmd.Stderr = &errors
			out, err := cmd.Output()
			require.NoError(t, err, errors.String())
			got := strings.TrimSpace(string(out))
			switch name {
			case "node fetch": // sets Host itself
				require.Equal(t, strings.Replace(want, "graph.facebook.com", strings.TrimPrefix(base, "http://"), 1), got)
			case "node https get":
				require.Equal(t, "emulator GET graph.facebook.com /v26.0/me", got)
			default:
				require.Equal(t, want, got)
			}
		})
	}
}

func TestEnvironmentCarriesNoCredentialOfTheParent(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "secret")
	require.NoError(t, os.WriteFile(file, []byte("canary-in-file\n"), 0o600))
	base, a := start(t, nil)
	ours := intercept.Credentials{AppID: "1", AppSecret: "s", PageID: "2", PageAccessToken: "EAAours", VerifyToken: "v"}
	env, err := a.Environment(intercept.Child{
		Parent: []string{
			"PAGE_ACCESS_TOKEN=canary-page", "MESSENGER_APP_SECRET=canary-secret", "FB_VERIFY_TOKEN=canary-verify",
			"APP_SECRET_FILE=" + file, "COPY=canary-in-file", "URL=https://x/?t=canary-page", "MY_TOKEN=EAACcanary1234",
			"APPTOKEN=123456789|canaryCanaryCanary", "KEPT_TOKEN=EAACkept1234", "ACCESS_TOKEN=kept-one", "HOME=/root",
			"NODE_OPTIONS=--no-warnings", "ALL_PROXY=http://elsewhere", "PORT=3000",
		},
		Emulator: base, Credentials: ours, Keep: []string{"KEPT_TOKEN", "ACCESS_TOKEN"}, Roots: []string{},
	})
	require.NoError(t, err)
	all := strings.Join(env, "\n")
	require.NotContains(t, all, "canary")
	require.NotContains(t, all, file)
	for _, want := range []string{
		"PAGE_ACCESS_TOKEN=EAAours", "MESSENGER_APP_SECRET=s", "FB_VERIFY_TOKEN=v", "APPEVENTS_APP_ID=1", "PAGE_ID=2",
		"COPY=s", "URL=https://x/?t=EAAours", "KEPT_TOKEN=EAACkept1234", "ACCESS_TOKEN=kept-one", "HOME=/root",
		"HTTPS_PROXY=" + base, "http_proxy=" + base, "APPEVENTS_BASE_URL=" + base, "PORT=3000",
		"NODE_OPTIONS=--no-warnings --require " + filepath.Join(a.Dir(), "shim.cjs"),
	} {
		require.Contains(t, env, want)
	}
	require.NotContains(t, all, "elsewhere")
	require.NotContains(t, all, "FACEBOOK_APP_ID", "rarer names appear only where the parent has them")
}

func TestBundleKeepsTheRootsOfTheSystem(t *testing.T) {
	t.Parallel()
	roots := filepath.Join(t.TempDir(), "roots.pem")
	require.NoError(t, os.WriteFile(roots, []byte("the system's roots"), 0o600))
	base, a := start(t, nil)
	_, err := a.Environment(intercept.Child{Emulator: base, Roots: []string{filepath.Join(t.TempDir(), "none"), roots}})
	require.NoError(t, err)
	data, err := os.ReadFile(filepath.Join(a.Dir(), "bundle.pem"))
	require.NoError(t, err)
	require.Equal(t, "the system's roots\n"+string(a.PEM()), string(data))
}
