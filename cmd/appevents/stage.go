package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"time"

	"github.com/appevents/appevents-go/cmd/appevents/internal/emulator"
	"github.com/appevents/appevents-go/cmd/appevents/internal/files"
	"github.com/appevents/appevents-go/cmd/appevents/internal/intercept"
	"github.com/appevents/appevents-go/cmd/appevents/internal/page"
)

// maxShown bounds what show remembers.
const maxShown = 10_000

// A stage is an emulator with its port, its page and its interceptor.
type stage struct {
	emulator  *emulator.Emulator
	authority *intercept.Authority
	proxy     *intercept.Proxy
	server    *http.Server
	url       string
	served    chan error
	hurry     chan struct{} // closed at a second signal
	closed    chan struct{}
}

// config translates the flags.
func (f *emulatorFlags) config(p *program) (emulator.Config, error) {
	cfg := emulator.Config{
		BotURL: f.Bot, AcceptPageActivities: f.AcceptPageActivities, RequireProof: f.RequireProof, Strict: f.Strict,
		NoSHA1: f.NoSHA1, Max: f.Max, Seed: int64(f.Seed), SessionFile: f.Session, //nolint:gosec // a seed has no sign
		Page: page.New,
	}
	if !p.quiet {
		cfg.Logger = slog.New(slog.NewTextHandler(p.stderr, nil))
	}
	if f.VerifyTokenEnv != "" {
		if cfg.VerifyToken = p.getenv(f.VerifyTokenEnv); cfg.VerifyToken == "" {
			return cfg, fail(exitCredentials, "--verify-token-env: the variable is empty or not set")
		}
	}
	if f.Max < 1 {
		return cfg, usageError("--max must be at least 1")
	}
	return cfg, nil
}

// open starts to listen. Call close at the end, also after an error of anything that follows.
func (p *program) open(ctx context.Context, f *emulatorFlags, cfg emulator.Config) (*stage, error) {
	host, _, err := net.SplitHostPort(f.Addr)
	if err != nil {
		return nil, usageError("--addr must be HOST:PORT")
	}
	if ip := net.ParseIP(host); host == "" || host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		p.note("warning: %s can be reached from other machines; the emulator has no password", f.Addr)
		if ip == nil && host != "" {
			cfg.Hosts = append(cfg.Hosts, host)
		}
	}
	// The port comes first: where another emulator has it, the session is that one's to write.
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", f.Addr)
	if err != nil {
		return nil, fail(exitNo, "%w; another port: --addr 127.0.0.1:0", err)
	}
	s := &stage{served: make(chan error, 1), hurry: make(chan struct{}), closed: make(chan struct{})}
	told := make(chan os.Signal, 2)
	if p.signals != nil { // from before there is something to tidy up
		signal.Notify(told, p.signals...)
	}
	if s.authority, err = intercept.NewAuthority("", time.Now); err != nil {
		signal.Stop(told)
		return nil, errors.Join(err, listener.Close())
	}
	go s.tidy(told, ctx.Err() != nil, 2*cmp.Or(p.grace, defaultGrace))
	if s.emulator, err = emulator.New(cfg); err != nil {
		if errors.Is(err, emulator.ErrSessionInUse) {
			err = &failure{code: exitNo, err: err, hint: "stop that one, or name another file with --session"}
		}
		close(s.closed)
		return nil, errors.Join(err, s.authority.Close(), listener.Close())
	}
	s.url = "http://" + reachable(listener.Addr())
	s.proxy = &intercept.Proxy{
		Emulator: s.emulator, TLS: s.authority.TLS(), Offline: f.Offline, Upstream: http.ProxyFromEnvironment,
		Refused: func(host string) { p.note("refused  %s: --offline", printable(host)) },
	}
	s.server = &http.Server{
		Handler: s.proxy, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute,
		ErrorLog: log.New(io.Discard, "", 0),
	}
	go func() { s.served <- s.server.Serve(listener) }()
	if f.AddrFile != "" {
		if err := files.Replace(f.AddrFile, []byte(reachable(listener.Addr())+"\n")); err != nil {
			return nil, errors.Join(fail(exitNo, "--addr-file: %w", err), s.close())
		}
	}
	if f.Open {
		openBrowser(ctx, s.url+"/")
	}
	return s, nil
}

// close ends everything. The session is saved last.
func (s *stage) close() error {
	defer close(s.closed)
	s.proxy.Close()
	serverErr := s.server.Close()
	return errors.Join(serverErr, s.emulator.Close(), s.authority.Close())
}

// tidy makes haste at the second signal instead of letting it end the program, which would leave files and the bot
// behind. Where even that hangs, in output that nobody takes, it removes the files and ends the program itself.
func (s *stage) tidy(told chan os.Signal, begun bool, patience time.Duration) {
	defer signal.Stop(told)
	signals := 2
	if begun { // the first came before
		signals = 1
	}
	for range signals {
		select {
		case <-told:
		case <-s.closed:
			return
		}
	}
	close(s.hurry)
	select {
	case <-time.After(patience):
		_ = s.authority.Close()
		os.Exit(exitInterrupted)
	case <-s.closed:
	}
}

// await waits for something to end, but not once there is a hurry.
func (s *stage) await(ended <-chan struct{}) {
	select {
	case <-ended:
	case <-s.hurry:
	}
}

// reachable is an address under which this machine reaches a listener.
func reachable(addr net.Addr) string {
	tcp, ok := addr.(*net.TCPAddr)
	if !ok || !tcp.IP.IsUnspecified() {
		return addr.String()
	}
	return fmt.Sprintf("127.0.0.1:%d", tcp.Port)
}

// browserMark tells the browser from the bot, where everything that this program starts ends with it.
const browserMark = "APPEVENTS_BROWSER=1"

// openBrowser does what it can.
func openBrowser(ctx context.Context, url string) {
	name, args := "xdg-open", []string{url}
	switch runtime.GOOS {
	case "darwin":
		name = "open"
	case "windows":
		name, args = "rundll32", []string{"url.dll,FileProtocolHandler", url}
	}
	command := exec.CommandContext(context.WithoutCancel(ctx), name, args...) //nolint:gosec // our own address
	command.Env = append(os.Environ(), browserMark)
	if command.Start() == nil {
		go func() { _ = command.Wait() }()
	}
}

// show prints the exchanges as they end, until ctx does, and then those that the stream has not brought yet.
func (p *program) show(ctx context.Context, s *stage, printOne func(emulator.Exchange) error) {
	c, err := emulatorAt{Emulator: s.url}.client(&program{})
	if err != nil {
		return
	}
	last := int64(0)
	shown := make(map[int64]int64) // exchange -> revision
	one := func(x emulator.Exchange) (bool, error) {
		last = max(last, x.Rev)
		if !x.Done || x.Kind == "handshake" || shown[x.ID] == x.Rev {
			return true, nil
		}
		if len(shown) > maxShown { // what is repeated was changed lately
			clear(shown)
		}
		shown[x.ID] = x.Rev
		return true, printOne(x)
	}
	_ = c.follow(ctx, 0, one)
	var rest struct {
		Exchanges []emulator.Exchange `json:"exchanges"`
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if c.call(ctx, http.MethodGet, fmt.Sprintf("/-/api/exchanges?after=%d", last), nil, &rest) != nil {
		return
	}
	for _, x := range rest.Exchanges {
		if _, err := one(x); err != nil {
			return
		}
	}
}
