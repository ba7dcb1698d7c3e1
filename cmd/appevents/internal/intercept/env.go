package intercept

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// Credentials are what the child gets in the place of its own.
type Credentials struct {
	AppID, AppSecret, PageID, PageAccessToken, VerifyToken string
}

// kinds are the names under which bots look for their credentials, behind one of the prefixes.
func (c Credentials) kinds() map[string]string {
	return map[string]string{
		"APP_ID":            c.AppID,
		"APP_SECRET":        c.AppSecret,
		"PAGE_ID":           c.PageID,
		"PAGE_ACCESS_TOKEN": c.PageAccessToken,
		"ACCESS_TOKEN":      c.PageAccessToken,
		"VERIFY_TOKEN":      c.VerifyToken,
	}
}

// rarer names, replaced where the parent has them.
func (c Credentials) rarer() map[string]string {
	return map[string]string{
		"PAGE_TOKEN":       c.PageAccessToken,
		"APP_TOKEN":        c.AppID + "|" + c.AppSecret,
		"APP_ACCESS_TOKEN": c.AppID + "|" + c.AppSecret,
		"VALIDATION_TOKEN": c.VerifyToken,
		"CLIENT_TOKEN":     c.VerifyToken,
	}
}

// alwaysPrefixes are set for the child whether the parent has them or not: the form of our examples, of bottender and
// Meta's older samples, and of this SDK.
var alwaysPrefixes = []string{"", "MESSENGER_", "APPEVENTS_"}

// otherPrefixes are replaced where the parent has them.
var otherPrefixes = []string{"FB_", "FACEBOOK_", "META_", "INSTAGRAM_", "IG_", "MESSENGER_PLATFORM_", "FB_MESSENGER_"}

// A Child describes the environment of a program under the emulator.
type Child struct {
	Parent      []string // the environment to start from
	Emulator    string   // base URL of the emulator
	Credentials Credentials
	Keep        []string // variables that are passed on as they are
	Roots       []string // files to look for the system's roots in; nil means the usual ones
}

// rootFiles are where systems keep the certificates they trust, as crypto/x509 knows them.
var rootFiles = []string{
	"/etc/ssl/certs/ca-certificates.crt",                // Debian, Alpine
	"/etc/pki/tls/certs/ca-bundle.crt",                  // Fedora
	"/etc/ssl/ca-bundle.pem",                            // openSUSE
	"/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", // CentOS
	"/etc/ssl/cert.pem",                                 // macOS, Alpine
	"/usr/local/etc/ssl/cert.pem",                       // FreeBSD
}

// Environment writes the files of the authority and returns the child's environment. Everything in it leads to the
// emulator, and no credential of the parent is in it, under whatever name, but for those to keep.
func (a *Authority) Environment(c Child) ([]string, error) {
	env := newEnvironment(c.Parent)
	roots := c.Roots
	if roots == nil {
		roots = rootFiles
	}
	trusted := firstFile(append([]string{env.get("SSL_CERT_FILE")}, roots...))
	if err := a.files(trusted, firstFile([]string{env.get("NODE_EXTRA_CA_CERTS")})); err != nil {
		return nil, err
	}
	env.replaceCredentials(c)

	set := func(name, value string) {
		if !slices.Contains(c.Keep, name) {
			env.set(name, value)
		}
	}
	bundle := filepath.Join(a.dir, "bundle.pem")
	for _, name := range []string{"HTTPS_PROXY", "HTTP_PROXY", "https_proxy", "http_proxy"} {
		set(name, c.Emulator)
	}
	for _, name := range []string{"ALL_PROXY", "all_proxy"} {
		if !slices.Contains(c.Keep, name) {
			env.unset(name)
		}
	}
	for _, name := range []string{"NO_PROXY", "no_proxy"} {
		set(name, "localhost,127.0.0.1,::1")
	}
	for _, name := range []string{"SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"} {
		set(name, bundle)
	}
	set("NODE_EXTRA_CA_CERTS", filepath.Join(a.dir, "ca.pem"))
	set("NODE_USE_ENV_PROXY", "1")
	set("NODE_OPTIONS", strings.TrimSpace(env.get("NODE_OPTIONS")+" --require "+
		quoteNode(filepath.Join(a.dir, "shim.cjs"))))
	set("PHP_INI_SCAN_DIR", env.get("PHP_INI_SCAN_DIR")+string(os.PathListSeparator)+filepath.Join(a.dir, "php"))
	set("APPEVENTS_BASE_URL", c.Emulator)
	set("APPEVENTS_EMULATOR", c.Emulator)
	set("APPEVENTS_INTERCEPT", c.Emulator)
	return env.list(), nil
}

