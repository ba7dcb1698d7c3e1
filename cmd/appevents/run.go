package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/appevents/appevents-go/cmd/appevents/internal/emulator"
	"github.com/appevents/appevents-go/cmd/appevents/internal/intercept"
	"github.com/appevents/appevents-go/graphtest"
)

// defaultGrace is how long a child may take to end before it is killed.
const defaultGrace = 5 * time.Second

type runCommand struct {
	emulatorFlags

	KeepEnv []string `name:"keep-env" placeholder:"NAME" help:"Variables to pass on as they are, credentials included."`
	Command []string `arg:"" name:"command" help:"The bot with its arguments, behind --."`
}

// Help says what the flags cannot.
func (runCommand) Help() string {
	return "The bot finds the emulator under Graph's own name, whatever language it is written in, and " +
		"credentials of the emulator in the place of its own: APP_ID, APP_SECRET, PAGE_ID, " +
		"PAGE_ACCESS_TOKEN, ACCESS_TOKEN and VERIFY_TOKEN, also behind MESSENGER_ and APPEVENTS_. Its " +
		"webhook is found by itself on Linux, elsewhere under $PORT, or is given with --bot. What the bot " +
		"has started ends with it; where there is no Linux and no Windows, what left its process group " +
		"does not."
}

// Run starts the emulator, and the bot in an environment that leads it there.
func (c *runCommand) Run(ctx context.Context, p *program) (err error) {
	cfg, err := c.config(p)
	if err != nil {
		return err
	}
	cfg.ExpectBot = true
	path, err := exec.LookPath(c.Command[0])
	if err != nil {
		return usageError("the command cannot be started: %w", err)
	}
	s, err := p.open(ctx, &c.emulatorFlags, cfg)
	if err != nil {
		return err
	}
	defer func() {
		if closeErr := s.close(); err == nil {
			err = closeErr
		}
	}()
	credentials := s.emulator.Credentials()
	environ, err := s.authority.Environment(intercept.Child{
		Parent: p.environ, Emulator: s.url, Keep: c.KeepEnv,
		Credentials: intercept.Credentials{
			AppID: credentials.AppID, AppSecret: credentials.AppSecret, PageID: credentials.PageID,
			PageAccessToken: credentials.PageAccessToken, VerifyToken: credentials.VerifyToken,
		},
	})
	if err != nil {
		return err
	}
	p.note("page     %s/", s.url)

	child := exec.Command(path, c.Command[1:]...) //nolint:gosec,noctx // what the user asks for; ended by stop
	child.Args[0] = c.Command[0]
	child.Env = slices.DeleteFunc(environ, func(entry string) bool { return entry == browserMark })
	child.Stdin, child.Stdout, child.Stderr = p.stdin, p.stdout, p.stderr
	child.WaitDelay = time.Second // what ends late may hold its output open
	watch, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error, 1)
	group := newGroup(child, p.alone)
	if err := group.start(ended); err != nil {
		return usageError("the command cannot be started: %w", err)
	}
	grace := cmp.Or(p.grace, defaultGrace)
	shown := make(chan struct{})
	go func() {
		defer close(shown)
		p.show(watch, s, func(x emulator.Exchange) error {
			p.note("%s", p.describe(p.stderr, x))
			return nil
		})
	}()
	go p.findBot(watch, s, c.Bot, group)

	go group.reap(watch.Done())
	select {
	case err = <-ended:
		p.note("bot      ended with exit status %d", exitStatus(child, err))
		group.end(grace, s.hurry) // what it has left behind
	case <-ctx.Done():
		group.end(grace, s.hurry)
		err = <-ended
	}
	cancel()
	s.await(shown)
	return exitWith(exitStatus(child, err))
}

// exitStatus is that of the child; 128 and the signal when one ended it, as shells say.
func exitStatus(child *exec.Cmd, err error) int {
	state := child.ProcessState
	switch {
	case state == nil:
		return exitNo
	case state.Exited():
		return state.ExitCode()
	default:
		return signalStatus(state, err)
	}
}

