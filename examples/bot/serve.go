package main

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/appevents/appevents-go/delivery/inspect"
)

// handlerTime is how long webhooks under way may take when the program is told to stop. Meta waits for 5 seconds.
const handlerTime = 5 * time.Second

// serve runs the bot until ctx ends or something it cannot do without fails. Then it takes things apart in the order
// that loses nothing: no new webhooks, those under way answered, requests to Graph finished, the queue closed. Until
// then operators can look on; without a listener for them nobody can.
func serve(ctx context.Context, s *settings, listener, operators net.Listener, log *slog.Logger) (err error) {
	working, fail := context.WithCancelCause(ctx)
	defer fail(nil)

	// The server comes first: opening a queue can take a while, and who asks meanwhile is told so.
	front := newFront(s.maxBacklog)
	server := newServer(front, log)
	go func() { fail(server.Serve(listener)) }()
	defer func() { err = errors.Join(err, server.Close()) }()
	if operators != nil {
		second := newServer(front.operators(), log)
		go func() { fail(second.Serve(operators)) }()
		defer func() { err = errors.Join(err, second.Close()) }()
		log.InfoContext(ctx, "inspecting", "at", "http://"+operators.Addr().String()+inspectPath)
	}

	queue, err := openQueue(ctx, s, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, queue.Close()) }()
	dispatcher, err := newDispatcher(s, queue, log)
	if err != nil {
		return err
	}
	hook, err := newBot(s, dispatcher, log)
	if err != nil {
		return err
	}

	// The dispatcher does not end with ctx: what the last webhooks lead to may still go out.
	delivering, stopDelivering := context.WithCancel(context.WithoutCancel(ctx))
	defer stopDelivering()
	var running sync.WaitGroup
	running.Go(func() { fail(dispatcher.Run(delivering)) })

	front.open(&back{
		hook: hook, dispatcher: dispatcher,
		inspect: inspect.Handler(dispatcher, inspect.WithToken(s.inspectToken), inspect.WithLogger(log)),
	})
	log.InfoContext(ctx, "serving", "addr", listener.Addr().String())
	<-working.Done()
	if ctx.Err() == nil {
		err = context.Cause(working)
	}
	front.stop()
	log.InfoContext(ctx, "stopping")
	if err == nil && s.drain > 0 {
		<-time.After(s.drain)
	}

	answering, cancel := context.WithTimeout(context.WithoutCancel(ctx), handlerTime)
	defer cancel()
	if slow := server.Shutdown(answering); slow != nil {
		log.WarnContext(ctx, "webhooks cut off: Meta will send them again", "error", slow)
	}
	stopDelivering()
	running.Wait()
	front.back.Store(nil) // what is left is for the next process to see
	stats := dispatcher.Stats()
	log.InfoContext(ctx, "stopped", "delivered", stats.Delivered, "pending", stats.Pending, "buried", stats.Buried)
	return err
}

func newServer(handler http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      15 * time.Second, // from the end of the header: longer than reading and handling together
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
}
