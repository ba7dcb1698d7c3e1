package appevents_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	appevents "github.com/appevents/appevents-go"
)

const (
	// What ParseWebhook promises.
	memoryPerByte  = 12
	memoryAnyway   = 64 << 10
	longBody       = 256 << 10 // long enough for the first to count, and the second not
	worstBodies    = "testdata/webhooks/worst"
	worstBodiesMax = 20
)

// memoryLists have room for elements at every depth at which the parser makes something of them.
var memoryLists = []struct{ head, tail string }{
	{``, ``},
	{`[`, `]`},
	{`{"object":"page","entry":[`, `]}`},
	{`{"object":"x","entry":[{"messaging":[`, `]}]}`},
	{`{"object":"page","entry":[{"messaging":[`, `]}]}`},
	{`{"object":"page","entry":[{"standby":[`, `]}]}`},
	{`{"object":"page","entry":[{"changes":[`, `]}]}`},
	{`{"object":"page","entry":[{"changed_fields":[`, `]}]}`},
	{`{"object":"page","entry":[{"calls":[`, `]}]}`},
	{`{"object":"page","entry":[{"hop_context":[`, `]}]}`},
	{`{"object":"page","entry":[{"messaging":[],`, `}]}`},
	{`{"object":"page","entry":[{`, `}]}`},
	{`{"field":"x","value":{`, `}}`},
	{`{"field":"x",`, `}`},
	{`{"object":"page","entry":[{"changes":[{"field":"message_template_status_update","value":{`, `}}]}]}`},
	{`{"object":"page","entry":[{"messaging":[{`, `}]}]}`},
	{`{"object":"page","entry":[{"messaging":[{"message":{`, `}}]}]}`},
	{`{"object":"page","entry":[{"messaging":[{"message":{"attachments":[`, `]}}]}]}`},
	{`{"object":"page","entry":[{"messaging":[{"message":{"attachments":[{"payload":{`, `}}]}}]}]}`},
	{`{"object":"page","entry":[{"messaging":[{"message":{"attachments":[{"payload":{"elements":[`, `]}}]}}]}]}`},
	{`{"object":"page","entry":[{"messaging":[{"message":{"commands":[`, `]}}]}]}`},
	{`{"object":"page","entry":[{"messaging":[{"message":{"referral":{`, `}}}]}]}`},
	{`{"object":"page","entry":[{"messaging":[{"order":{"products":[`, `]}}]}]}`},
	{`{"object":"page","entry":[{"messaging":[{"delivery":{"mids":[`, `]}}]}]}`},
	{`{"object":"page","entry":[{"messaging":[{"app_roles":{`, `}}]}]}`},
	{`{"object":"page","entry":[{"messaging":[{"app_roles":{"1":[`, `]}}]}]}`},
	{`{"object":"page","entry":[{"messaging":[{"messaging_feedback":{"feedback_screens":[`, `]}}]}]}`},
	{`{"object":"page","entry":[{"messaging":[{"messaging_feedback":{"feedback_screens":[{"questions":{`, `}}]}}]}]}`},
	{`{"object":"page","entry":[{"messaging":[{"lead":{"data":[`, `]}}]}]}`},
}

// memoryElements are what costs more than its bytes.
var memoryElements = []string{
	`{},`, `5,`, `null,`, `"",`, `[],`, `"k":{},`, `"k%d":{},`, `"%d":[],`, `"%d":[1],`, `{"a":1},`, `"\n":1,`, `"\ud83d":1,`,
	`{"message":{}},`, `{"message":{"mid":""}},`, `{"order":{},"optin":{},"referral":{},"postback":{},"message":{}},`,
	`{"message":{"attachments":[{}]}},`, `{"message":{"referral":{"a":1},"reply_to":{"a":1},"quick_reply":{"a":1}}},`,
	`{"payload":{"status":1,"text":1,"coordinates":{"lat":1}}},`, `{"payload":5},`, `"referral":{"a":1},`, `"follow_up":{"a":1},`,
	`{"follow_up":{"follow_up":{"follow_up":{"a":1}}}},`, `{"message":5},`, `{"message":{"mid":[],"text":[]}},`,
	`{"field":"","value":{}},`, `{"field":"x","value":{"message":{}}},`, `{"field":"message_template_status_update","value":{}},`,
	`{"messaging":[{}]},`, `{"entry":[{}]},`, `{"entry":[]},`, `{"buttons":[{}]},`, `{"elements":[{"buttons":[{}]}]},`,
	"\"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\":1,", `"new%d":[],`, `{"questions":{"%d":{}}},`,
	`{"name":"\n\n\n\n\n\n\n\n"},`, `"text":"\u00e4",`, "\"text\":\"\xff\xff\xff\xff\xff\xff\xff\xff\",", `{"app_roles":{"%d":[""]}},`,
	`"message":{"x":1},`, `{"hop_context":{"app_id":1}},`, `{"hop_context":[{},{}]},`, `{"id":{}},`, `"mid":[],`,
}

