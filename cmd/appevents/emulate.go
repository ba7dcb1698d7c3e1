package main

import (
	"context"
	"errors"
	"time"

	"github.com/appevents/appevents-go/cmd/appevents/internal/emulator"
)

type emulateCommand struct {
	emulatorFlags
}

// Help says what the flags cannot.
func (emulateCommand) Help() string {
	return "The emulator takes APP_ID, APP_SECRET, VERIFY_TOKEN, PAGE_ID and PAGE_ACCESS_TOKEN from the environment, " +
		"so that a bot started with the same ones understands it. What is missing is made up and printed."
}

// Run serves until it is told to stop, which is its normal end.
func (c *emulateCommand) Run(ctx context.Context, p *program) error {
	cfg, err := c.config(p)
	if err != nil {
		return err
	}
	madeUp, err := p.adoptCredentials(&cfg)
	if err != nil {
		return err
	}
	s, err := p.open(ctx, &c.emulatorFlags, cfg)
	if err != nil {
		return err
	}
	if p.json {
		credentials := s.emulator.Credentials()
		err = p.printJSON(object{"ready": true, "url": s.url, "app_id": credentials.AppID, "page_id": credentials.PageID})
	}
	p.note("page     %s/", s.url)
	for _, line := range madeUp(s.emulator.Credentials()) {
		p.note("bot's    %s", line)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	shown := make(chan struct{})
	go func() {
		defer close(shown)
		p.show(ctx, s, p.printExchange)
	}()
	if c.Bot != "" {
		go p.confirm(ctx, s, c.Bot)
	}
	if err == nil {
		select {
		case <-ctx.Done():
		case err = <-s.served:
		}
	}
	cancel()
	s.await(shown)
	return errors.Join(err, s.close())
}

// confirm repeats the handshake until the bot passes it. It says why it does not, once for each reason.
func (p *program) confirm(ctx context.Context, s *stage, bot string) {
	told := ""
	for wait := time.Second; ; wait = min(2*wait, maxConfirmWait) {
		begin := time.Now()
		err := s.emulator.Handshake(ctx)
		if err == nil {
			p.note("webhook  %s confirmed in %s", withoutQuery(bot), millis(inMillis(time.Since(begin))))
			if doubt := s.emulator.State().HandshakeW; doubt != "" {
				p.note("    warn %s", doubt)
			}
			return
		}
		if told != err.Error() && ctx.Err() == nil {
			told = err.Error()
			p.note("webhook  %s not confirmed yet: %s", withoutQuery(bot), printable(told))
		}
		if !pause(ctx, wait) {
			return
		}
	}
}

// maxConfirmWait is how long at most a bot that has been mended waits for its next handshake.
const maxConfirmWait = 5 * time.Second

// adoptCredentials takes the credentials of the environment. What it returns lists those that the emulator made up.
func (p *program) adoptCredentials(cfg *emulator.Config) (func(emulator.Credentials) []string, error) {
	missing := make(map[string]bool)
	for name, field := range map[string]*string{
		"APP_ID": &cfg.AppID, "APP_SECRET": &cfg.AppSecret, "VERIFY_TOKEN": &cfg.VerifyToken,
		"PAGE_ID": &cfg.PageID, "PAGE_ACCESS_TOKEN": &cfg.PageToken,
	} {
		if *field != "" {
			continue
		}
		found, err := p.credential(name)
		if err != nil {
			return nil, err
		}
		*field, missing[name] = found.value, found.value == ""
	}
	return func(c emulator.Credentials) []string {
		var lines []string
		for _, entry := range [][2]string{
			{"APP_ID", c.AppID}, {"APP_SECRET", c.AppSecret}, {"VERIFY_TOKEN", c.VerifyToken},
			{"PAGE_ID", c.PageID}, {"PAGE_ACCESS_TOKEN", c.PageAccessToken},
		} {
			if missing[entry[0]] {
				lines = append(lines, entry[0]+"="+entry[1])
			}
		}
		return lines
	}, nil
}
