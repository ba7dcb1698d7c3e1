// Package pgtest starts Postgres servers for tests, from the programs that Debian's package installs: in a temporary
// folder, behind a Unix socket, and never for longer than the test process lives.
package pgtest

import (
	"cmp"
	"errors"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// EnvURL names a server to test with instead of one that is started.
const EnvURL = "APPEVENTS_TEST_POSTGRES"

// patience is how long a server may take to start or to stop.
const patience = 2 * time.Minute

// Server is a server of a test's own.
type Server struct {
	tb    testing.TB    // nil for the shared one
	dir   string        // of everything
	hold  *os.File      // what its keeper waits for the end of; nil when it does not run
	ended chan struct{} // closed when it has ended
}

// template is a folder of data that servers begin with: making one takes longer than starting a server.
var template = sync.OnceValues(func() (string, error) {
	dir, err := makeDir()
	if err != nil {
		return "", err
	}
	remove(dir)
	data := filepath.Join(dir, "data")
	out, err := unprivileged(program("initdb"), "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C",
		"-N").CombinedOutput()
	if err != nil {
		return "", errors.New("initdb: " + err.Error() + "\n" + string(out))
	}
	return data, nil
})

var shared = sync.OnceValues(func() (*Server, error) {
	s, err := newServer()
	if err != nil {
		return nil, err
	}
	atEnd.Lock()
	atEnd.shared = s
	atEnd.Unlock()
	return s, s.start()
})

// atEnd is what Main is to do.
var atEnd struct {
	sync.Mutex
	shared *Server
	remove []string
}

func remove(dir string) {
	atEnd.Lock()
	defer atEnd.Unlock()
	atEnd.remove = append(atEnd.remove, dir)
}

// URL returns the URL of a server that all tests of a package share: the one in [EnvURL], or one that is started. It
// skips the test, and says so, where there is neither. The package's TestMain calls [Main].
func URL(tb testing.TB) string {
	tb.Helper()
	if given := os.Getenv(EnvURL); given != "" { //nolint:forbidigo // what tests are told
		return given
	}
	need(tb)
	s, err := shared()
	if err != nil {
		tb.Fatalf("start Postgres: %v", err)
	}
	return s.URL()
}

// need skips a test where Postgres is not installed.
func need(tb testing.TB) {
	tb.Helper()
	if program("initdb") == "" {
		tb.Skip("NOT RUN: Postgres is not installed (Debian: apt-get install postgresql), or " + EnvURL + " does not do")
	}
	if err := canRun(); err != nil {
		tb.Skip("NOT RUN: " + err.Error())
	}
}

// Main runs the tests of a package and stops what they share.
func Main(m *testing.M) (code int) {
	defer func() {
		atEnd.Lock()
		defer atEnd.Unlock()
		if atEnd.shared != nil {
			atEnd.shared.stop("INT")
		}
		for _, dir := range atEnd.remove {
			_ = os.RemoveAll(dir)
		}
	}()
	return m.Run()
}

// New returns a server of the test's own, not started yet, with settings such as "work_mem=4MB". It ends with the
// test. It skips the test where Postgres is not installed.
func New(tb testing.TB, settings ...string) *Server {
	tb.Helper()
	need(tb)
	s, err := newServer()
	if err != nil {
		tb.Fatalf("make a Postgres server: %v", err)
	}
	s.tb = tb
	tb.Cleanup(s.end)
	s.Set(settings...)
	return s
}

func newServer() (*Server, error) {
	data, err := template()
	if err != nil {
		return nil, err
	}
	dir, err := makeDir()
	if err != nil {
		return nil, err
	}
	remove(dir)
	s := &Server{dir: dir}
	if out, err := unprivileged("cp", "-a", data, s.Data()).CombinedOutput(); err != nil {
		return nil, errors.New("cp: " + string(out))
	}
	return s, s.set(
		"listen_addresses=''", "unix_socket_directories='"+dir+"'", "max_connections=100", "shared_buffers=32MB",
		"fsync=off", "max_wal_size=256MB", "wal_level=replica", "log_min_messages=warning", "autovacuum_naptime=5s",
		"dynamic_shared_memory_type=mmap",
	)
}

// end ends it with its test, and shows the last of what it said when that failed.
func (s *Server) end() {
	s.stop("QUIT")
	if log := s.Log(); s.tb.Failed() {
		s.tb.Logf("the server in %s said last:\n%s", s.dir, log[max(0, len(log)-4000):])
	}
	_ = os.RemoveAll(s.dir)
}

// Data is the folder of its data.
func (s *Server) Data() string { return filepath.Join(s.dir, "data") }

// Dir is the folder of its socket, which tests may put things into.
func (s *Server) Dir() string { return s.dir }

// Socket is the path of its socket.
func (s *Server) Socket() string { return filepath.Join(s.dir, ".s.PGSQL.5432") }

// URL is how to connect to it.
func (s *Server) URL() string {
	return "postgres://postgres@/postgres?" + url.Values{"host": {s.dir}, "port": {"5432"}}.Encode()
}

// Set changes settings, for the next start.
func (s *Server) Set(settings ...string) {
	s.tb.Helper()
	if err := s.set(settings...); err != nil {
		s.tb.Fatal(err)
	}
}

func (s *Server) set(settings ...string) error {
	f, err := os.OpenFile(filepath.Join(s.Data(), "postgresql.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(strings.Join(settings, "\n") + "\n")
	return errors.Join(err, f.Close())
}

// Start starts it, again if need be.
func (s *Server) Start() {
	s.tb.Helper()
	if err := s.start(); err != nil {
		s.tb.Fatalf("start Postgres: %v", err)
	}
}

// start starts it under a shell that sends it the signals it reads, and stops it when this process is gone, however it
// went: then its input ends. The shell signals its own child only: another process can have the number of one that is
// gone.
func (s *Server) start() error {
	const keep = `exec 3<&0; "$1" -D "$2" >>"$3" 2>&1 & pid=$!
		(while read -r signal <&3; do kill -$signal $pid; done; kill -QUIT $pid) 2>/dev/null & guard=$!
		wait $pid; kill $guard 2>/dev/null`
	before := s.pid()
	for end := time.Now().Add(patience); ; {
		in, hold, err := os.Pipe()
		if err != nil {
			return err
		}
		cmd := unprivileged("sh", "-c", keep, "keep", program("postgres"), s.Data(), s.log())
		cmd.Stdin = in
		err = cmd.Start()
		_ = in.Close()
		if err != nil {
			return errors.Join(err, hold.Close())
		}
		ended := make(chan struct{})
		go func() {
			_ = cmd.Wait()
			close(ended)
		}()
		s.hold, s.ended = hold, ended
		if s.await(before) {
			return nil
		}
		s.stop("QUIT")
		if time.Now().After(end) {
			return errors.New("it does not get ready:\n" + s.Log())
		}
	}
}

// await waits until it answers. It returns false when it went away: another that was killed may not be gone entirely.
func (s *Server) await(before string) bool {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	end := time.After(patience)
	for {
		lines := s.pidLines()
		if len(lines) >= 8 && lines[0] != before {
			if state := strings.TrimSpace(lines[7]); state == "ready" || state == "standby" {
				return true
			}
		}
		select {
		case <-tick.C:
		case <-s.ended:
			return false
		case <-end:
			return false
		}
	}
}

func (s *Server) log() string { return filepath.Join(s.dir, "log") }

// Log is what it has logged: warnings and worse.
func (s *Server) Log() string {
	data, _ := os.ReadFile(s.log())
	return string(data)
}

// pidLines are the lines of the file that says what runs.
func (s *Server) pidLines() []string {
	data, _ := os.ReadFile(filepath.Join(s.Data(), "postmaster.pid"))
	return strings.Split(string(data), "\n")
}

// pid is the process that the file says runs, or "".
func (s *Server) pid() string { return s.pidLines()[0] }

// Stop stops it as pg_ctl does in the mode "fast".
func (s *Server) Stop() { s.stop("INT") }

// Kill kills it as kill -9 does.
func (s *Server) Kill() { s.stop("KILL") }

// stop sends a signal and waits for its end.
func (s *Server) stop(signal string) {
	if s.hold == nil {
		return
	}
	for _, signal := range []string{signal, "KILL"} {
		_, _ = s.hold.WriteString(signal + "\n")
		select {
		case <-s.ended:
		case <-time.After(patience):
			continue
		}
		break
	}
	_ = s.hold.Close()
	s.hold = nil
}

// Run runs one of Postgres' programs as whom the server runs as, and returns what it says.
func (s *Server) Run(name string, args ...string) {
	s.tb.Helper()
	if out, err := unprivileged(program(name), args...).CombinedOutput(); err != nil {
		s.tb.Fatalf("%s: %v\n%s", name, err, out)
	}
}

// Standby returns a server that follows s, which must run; it is not started. It is known to s by name.
func (s *Server) Standby(name string) *Server {
	s.tb.Helper()
	dir, err := makeDir()
	if err != nil {
		s.tb.Fatal(err)
	}
	other := &Server{tb: s.tb, dir: dir}
	s.tb.Cleanup(other.end)
	if program("pg_basebackup") == "" {
		s.tb.Skip("NOT RUN: there is no pg_basebackup beside initdb, which makes a standby")
	}
	s.Run("pg_basebackup", "-h", s.dir, "-U", "postgres", "-D", other.Data(), "-c", "fast", "-X", "stream", "-R", "-N")
	other.Set("unix_socket_directories='"+dir+"'", "cluster_name='"+name+"'")
	return other
}

// Own gives a file to the user that servers and daemons run as.
func Own(tb testing.TB, path string) {
	tb.Helper()
	if err := own(path); err != nil {
		tb.Fatal(err)
	}
}

// Promote makes a standby a server of its own.
func (s *Server) Promote() {
	s.tb.Helper()
	s.Run("pg_ctl", "promote", "-w", "-D", s.Data())
}

// program returns the path of one of Postgres' programs, all of the same version, or "".
func program(name string) string {
	path := filepath.Join(programs(), name)
	if _, err := os.Stat(path); err != nil {
		return ""
	}
	return path
}

// programs is the folder of the programs: of those in PATH, or of the newest that Debian's packages have installed.
var programs = sync.OnceValue(func() string {
	newest := ""
	if path, err := exec.LookPath("initdb"); err == nil {
		newest, _ = filepath.EvalSymlinks(path) // the others need not have a link
	}
	if newest == "" {
		found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
		for _, path := range found {
			if len(path) > len(newest) || len(path) == len(newest) && path > newest {
				newest = path
			}
		}
	}
	return filepath.Dir(newest)
})

// Dir makes a temporary folder for what a [Daemon] needs, which is its user's. It goes with the test. Its name is
// short, as the path of a socket must be.
func Dir(tb testing.TB) string {
	tb.Helper()
	dir, err := makeDir()
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// Daemon runs a program that does not run as root either until the test ends. One that ends sooner fails the test, with
// how it ended; a test that fails shows the last of what it said.
func Daemon(tb testing.TB, name string, args ...string) {
	tb.Helper()
	const keep = `exec 3<&0; "$@" & pid=$!
		(cat <&3 >/dev/null; kill -TERM $pid 2>/dev/null) & guard=$!
		wait $pid; status=$?; kill $guard 2>/dev/null; exit $status`
	output, err := os.CreateTemp(tb.TempDir(), "output")
	if err != nil {
		tb.Fatal(err)
	}
	in, hold, err := os.Pipe()
	if err != nil {
		tb.Fatal(err)
	}
	cmd := unprivileged("sh", append([]string{"-c", keep, "keep", name}, args...)...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = in, output, output
	err = cmd.Start()
	_ = in.Close()
	if err != nil {
		tb.Fatal(err)
	}
	var stopping atomic.Bool
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		// Above 128, the status is that plus the number of the signal.
		if err := cmd.Wait(); !stopping.Load() {
			tb.Errorf("%s ended while the test went on: %v", name, cmp.Or(err, errors.New("exit status 0")))
		}
	}()
	tb.Cleanup(func() {
		stopping.Store(true)
		_ = hold.Close()
		<-ended
		_ = output.Close()
		if said, _ := os.ReadFile(output.Name()); tb.Failed() {
			tb.Logf("%s said last:\n%s", name, said[max(0, len(said)-4000):])
		}
	})
}
