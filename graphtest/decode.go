package graphtest

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"
)

const (
	maxBody   = 8 << 20 // bytes of a request body, before and after decompression
	maxParams = 1000    // parameters of one request
)

var errTooLarge = errors.New("body too large")

// param is one parameter of a request, from the query or the body.
type param struct {
	in   string // "query", "form", "multipart", "file", "json"
	name string
	val  node // a string node for everything but JSON bodies
	mime string
}

// readBody reads at most maxBody bytes.
func readBody(body io.Reader) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(body, maxBody+1))
	if err == nil && len(data) > maxBody {
		err = errTooLarge
	}
	return data, err
}

// params decodes the query and the body into i.params, in the order received.
func (i *inspection) params(r *http.Request, body []byte) {
	i.urlencoded("query", r.URL.RawQuery)

	switch enc := strings.ToLower(r.Header.Get("Content-Encoding")); enc {
	case "", "identity":
	case "gzip":
		zr, err := gzip.NewReader(bytes.NewReader(body))
		if err == nil {
			body, err = readBody(zr)
		}
		if err != nil {
			i.refuse(100, 0, "body", "encoding", "the gzip body cannot be read")
			return
		}
	default:
		i.refuse(100, 0, "header.Content-Encoding", "encoding", "only gzip is accepted")
		return
	}

	contentType := r.Header.Get("Content-Type")
	mediaType, attrs, err := mime.ParseMediaType(contentType)
	i.call.ContentType = mediaType
	if len(body) == 0 {
		return
	}
	if err != nil {
		i.problem("header.Content-Type", "content-type", "missing or malformed, so the body was not read")
		return
	}
	if charset := attrs["charset"]; charset != "" && !strings.EqualFold(charset, "utf-8") {
		i.problem("header.Content-Type", "content-type", "the charset must be UTF-8")
	}
	switch mediaType {
	case "application/x-www-form-urlencoded":
		i.urlencoded("form", string(body))
	case "multipart/form-data":
		i.multipart(body, attrs["boundary"])
	case "application/json":
		i.jsonBody(string(body))
	default:
		i.problem("header.Content-Type", "content-type",
			"want application/x-www-form-urlencoded, multipart/form-data or application/json; the body was not read")
	}
	if len(i.list) > maxParams {
		i.refuse(105, 0, "body", "too-many", "too many parameters")
		i.list = i.list[:maxParams]
	}
}

func (i *inspection) add(p param) {
	if !utf8.ValidString(p.name) || !utf8.ValidString(p.val.text) {
		i.problem(p.name, "utf8", "the value is not valid UTF-8")
	}
	i.list = append(i.list, p)
}

func (i *inspection) urlencoded(in, text string) {
	for pair := range strings.SplitSeq(text, "&") {
		if pair == "" {
			continue
		}
		if len(i.list) > maxParams {
			return
		}
		rawName, rawValue, _ := strings.Cut(pair, "=")
		name, err1 := url.QueryUnescape(rawName)
		value, err2 := url.QueryUnescape(rawValue)
		if err1 != nil || err2 != nil {
			i.problem(in, "escaping", "a parameter is not percent-encoded properly and was skipped")
			continue
		}
		i.add(param{in: in, name: name, val: node{kind: kindString, text: value}})
	}
}

func (i *inspection) multipart(body []byte, boundary string) {
	mr := multipart.NewReader(bytes.NewReader(body), boundary)
	for len(i.list) <= maxParams {
		part, err := mr.NextPart()
		if errors.Is(err, io.EOF) {
			return
		}
		var data []byte
		if err == nil {
			data, err = io.ReadAll(part) // bounded by the body it comes from
		}
		if err != nil {
			i.refuse(100, 0, "body", "multipart", "the multipart body cannot be read")
			return
		}
		p := param{in: "multipart", name: part.FormName(), val: node{kind: kindString, text: string(data)}}
		if part.FileName() != "" {
			p.in, p.mime = "file", part.Header.Get("Content-Type")
		}
		i.add(p)
	}
}

func (i *inspection) jsonBody(text string) {
	if !utf8.ValidString(text) {
		i.problem("body", "utf8", "the body is not valid UTF-8")
	}
	n, err := parseJSON(text)
	if err != nil || n.kind != kindObject {
		i.refuse(100, 0, "body", "json", "the body is not a JSON object")
		return
	}
	if n.twice != "" {
		i.problem(n.twice, "twice", "the key occurs more than once")
	}
	for k, name := range n.keys {
		if len(i.list) > maxParams {
			return
		}
		i.list = append(i.list, param{in: "json", name: name, val: n.items[k]})
	}
}

// index returns "parent[3]".
func index(parent string, n int) string { return parent + "[" + strconv.Itoa(n) + "]" }
