//go:build browser && linux

package page_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/heapprofiler"
	"github.com/chromedp/cdproto/systeminfo"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// 10,000 exchanges, with the page open all the time: the emulator's process and the page's stay below 150 MB. Run it
// alone, so that there is one page.
func TestBrowserMemory(t *testing.T) { //nolint:paralleltest // measures
	if !*soak {
		t.Skip("takes a minute; -soak runs it")
	}
	const token = "EAAmemory-test-token"
	var base string
	post := func(path, body string) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, base+path, strings.NewReader(body))
		require.NoError(t, err)
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Authorization", "Bearer "+token)
		resp, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, resp.StatusCode, path)
		require.NoError(t, resp.Body.Close())
	}
	bot := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte(r.URL.Query().Get("hub.challenge")))
	}))
	defer bot.Close()

	dir := t.TempDir()
	binary, addr := filepath.Join(dir, "appevents"), filepath.Join(dir, "addr")
	build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-ldflags=-s -w", "-o", binary, "../..")
	out, err := build.CombinedOutput()
	require.NoError(t, err, string(out))
	ctx, cancel := context.WithCancel(t.Context())
	emulate := exec.CommandContext(ctx, binary, "emulate", "--addr", "127.0.0.1:0", "--addr-file", addr, "--max", "10000",
		"--bot", bot.URL+"/webhook", "--quiet")
	emulate.Env = append(os.Environ(), "PAGE_ACCESS_TOKEN="+token)
	require.NoError(t, emulate.Start())
	defer func() { cancel(); _ = emulate.Wait() }()
	require.Eventually(t, func() bool {
		data, err := os.ReadFile(addr)
		base = "http://" + strings.TrimSpace(string(data))
		return err == nil
	}, patience, 10*time.Millisecond)

	b := openTab(t)
	b.open(base + "/")
	for n := range 2000 { // of five exchanges each
		post("/-/api/say", `{"text":"message `+strconv.Itoa(n)+`"}`)
		for range 4 {
			post("/v26.0/me/messages", `{"recipient":{"id":"`+kim+`"},"messaging_type":"RESPONSE","message":{"text":"answer `+
				strconv.Itoa(n)+strings.Repeat(" and so on", 20)+`","quick_replies":[{"content_type":"text","title":"Yes",`+
				`"payload":"YES"}]}}`)
		}
	}
	b.until("[...document.querySelectorAll('#log .text')].some(e => e.textContent === 'message 1999')")
	state := struct{ Exchanges int }{}
	resp, body := get(t, base+"/-/api/state")
	require.Equal(t, http.StatusOK, resp.StatusCode)
	require.NoError(t, json.Unmarshal([]byte(body), &state))
	require.GreaterOrEqual(t, state.Exchanges, 10_000)

	page, server := 0, 0
	measure := func() bool {
		_, err = chromedp.Call(b.ctx, heapprofiler.CollectGarbage, cdp.Empty{})
		require.NoError(t, err)
		info, err := chromedp.CallBrowser(b.ctx, systeminfo.GetProcessInfo, cdp.Empty{})
		require.NoError(t, err)
		page = 0
		for _, p := range info.ProcessInfo {
			if p.Type == "renderer" {
				page = max(page, kilobytes(t, p.ID, "Pss")) // the other one is the empty tab that keeps the browser open
			}
		}
		server = kilobytes(t, int64(emulate.Process.Pid), "Rss")
		return (server+page)>>10 < 150
	}
	measure()
	t.Logf("10,000 exchanges: the emulator has %d MB resident, the page %d MB", server>>10, page>>10)
	require.Eventually(t, measure, patience, time.Second, "the browser does not give back what it does not use")
	t.Logf("a little later: %d MB and %d MB", server>>10, page>>10)
}

// kilobytes is a figure of a process's memory: Rss is all of it; Pss has of what it shares with others its part only.
func kilobytes(t *testing.T, pid int64, name string) int {
	t.Helper()
	data, err := os.ReadFile("/proc/" + strconv.FormatInt(pid, 10) + "/smaps_rollup")
	require.NoError(t, err)
	found := regexp.MustCompile(`(?m)^` + name + `:\s+(\d+) kB`).FindSubmatch(data)
	require.NotNil(t, found)
	n, err := strconv.Atoi(string(found[1]))
	require.NoError(t, err)
	return n
}
