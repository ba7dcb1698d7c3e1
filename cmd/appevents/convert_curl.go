package main

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"mime/multipart"
	"net/http"
	"net/url"
	"path"
	"regexp"
	"strings"
)

// errNoCurl is text that does not begin with curl.
var errNoCurl = errors.New("not a curl line")

// curlLines reads curl lines as a shell does: several of them, each perhaps over several lines. Other commands beside
// them, such as the jq behind a pipe, are passed over.
func curlLines(text string) ([]*wireRequest, error) {
	commands, err := shellCommands(text)
	if err != nil {
		return nil, err
	}
	var list []*wireRequest
	for _, words := range commands {
		words = curlWords(words)
		if words == nil {
			continue
		}
		r, err := curlRequest(words)
		if err != nil {
			return nil, err
		}
		list = append(list, r)
	}
	if len(list) == 0 {
		return nil, errNoCurl
	}
	return list, nil
}

// curlWords are the words after curl, nil when the command is another. A prompt, settings of variables and sudo or time
// may stand before it.
func curlWords(words []string) []string {
	for i, word := range words {
		base := strings.TrimSuffix(path.Base(strings.ReplaceAll(word, `\`, "/")), ".exe")
		switch {
		case base == "curl":
			return append([]string{}, words[i+1:]...)
		case word == "$", word == "#", word == "%", word == ">", word == "!", word == "sudo", word == "time", word == "env",
			assignment.MatchString(word):
		default:
			return nil
		}
	}
	return nil
}

var assignment = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*=`)

// looksLikeCurl reports whether text is meant to be a curl line.
func looksLikeCurl(text string) bool {
	commands, err := shellCommands(firstLine(text))
	if err != nil || len(commands) == 0 { // a quote that goes on in the next line
		words := strings.Fields(firstLine(text))
		return curlWords(words) != nil
	}
	return curlWords(commands[0]) != nil
}

func firstLine(text string) string {
	text = strings.TrimLeft(text, " \t\r\n")
	line, _, _ := strings.Cut(text, "\n")
	return strings.TrimRight(line, "\r\\")
}

// curlShort are the short options, without those that do not matter; curlValued the long ones that take a value.
var (
	curlShort = map[byte]string{
		'X': "request", 'H': "header", 'd': "data", 'F': "form", 'G': "get", 'u': "user",
		'A': "user-agent", 'b': "cookie", 'c': "cookie-jar", 'C': "continue-at", 'D': "dump-header", 'e': "referer",
		'E': "cert", 'K': "config", 'm': "max-time", 'o': "output", 'r': "range", 'T': "upload-file", 'w': "write-out",
		'x': "proxy", 'y': "speed-time", 'Y': "speed-limit", 'z': "time-cond", 'U': "proxy-user", 't': "telnet-option",
		'P': "ftp-port", 'Q': "quote",
	}
	curlValued = makeSet("request", "url", "header", "data", "data-ascii", "data-binary", "data-raw",
		"data-urlencode", "json", "form", "form-string", "user", "oauth2-bearer", "url-query", "user-agent", "cookie",
		"cookie-jar", "continue-at", "dump-header", "referer", "cert", "config", "max-time", "output", "range", "upload-file",
		"write-out", "proxy", "speed-time", "speed-limit", "time-cond", "proxy-user", "telnet-option", "ftp-port", "quote",
		"connect-timeout", "retry", "retry-delay", "retry-max-time", "cacert", "capath", "cert-type", "key", "key-type",
		"pass", "ciphers", "resolve", "connect-to", "interface", "limit-rate", "max-redirs", "max-filesize", "noproxy",
		"output-dir", "proto", "proto-default", "stderr", "trace", "trace-ascii", "unix-socket", "tls-max", "tls13-ciphers",
		"doh-url", "dns-servers", "keepalive-time", "local-port", "aws-sigv4", "happy-eyeballs-timeout-ms", "hsts",
		"expect100-timeout", "request-target", "service-name", "socks5", "socks5-hostname", "socks4", "create-file-mode",
		"variable", "alt-svc", "curves", "pinnedpubkey", "engine", "rate", "proxy-header", "delegation")
	curlRefused = map[string]string{
		"config": "its settings are in another file", "upload-file": "its body is in another file",
		"next": "it makes several requests; write them as lines of their own",
	}
)

func makeSet(names ...string) map[string]bool {
	set := make(map[string]bool, len(names))
	for _, name := range names {
		set[name] = true
	}
	return set
}

// A curl is a line of it that is being read.
type curl struct {
	request  wireRequest
	data     []string // joined with &
	query    []string
	form     *multipart.Writer
	formBody bytes.Buffer
	get      bool
	json     bool
}

// curlRequest is the request that curl makes of its arguments.
func curlRequest(args []string) (*wireRequest, error) {
	c := curl{request: wireRequest{header: make(http.Header)}}
	for i := 0; i < len(args); i++ {
		arg := args[i]
		option := func(name, text string) error {
			if curlValued[name] && text == "" {
				if i++; i >= len(args) {
					return errors.New("the last option of the curl line has no value")
				}
				text = args[i]
			}
			return c.option(name, text)
		}
		switch {
		case strings.HasPrefix(arg, "--") && len(arg) > 2:
			if err := option(arg[2:], ""); err != nil {
				return nil, err
			}
		case strings.HasPrefix(arg, "-") && len(arg) > 1:
			for k := 1; k < len(arg); k++ {
				name, rest := curlShort[arg[k]], ""
				if curlValued[name] {
					k, rest = len(arg), arg[k+1:]
				}
				if err := option(name, rest); err != nil {
					return nil, err
				}
			}
		case c.request.url == "":
			c.request.url = arg
		default:
			return nil, errors.New("the curl line has more than one address")
		}
	}
	return c.finish()
}

// option takes one option. Those without a meaning here are passed over.
func (c *curl) option(name, value string) error {
	if why := curlRefused[name]; why != "" {
		return fmt.Errorf("the curl line has --%s: %s", name, why)
	}
	switch name {
	case "request":
		c.request.method = value
	case "url":
		c.request.url = value
	case "header":
		if strings.HasPrefix(value, "@") {
			return errors.New("the headers of the curl line are in a file, which is not read")
		}
		key, text, _ := strings.Cut(value, ":")
		c.request.header.Add(strings.TrimSpace(key), strings.TrimSpace(text))
	case "user":
		_, password, _ := strings.Cut(value, ":")
		c.request.secrets = append(c.request.secrets, password)
		c.request.header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(value)))
	case "oauth2-bearer":
		c.request.header.Set("Authorization", "Bearer "+value)
	case "get":
		c.get = true
	case "url-query":
		c.query = append(c.query, urlEncoded(value))
	case "json":
		c.json = true
		return c.addData(value, true)
	case "data", "data-ascii", "data-binary":
		return c.addData(value, true)
	case "data-raw":
		return c.addData(value, false)
	case "data-urlencode":
		if strings.Contains(value, "@") && !strings.Contains(value, "=") {
			return errInFile
		}
		return c.addData(urlEncoded(value), false)
	case "form", "form-string":
		return c.addForm(value, name == "form")
	}
	return nil
}

var errInFile = errors.New("data of the curl line are in a file, which is not read: give its content with --file")

// addData takes a part of the body. With file, a value that begins with @ names one.
func (c *curl) addData(value string, file bool) error {
	if file && strings.HasPrefix(value, "@") {
		return errInFile
	}
	c.data = append(c.data, value)
	return nil
}

// urlEncoded is a value of --data-urlencode.
func urlEncoded(value string) string {
	name, content, ok := strings.Cut(value, "=")
	if !ok {
		return url.QueryEscape(value)
	}
	if name == "" {
		return url.QueryEscape(content)
	}
	return name + "=" + url.QueryEscape(content)
}

// formSettings stand behind the content of a field of -F.
var formSettings = regexp.MustCompile(`;\s*(?:type|filename|headers|encoder)=[^;]*$`)

func (c *curl) addForm(value string, settings bool) error {
	name, content, ok := strings.Cut(value, "=")
	if !ok {
		return errors.New("a field of the curl line's form must look like NAME=CONTENT")
	}
	if settings {
		if strings.HasPrefix(content, "@") || strings.HasPrefix(content, "<") && !placeholder.MatchString(content) {
			return errInFile
		}
		for formSettings.MatchString(content) {
			content = formSettings.ReplaceAllString(content, "")
		}
		if n := len(content); n > 1 && content[0] == '"' && content[n-1] == '"' {
			content = strings.NewReplacer(`\"`, `"`, `\\`, `\`).Replace(content[1 : n-1])
		}
	}
	if c.form == nil {
		c.form = multipart.NewWriter(&c.formBody)
	}
	return c.form.WriteField(name, content)
}

// placeholder is what documentation writes for a value.
var placeholder = regexp.MustCompile(`^<[A-Za-z0-9_ -]+>$`)

// finish puts the request together.
func (c *curl) finish() (*wireRequest, error) {
	r := &c.request
	if r.url == "" {
		return nil, errors.New("the curl line has no address")
	}
	data := strings.Join(c.data, "&")
	switch {
	case c.form != nil && len(c.data) > 0:
		return nil, errors.New("the curl line has both --data and --form: curl takes one of them")
	case c.form != nil:
		if err := c.form.Close(); err != nil {
			return nil, err
		}
		r.body = c.formBody.Bytes()
		r.header.Set("Content-Type", c.form.FormDataContentType())
	case c.get:
		c.query = append(c.query, data)
	case len(c.data) > 0:
		r.body = []byte(data)
		c.contentType(data)
	}
	if query := strings.Trim(strings.Join(c.query, "&"), "&"); query != "" {
		separator := "?"
		if strings.Contains(r.url, "?") {
			separator = "&"
		}
		before, fragment, found := strings.Cut(r.url, "#")
		r.url = before + separator + query
		if found {
			r.url += "#" + fragment
		}
	}
	switch {
	case r.method != "":
		r.method = strings.ToUpper(r.method)
	case len(c.data) > 0 && !c.get || c.form != nil:
		r.method = http.MethodPost
	default:
		r.method = http.MethodGet
	}
	return r, nil
}

// contentType is what curl says of its data, unless that is plainly not what they are.
func (c *curl) contentType(data string) {
	given := c.request.header.Get("Content-Type")
	isJSON := strings.HasPrefix(strings.TrimSpace(data), "{")
	switch {
	case given == "" && c.json:
		c.request.header.Set("Content-Type", "application/json")
	case given == "" && isJSON:
		c.request.header.Set("Content-Type", "application/json")
		c.request.notes = append(c.request.notes, flaw{"header.Content-Type", "content-type",
			"curl sends this JSON as a form, of which Graph reads nothing: it needs Content-Type: application/json"})
	case given == "":
		c.request.header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
}
