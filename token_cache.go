package appevents

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"
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
	fetch func(ctx context.Context, scope Scope) (token string, expires time.Time, err error)

	mu      sync.Mutex
	entries map[Scope]*tokenEntry
}

// tokenEntry is a look-up, under way until done is closed; the other fields are written before that.
type tokenEntry struct {
	done    chan struct{}
	token   secret
	expires time.Time
	err     error
	refused secret // token invalidated while the look-up was under way; guarded by the mutex of the cache
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
	return &TokenCache{fetch: fetch, entries: make(map[Scope]*tokenEntry)}, nil
}

// String names the type, and no token.
func (c *TokenCache) String() string { return "appevents.TokenCache" + redacted }

// Format prints String for every verb.
func (c *TokenCache) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, c.String()) }

// LogValue logs String.
func (c *TokenCache) LogValue() slog.Value { return slog.StringValue(c.String()) }

// Token returns the remembered token of scope, or waits for it to be looked up or for ctx to end.
func (c *TokenCache) Token(ctx context.Context, scope Scope) (string, error) {
	c.mu.Lock()
	e := c.entries[scope]
	if e == nil || e.stale(time.Now()) {
		e = &tokenEntry{done: make(chan struct{})}
		c.makeRoom()
		c.entries[scope] = e
		go c.look(context.WithoutCancel(ctx), scope, e)
	}
	c.mu.Unlock()
	select {
	case <-e.done:
		return e.token.reveal(), e.err
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// Invalidate forgets token for scope, unless a newer one has taken its place. A look-up under way is not remembered
// when it returns this token.
func (c *TokenCache) Invalidate(scope Scope, token string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch e := c.entries[scope]; {
	case e == nil:
	case !e.finished():
		e.refused = newSecret(token)
	case e.token.reveal() == token:
		delete(c.entries, scope)
	}
}

// look fetches a token for all who wait on e.
func (c *TokenCache) look(ctx context.Context, scope Scope, e *tokenEntry) {
	ctx, cancel := context.WithTimeout(ctx, tokenFetchTimeout)
	defer cancel()
	defer func() {
		if v := recover(); v != nil {
			// The panic value is not repeated: it may hold the token.
			e.token, e.err = secret{}, errors.New("the look-up of the token panicked")
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		token := e.token.reveal()
		if c.entries[scope] == e && (e.err != nil || token != "" && token == e.refused.reveal()) {
			delete(c.entries, scope)
		}
		close(e.done)
	}()
	token, expires, err := c.fetch(ctx, scope)
	switch {
	case err != nil:
		e.err = fmt.Errorf("look up token: %w", err)
		return
	case token == "":
		expires = time.Now().Add(tokenAbsent + tokenEarly)
	}
	e.token, e.expires = newSecret(token), expires
}

// makeRoom keeps the cache bounded: over the limit it drops what is stale, else an arbitrary finished entry.
func (c *TokenCache) makeRoom() {
	if len(c.entries) < maxCachedTokens {
		return
	}
	now := time.Now()
	dropped := false
	for scope, e := range c.entries {
		if e.stale(now) {
			delete(c.entries, scope)
			dropped = true
		}
	}
	if dropped {
		return
	}
	for scope, e := range c.entries {
		if e.finished() {
			delete(c.entries, scope)
			return
		}
	}
}

func (e *tokenEntry) finished() bool {
	select {
	case <-e.done:
		return true
	default:
		return false
	}
}

// stale reports whether the token of a finished look-up must not be used any more.
func (e *tokenEntry) stale(now time.Time) bool {
	return e.finished() && !e.expires.IsZero() && !now.Before(e.expires.Add(-tokenEarly))
}
