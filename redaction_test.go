package appevents_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jarcoal/httpmock"
	"github.com/stretchr/testify/require"

	appevents "github.com/appevents/appevents-go"
)

// The canaries: none of these may show up in anything that is printed.
const (
	canaryToken  = "EAAcanary+token/with=signs"
	canarySecret = "canary0secret0canary0secret00000"
	canaryEmail  = "canary.person@example.com"
	canaryPhone  = "+1 (650) 555-0142"
	canaryInput  = "EAAcanaryInspectedToken0123456789"
)

// canaries returns every text to look for, in the forms they take on their way.
var canaries = sync.OnceValue(func() []string {
	proof := func(token string) string {
		mac := hmac.New(sha256.New, []byte(canarySecret))
		_, _ = io.WriteString(mac, token)
		return hex.EncodeToString(mac.Sum(nil))
	}
	plain := []string{
		canaryToken, canarySecret, proof(canaryToken), proof(appevents.AppToken(coreApp, canarySecret)), canaryInput,
		canaryEmail, strings.ToUpper(canaryEmail), canaryPhone, "16505550142",
	}
	all := slices.Clone(plain)
	for _, s := range plain {
		quoted, err := json.Marshal(s)
		if err != nil {
			panic(err)
		}
		all = append(all, url.QueryEscape(s), url.PathEscape(s), string(bytes.Trim(quoted, `"`)))
	}
	slices.Sort(all)
	return slices.Compact(all)
})

// requireClean fails when a text holds a canary.
func requireClean(t *testing.T, where, text string) {
	t.Helper()
	for _, canary := range canaries() {
		if strings.Contains(text, canary) {
			require.Fail(t, "a canary got out", "%s shows %q in\n%s", where, canary, text)
		}
	}
}

// renderings are all the ways in which programs print a value.
func renderings(v any) map[string]string {
	out := map[string]string{}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		out[verb] = fmt.Sprintf(verb, v)
	}
	if encoded, err := json.Marshal(v); err == nil {
		out["JSON"] = string(encoded)
	}
	var text, structured bytes.Buffer
	slog.New(slog.NewTextHandler(&text, nil)).Info("m", "value", v)
	slog.New(slog.NewJSONHandler(&structured, nil)).Info("m", "value", v)
	out["slog text"], out["slog JSON"] = text.String(), structured.String()
	return out
}

func requirePrintsClean(t *testing.T, where string, v any) {
	t.Helper()
	for way, text := range renderings(v) {
		requireClean(t, where+" as "+way, text)
	}
}

// requireChainClean looks at every link of an error, by both forms of Unwrap.
func requireChainClean(t *testing.T, where string, err error) {
	t.Helper()
	if err == nil {
		return
	}
	where = fmt.Sprintf("%s > %T", where, err)
	requireClean(t, where+".Error()", err.Error())
	requirePrintsClean(t, where, err)
	switch x := err.(type) { //nolint:errorlint // each link on its own
	case *appevents.GraphError:
		requireClean(t, where+".Body", string(x.Body))
		requireClean(t, where+".Data", string(x.Data))
		requirePrintsClean(t, where+" by value", *x)
	case *appevents.CallError:
		requirePrintsClean(t, where+" by value", *x)
	}
	switch x := err.(type) { //nolint:errorlint // each link on its own
	case interface{ Unwrap() error }:
		requireChainClean(t, where, x.Unwrap())
	case interface{ Unwrap() []error }:
		for _, inner := range x.Unwrap() {
			requireChainClean(t, where, inner)
		}
	}
}

// echoes is an answer that repeats every credential it was sent, wherever an answer can.
func echoes(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		sent, _ := io.ReadAll(r.Body)
		seen := strings.Join([]string{
			r.Header.Get("Authorization"), r.URL.RawQuery, string(sent), canaryToken, canarySecret,
		}, " ")
		quoted, _ := json.Marshal(seen)
		w.Header().Set("X-Fb-Trace-Id", canaryToken)
		w.Header().Set("Facebook-Api-Version", canarySecret)
		w.Header().Set("Location", "https://elsewhere.example/?access_token="+canaryToken)
		w.Header().Set("X-Business-Use-Case-Usage",
			`{"`+canaryToken+`":[{"type":"`+canarySecret+`","ads_api_access_tier":"`+canaryToken+`"}]}`)
		w.Header().Set("X-Ad-Account-Usage", `{"ads_api_access_tier":"`+canaryToken+`"}`)
		w.Header().Set("X-Fb-Ads-Insights-Throttle", `{"ads_api_access_tier":"`+canaryToken+`"}`)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, strings.ReplaceAll(body, "ECHO", strings.Trim(string(quoted), `"`)))
	}
}

