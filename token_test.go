package appevents

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jarcoal/httpmock"
	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go/internal/secret"
)

// wireCall is a request as it left.
type wireCall struct {
	*http.Request
	body string
}

// form returns the fields of the body or, for a read, of the query.
func (w wireCall) form(t *testing.T) url.Values {
	t.Helper()
	if w.Method == http.MethodGet {
		return w.URL.Query()
	}
	values, err := url.ParseQuery(w.body)
	require.NoError(t, err)
	return values
}

// recording returns a client that succeeds with every call and writes each to the returned list.
func recording(t *testing.T, opts ...Option) (*Client, *[]wireCall) {
	t.Helper()
	calls := new([]wireCall)
	return mockClient(t, func(r *http.Request) (*http.Response, error) {
		var body []byte
		if r.Body != nil {
			body, _ = io.ReadAll(r.Body)
		}
		*calls = append(*calls, wireCall{r, string(body)})
		return httpmock.NewStringResponse(200, `{"success":true}`), nil
	}, opts...), calls
}

func messengerCall() *Activity {
	return &Activity{
		Thread: Thread{PageID: "901", PSID: "15"}, Consent: ConsentDenied, Events: []Event{LeadSubmitted()},
	}
}

func messengerPageCall() *PageActivity {
	return &PageActivity{
		Thread: Thread{PageID: "901", PSID: "15"}, Consent: ConsentDenied, Events: []Event{LeadSubmitted()},
	}
}

// readCall is a read of the kind the other edges make.
func readCall() *request {
	return &request{
		op: opInsights, method: http.MethodGet, node: "901", edge: "insights", version: "v26.0",
		scope: Scope{Kind: ScopeAd, ID: "901"}, query: url.Values{"fields": {"actions,spend"}},
	}
}

func TestAppSecretProof_Vectors(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ secret, token, proof string }{
		{"appsecret1", "accesstoken0", "f4fb3b41a416d7da68b7cb62f9a87aafd90911be3dc2896332a206dd96af0e32"},
		{"demo-secret", "demo-token", "a030b507b507af9c7222ad797fc9c7ba887306d08f725a71e42dff373952c1d2"},
	} {
		client, calls := recording(t, WithAccessToken(test.token), WithAppSecret(test.secret))
		_, err := client.LogActivity(t.Context(), messengerCall())
		require.NoError(t, err)
		_, err = client.LogPageActivity(t.Context(), messengerPageCall())
		require.NoError(t, err)
		_, err = client.do(t.Context(), readCall())
		require.NoError(t, err)
		require.Equal(t, test.proof, (*calls)[0].form(t).Get("appsecret_proof"))
		require.Contains(t, (*calls)[1].body, `"appsecret_proof":"`+test.proof+`"`)
		require.Equal(t, test.proof, (*calls)[2].form(t).Get("appsecret_proof"))
		for _, call := range *calls {
			require.NotContains(t, call.URL.RawQuery+call.body, "appsecret_time")
		}
	}
}

func TestWithProofTime_Vector(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const moment = 1795176000
		<-time.After(time.Until(time.Unix(moment, 0)))
		client, calls := recording(t, WithAccessToken("demo-token"), WithAppSecret("demo-secret"), WithProofTime())
		const proof = "663f5a267fee35216d059f2c75d096f44cb7a7a1c8239902158bda6b24a1ee3c"
		_, err := client.LogActivity(t.Context(), messengerCall())
		require.NoError(t, err)
		_, err = client.LogPageActivity(t.Context(), messengerPageCall())
		require.NoError(t, err)
		_, err = client.do(t.Context(), readCall())
		require.NoError(t, err)
		for _, i := range []int{0, 2} {
			require.Equal(t, proof, (*calls)[i].form(t).Get("appsecret_proof"))
			require.Equal(t, strconv.Itoa(moment), (*calls)[i].form(t).Get("appsecret_time"))
		}
		require.Contains(t, (*calls)[1].body, `"appsecret_proof":"`+proof+`","appsecret_time":"1795176000"`)
		require.True(t, json.Valid([]byte((*calls)[1].body)))
	})
}

