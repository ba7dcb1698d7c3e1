package main

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go"
	"github.com/appevents/appevents-go/delivery"
	"github.com/appevents/appevents-go/delivery/boltqueue"
	"github.com/appevents/appevents-go/graphtest"
)

// An acceptsAll is a transport that accepts everything.
type acceptsAll struct{}

func (acceptsAll) RoundTrip(req *http.Request) (*http.Response, error) {
	_, _ = io.Copy(io.Discard, req.Body)
	_ = req.Body.Close()
	return &http.Response{
		StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}}, Request: req,
		Body: io.NopCloser(strings.NewReader(`{"success":true}`)),
	}, nil
}

// BenchmarkSend_Queue shows lines a second of "send --file --queue" beside the floor: the same lines read with
// UnmarshalCall, submitted, which is MarshalCall and the queue, and delivered, by the same number of callers and workers.
func BenchmarkSend_Queue(b *testing.B) {
	const lines = 4000
	path := writeCalls(b, lines)
	b.Run("floor", func(b *testing.B) {
		for b.Loop() {
			floor(b, path, lines)
		}
		b.ReportMetric(float64(lines)*float64(b.N)/b.Elapsed().Seconds(), "lines/s")
	})
	b.Run("send", func(b *testing.B) {
		for b.Loop() {
			var stdout, stderr buffer
			p := &program{
				stdin: strings.NewReader(""), stdout: &stdout, stderr: &stderr, environ: sendEnv("http://127.0.0.1"),
				graph: acceptsAll{},
			}
			queue := filepath.Join(b.TempDir(), "queue.db")
			code := p.run(b.Context(), []string{"send", "--file", path, "--queue", queue, "--progress", "none"})
			require.Zero(b, code, stderr.String())
		}
		b.ReportMetric(float64(lines)*float64(b.N)/b.Elapsed().Seconds(), "lines/s")
	})
}

func floor(b *testing.B, path string, lines int) {
	client, err := appevents.New(sendApp, appevents.WithAccessToken(sendToken),
		appevents.WithHTTPClient(&http.Client{Transport: acceptsAll{}}))
	require.NoError(b, err)
	queue, err := boltqueue.Open(filepath.Join(b.TempDir(), "queue.db"))
	require.NoError(b, err)
	defer queue.Close()
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	var settled atomic.Int64
	d, err := delivery.New(client, queue, delivery.WithWorkers(8),
		delivery.WithObserver(func(context.Context, delivery.Settled) {
			if settled.Add(1) == int64(lines) {
				cancel()
			}
		}))
	require.NoError(b, err)
	file, err := os.Open(path)
	require.NoError(b, err)
	defer file.Close()
	texts := make(chan []byte, batchLines)
	var callers sync.WaitGroup
	var n atomic.Int64
	for range batchLines {
		callers.Go(func() {
			for text := range texts {
				call, err := appevents.UnmarshalCall(text)
				if err != nil || d.Submit(context.WithoutCancel(ctx), strconv.FormatInt(n.Add(1), 10), call) != nil {
					b.Error("not submitted")
				}
			}
		})
	}
	go func() {
		defer close(texts)
		for scanner := bufio.NewScanner(file); scanner.Scan(); {
			texts <- bytes.Clone(scanner.Bytes())
		}
	}()
	require.NoError(b, d.Run(ctx))
	callers.Wait()
}

// A million lines take no more memory than a few thousand do.
func TestSend_MillionLines(t *testing.T) {
	t.Parallel()
	lines := 20_000
	if *soak {
		lines = 1_000_000
	} else if testing.Short() {
		lines = 2000
	}
	path := filepath.Join(t.TempDir(), "calls.ndjson")
	file, err := os.Create(path)
	require.NoError(t, err)
	w := bufio.NewWriter(file)
	for i := range lines { // conversions travel by the thousand, so the stand-in is not what is measured
		conversion, err := appevents.LeadSubmitted().Conversion(appevents.Thread{
			PageID: "901", PSID: appevents.ID(strconv.Itoa(3290000 + i)),
		})
		require.NoError(t, err)
		data, err := appevents.MarshalCall(&appevents.ConversionCall{
			DatasetID: "5501", Conversions: []appevents.Conversion{conversion},
		})
		require.NoError(t, err)
		_, err = w.Write(append(data, '\n'))
		require.NoError(t, err)
	}
	require.NoError(t, w.Flush())
	require.NoError(t, file.Close())

	var accepted atomic.Int64
	graph := graphtest.NewServer(t, graphtest.WithMaxCalls(0), graphtest.WithObserver(func(call graphtest.Call) {
		if call.Accepted {
			accepted.Add(int64(len(call.Events)))
		}
	}))
	cmd, stdout, stderr := sendProcess(t, graph.URL, "--file", path, "--json", "--progress", "lines",
		"--queue", filepath.Join(t.TempDir(), "queue.db"))
	require.NoError(t, cmd.Run(), stderr.String())
	r := parseReport(t, stdout.String())
	require.EqualValues(t, lines, r.tally.Accepted)
	require.EqualValues(t, lines, accepted.Load())
	peak := peakMemory(cmd.ProcessState)
	t.Logf("%d lines, %.0f a second of CPU, peak %d MiB resident\n%s", lines,
		float64(lines)/(cmd.ProcessState.UserTime()+cmd.ProcessState.SystemTime()).Seconds(), peak>>20, stderr)
	if peak > 0 {
		require.Less(t, peak, int64(512<<20))
	}
}