// webhookPaths are where bots usually take webhooks.
var webhookPaths = []string{
	"/webhook", "/", "/webhooks", "/webhook/", "/messenger/webhook", "/webhooks/messenger", "/api/messages",
	"/facebook/receive", "/messenger", "/webhook/messenger", "/facebook", "/callback",
}

// findBot waits for the bot to listen, finds its webhook and has it confirmed.
func (p *program) findBot(ctx context.Context, s *stage, bot string, group *processGroup) {
	if bot != "" {
		s.emulator.SetBot(bot)
		if p.waitListening(ctx, bot, group) {
			p.confirm(ctx, s, bot)
		}
		return
	}
	token := s.emulator.Credentials().VerifyToken
	var first string
	var since time.Time
	for {
		for _, base := range p.listeners(group) {
			if base == s.url {
				continue
			}
			if first == "" {
				first, since = base+webhookPaths[0], time.Now()
			}
			if webhook := findWebhook(ctx, base, token); webhook != "" {
				s.emulator.SetBot(webhook)
				p.confirm(ctx, s, webhook)
				return
			}
		}
		if first != "" && time.Since(since) > cmp.Or(p.patience, botPatience) {
			p.note("webhook  no path of the bot passes the handshake; %s is tried. --bot names the right one, "+
				"--verify-token-env the variable with its verify token", first)
			s.emulator.SetBot(first)
			p.confirm(ctx, s, first)
			return
		}
		if !pause(ctx, retryPause) {
			return
		}
	}
}

// findWebhook returns the first of webhookPaths that answers as a webhook does, "" for none. There are bots that leave
// paths they do not know without an answer: after the most usual one, all are asked at the same time.
func findWebhook(ctx context.Context, base, token string) string {
	found := make([]bool, len(webhookPaths))
	ask := func(n int) error {
		attempt, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		d, err := graphtest.Handshake(attempt, base+webhookPaths[n], token)
		found[n] = err == nil && confirmed(d)
		return err
	}
	if err := ask(0); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return "" // not HTTP
	}
	if !found[0] {
		var work sync.WaitGroup
		for n := 1; n < len(webhookPaths); n++ {
			work.Go(func() { _ = ask(n) })
		}
		work.Wait()
	}
	if n := slices.Index(found, true); n >= 0 {
		return base + webhookPaths[n]
	}
	return ""
}

// botPatience is how long a bot may take to listen, and to pass the handshake, before something is said.
const botPatience = 5 * time.Second

// confirmed reports whether a path looks like the webhook: its answer is a challenge, be it with white space around it.
// The handshake that follows is exact.
func confirmed(d graphtest.Delivery) bool {
	challenge := strings.TrimSpace(string(d.Body))
	return d.Status == http.StatusOK && challenge != "" && len(challenge) <= 10 && decimal(challenge)
}

// waitListening waits until the bot answers at all. After a while it says where the bot listens instead.
func (p *program) waitListening(ctx context.Context, bot string, group *processGroup) bool {
	told := time.NewTimer(cmp.Or(p.patience, botPatience))
	defer told.Stop()
	for {
		select {
		case <-told.C:
			where := ""
			if ports, _ := group.ports(); len(ports) > 0 {
				where = "; the bot listens at " + strings.Join(ports, " and ")
			}
			p.note("webhook  nobody answers at %s yet%s", withoutQuery(bot), where)
		default:
		}
		attempt, cancel := context.WithTimeout(ctx, time.Second)
		_, err := graphtest.Handshake(attempt, bot, "")
		cancel()
		if err == nil || errors.Is(err, context.DeadlineExceeded) {
			return ctx.Err() == nil
		}
		if !pause(ctx, retryPause) {
			return false
		}
	}
}

// listeners are the base URLs where the bot may be asked.
func (p *program) listeners(group *processGroup) []string {
	if ports, known := group.ports(); known {
		return ports
	}
	port := p.getenv("PORT")
	if port == "" {
		return nil
	}
	return []string{fmt.Sprintf("http://127.0.0.1:%s", port)}
}