const echoingEnvelope = `{"error":{"message":"ECHO","type":"ECHO","code":100,"error_user_title":"ECHO",
	"error_user_msg":"ECHO","fbtrace_id":"ECHO","error_data":{"blame_field_specs":[["ECHO",0]],"seen":"ECHO"}}}`

func TestRedaction(t *testing.T) {
	t.Parallel()
	handler := func(h http.HandlerFunc) func(*testing.T) []appevents.Option {
		return func(t *testing.T) []appevents.Option {
			t.Helper()
			server := httptest.NewServer(h)
			t.Cleanup(server.Close)
			return []appevents.Option{appevents.WithBaseURL(server.URL)}
		}
	}
	transport := func(respond httpmock.Responder) func(*testing.T) []appevents.Option {
		return func(*testing.T) []appevents.Option {
			m := httpmock.NewMockTransport()
			m.RegisterNoResponder(respond)
			return []appevents.Option{appevents.WithHTTPClient(&http.Client{Transport: m})}
		}
	}
	source := func(token string, err error) func(*testing.T) []appevents.Option {
		return func(t *testing.T) []appevents.Option {
			t.Helper()
			nowhere := appevents.WithBaseURL("http://" + refusing(t))
			return []appevents.Option{nowhere, appevents.WithTokenSource(appevents.TokenFunc(
				func(context.Context, appevents.Scope) (string, error) { return token, err }))}
		}
	}
	grantURL := "https://graph.facebook.com/oauth/access_token?client_secret=" + canarySecret + "&fb_exchange_token=" + canaryInput

	for name, setup := range map[string]func(*testing.T) []appevents.Option{
		"dial": func(t *testing.T) []appevents.Option {
			t.Helper()
			return []appevents.Option{appevents.WithBaseURL("http://" + refusing(t))}
		},
		"TLS": func(t *testing.T) []appevents.Option {
			t.Helper()
			server := serve(t, (*httptest.Server).StartTLS, func(http.ResponseWriter, *http.Request) {})
			return []appevents.Option{appevents.WithBaseURL(server.URL)}
		},
		"time-out": func(t *testing.T) []appevents.Option {
			t.Helper()
			opts := handler(func(_ http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				<-r.Context().Done()
			})(t)
			return append(opts, appevents.WithTimeout(10*time.Millisecond))
		},
		"reset": handler(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			reset(hijack(w))
		}),
		"redirect":                   handler(echoes(http.StatusFound, "")),
		"redirect with the body":     handler(echoes(http.StatusTemporaryRedirect, "<html>ECHO")),
		"4xx":                        handler(echoes(400, echoingEnvelope)),
		"4xx, data as text":          handler(echoes(400, `{"error":{"code":190,"error_data":"ECHO"}}`)),
		"4xx, old form":              handler(echoes(400, `{"error":190,"error_description":"ECHO"}`)),
		"4xx, throttled":             handler(echoes(400, `{"error":{"code":4,"message":"ECHO"}}`)),
		"4xx, no envelope":           handler(echoes(400, "no: ECHO")),
		"5xx":                        handler(echoes(500, echoingEnvelope)),
		"5xx, HTML":                  handler(echoes(502, "<html>ECHO</html>")),
		"5xx, transient":             handler(echoes(500, `{"error":{"code":2,"is_transient":true,"message":"ECHO"}}`)),
		"200, not JSON":              handler(echoes(200, "ECHO")),
		"200, cut short":             handler(echoes(200, `{"success":tr "ECHO"`)),
		"200, success false":         handler(echoes(200, `{"success":false,"seen":"ECHO"}`)),
		"200, success":               handler(echoes(200, `{"success":true,"paging":{"next":"ECHO"},"drop_reason":"ECHO"}`)),
		"200, token data":            handler(echoes(200, `{"data":{"application":"ECHO","error":{"message":"ECHO"}}}`)),
		"across the end of the copy": handler(echoes(400, strings.Repeat("x", 2048-len("Bearer EAAcanary"))+"ECHO")),
		"transport that tells everything": transport(func(r *http.Request) (*http.Response, error) {
			body, _ := io.ReadAll(r.Body)
			return nil, fmt.Errorf("proxy: %s %s %v %s", r.Method, r.URL, r.Header, body)
		}),
		"transport that wraps a URL": transport(func(r *http.Request) (*http.Response, error) {
			return nil, errors.Join(io.EOF, fmt.Errorf("proxy: %w", &url.Error{Op: "Post", URL: r.URL.String(), Err: io.EOF}))
		}),
		"token source with its URL":  source("", &url.Error{Op: "Get", URL: grantURL, Err: io.ErrUnexpectedEOF}),
		"token source wrapping one":  source("", fmt.Errorf("grant: %w", &url.Error{Op: "Get", URL: grantURL, Err: io.EOF})),
		"token source joining one":   source("", errors.Join(io.EOF, &url.Error{Op: "Get", URL: grantURL, Err: io.EOF})),
		"token source and secret":    source("", errors.New("wrong secret "+canarySecret)),
		"token that cannot be sent":  source(canaryToken+" ", nil),
		"token with a second header": source(canaryToken+"\r\nX-Evil: 1", nil),
		"no token":                   source("", nil),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			base := setup(t)
			for _, inBody := range []bool{false, true} {
				opts := append(slices.Clone(base), appevents.WithAppSecret(canarySecret), quick())
				if inBody {
					opts = append(opts, appevents.WithTokenInBody())
				}
				if !strings.HasPrefix(name, "token ") && name != "no token" {
					opts = append(opts, appevents.WithAccessToken(canaryToken))
				}
				requireCallsClean(t, opts)
			}
		})
	}
}

