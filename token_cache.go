package appevents

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/appevents/appevents-go/internal/lookup"
	"github.com/appevents/appevents-go/internal/redact"
	"github.com/appevents/appevents-go/internal/secret"
)

const (
	// tokenFetchTimeout bounds a look-up, which outlives the caller that happened to start it.
	tokenFetchTimeout = 30 * time.Second

	// tokenEarly is how long before its end a token counts as expired: it must survive the request.
	tokenEarly = time.Minute

	// tokenAbsent is how long it is remembered that there is no token: one may be given any time.
	tokenAbsent = time.Minute

	// maxCachedTokens bounds the memory of a cache; a platform's Pages fit many times over.
	maxCachedTokens = 1 << 17
)

// TokenCache is a [TokenSource] for platforms: it remembers the token of every Page, looks each up once however many
// calls need it at the same time, and forgets it when it expires or when Graph does not accept it any more. It is safe
// for concurrent use. Printing one shows no token. Make one with [NewTokenCache].
type TokenCache struct {
	tokens lookup.Cache[Scope, heldToken]
}

// heldToken is what a look-up found, "" for no token.
type heldToken struct {
	token   secret.Text
	expires time.Time // zero: never
}

// NewTokenCache returns a cache over fetch, which looks a token up, in a database say. A zero expires means that the
// token does not expire. An empty token means that there is none for the scope, which is remembered for a minute. An
// error goes to the calls that wait for it and is not remembered. fetch is called once at a time per scope, with a
// context that ends after 30 s and does not end with any one caller's. It must not be nil.
func NewTokenCache(
	fetch func(ctx context.Context, scope Scope) (token string, expires time.Time, err error),
) (*TokenCache, error) {
	if fetch == nil {
		return nil, &ConfigError{Field: "NewTokenCache", Reason: "fetch is nil"}
	}
	return &TokenCache{tokens: lookup.Cache[Scope, heldToken]{
		Look: func(ctx context.Context, scope Scope) (held heldToken, err error) {
			defer func() {
				if v := recover(); v != nil {
					err = errors.New("the look-up of the token panicked") // without the value: it may hold the token
				}
			}()
			token, expires, err := fetch(ctx, scope)
			switch {
			case err != nil:
				return held, fmt.Errorf("look up token: %w", err)
			case token == "":
				expires = time.Now().Add(tokenAbsent + tokenEarly)
			}
			return heldToken{secret.New(token), expires}, nil
		},
		Timeout: tokenFetchTimeout,
		Stale: func(held heldToken) bool {
			return !held.expires.IsZero() && !time.Now().Before(held.expires.Add(-tokenEarly))
		},
		Max: maxCachedTokens,
	}}, nil
}

// String names the type, and no token.
func (c *TokenCache) String() string { return "appevents.TokenCache" + redact.Placeholder }

// Format prints String for every verb.
func (c *TokenCache) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, c.String()) }

// LogValue logs String.
func (c *TokenCache) LogValue() slog.Value { return slog.StringValue(c.String()) }

// Token returns the remembered token of scope, or waits for it to be looked up or for ctx to end.
func (c *TokenCache) Token(ctx context.Context, scope Scope) (string, error) {
	if c == nil || c.tokens.Look == nil {
		return "", &ConfigError{Field: "TokenCache", Reason: "is nil or zero: make one with NewTokenCache"}
	}
	held, err := c.tokens.Get(ctx, scope)
	return held.token.Reveal(), err
}

// Invalidate forgets token for scope, unless a newer one has taken its place. A look-up under way is not remembered
// when it returns this token.
func (c *TokenCache) Invalidate(scope Scope, token string) {
	if c != nil && token != "" {
		c.tokens.Refuse(scope, func(held heldToken) bool { return held.token.Reveal() == token })
	}
}
