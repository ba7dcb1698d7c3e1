package graphtest

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// credentials are what a call proves its identity with.
type credentials struct {
	token   string
	proof   string
	time    string
	secrets []string // every credential value seen, to be removed from the record
}

// authenticate takes the credentials out of the parameters, fills Call.Fields and judges the token and its proof.
func (i *inspection) authenticate() {
	c := i.call
	var tokens []string
	if scheme, token, found := strings.Cut(i.req.Header.Get("Authorization"), " "); found {
		if !strings.EqualFold(scheme, "Bearer") && !strings.EqualFold(scheme, "OAuth") {
			i.problem("header.Authorization", "token", "the scheme must be Bearer")
		}
		c.TokenIn, tokens = "header", append(tokens, token)
	} else if scheme != "" {
		i.problem("header.Authorization", "token", "want a scheme and a token")
	}
	kept := i.list[:0:0]
	for _, p := range i.list {
		value := p.val.text
		shown := value
		if p.in == "json" {
			shown = p.val.raw
		}
		credential := true
		switch p.name {
		case "access_token":
			if p.val.kind == kindNull {
				break
			}
			tokens = append(tokens, value)
			i.secret(value)
			in := "body"
			if p.in == "query" {
				in = "query"
				i.tolerate(p.name, "token-in-query", "a token in the URL leaks into logs; send it in the Authorization header")
			}
			if c.TokenIn == "" {
				c.TokenIn = in
			}
		case "appsecret_proof":
			i.auth.proof = value
			i.secret(value)
		case "client_secret":
			i.secret(value)
		case "fb_exchange_token", "input_token":
			credential, shown = false, Redacted
			i.secret(value)
		case "appsecret_time":
			i.auth.time = value
		default:
			credential = false
		}
		if credential && p.name != "appsecret_time" {
			shown = Redacted
		}
		c.Fields = append(c.Fields, Field{In: p.in, Name: p.name, Value: shown})
		if !credential && p.val.kind != kindNull { // null is what some clients send for nothing
			kept = append(kept, p)
		}
	}
	i.list = kept
	if len(tokens) > 0 {
		i.auth.token = tokens[0]
	}
	switch same := slices.Compact(slices.Clone(tokens)); {
	case len(same) > 1:
		i.problem("access_token", "twice", "more than one token was sent")
	case len(tokens) > 1:
		i.tolerate("access_token", "twice", "the token was sent more than once")
	}
	if i.edge != nil {
		i.checkToken()
		i.checkProof()
	}
}

// checkToken judges the token itself; what it may do is up to each edge.
func (i *inspection) checkToken() {
	c, cfg, token := i.call, &i.g.cfg, i.auth.token
	if token == "" {
		switch {
		case c.TokenIn != "":
			i.refuse(190, 0, "access_token", "token", "the token is empty")
		case !i.edge.tokenless:
			i.refuse(104, 0, "access_token", "required", "this edge needs an access token")
		}
		return
	}
	if strings.ContainsAny(token, " \t\r\n\"") {
		i.refuse(190, 0, "access_token", "token", "the token contains a blank or a quote")
		return
	}
	id, rest, isApp := strings.Cut(token, "|")
	isApp = isApp && isDigits(id) && rest != ""
	grant, declared := cfg.tokens[token]
	switch {
	case declared:
		i.grant = grant
		c.TokenKind = strings.ToLower(grant.Type)
		switch {
		case grant.Subcode != 0:
			i.refuse(190, grant.Subcode, "access_token", "token", "the token is no longer valid")
		case grant.Expired || !grant.ExpiresAt.IsZero() && !i.now.Before(grant.ExpiresAt):
			i.refuse(190, 463, "access_token", "token", "the token has expired")
		}
	case isApp:
		c.TokenKind = "app"
		i.grant = Grant{Type: TokenApp, AppID: id}
		switch {
		case cfg.appSecret != "" && rest != cfg.appSecret:
			i.refuse(190, 0, "access_token", "token", "the app token does not hold the app secret")
		case cfg.appID != "" && id != cfg.appID:
			i.refuse(190, 0, "access_token", "token", "the app token belongs to another app")
		case cfg.appSecret == "" && len(cfg.tokens) > 0:
			i.refuse(190, 0, "access_token", "token", "the token is unknown")
		}
	case len(cfg.tokens) > 0:
		i.refuse(190, 0, "access_token", "token", "the token is unknown")
	}
}

// proof returns the appsecret_proof of a token; at is the appsecret_time or "".
func proof(secret, token, at string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(token))
	if at != "" {
		mac.Write([]byte("|" + at))
	}
	return hex.EncodeToString(mac.Sum(nil))
}

func (i *inspection) checkProof() {
	const field = "appsecret_proof"
	c, cfg, got := i.call, &i.g.cfg, i.auth.proof
	switch {
	case got == "":
		if i.auth.time != "" {
			i.problem("appsecret_time", "required", "sent without appsecret_proof")
		}
		if cfg.requireProof && i.auth.token != "" {
			i.refuseWith(100, field, "required", "API calls from the server require an appsecret_proof argument")
		}
		return
	case i.auth.token == "":
		i.problem(field, "token", "sent without a token")
	}
	c.Proof = ProofUnchecked
	if !isHash(got) {
		i.problem(field, "form", "want 64 lower-case hex digits")
	}
	sent, err := strconv.ParseInt(i.auth.time, 10, 64)
	if i.auth.time != "" && err != nil {
		i.refuse(100, 0, "appsecret_time", "int64", "want whole Unix seconds")
		c.Proof = ProofInvalid
		return
	}
	if cfg.appSecret != "" {
		c.Proof = ProofValid
		if !hmac.Equal([]byte(got), []byte(proof(cfg.appSecret, i.auth.token, i.auth.time))) {
			c.Proof = ProofInvalid
			i.refuseWith(100, field, "proof", "Invalid appsecret_proof provided in the API argument")
			return
		}
	}
	if age := i.now.Sub(time.Unix(sent, 0)); i.auth.time != "" && (age > 5*time.Minute || age < -5*time.Minute) {
		c.Proof = ProofExpired
		i.refuseWith(100, "appsecret_time", "expired", "Invalid appsecret_proof provided in the API argument: too old")
	}
}

// isHash reports whether s looks like a SHA-256 digest as Meta wants it.
func isHash(s string) bool {
	return len(s) == 64 && strings.Trim(s, "0123456789abcdef") == ""
}

// permission refuses a declared token that lacks a permission.
func (i *inspection) permission(name string) {
	if i.grant.Type != "" && i.grant.Type != TokenApp && !i.grant.allows(name) {
		i.refuseWith(200, "access_token", "permission", fmt.Sprintf("(#200) App does not have %s permission", name))
	}
}

// page refuses a declared token that is not good for a Page.
func (i *inspection) page(id string) {
	if i.grant.Type != "" && i.grant.Type != TokenApp && id != "" && !i.grant.covers(id) {
		i.refuseWith(200, "access_token", "page", "(#200) The token is not good for this Page")
	}
}
