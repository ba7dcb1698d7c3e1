package appevents

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSecret_PrintsAPlaceholder(t *testing.T) {
	t.Parallel()
	hidden := newSecret("canary-secret")
	require.Equal(t, "canary-secret", hidden.reveal())
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
	for _, value := range []any{struct{ s secret }{hidden}, &struct{ s secret }{hidden}, staticToken{hidden}} {
		require.NotContains(t, fmt.Sprintf("%v %+v %#v", value, value, value), "canary")
	}
	require.Empty(t, secret{}.reveal())
	require.Empty(t, newSecret("").String())
}
