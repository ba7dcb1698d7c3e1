package page_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go/cmd/appevents/internal/emulator"
	"github.com/appevents/appevents-go/cmd/appevents/internal/page"
)

// shop is an emulator with its page, and a bot that sells mugs: it replies, logs what happens, and makes two mistakes.
type shop struct {
	t     testing.TB
	e     *emulator.Emulator
	url   string
	work  sync.WaitGroup
	done  <-chan struct{} // the test has ended
	clock atomic.Int64    // what time it is for the emulator, in nanoseconds; 0 = the real one
	still atomic.Bool     // the clock stands
}

func openShop(t testing.TB, cfg emulator.Config) *shop {
	t.Helper()
	s := &shop{t: t, done: t.Context().Done()}
	bot := httptest.NewServer(s)
	t.Cleanup(bot.Close)
	cfg.BotURL, cfg.Page, cfg.Seed = bot.URL+"/webhook", page.New, 1
	cfg.Now = func() time.Time {
		if s.clock.Load() == 0 {
			return time.Now()
		}
		if !s.still.Load() {
			s.tick(1) // looking takes a moment
		}
		return time.Unix(0, s.clock.Load())
	}
	e, err := emulator.New(cfg)
	require.NoError(t, err)
	server := httptest.NewServer(e)
	t.Cleanup(func() {
		require.NoError(t, e.Close())
		server.Close()
	})
	s.e, s.url = e, server.URL
	require.NoError(t, e.Handshake(t.Context()))
	return s
}

// ServeHTTP is the bot.
func (s *shop) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodGet {
		_, _ = fmt.Fprint(w, r.URL.Query().Get("hub.challenge"))
		return
	}
	var body struct {
		Entry []struct {
			Messaging []struct {
				Sender  struct{ ID string }
				Message struct {
					Text       string
					QuickReply struct{ Payload string } `json:"quick_reply"`
				}
				Postback struct{ Payload string }
			}
		}
	}
	if r.Header.Get("X-Hub-Signature-256") == "" || json.NewDecoder(r.Body).Decode(&body) != nil ||
		len(body.Entry) == 0 || len(body.Entry[0].Messaging) == 0 {
		w.WriteHeader(http.StatusForbidden)
		return
	}
	m := body.Entry[0].Messaging[0]
	s.work.Go(func() {
		s.answered(m.Sender.ID)
		s.reply(m.Sender.ID, m.Message.Text, m.Message.QuickReply.Payload+m.Postback.Payload)
	})
}

// answered waits until the emulator has seen that the webhook was answered, as bots work after that.
func (s *shop) answered(psid string) {
	for {
		_, changed := s.e.Changed()
		for _, t := range slices.Backward(s.e.Turns(50)) {
			if t.PSID == psid && t.Status != 0 {
				return
			} else if t.PSID == psid {
				break
			}
		}
		select {
		case <-changed:
		case <-s.done:
			return
		}
	}
}

func (s *shop) reply(to, text, payload string) {
	switch {
	case payload == "MUGS" || payload == "GET_STARTED":
		s.log(to, map[string]any{"_eventName": "fb_mobile_content_view", "fb_content_id": "MUG-BLUE"})
		s.send(to, map[string]any{"attachment": map[string]any{"type": "template", "payload": map[string]any{
			"template_type": "generic", "elements": []any{map[string]any{
				"title": "The blue mug", "subtitle": "Stoneware, 350 ml, 55.22 USD", "image_url": "https://shop.example/mug.jpg",
				"buttons": []any{
					map[string]any{"type": "postback", "title": "Buy the mug", "payload": "BUY_MUG"},
					map[string]any{"type": "web_url", "title": "Look", "url": "https://shop.example/mug"},
				},
			}},
		}}})
	case payload == "BUY_MUG": // also when it comes again
		s.tick(9)
		s.log(to, map[string]any{"_eventName": "fb_mobile_purchase", "_valueToSum": 55.22, "fb_currency": "USD"})
		s.send(to, map[string]any{"text": "Thanks! Is it for a company? Leave us a number and we call you."})
	case payload == "FILL":
		s.log(to, map[string]any{"_eventName": "fb_mobile_search"})
		for n := range 8 {
			s.send(to, map[string]any{"text": fmt.Sprintf("Mug %d: stoneware, 350 ml, dishwasher-safe.", n)})
		}
	case strings.HasPrefix(text, "+1"):
		s.tick(5)
		s.log(to, map[string]any{"_eventName": "lead_submitted"})
		s.graph("/v26.0/"+s.e.Credentials().PageID+"/page_activities", url.Values{ // a mistake: it has retired
			"custom_events": {`[{"_eventName":"lead_submitted"}]`}, "page_scoped_user_id": {to},
		})
		s.send(to, map[string]any{"text": "Noted. We call you today."})
	case text != "":
		s.tick(4)
		s.send(to, map[string]any{"text": "Welcome to the Mug Shop! What can I do for you?", "quick_replies": []any{
			map[string]any{"content_type": "text", "title": "Show me mugs", "payload": "MUGS"},
			map[string]any{"content_type": "text", "title": "Talk to somebody", "payload": "AGENT"},
		}})
	}
}

