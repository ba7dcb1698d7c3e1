package natsqueue_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"
)

// patience is how long a server may take to start on a busy machine.
const patience = 5 * time.Minute

// startServer starts a NATS server with JetStream in this process, as the nats-server command does in its own.
func startServer(t testing.TB, change func(*server.Options)) *server.Server {
	t.Helper()
	s := launch(t, change)
	require.True(t, s.ReadyForConnections(patience))
	return s
}

// launch starts a server that may have to wait for others to be ready.
func launch(t testing.TB, change func(*server.Options)) *server.Server {
	t.Helper()
	opts := &server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, NoLog: true, NoSigs: true, JetStream: true, StoreDir: t.TempDir(),
	}
	if change != nil {
		change(opts)
	}
	s, err := server.NewServer(opts)
	require.NoError(t, err)
	s.Start()
	t.Cleanup(func() { stop(s) })
	return s
}

// stop ends a server in good order.
func stop(s *server.Server) {
	s.Shutdown()
	s.WaitForShutdown()
}

// startCluster starts three servers that replicate.
func startCluster(t *testing.T) []*server.Server {
	t.Helper()
	ports := freePorts(t, 3)
	servers := make([]*server.Server, len(ports))
	for n, port := range ports {
		servers[n] = launch(t, func(o *server.Options) {
			o.ServerName = fmt.Sprint("node-", n)
			o.Cluster = server.ClusterOpts{Name: "test", Host: "127.0.0.1", Port: port}
			o.Routes = routes(ports)
		})
	}
	for _, s := range servers {
		require.True(t, s.ReadyForConnections(patience))
	}
	eventually(t, "the servers know each other and have a leader", func() bool {
		for _, s := range servers {
			if s.JetStreamIsLeader() {
				return len(s.JetStreamClusterPeers()) == 3
			}
		}
		return false
	})
	return servers
}

func routes(ports []int) (list []*url.URL) {
	for _, port := range ports {
		list = append(list, &url.URL{Scheme: "nats-route", Host: fmt.Sprint("127.0.0.1:", port)})
	}
	return list
}

// freePorts are ports that were free a moment ago: members of a cluster must know each other's in advance, and a server
// that comes back must have its own. None is of those that the system gives to connections, which might take it.
func freePorts(t *testing.T, n int) (ports []int) {
	t.Helper()
	for range 1000 {
		l, err := net.Listen("tcp", fmt.Sprint("127.0.0.1:", 10_000+rand.N(20_000)))
		if err != nil {
			continue
		}
		defer l.Close()
		if ports = append(ports, l.Addr().(*net.TCPAddr).Port); len(ports) == n {
			return ports
		}
	}
	t.Fatal("no ports are free")
	return nil
}

// connect returns a connection to the servers that reconnects for ever.
func connect(t testing.TB, servers ...*server.Server) jetstream.JetStream {
	t.Helper()
	urls := make([]string, len(servers))
	for i, s := range servers {
		urls[i] = s.ClientURL()
	}
	return connectTo(t, urls...)
}

func connectTo(t testing.TB, urls ...string) jetstream.JetStream {
	t.Helper()
	nc, err := nats.Connect(strings.Join(urls, ","), nats.MaxReconnects(-1), nats.ReconnectWait(50*time.Millisecond),
		nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {})) // not to the standard error
	require.NoError(t, err)
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	require.NoError(t, err)
	return js
}

// childServer describes a server in a process of its own. Without a cluster it stands alone.
type childServer struct {
	Name    string
	Dir     string
	Port    int
	Cluster []int // the ports of all members
	Member  int   // which of them this is
}

func (c *childServer) url() string { return fmt.Sprint("nats://127.0.0.1:", c.Port) }

// start starts the process and returns when it takes connections. It ends with the test at the latest.
func (c *childServer) start(t *testing.T) (kill func()) {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	config, err := json.Marshal(c)
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), self, "-child", string(config))
	cmd.Stderr = os.Stderr
	_, err = cmd.StdinPipe() // its end tells the child that we are gone
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	kill = func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
	t.Cleanup(kill)
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "ready\n", line)
	return kill
}

// serverChild is the process.
func serverChild(config string) int {
	var c childServer
	if err := json.Unmarshal([]byte(config), &c); err != nil {
		fmt.Fprintln(os.Stderr, "child:", err)
		return 1
	}
	opts := &server.Options{
		ServerName: c.Name, Host: "127.0.0.1", Port: c.Port, NoLog: true, NoSigs: true, JetStream: true, StoreDir: c.Dir,
	}
	if len(c.Cluster) > 0 {
		opts.Cluster = server.ClusterOpts{Name: "test", Host: "127.0.0.1", Port: c.Cluster[c.Member]}
		opts.Routes = routes(c.Cluster)
	}
	s, err := server.NewServer(opts)
	if err != nil {
		fmt.Fprintln(os.Stderr, "child:", err)
		return 1
	}
	s.Start()
	if !s.ReadyForConnections(patience) {
		fmt.Fprintln(os.Stderr, "child: the server does not start")
		return 1
	}
	fmt.Fprintln(os.Stdout, "ready")
	_, _ = io.Copy(io.Discard, os.Stdin)
	return 0
}
