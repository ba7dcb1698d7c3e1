package emulator

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// queueTime bounds how long the bot's queue may take to answer.
const queueTime = 5 * time.Second

// A QueueReport is what the handler of delivery/inspect said about a bot's queue. It is not part of a session.
type QueueReport struct {
	URL   string      `json:"url"`
	Time  time.Time   `json:"time"`
	Stats QueueStats  `json:"stats"`
	Lanes []QueueLane `json:"lanes"`
}

// QueueStats are the figures of delivery.Stats.
type QueueStats struct {
	Accepted    int64     `json:"accepted"`
	Delivered   int64     `json:"delivered"`
	Buried      int64     `json:"buried"`
	Duplicates  int64     `json:"duplicates"`
	Pending     int64     `json:"pending"`
	Kept        int64     `json:"kept"`
	PausedLanes int       `json:"paused_lanes"`
	Retries     int64     `json:"retries"`
	Oldest      time.Time `json:"oldest,omitzero"`
	Running     bool      `json:"running"`
}

// A QueueLane is one lane of the queue.
type QueueLane struct {
	Lane      string    `json:"lane"`
	State     string    `json:"state"`
	Why       string    `json:"why,omitempty"`
	Until     time.Time `json:"until,omitzero"`
	Pending   int64     `json:"pending"`
	LastError string    `json:"last_error,omitempty"`
}

// Queue returns what the bot's queue last said, or nil.
func (e *Emulator) Queue() *QueueReport {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.queue
}

// AskQueue reads the figures of a bot's queue from its handler of delivery/inspect. It asks this machine and the bot's
// host only, sends no credentials and follows no redirect.
func (e *Emulator) AskQueue(ctx context.Context, address string) (*QueueReport, error) {
	bad := func(format string, values ...any) (*QueueReport, error) {
		return nil, &InputError{Field: "url", Message: fmt.Sprintf(format, values...)}
	}
	u, err := url.Parse(strings.TrimSpace(address))
	if err != nil || u.Host == "" || u.User != nil || u.Scheme != "http" && u.Scheme != "https" {
		return bad("must be the address of the bot's queue, such as http://127.0.0.1:8081/-/queue")
	}
	if !e.nearby(u.Hostname()) {
		return bad("must be on this machine, or on the bot's host")
	}
	ctx, cancel := context.WithTimeout(ctx, queueTime)
	defer cancel()
	stop := context.AfterFunc(e.ctx, cancel)
	defer stop()
	u.RawQuery, u.Fragment = "", ""
	report := &QueueReport{URL: u.String(), Time: e.now()}
	var lanes struct{ Lanes []QueueLane }
	if err := e.ask(ctx, u.JoinPath("stats").String(), &report.Stats); err != nil {
		return bad("does not answer as a queue: %s", err)
	}
	if err := e.ask(ctx, u.JoinPath("lanes").String(), &lanes); err != nil {
		return bad("does not tell of its lanes: %s", err)
	}
	report.Lanes = lanes.Lanes[:min(len(lanes.Lanes), 100)]
	e.mu.Lock()
	defer e.mu.Unlock()
	e.queue = report
	e.touch()
	return report, nil
}

// nearby reports whether a host is this machine or the bot's.
func (e *Emulator) nearby(host string) bool {
	if ip := net.ParseIP(host); host == "localhost" || ip != nil && ip.IsLoopback() {
		return true
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	bot, err := url.Parse(e.bot)
	return err == nil && host != "" && strings.EqualFold(bot.Hostname(), host)
}

func (e *Emulator) ask(ctx context.Context, address string, out any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Accept", "application/json")
	resp, err := e.client.Do(req)
	if err != nil {
		if urlErr, ok := errors.AsType[*url.Error](err); ok {
			return urlErr.Err
		}
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("it answered %d", resp.StatusCode)
	}
	data, err := io.ReadAll(io.LimitReader(resp.Body, 4<<20))
	if err == nil && json.Unmarshal(data, out) != nil {
		err = errors.New("the answer is not that of delivery/inspect")
	}
	return err
}