// quoteNode quotes a path for NODE_OPTIONS.
func quoteNode(path string) string {
	if !strings.ContainsAny(path, " \"") {
		return path
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(path) + `"`
}

func firstFile(paths []string) []byte {
	for _, path := range paths {
		if path == "" {
			continue
		}
		if data, err := os.ReadFile(path); err == nil { //nolint:gosec // certificates that are trusted already
			return data
		}
	}
	return nil
}

// An environment keeps the order of the variables.
type environment struct {
	names  []string
	values map[string]string
}

func newEnvironment(entries []string) *environment {
	e := &environment{values: make(map[string]string, len(entries))}
	for _, entry := range entries {
		if name, value, ok := strings.Cut(entry, "="); ok && name != "" {
			e.set(name, value)
		}
	}
	return e
}

func (e *environment) get(name string) string { return e.values[name] }

func (e *environment) set(name, value string) {
	if _, known := e.values[name]; !known {
		e.names = append(e.names, name)
	}
	e.values[name] = value
}

func (e *environment) unset(name string) {
	delete(e.values, name)
	e.names = slices.DeleteFunc(e.names, func(n string) bool { return n == name })
}

func (e *environment) list() []string {
	out := make([]string, len(e.names))
	for i, name := range e.names {
		out[i] = name + "=" + e.values[name]
	}
	return out
}

// tokenShapes are Meta's tokens wherever they stand: in a JSON configuration, a URL, a variable of another name.
var tokenShapes = regexp.MustCompile(`\bEAA[0-9A-Za-z]{4,}|\b[0-9]{5,}(\||%7[Cc])[0-9A-Za-z_-]{16,}`)

// minSecret is the length from which a credential is looked for in other variables: a verify token of "1" is in many.
const minSecret = 6

// replaceCredentials gives the child the emulator's credentials, and takes the parent's out of every other variable.
func (e *environment) replaceCredentials(c Child) {
	keep := func(name string) bool { return slices.Contains(c.Keep, name) }
	replacement := c.names(e)
	scrub := make(map[string]string) // a real value -> the emulator's
	for name, value := range replacement {
		if given := e.get(name); len(given) >= minSecret && given != value && !keep(name) {
			scrub[given] = value
		}
		if file := e.get(name + "_FILE"); file != "" && !keep(name+"_FILE") {
			if data, err := os.ReadFile(file); err == nil { //nolint:gosec // the parent's own secret
				if given := strings.TrimSpace(string(data)); len(given) >= minSecret {
					scrub[given] = value
				}
			}
		}
		if !keep(name + "_FILE") {
			e.unset(name + "_FILE")
		}
	}
	for name, value := range replacement {
		if !keep(name) {
			e.set(name, value)
		}
	}
	longest := make([]string, 0, len(scrub))
	for given := range scrub {
		longest = append(longest, given)
	}
	slices.SortFunc(longest, func(a, b string) int { return len(b) - len(a) })
	for _, name := range slices.Clone(e.names) {
		if _, ours := replacement[name]; ours || keep(name) || name == "PATH" {
			continue
		}
		value := e.get(name)
		for _, given := range longest {
			value = strings.ReplaceAll(value, given, scrub[given])
		}
		e.set(name, tokenShapes.ReplaceAllLiteralString(value, c.Credentials.PageAccessToken))
	}
}

// names are the variables to replace, with the emulator's values.
func (c Child) names(e *environment) map[string]string {
	out := make(map[string]string)
	for kind, value := range c.Credentials.kinds() {
		for _, prefix := range alwaysPrefixes {
			out[prefix+kind] = value
		}
	}
	present := func(name string) bool {
		_, known := e.values[name]
		_, file := e.values[name+"_FILE"]
		return known || file
	}
	for _, prefix := range slices.Concat(alwaysPrefixes, otherPrefixes) {
		for _, kinds := range []map[string]string{c.Credentials.kinds(), c.Credentials.rarer()} {
			for kind, value := range kinds {
				if present(prefix + kind) {
					out[prefix+kind] = value
				}
			}
		}
	}
	return out
}
