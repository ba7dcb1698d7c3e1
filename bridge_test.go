package appevents_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	appevents "github.com/appevents/appevents-go"
	"github.com/appevents/appevents-go/internal/bridge"
)

func TestBridge_MaxEvents(t *testing.T) {
	t.Parallel()
	require.Equal(t, 100, bridge.Of(mustClient(t)).MaxEvents())
	require.Equal(t, 7, bridge.Of(mustClient(t, appevents.WithMaxEvents(7))).MaxEvents())
	require.Equal(t, 100, bridge.Of(new(appevents.Client)).MaxEvents())
}

func TestBridge_TokenFingerprintTellsTokensApart(t *testing.T) {
	t.Parallel()
	var asked []appevents.Scope
	token := "EAAone"
	client := mustClient(t, appevents.WithTokenSource(appevents.TokenFunc(
		func(_ context.Context, scope appevents.Scope) (string, error) {
			asked = append(asked, scope)
			if token == "" {
				return "", errors.New("vault sealed with " + coreSecret)
			}
			return token, nil
		})), appevents.WithAppSecret(coreSecret))
	fingerprint := func(call appevents.Call) string {
		digest, err := bridge.Of(client).TokenFingerprint(t.Context(), call)
		require.NoError(t, err)
		return digest
	}
	one := fingerprint(purchase())
	require.NotEmpty(t, one)
	require.NotContains(t, one, token)
	require.Equal(t, one, fingerprint(pagePurchase()))
	require.Equal(t, []appevents.Scope{{Kind: appevents.ScopeApp, ID: coreApp}, pageScope(corePage)}, asked)
	token = "EAAtwo"
	require.NotEqual(t, one, fingerprint(purchase()))
	token = ""
	_, err := bridge.Of(client).TokenFingerprint(t.Context(), purchase())
	require.ErrorContains(t, err, "vault sealed")
	require.NotContains(t, err.Error(), coreSecret)
	digest, err := bridge.Of(mustClient(t)).TokenFingerprint(t.Context(), purchase())
	require.NoError(t, err)
	require.Empty(t, digest, "there is none")
}

func TestBridge_RefusesWhatItCannotAsk(t *testing.T) {
	t.Parallel()
	var config *appevents.ConfigError
	for _, client := range []any{nil, new(appevents.Client), (*appevents.Client)(nil), "client"} {
		_, err := bridge.Of(client).TokenFingerprint(t.Context(), purchase())
		require.ErrorAs(t, err, &config)
	}
	_, err := bridge.Of(mustClient(t)).TokenFingerprint(t.Context(), "call")
	require.EqualError(t, err, "appevents: string is not a Call")
}
