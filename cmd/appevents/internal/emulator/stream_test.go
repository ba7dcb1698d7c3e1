package emulator_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go/cmd/appevents/internal/emulator"
)

// event is one server-sent event.
type event struct {
	name, id string
	x        emulator.Exchange // of "exchange"
}

// events reads server-sent events until fn returns false or the stream ends.
func events(r io.Reader, fn func(event) bool) {
	var ev event
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), ": ")
		switch name {
		case "event":
			ev.name = value
		case "id":
			ev.id = value
		case "data":
			_ = json.Unmarshal([]byte(value), &ev.x) // events of another kind have another shape
		case "":
			if ev.name != "" && !fn(ev) {
				return
			}
			ev = event{}
		}
	}
}

func subscribe(ctx context.Context, t *testing.T, base, last string) io.ReadCloser {
	t.Helper()
	req := httptest.NewRequestWithContext(ctx, http.MethodGet, base+"/-/events", nil)
	if last != "" {
		req.Header.Set("Last-Event-ID", last)
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, resp.StatusCode)
	return resp.Body
}

func withoutBot(t *testing.T, limit int) (*emulator.Emulator, string) {
	t.Helper()
	e, err := emulator.New(emulator.Config{Seed: 1, Max: limit})
	require.NoError(t, err)
	server := httptest.NewServer(e)
	t.Cleanup(func() {
		require.NoError(t, e.Close())
		server.Close()
	})
	return e, server.URL
}

// Readers come and go while more happens than is kept. None skips an exchange without having been told of a gap.
func TestTwentyReadersMissNothingUntold(t *testing.T) {
	t.Parallel()
	const readers, total = 20, 600
	e, base := withoutBot(t, 100)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()

	var started, ended sync.WaitGroup
	errs := make(chan error, readers)
	started.Add(readers)
	for n := range readers {
		body := subscribe(ctx, t, base, "")
		started.Done()
		ended.Go(func() {
			errs <- func() error {
				seen, told, last, until := int64(0), false, "", 10+7*n
				for {
					count, end := 0, false
					var wrong error
					events(body, func(ev event) bool {
						if ev.id != "" {
							last = ev.id
						}
						if told = told || ev.name == "gap"; ev.name != "exchange" {
							return true
						}
						if ev.x.ID > seen+1 && !told {
							wrong = fmt.Errorf("reader %d: %d after %d without a gap", n, ev.x.ID, seen)
						}
						seen, told = max(seen, ev.x.ID), false
						end = seen == total && ev.x.Done
						count++
						return wrong == nil && !end && (count < until || until == 0)
					})
					if wrong != nil || end {
						_ = body.Close()
						return wrong
					}
					_ = body.Close()
					until = 0 // leaves once, and comes back
					req, _ := http.NewRequestWithContext(ctx, http.MethodGet, base+"/-/events", nil)
					req.Header.Set("Last-Event-ID", last)
					resp, err := http.DefaultTransport.RoundTrip(req)
					if err != nil {
						return err
					}
					body = resp.Body
				}
			}()
		})
	}
	started.Wait()
	for n := range total {
		_, err := e.Say(ctx, emulator.Say{Text: strconv.Itoa(n)})
		require.NoError(t, err)
	}
	ended.Wait()
	for range readers {
		require.NoError(t, <-errs)
	}
}

func TestAGapIsToldExactly(t *testing.T) {
	t.Parallel()
	e, base := withoutBot(t, 3)
	var revs []int64
	for n := range 5 {
		x, err := e.Say(t.Context(), emulator.Say{Text: strconv.Itoa(n)})
		require.NoError(t, err)
		revs = append(revs, x.Rev)
	}
	for _, tt := range []struct {
		name  string
		after int64
		want  string // names of the first events
	}{
		{"has seen the last that is gone", revs[1], "exchange exchange exchange"},
		{"has seen all but the last that is gone", revs[1] - 1, "gap exchange exchange exchange"},
		{"has seen the first", revs[0], "gap exchange exchange exchange"},
		{"has seen two of those kept", revs[3], "exchange"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			body := subscribe(t.Context(), t, base, strconv.FormatInt(tt.after, 10))
			defer body.Close()
			var names []string
			events(body, func(ev event) bool {
				names = append(names, ev.name)
				return len(names) < strings.Count(tt.want, " ")+1
			})
			require.Equal(t, tt.want, strings.Join(names, " "))
		})
	}
	t.Run("a reset is a gap even for who has seen all", func(t *testing.T) {
		t.Parallel()
		e, base := withoutBot(t, 3)
		x, err := e.Say(t.Context(), emulator.Say{Text: "hi"})
		require.NoError(t, err)
		e.Reset()
		body := subscribe(t.Context(), t, base, strconv.FormatInt(x.Rev, 10))
		defer body.Close()
		events(body, func(ev event) bool {
			require.Equal(t, "gap", ev.name)
			return false
		})
	})
}

// pipes is a listener without a network, whose connections know virtual time.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}
func (p *pipes) Close() error   { p.once.Do(func() { close(p.done) }); return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

func TestASlowReaderIsDroppedAndResumes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e, err := emulator.New(emulator.Config{Seed: 1})
		require.NoError(t, err)
		left := make(chan struct{}, 2)
		listener := &pipes{conns: make(chan net.Conn), done: make(chan struct{})}
		server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			e.ServeHTTP(w, r)
			left <- struct{}{}
		})}
		var serving sync.WaitGroup
		serving.Go(func() { _ = server.Serve(listener) })
		dial := func(last string) net.Conn {
			here, there := net.Pipe()
			listener.conns <- there
			_, err := io.WriteString(here, "GET /-/events HTTP/1.1\r\nHost: localhost\r\nLast-Event-ID: "+last+"\r\n\r\n")
			require.NoError(t, err)
			return here
		}

		slow := dial("1")
		for n := range 20 {
			_, err := e.Say(t.Context(), emulator.Say{Text: strings.Repeat("x", 1000) + strconv.Itoa(n)})
			require.NoError(t, err)
		}
		<-left // it never read a byte; time passes until it is dropped
		require.NoError(t, slow.Close())

		again := dial("1")
		resp, err := http.ReadResponse(bufio.NewReader(again), nil)
		require.NoError(t, err)
		seen := int64(0)
		events(resp.Body, func(ev event) bool {
			require.Equal(t, "exchange", ev.name)
			require.Equal(t, seen+1, ev.x.ID)
			seen = ev.x.ID
			return seen < 20
		})
		require.EqualValues(t, 20, seen)
		require.NoError(t, again.Close())
		_ = resp.Body.Close()
		<-left
		require.NoError(t, server.Close())
		serving.Wait()
		require.NoError(t, e.Close())
	})
}
