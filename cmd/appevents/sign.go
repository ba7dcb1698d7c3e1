package main

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // of the older header, which some bots still ask for
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"net/http"
	"strings"
)

type signCommand struct {
	secretFlags

	File string `placeholder:"FILE" help:"Body to sign, - for standard input [-]."`
}

// Run prints X-Hub-Signature-256, as Meta sends it.
func (c *signCommand) Run(p *program) error {
	secret, body, err := p.secretAndBody(c.secretFlags, c.File)
	if err != nil {
		return err
	}
	signature := "sha256=" + digest(sha256.New, secret.value, body)
	if p.json {
		return p.printJSON(object{
			"x_hub_signature_256": signature,
			"x_hub_signature":     "sha1=" + digest(sha1.New, secret.value, body),
		})
	}
	return p.print("%s", signature)
}

type verifyCommand struct {
	secretFlags

	Signature        string   `required:"" placeholder:"SIGNATURE" help:"The header that came: sha256=…"`
	File             string   `placeholder:"FILE" help:"Body that came, byte for byte, - for standard input [-]."`
	OtherSecretFiles []string `name:"other-secret-file" placeholder:"FILE" help:"Secret of another app that may have signed; repeatable."` //nolint:lll // a tag
}

// Run says whether a signature is right, or which mistake makes it wrong.
func (c *verifyCommand) Run(p *program) error {
	secret, body, err := p.secretAndBody(c.secretFlags, c.File)
	if err != nil {
		return err
	}
	check := diagnosis{secret: secret, body: body, given: strings.TrimSpace(c.Signature)}
	if check.others, err = p.otherSecrets(c.OtherSecretFiles); err != nil {
		return err
	}
	if check.verifyToken, err = p.credential("VERIFY_TOKEN"); err != nil {
		return err
	}

	mistake, right := check.run()
	if p.json {
		o := object{"valid": right}
		if !right {
			o["mistake"], o["message"], o["fix"] = mistake.name, mistake.what, mistake.fix
		}
		err = p.printJSON(o)
	} else if right {
		err = p.print("yes")
	} else {
		err = p.print("no: %s. %s", mistake.what, mistake.fix)
	}
	if err == nil && !right {
		err = answerNo()
	}
	return err
}

// secretAndBody reads what a signature is made of.
func (p *program) secretAndBody(flags secretFlags, file string) (secret credential, body []byte, err error) {
	if secret, err = p.appSecret(flags, file); err != nil {
		return secret, nil, err
	}
	body, err = p.readBody(file)
	return secret, body, err
}

// otherSecrets are the secrets that are configured beside the one that should have signed.
func (p *program) otherSecrets(files []string) ([]credential, error) {
	var list []credential
	for _, name := range []string{
		"APP_SECRET", "MESSENGER_APP_SECRET", "FACEBOOK_APP_SECRET", "FB_APP_SECRET", "INSTAGRAM_APP_SECRET",
	} {
		if value := p.getenv(name); value != "" {
			list = append(list, credential{value, name})
		}
	}
	for _, file := range files {
		value, err := p.readSecret(file)
		if err != nil {
			return nil, fail(exitCredentials, "--other-secret-file: %w", err)
		}
		list = append(list, credential{value, file})
	}
	return list, nil
}

// A mistake is what usually goes wrong with a signature.
type mistake struct {
	name string // stable, for programs
	what string // what happened
	fix  string // what to do
}

// A diagnosis finds the mistake behind a signature.
type diagnosis struct {
	secret, verifyToken credential
	others              []credential
	body                []byte
	given               string
}

// run tries the usual mistakes in a fixed order. The first that gives the signature is the answer.
func (d *diagnosis) run() (mistake, bool) {
	algorithm, digits, found := strings.Cut(d.given, "=")
	if !found {
		algorithm, digits = "", d.given
	}
	lower := strings.ToLower(digits)
	if d.given == "sha256="+digest(sha256.New, d.secret.value, d.body) {
		return mistake{}, true
	}
	if !isHex(lower) || len(lower) != 2*sha256.Size && len(lower) != 2*sha1.Size {
		return mistake{"malformed", "the signature is not sha256= and 64 hexadecimal digits",
			"Take the whole value of the header X-Hub-Signature-256."}, false
	}
	signedBy := func(secret string, body []byte) bool {
		return lower == digest(sha256.New, secret, body)
	}
	for _, other := range d.others {
		if other.value != d.secret.value && signedBy(other.value, d.body) {
			return mistake{"another secret", fmt.Sprintf("signed with another secret, that of %s", other.source),
				fmt.Sprintf("The one in %s belongs to another app, or is an old one.", d.secret.source)}, false
		}
	}
	for _, variant := range bodyVariants(d.body) {
		if !bytes.Equal(variant.body, d.body) && signedBy(d.secret.value, variant.body) {
			return variant.mistake, false
		}
	}
	if lower == digest(sha1.New, d.secret.value, d.body) {
		return mistake{"sha1", "this is the sha1 signature, of the older header X-Hub-Signature",
			"Compare X-Hub-Signature-256."}, false
	}
	if d.verifyToken.value != "" && signedBy(d.verifyToken.value, d.body) {
		return mistake{"verify token", "signed with the verify token in the place of the app secret",
			"The verify token is for the handshake only; Meta signs with the app secret."}, false
	}
	if signedBy(d.secret.value, d.body) {
		if algorithm == "sha256" {
			return mistake{"upper case", "the digits are in upper case", "Meta writes them in lower case."}, false
		}
		if strings.EqualFold(algorithm, "sha256") {
			return mistake{"upper case", `the name of the algorithm is in upper case`, `Meta writes "sha256=".`}, false
		}
		return mistake{"prefix", `the prefix "sha256=" is missing`, "Compare the header as it came, with its prefix."}, false
	}
	return mistake{"none", "none of the usual mistakes",
		"The body was altered, or it was signed with a secret that is not configured here."}, false
}

// webhookHeader is the header of a webhook as Meta sends it, without a signature when there is no secret.
func webhookHeader(secret string, body []byte) http.Header {
	header := http.Header{
		"Content-Type": {"application/json"}, "Accept": {"*/*"}, "User-Agent": {"facebookexternalua"},
	}
	if secret != "" {
		header.Set("X-Hub-Signature", "sha1="+digest(sha1.New, secret, body))
		header.Set("X-Hub-Signature-256", "sha256="+digest(sha256.New, secret, body))
	}
	return header
}

func digest(algorithm func() hash.Hash, secret string, body []byte) string {
	mac := hmac.New(algorithm, []byte(secret))
	mac.Write(body)
	return hex.EncodeToString(mac.Sum(nil))
}

func isHex(s string) bool {
	_, err := hex.DecodeString(s)
	return err == nil
}
