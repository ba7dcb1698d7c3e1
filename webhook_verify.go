package appevents

import (
	"crypto/sha1" //nolint:gosec // accepted only when asked for, see WebhookConfig.AcceptSHA1
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"

	"github.com/appevents/appevents-go/internal/signature"
)

// Why [Verifier.Verify] refuses a delivery. No error carries the signature that would have been right.
var (
	// ErrNotSigned means the signature header is missing.
	ErrNotSigned = errors.New("appevents: webhook is not signed")

	// ErrBadSignatureHeader means the signature header is not "sha256=" and 64 hexadecimal digits.
	ErrBadSignatureHeader = errors.New("appevents: webhook signature header is malformed")

	// ErrSignatureMismatch means no app secret gives the signature: a forged or altered body, or the secret of
	// another app.
	ErrSignatureMismatch = errors.New("appevents: webhook signature does not match")
)

const (
	signatureHeader     = "X-Hub-Signature-256"
	signatureHeaderSHA1 = "X-Hub-Signature"
	signaturePrefix     = "sha256="
	signaturePrefixSHA1 = "sha1="
)

// Verifier checks that a webhook was sent by Meta: X-Hub-Signature-256 must be the HMAC-SHA256 of the raw body under
// an app secret. It is safe for concurrent use. The zero value and nil accept nothing.
//
// Meta signs the bytes it puts on the wire, so check the body exactly as it was read, before anything decodes,
// escapes or re-encodes it. A signature says nothing about when it was made: replays are found by
// [WebhookEvent.DedupeKey].
//
// https://developers.facebook.com/docs/messenger-platform/webhooks#validate-payloads
type Verifier struct {
	keys []*signature.Key
	sha1 bool
}

// NewVerifier returns a verifier that accepts what any of the app secrets signed: one for each app that shares the
// endpoint, or the old and the new one while a secret is being replaced. No secret at all, an empty one and one with
// white space around it are refused with a [*ConfigError].
func NewVerifier(appSecrets ...string) (*Verifier, error) {
	if len(appSecrets) == 0 {
		return nil, &ConfigError{Field: "NewVerifier", Reason: "needs at least one app secret"}
	}
	v := &Verifier{}
	for i, appSecret := range appSecrets {
		if reason := secretProblem(appSecret); reason != "" {
			return nil, &ConfigError{Field: fmt.Sprintf("NewVerifier: app secret %d", i), Reason: reason}
		}
		v.keys = append(v.keys, signature.NewKey(appSecret))
	}
	return v, nil
}

// secretProblem says why a secret cannot be meant, or "".
func secretProblem(s string) string {
	switch {
	case s == "":
		return "must not be empty"
	case strings.TrimSpace(s) != s:
		return "must not have white space around it"
	default:
		return ""
	}
}

// AcceptSHA1 returns a verifier that also takes the older X-Hub-Signature header (HMAC-SHA1), when a delivery has no
// X-Hub-Signature-256. Meta's documentation no longer mentions it; use it only for a sender known to need it.
func (v *Verifier) AcceptSHA1() *Verifier {
	if v == nil {
		return nil
	}
	return &Verifier{keys: v.keys, sha1: true}
}

// Verify reports whether body is what the sender signed: nil, [ErrNotSigned], [ErrBadSignatureHeader] or
// [ErrSignatureMismatch]. All secrets are tried in constant time. It keeps neither argument.
func (v *Verifier) Verify(body []byte, header http.Header) error {
	if v == nil {
		return ErrSignatureMismatch
	}
	value, prefix, size := header.Get(signatureHeader), signaturePrefix, sha256.Size
	if v.sha1 && !hasHeader(header, signatureHeader) {
		value, prefix, size = header.Get(signatureHeaderSHA1), signaturePrefixSHA1, sha1.Size
	}
	if value == "" {
		return ErrNotSigned
	}
	var given [sha256.Size]byte
	digits, ok := strings.CutPrefix(strings.TrimSpace(value), prefix)
	if !ok || !signature.DecodeHex(given[:size], digits) {
		return ErrBadSignatureHeader
	}
	matched := false
	for _, key := range v.keys {
		// No early end: which secret matched must not show in the time taken.
		if key.Matches(body, given[:size]) {
			matched = true
		}
	}
	if !matched {
		return ErrSignatureMismatch
	}
	return nil
}

// hasHeader reports whether a header is present, also without a value and in another case than net/http gives it: a
// present SHA-256 header decides, so that SHA-1 can never be used to get around it.
func hasHeader(header http.Header, name string) bool {
	for key := range header {
		if strings.EqualFold(key, name) {
			return true
		}
	}
	return false
}

// Sign returns the X-Hub-Signature-256 value Meta would send with body, under the first app secret. It is for tests:
// sign a sample payload and post it to your handler.
func (v *Verifier) Sign(body []byte) string {
	if v == nil || len(v.keys) == 0 {
		return ""
	}
	return signaturePrefix + v.keys[0].Sign(body)
}

// String tells how many secrets there are, and none of them.
func (v Verifier) String() string { return fmt.Sprintf("appevents.Verifier(%d secrets)", len(v.keys)) }

// Format keeps the secrets out of every fmt verb.
func (v Verifier) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, v.String()) }

// LogValue keeps the secrets out of structured logs.
func (v Verifier) LogValue() slog.Value { return slog.StringValue(v.String()) }

// MarshalText keeps the secrets out of JSON and other encodings.
func (v Verifier) MarshalText() ([]byte, error) { return []byte(v.String()), nil }