// requireCallsClean makes a call to every edge and looks at everything that can be printed of it.
func requireCallsClean(t *testing.T, opts []appevents.Option) {
	t.Helper()
	var logged, structured bytes.Buffer
	debug := &slog.HandlerOptions{Level: slog.LevelDebug}
	var infos []appevents.CallInfo
	opts = append(opts,
		appevents.WithLogger(slog.New(slog.NewMultiHandler(
			slog.NewTextHandler(&logged, debug), slog.NewJSONHandler(&structured, debug)))),
		appevents.WithObserver(func(_ context.Context, info appevents.CallInfo) {
			infos = append(infos, info)
			panic("the observer fails with " + canaryToken)
		}))
	client := mustClient(t, opts...)

	person := appevents.UserData{Email: canaryEmail, Phone: canaryPhone}
	activity, reported := purchase(), install()
	activity.UserData, reported.UserData = person, person
	results := map[string]any{}
	failures := map[string]error{}
	results["activity"], failures["activity"] = client.LogActivity(t.Context(), activity)
	results["install"], failures["install"] = client.LogInstall(t.Context(), reported)
	results["page activity"], failures["page activity"] = client.LogPageActivity(t.Context(), pagePurchase())
	results["token info"], failures["token info"] = client.InspectToken(t.Context(), canaryInput)

	for name, err := range failures {
		requireChainClean(t, name, err)
		requirePrintsClean(t, name+" result", results[name])
	}
	for _, info := range infos {
		requirePrintsClean(t, "CallInfo", info)
		requireChainClean(t, "CallInfo.Err", info.Err)
	}
	requireClean(t, "text log", logged.String())
	requireClean(t, "JSON log", structured.String())
	if len(infos) > 0 {
		require.Contains(t, logged.String(), "the observer panicked")
	}
	requirePrintsClean(t, "client", client)
	requirePrintsClean(t, "client by value", *client)
	requirePrintsClean(t, "client in a struct", struct{ C *appevents.Client }{client})
	clone, err := client.Clone()
	require.NoError(t, err)
	requirePrintsClean(t, "clone", clone)
}

func TestRedaction_OfProblemsFoundBeforeSending(t *testing.T) {
	t.Parallel()
	client := mustClient(t, appevents.WithAccessToken(canaryToken), appevents.WithAppSecret(canarySecret))
	call := purchase()
	call.UserData = appevents.UserData{Email: canaryEmail + "\xff", Phone: canaryPhone}
	call.Consent = appevents.Consent{}
	call.Events[0].Name = appevents.EventName(canaryEmail)
	call.Events[0].ID = canaryPhone + "\xff"
	call.Events[0].Params.Currency = canaryPhone
	call.Events[0].Params.Custom = map[string]any{canaryEmail: canaryPhone, "ok": []string{canaryEmail}, "c": canaryEmail + "\xff"}
	call.Extra = map[string]string{canaryEmail: canaryPhone, "access_token": canaryToken, "page_id": canaryPhone}
	call.Thread = appevents.Thread{PageID: canaryPhone, PSID: canaryEmail}
	_, err := client.LogActivity(t.Context(), call)
	var invalid *appevents.ValidationError
	require.ErrorAs(t, err, &invalid)
	require.Greater(t, len(invalid.Issues), 8)
	requireChainClean(t, "activity", err)

	_, err = client.LogPageActivity(t.Context(), &appevents.PageActivity{
		Thread: call.Thread, Events: call.Events, Target: appevents.LoggingTarget(canaryEmail),
		Source: appevents.LoggingSource(canaryPhone),
	})
	require.ErrorAs(t, err, &invalid)
	requireChainClean(t, "page activity", err)

	_, err = client.LogInstall(t.Context(), &appevents.Install{
		UserData: call.UserData, Extra: call.Extra, Device: appevents.Device{Attribution: canaryEmail},
	})
	require.ErrorAs(t, err, &invalid)
	requireChainClean(t, "install", err)

	_, err = appevents.New(canaryEmail, appevents.WithAccessToken(canaryToken))
	require.Error(t, err)
	requireChainClean(t, "configuration", err)
}

