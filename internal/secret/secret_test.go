package secret_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go/internal/secret"
)

func TestText_PrintsAPlaceholder(t *testing.T) {
	t.Parallel()
	hidden := secret.New("canary-secret")
	require.Equal(t, "canary-secret", hidden.Reveal())
	encoded, err := json.Marshal(hidden)
	require.NoError(t, err)
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("m", "k", hidden)
	for _, text := range []string{
		fmt.Sprintf("%v", hidden), fmt.Sprintf("%+v", hidden), fmt.Sprintf("%#v", hidden), fmt.Sprintf("%s", hidden),
		fmt.Sprintf("%q", hidden), fmt.Sprintf("%x", hidden), fmt.Sprintf("%d", hidden), string(encoded), log.String(),
		hidden.String(), hidden.GoString(),
	} {
		require.Contains(t, text, "[redacted]")
		require.NotContains(t, text, "canary")
	}
	type field struct{ s secret.Text }
	type embedded struct{ secret.Text }
	for _, value := range []any{field{hidden}, &field{hidden}, embedded{hidden}} {
		require.NotContains(t, fmt.Sprintf("%v %+v %#v", value, value, value), "canary")
	}
	require.Empty(t, secret.Text{}.Reveal())
	require.Empty(t, secret.New("").String())
}

func TestHidden(t *testing.T) {
	t.Parallel()
	value := "canary-secret"
	hidden := secret.Hide(&value)
	require.Same(t, &value, hidden.Get())
	require.NotContains(t, fmt.Sprintf("%v %+v %#v", hidden, hidden, hidden), "canary")
	require.Nil(t, secret.Hidden[*string](nil).Get())
}

func TestUnfit(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"EAAB|c-d_e": "", "": "the token is empty", " \n": "the token is empty",
		"EAAB\n": "the token holds " + secret.NotSendable, "EA AB": "the token holds " + secret.NotSendable,
		"EAÄB": "the token holds " + secret.NotSendable, "EA\x7f": "the token holds " + secret.NotSendable,
	} {
		require.Equal(t, want, secret.Unfit("token", text), "%q", text)
	}
}
