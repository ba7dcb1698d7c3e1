package graphtest_test

import (
	"net/http"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestIDs_AreWrittenInOneWay(t *testing.T) {
	t.Parallel()
	for _, id := range []string{"0", "00", "0901", "-901", "+901", "9 01", "9.0", "1e3", "٩٠١", "9223372036854775808", "x"} {
		server := setup()
		for _, edit := range []string{"page_id=" + id, "page_scoped_user_id=" + id} {
			send(t, server, bot(edit))
			require.Len(t, last(t, server).Problems, 1, edit)
			require.Equal(t, "int64", last(t, server).Problems[0].Rule, edit)
		}
		for _, member := range []string{"page_id", "page_scoped_user_id"} {
			quoted := `"user_data":{"page_id":"901","page_scoped_user_id":"7702","` + member + `":` + strconv.Quote(id) + `}`
			send(t, server, conversions(lead(quoted)))
			require.Contains(t, brief(last(t, server).Problems), "data[0].user_data."+member+" id 100", quoted)
		}
		for _, path := range []string{"/v26.0/" + id + "/activities", "/v26.0/" + id + "/events", "/v26.0/act_" + id + "/insights", "/v26.0/" + id} {
			if id == "9 01" || id == "٩٠١" {
				continue // no URL
			}
			got := send(t, server, request{method: http.MethodPost, path: path, token: "t", typ: form})
			require.Equal(t, http.StatusBadRequest, got.status, "%s: %s", path, got.body)
			require.NotEmpty(t, last(t, server).Problems, path)
		}
	}
	server := setup()
	require.Equal(t, http.StatusOK, send(t, server, bot("page_id=9223372036854775807", "page_scoped_user_id=1")).status)
	require.Empty(t, last(t, server).Problems)
}

func TestContentIDs_AreNotEmpty(t *testing.T) {
	t.Parallel()
	server := setup()
	for members, problem := range map[string]string{
		`"fb_content_id":"[\"1\",\"\"]"`:                                     "custom_events[0].fb_content_id content",
		`"fb_content_id":"[\"\"]"`:                                           "custom_events[0].fb_content_id content",
		`"fb_content_id":""`:                                                 "custom_events[0].fb_content_id empty",
		`"fb_content":"[{\"id\":\"\",\"quantity\":1}]"`:                      "custom_events[0].fb_content[0].id required",
		`"fb_content":"[{\"quantity\":1}]"`:                                  "custom_events[0].fb_content[0].id required",
		`"fb_content_id":"[\"1\",\"2\"]"`:                                    "",
		`"fb_content_id":"1","fb_content":"[{\"id\":\"1\",\"quantity\":1}]"`: "",
	} {
		send(t, server, events(members))
		if problem == "" {
			require.Empty(t, last(t, server).Problems, members)
		} else {
			require.Equal(t, []string{problem}, brief(last(t, server).Problems), members)
		}
	}
	for members, problem := range map[string]string{
		`"content_ids":["1",""]`:            "data[0].custom_data.content_ids array",
		`"contents":[{"id":""}]`:            "data[0].custom_data.contents[0].id required 100/2804008",
		`"content_ids":["1","2"],"value":1`: "data[0].custom_data.currency required 100/2804023",
	} {
		send(t, server, conversions(lead(`"custom_data":{`+members+`}`)))
		require.Contains(t, brief(last(t, server).Problems), problem, members)
	}
}