func TestRedaction_LetsCallersSeeWhatFailed(t *testing.T) {
	t.Parallel()
	// A cleaned error still answers errors.Is, and says which host was not reached.
	leaky := fmt.Errorf("bearer %s: %w", canaryToken, io.ErrUnexpectedEOF)
	m := newMock(t, httpmock.NewErrorResponder(leaky))
	_, err := m.client(t, appevents.WithAccessToken(canaryToken), oneAttempt()).LogActivity(t.Context(), purchase())
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	require.ErrorContains(t, err, "https://graph.facebook.com/v26.0/771/activities")
	require.ErrorContains(t, err, "bearer [redacted]: unexpected EOF")
	var transport *url.Error
	require.ErrorAs(t, err, &transport)

	echo := answer(http.StatusBadRequest, `{"error":{"code":100,"message":"no such token `+canaryToken+` here"}}`)
	_, err = newMock(t, echo).client(t, appevents.WithAccessToken(canaryToken)).LogActivity(t.Context(), purchase())
	require.ErrorContains(t, err, "no such token [redacted] here")
}

func TestRedaction_OfFieldsThatArriveEscaped(t *testing.T) {
	t.Parallel()
	// The raw text does not hold the token, the decoded fields do.
	escaped := fmt.Sprintf(`\u%04x%s`, canaryToken[0], canaryToken[1:])
	body := strings.ReplaceAll(echoingEnvelope, "ECHO", escaped)
	m := newMock(t, answer(http.StatusBadRequest, body))
	_, err := m.client(t, appevents.WithAccessToken(canaryToken)).LogActivity(t.Context(), purchase())
	var graph *appevents.GraphError
	require.ErrorAs(t, err, &graph)
	const blank = "[redacted]"
	require.Equal(t, []string{blank, blank, blank, blank, blank},
		[]string{graph.Message, graph.Type, graph.UserTitle, graph.UserMessage, graph.TraceID})
	require.Equal(t, []string{blank + "[0]"}, graph.BlameFields)

	text := strings.ReplaceAll(`{"error":{"code":100,"error_data":"{\"seen\":\"ECHO\"}"}}`, "ECHO", escaped)
	_, err = newMock(t, answer(http.StatusBadRequest, text)).client(t, appevents.WithAccessToken(canaryToken)).
		LogActivity(t.Context(), purchase())
	require.ErrorAs(t, err, &graph)
	require.JSONEq(t, `{"seen":"[redacted]"}`, string(graph.Data))
}

func TestRedaction_OfTheCauseOfATruncatedBody(t *testing.T) {
	t.Parallel()
	m := newMock(t, func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: &failing{
			Reader: strings.NewReader("{"), err: fmt.Errorf("proxy: %s: %w", canaryToken, io.ErrUnexpectedEOF),
		}}, nil
	})
	_, err := m.client(t, appevents.WithAccessToken(canaryToken)).LogActivity(t.Context(), purchase())
	requireChainClean(t, "truncated", err)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
}

func TestRedaction_OfASecretThatIsCutOff(t *testing.T) {
	t.Parallel()
	const token = "EAAcanary0123456789abcdef0123456789"
	for name, respond := range map[string]httpmock.Responder{
		"by the end of the body": func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: http.StatusBadRequest, Header: http.Header{}, Body: &failing{
				Reader: strings.NewReader("seen: Bearer " + token[:len(token)-1]), err: io.ErrUnexpectedEOF,
			}}, nil
		},
		"by Graph":               answer(http.StatusBadRequest, `{"error":{"code":190,"message":"Malformed: `+token[:20]+`…"}}`),
		"in an HTML page":        answer(http.StatusBadGateway, strings.Repeat("<p>", 600)+token[:len(token)-1]),
		"by what an error shows": answer(http.StatusBadGateway, strings.Repeat("x", 2048-20)+token),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client := newMock(t, respond).client(t, appevents.WithAccessToken(token), oneAttempt())
			_, err := client.LogActivity(t.Context(), purchase())
			var graph *appevents.GraphError
			require.ErrorAs(t, err, &graph)
			for n := 8; n <= len(token); n++ {
				require.NotContains(t, string(graph.Body), token[:n])
				require.NotContains(t, err.Error(), token[:n])
			}
		})
	}
}

func TestRedaction_OfTheSecretInAnAppTokenOfTheUser(t *testing.T) {
	t.Parallel()
	m := newMock(t, answer(http.StatusBadRequest, `{"error":{"code":104,"message":"wrong: `+canarySecret+`"}}`))
	token := appevents.AppToken(coreApp, canarySecret)
	_, err := m.client(t, appevents.WithAccessToken(token)).LogActivity(t.Context(), purchase())
	require.ErrorContains(t, err, "wrong: [redacted]")
}