func TestWithProofTime_IsComputedForEachRequest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var forms []url.Values
		client := mockClient(t, func(r *http.Request) (*http.Response, error) {
			body, _ := io.ReadAll(r.Body)
			form, err := url.ParseQuery(string(body))
			forms = append(forms, form)
			return httpmock.NewStringResponse(500, `{"error":{"code":2,"is_transient":true}}`), err
		}, WithAppSecret("demo-secret"), WithProofTime(), WithRetry(RetryPolicy{BaseDelay: time.Hour, MaxDelay: time.Hour}))
		_, err := client.LogActivity(t.Context(), messengerCall())
		require.ErrorIs(t, err, ErrTransient)
		require.Len(t, forms, 3)
		for i, form := range forms {
			mac := hmac.New(sha256.New, []byte("demo-secret"))
			_, _ = io.WriteString(mac, AppToken("771", "demo-secret")+"|"+form.Get("appsecret_time"))
			require.Equal(t, hex.EncodeToString(mac.Sum(nil)), form.Get("appsecret_proof"))
			if i > 0 {
				require.NotEqual(t, forms[i-1].Get("appsecret_time"), form.Get("appsecret_time"))
			}
		}
	})
}

func TestWithTokenInBody(t *testing.T) {
	t.Parallel()
	const token = `EAA|t"&=+\<` // shows the escaping
	client, calls := recording(t, WithTokenInBody(), WithAppSecret("demo-secret"), WithAccessToken(token))
	_, err := client.LogActivity(t.Context(), messengerCall())
	require.NoError(t, err)
	_, err = client.LogPageActivity(t.Context(), messengerPageCall())
	require.NoError(t, err)
	read := readCall()
	_, err = client.do(t.Context(), read)
	require.NoError(t, err)

	proof := appSecretProof("demo-secret", token)
	for _, i := range []int{0, 2} {
		form := (*calls)[i].form(t)
		require.Equal(t, []string{token}, form["access_token"])
		require.Equal(t, []string{proof}, form["appsecret_proof"])
	}
	require.Equal(t, "actions,spend", (*calls)[2].form(t).Get("fields"))
	require.Equal(t, url.Values{"fields": {"actions,spend"}}, read.query, "the description of the call is left alone")
	var fields map[string]any
	require.NoError(t, json.Unmarshal([]byte((*calls)[1].body), &fields))
	require.Equal(t, token, fields["access_token"])
	require.Equal(t, proof, fields["appsecret_proof"])
	require.Equal(t, "901", fields["page_id"])
	for i, call := range *calls {
		require.Empty(t, call.Header.Values("Authorization"))
		require.Equal(t, i == 2, call.URL.RawQuery != "", "only a read has a query")
	}
}

func TestClient_PicksTheToken(t *testing.T) {
	t.Parallel()
	source := func(token string) Option {
		return WithTokenSource(TokenFunc(func(_ context.Context, scope Scope) (string, error) {
			if token == "" {
				return "", nil
			}
			return token + "-" + scope.Kind.String() + "-" + string(scope.ID), nil
		}))
	}
	for name, test := range map[string]struct {
		opts      []Option
		app, page string // tokens sent; for the Page "-" means ErrNoToken
	}{
		"nothing configured":     {nil, "", "-"},
		"static":                 {[]Option{WithAccessToken("static-token")}, "static-token", "static-token"},
		"static over the secret": {[]Option{WithAccessToken("static-token"), WithAppSecret("s3cret")}, "static-token", "static-token"},
		"source":                 {[]Option{source("from-source")}, "from-source-app-771", "from-source-page-901"},
		"source over the secret": {[]Option{source("from-source"), WithAppSecret("s3cret")}, "from-source-app-771", "from-source-page-901"},
		"source without one":     {[]Option{source("")}, "", "-"},
		"app token as fallback":  {[]Option{source(""), WithAppSecret("s3cret")}, "771|s3cret", "-"},
		"secret alone":           {[]Option{WithAppSecret("s3cret")}, "771|s3cret", "-"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client, calls := recording(t, test.opts...)
			_, err := client.LogActivity(t.Context(), messengerCall())
			require.NoError(t, err, "activities takes calls without a token")
			authorization := (*calls)[0].Header.Get("Authorization")
			require.Equal(t, test.app, strings.TrimPrefix(authorization, "Bearer "))
			if test.app == "" {
				require.NotContains(t, (*calls)[0].Header, "Authorization")
				require.NotContains(t, (*calls)[0].body, "appsecret_proof")
			}

			_, err = client.LogPageActivity(t.Context(), messengerPageCall())
			if test.page == "-" {
				require.ErrorIs(t, err, ErrNoToken)
				require.Equal(t, OutcomeNotSent, OutcomeOf(err))
				require.Equal(t, "appevents: log page activity: not sent: no access token for this call (scope page)", err.Error())
				var call *CallError
				require.ErrorAs(t, err, &call)
				require.Zero(t, call.Attempts)
				require.Len(t, *calls, 1)
				return
			}
			require.NoError(t, err)
			require.Equal(t, "Bearer "+test.page, (*calls)[1].Header.Get("Authorization"))
		})
	}
}

