package main

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go/graphtest"
)

// operate asks the second port of a bot.
func operate(t *testing.T, bot *process, method, path, token, body string) (code int, answer string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, bot.inspect+path, strings.NewReader(body))
	require.NoError(t, err)
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, string(data)
}

func TestInspect_WhileTheBotRuns(t *testing.T) {
	t.Parallel()
	m := newMeta(t)
	bot := start(t, m, "-queue", file(t))
	code, _ := bot.get(t, inspectPath+"stats")
	require.Equal(t, http.StatusNotFound, code, "Meta's port does not show it")

	bot.deliver(t, graphtest.Text("Hello"))
	m.wait(t, 1)
	code, answer := operate(t, bot, http.MethodGet, "live", "", "")
	require.Equal(t, http.StatusOK, code, answer)
	var stats struct{ Accepted, Delivered, Pending int }
	code, answer = operate(t, bot, http.MethodGet, "stats", "", "")
	require.Equal(t, http.StatusOK, code)
	require.NoError(t, json.Unmarshal([]byte(answer), &stats))
	require.Equal(t, 1, stats.Accepted)

	const lane = `{"lane":"activities/901","note":"asked by the owner"}`
	code, _ = operate(t, bot, http.MethodPost, "lanes/pause", "", lane)
	require.Equal(t, http.StatusUnauthorized, code)
	code, answer = operate(t, bot, http.MethodPost, "lanes/pause", inspectToken, lane)
	require.Equal(t, http.StatusOK, code, answer)
	_, answer = operate(t, bot, http.MethodGet, "lanes?state=paused", "", "")
	require.Contains(t, answer, "asked by the owner")
	bot.stop()
	require.NotContains(t, bot.log.String(), inspectToken)
}

// The files for Prometheus and Grafana ask for figures that exist.
func TestAlertsAndDashboard(t *testing.T) {
	t.Parallel()
	bot := start(t, newMeta(t), "-queue", file(t))
	code, metrics := operate(t, bot, http.MethodGet, "metrics", "", "")
	require.Equal(t, http.StatusOK, code)
	name := regexp.MustCompile(`appevents_delivery_[a-z_]+(\{state="[a-z]+"\})?`)
	for _, path := range []string{"alerts.yml", "dashboard.json"} {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		names := name.FindAllString(strings.ReplaceAll(string(text), `\"`, `"`), -1)
		require.NotEmpty(t, names, path)
		for _, n := range names {
			require.Regexp(t, `(?m)^`+regexp.QuoteMeta(n)+`(\{| )`, metrics, "%s names %s", path, n)
		}
	}
	dashboard, err := os.ReadFile("dashboard.json")
	require.NoError(t, err)
	require.True(t, json.Valid(dashboard))
}