func (s *shop) tick(milliseconds int64) {
	if s.clock.Load() != 0 {
		s.clock.Add(milliseconds * int64(time.Millisecond))
	}
}

func (s *shop) send(to string, message map[string]any) {
	data, _ := json.Marshal(map[string]any{
		"recipient": map[string]string{"id": to}, "messaging_type": "RESPONSE", "message": message,
	})
	s.post("/v26.0/me/messages", "application/json", string(data), s.e.Credentials().PageAccessToken)
}

func (s *shop) log(to string, event map[string]any) {
	list, _ := json.Marshal([]any{event})
	s.graph("/v26.0/"+s.e.Credentials().AppID+"/activities", url.Values{
		"event": {"CUSTOM_APP_EVENTS"}, "custom_events": {string(list)}, "advertiser_tracking_enabled": {"1"},
		"application_tracking_enabled": {"1"}, "extinfo": {`["mb1"]`}, "page_id": {s.e.Credentials().PageID},
		"page_scoped_user_id": {to},
	})
}

func (s *shop) graph(path string, form url.Values) {
	c := s.e.Credentials()
	s.post(path, "application/x-www-form-urlencoded", form.Encode(), c.AppID+"|"+c.AppSecret)
}

func (s *shop) post(path, media, body, token string) {
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, s.url+path, strings.NewReader(body))
	if err != nil {
		return
	}
	req.Header.Set("Content-Type", media)
	req.Header.Set("Authorization", "Bearer "+token)
	if resp, err := http.DefaultClient.Do(req); err == nil {
		_ = resp.Body.Close()
	}
	s.tick(3)
}

// act lets a person do something in the shop, some seconds after what was before.
func (s *shop) act(in emulator.Trigger) emulator.Exchange {
	s.t.Helper()
	s.tick(7000)
	list, err := s.e.Trigger(s.t.Context(), in)
	require.NoError(s.t, err)
	require.Equal(s.t, http.StatusOK, list[0].Status)
	s.work.Wait()
	return list[0]
}

// session is a conversation with all that the page has to show.
func (s *shop) session() {
	s.t.Helper()
	s.act(emulator.Trigger{Field: "messages", Text: "hello", PSID: lee})
	s.act(emulator.Trigger{Field: "messages/quick_reply", Text: "Show me mugs", Payload: "MUGS", PSID: lee})
	s.act(emulator.Trigger{Field: "messages", Text: "hello", PSID: kim})
	s.act(emulator.Trigger{Field: "messages/quick_reply", Text: "Show me mugs", Payload: "MUGS", PSID: kim})
	bought := s.act(emulator.Trigger{Field: "messaging_postbacks", Title: "Buy the mug", Payload: "BUY_MUG", PSID: kim})
	s.act(emulator.Trigger{Field: "messages", Text: "+1 202 555 0142", PSID: kim})
	s.tick(4000)
	_, err := s.e.Again(s.t.Context(), bought.ID)
	require.NoError(s.t, err)
	s.work.Wait()
	s.still.Store(true)
}

// fill adds a turn of ten exchanges: a webhook, an event and eight messages.
func (s *shop) fill() {
	s.t.Helper()
	s.act(emulator.Trigger{Field: "messaging_postbacks", Title: "Fill", Payload: "FILL", PSID: kim})
}