func TestClient_RefusesATokenThatCannotBeSent(t *testing.T) {
	t.Parallel()
	for _, token := range []string{"canary\n", "canary\r\nX-Evil: 1", "canary token", "canary\x00", "canary\x7f", "canaryé", " "} {
		client, calls := recording(t, WithTokenSource(TokenFunc(func(context.Context, Scope) (string, error) {
			return token, nil
		})))
		_, err := client.LogActivity(t.Context(), messengerCall())
		require.ErrorContains(t, err, "the access token holds a space, control or non-ASCII character", "%q", token)
		require.NotContains(t, err.Error(), "canary")
		require.Equal(t, OutcomeNotSent, OutcomeOf(err))
		require.Empty(t, *calls)
	}
}

// invalidated is a source that notes what it is told to forget.
type invalidated struct{ told []string }

func (s *invalidated) Token(context.Context, Scope) (string, error) { return "page-token", nil }

func (s *invalidated) Invalidate(scope Scope, token string) {
	s.told = append(s.told, fmt.Sprint(scope.Kind, " ", scope.ID, " ", token))
}

func TestClient_TellsTheSourceWhenItsTokenIsNotAccepted(t *testing.T) {
	t.Parallel()
	for body, want := range map[string][]string{
		`{"success":true}`:       nil,
		`{"error":{"code":190}}`: {"page 901 page-token"},
		`{"error":{"code":102}}`: {"page 901 page-token"},
		`{"error":{"code":200}}`: nil,
		`{"error":{"code":4}}`:   nil,
		`<html>`:                 nil,
	} {
		source := new(invalidated)
		client := mockClient(t, httpmock.NewStringResponder(200, body), WithTokenSource(source))
		_, _ = client.LogPageActivity(t.Context(), messengerPageCall())
		require.Equal(t, want, source.told, body)
	}
}

func TestClient_PassesTheContextToTheSource(t *testing.T) {
	t.Parallel()
	type key struct{}
	ctx := context.WithValue(t.Context(), key{}, "tenant 7")
	sealed := errors.New("sealed")
	client := mockClient(t, httpmock.NewStringResponder(200, `{"success":true}`),
		WithTokenSource(TokenFunc(func(ctx context.Context, _ Scope) (string, error) {
			require.Equal(t, "tenant 7", ctx.Value(key{}))
			return "", sealed
		})))
	_, err := client.LogActivity(ctx, messengerCall())
	require.ErrorIs(t, err, sealed)
	require.Equal(t, "appevents: log activity: not sent: token source: sealed", err.Error())
}

func TestAppToken(t *testing.T) {
	t.Parallel()
	require.Equal(t, "771|s3cret", AppToken("771", "s3cret"))
}

// Signing costs more than the rest of a request, so what was signed is remembered: by token, and for one secret.
func TestSigner_RemembersProofsByTokenAndSecret(t *testing.T) {
	t.Parallel()
	token := ""
	client, calls := recording(t, WithAppSecret("demo-secret"), WithTokenSource(TokenFunc(
		func(context.Context, Scope) (string, error) { return token, nil })))
	other, err := client.Clone(WithAppSecret("other-secret"))
	require.NoError(t, err)
	same, err := client.Clone(WithMaxEvents(1))
	require.NoError(t, err)
	n := 0
	send := func(c *Client, appSecret string) {
		_, err := c.LogActivity(t.Context(), messengerCall())
		require.NoError(t, err)
		require.Equal(t, "Bearer "+token, (*calls)[n].Header.Get("Authorization"))
		require.Equal(t, appSecretProof(appSecret, token), (*calls)[n].form(t).Get("appsecret_proof"))
		n++
	}
	for _, token = range []string{"EAAone", "EAAtwo", "EAAone", "EAAthree", "EAAtwo"} {
		send(client, "demo-secret")
		send(other, "other-secret")
		send(same, "demo-secret")
	}
	require.Equal(t, 3, client.signer.signed.Get().Len())
	require.Same(t, client.signer.signed.Get(), same.signer.signed.Get())
	require.Equal(t, 3, other.signer.signed.Get().Len())
}

func TestSigner_IsBounded(t *testing.T) {
	t.Parallel()
	client, err := New("771", WithAppSecret("demo-secret"))
	require.NoError(t, err)
	for i := range maxSigned + 10 {
		client.signer.source = secret.Hide[TokenSource](staticToken{secret.New("EAA" + strconv.Itoa(i))})
		cred, err := client.signer.credentials(t.Context(), Scope{Kind: ScopePage, ID: "901"}, false)
		require.NoError(t, err)
		require.Equal(t, "EAA"+strconv.Itoa(i), cred.token)
	}
	require.Equal(t, maxSigned, client.signer.signed.Get().Len())
}
