package appevents

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/appevents/appevents-go/internal/lookup"
	"github.com/appevents/appevents-go/internal/redact"
	"github.com/appevents/appevents-go/internal/secret"
)

// TokenSource supplies the access token for each call: one source serves any number of Pages.
//
// Token is called before every attempt, possibly from many goroutines, and should answer from memory. Returning ""
// means that there is no token for that scope: calls to /activities then fall back to the app token (when the client
// has an app secret) or go without one, every other call fails with [ErrNoToken] before anything is sent. An error
// fails the call; the source must keep secrets out of its error text.
type TokenSource interface {
	Token(ctx context.Context, scope Scope) (string, error)
}

// TokenInvalidator is a [TokenSource] that wants to hear when Graph did not accept a token it gave, so that it can
// fetch a new one. Invalidate names the token as well as the scope because, with many calls in flight, a newer one may
// already be in place.
type TokenInvalidator interface {
	TokenSource
	Invalidate(scope Scope, token string)
}

// TokenFunc makes a function a [TokenSource].
type TokenFunc func(ctx context.Context, scope Scope) (string, error)

// Token calls f.
func (f TokenFunc) Token(ctx context.Context, scope Scope) (string, error) { return f(ctx, scope) }

// AppToken returns the app access token of an app: its ID and secret joined by a bar. It belongs on servers only: it
// holds the secret.
func AppToken(appID, appSecret string) string { return appID + "|" + appSecret }

// appSecretProof is the lower-case hex HMAC-SHA256 of message under the app secret. Graph wants it beside the token:
// it shows that the caller holds the secret and not just a stolen token.
//
// https://developers.facebook.com/docs/graph-api/guides/secure-requests
func appSecretProof(appSecret, message string) string {
	mac := hmac.New(sha256.New, []byte(appSecret))
	mac.Write([]byte(message))
	var sum [sha256.Size]byte
	return hex.EncodeToString(mac.Sum(sum[:0]))
}

// credentials are what one request carries to authenticate itself.
type credentials struct {
	token  string
	bearer string // the Authorization header
	proof  string // "" without an app secret
	time   string // appsecret_time, "" for the plain form
}

// signer makes the credentials of a request.
type signer struct {
	app    ID
	source secret.Hidden[TokenSource]
	secret secret.Text
	timed  bool // proofs cover the time and expire after five minutes

	// signed remembers the credentials made of each token: signing costs more than all the rest of a request. It is
	// shared by the clones of a client that have its secret.
	signed secret.Hidden[*lookup.Recent[string, credentials]]
}

const maxSigned = 1 << 12 // bounds the memory

// credentials resolves the token for scope and signs it. They are made for each attempt: tokens rotate.
func (s *signer) credentials(ctx context.Context, scope Scope, optional bool) (credentials, error) {
	token, err := s.token(ctx, scope)
	switch {
	case err != nil:
		return credentials{}, err
	case token == "" && optional:
		return credentials{}, nil
	case token == "":
		return credentials{}, fmt.Errorf("%w (scope %s)", ErrNoToken, scope.Kind)
	}
	cred, ok := s.signed.Get().Get(token)
	if !ok {
		if !secret.Sendable(token) {
			return credentials{}, errors.New("the access token holds " + secret.NotSendable)
		}
		cred = s.sign(token)
		s.signed.Get().Put(token, cred, func(credentials) bool { return true })
	}
	if s.timed {
		cred.time = strconv.FormatInt(time.Now().Unix(), 10)
		cred.proof = appSecretProof(s.secret.Reveal(), token+"|"+cred.time)
	}
	return cred, nil
}

// sign makes the credentials of a token.
func (s *signer) sign(token string) credentials {
	cred := credentials{token: token, bearer: "Bearer " + token}
	if appSecret := s.secret.Reveal(); appSecret != "" {
		cred.proof = appSecretProof(appSecret, token)
	}
	return cred
}

// token returns the token for scope, or "" when there is none.
func (s *signer) token(ctx context.Context, scope Scope) (string, error) {
	if source := s.source.Get(); source != nil {
		token, err := source.Token(ctx, scope)
		if err != nil {
			return "", fmt.Errorf("token source: %w", err)
		}
		if token != "" {
			return token, nil
		}
	}
	if appSecret := s.secret.Reveal(); scope.Kind == ScopeApp && appSecret != "" {
		return AppToken(string(s.app), appSecret), nil
	}
	return "", nil
}

// refused tells the source that Graph did not accept one of its tokens.
func (s *signer) refused(scope Scope, token string) {
	if source, ok := s.source.Get().(TokenInvalidator); ok {
		source.Invalidate(scope, token)
	}
}

// fingerprint is a digest of the token that a call for scope would carry now, "" when there is none. It tells whether
// a token that Graph did not accept has been replaced. The empty ID of ScopeApp means the client's app.
func (s *signer) fingerprint(ctx context.Context, scope Scope) (string, error) {
	if scope.Kind == ScopeApp && scope.ID == "" {
		scope.ID = s.app
	}
	token, err := s.token(ctx, scope)
	if err != nil || token == "" {
		return "", redact.Error(err, s.secret.Reveal())
	}
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:]), nil
}

// staticToken is the source behind [WithAccessToken].
type staticToken struct{ secret.Text }

func (t staticToken) Token(context.Context, Scope) (string, error) { return t.Reveal(), nil }