// memoryBody repeats element, in which %d counts, in the n-th list until the body is long enough.
func memoryBody(n int, element string, least int) []byte {
	list := memoryLists[n%len(memoryLists)]
	body := []byte(list.head)
	for i := 0; len(body) < least && element != ""; i++ {
		body = append(body, strings.ReplaceAll(element, "%d", fmt.Sprint(i))...)
	}
	if trimmed, ok := strings.CutSuffix(string(body), ","); ok {
		body = []byte(trimmed)
	}
	return append(body, list.tail...)
}

var memoryWarm sync.Once

// requireFrugal returns how much of the allowed memory parsing takes, which must be less than all.
func requireFrugal(t *testing.T, body []byte) (share float64) {
	t.Helper()
	memoryWarm.Do(func() { // what the tags of each type say is found out once
		for _, body := range hookSamples(t) {
			_, _ = appevents.ParseWebhook(body)
		}
	})
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	payload, err := appevents.ParseWebhook(body)
	runtime.ReadMemStats(&after)
	if err != nil {
		require.ErrorIs(t, err, appevents.ErrNotWebhook)
	}
	runtime.KeepAlive(payload)
	taken := after.TotalAlloc - before.TotalAlloc
	allowed := max(memoryPerByte*len(body), len(body)+memoryAnyway)
	require.LessOrEqual(t, taken, uint64(allowed), "%d bytes for a body of %d: %.200q", taken, len(body), body)
	return float64(taken) / float64(allowed)
}

func TestParseWebhook_MemoryIsBounded(t *testing.T) { //nolint:paralleltest // it measures what is allocated
	worst, of := 0.0, ""
	count := 0
	try := func(body []byte) {
		count++
		if share := requireFrugal(t, body); share > worst {
			worst, of = share, fmt.Sprintf("%.120s", body)
		}
	}
	for n := range memoryLists {
		for _, element := range memoryElements {
			try(memoryBody(n, element, hookSize(8<<10, 512<<10)))
		}
	}
	for _, body := range hookSamples(t) {
		try(body)
	}
	for _, file := range hookMust(filepath.Glob(worstBodies + "/*")) {
		var kept worstBody
		require.NoError(t, json.Unmarshal(hookMust(os.ReadFile(file)), &kept))
		try(memoryBody(kept.List, kept.Element, longBody))
	}
	t.Logf("%d bodies, the worst took %.0f %% of what is allowed: %s", count, 100*worst, of)
}

func hookMust[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// worstBody is the input of FuzzWebhookMemory that took the most in one of the lists.
type worstBody struct {
	List    int
	Element string
	Share   float64 // of what is allowed
}

// FuzzWebhookMemory looks for what takes the most memory, alone and repeated in any of the lists. When fuzzing it keeps
// the worst for each list in testdata/webhooks/worst, which TestParseWebhook_MemoryIsBounded tries again.
func FuzzWebhookMemory(f *testing.F) {
	for i, element := range memoryElements {
		f.Add(uint8(i), element)
	}
	fuzzing := flag.Lookup("test.fuzz").Value.String() != "" || flag.Lookup("test.fuzzworker").Value.String() == "true"
	f.Fuzz(func(t *testing.T, list uint8, element string) {
		if len(element) > 4096 {
			return
		}
		requireFrugal(t, []byte(element))
		n := int(list) % len(memoryLists)
		share := requireFrugal(t, memoryBody(n, element, longBody/8))
		if !fuzzing || share < 0.5 {
			return
		}
		file := fmt.Sprintf("%s/%02d.json", worstBodies, n)
		var known worstBody
		if data, err := os.ReadFile(file); err == nil {
			require.NoError(t, json.Unmarshal(data, &known))
		}
		if share < known.Share+0.01 {
			return
		}
		require.NoError(t, os.MkdirAll(worstBodies, 0o755))
		data, err := json.MarshalIndent(worstBody{List: n, Element: element, Share: share}, "", "\t")
		require.NoError(t, err)
		temp := fmt.Sprintf("%s.%d", file, os.Getpid())
		require.NoError(t, os.WriteFile(temp, append(data, '\n'), 0o644))
		require.NoError(t, os.Rename(temp, file))
	})
}

// hookSize is n, or large under -soak.
func hookSize(n, large int) int {
	if *soak {
		return large
	}
	return n
}
