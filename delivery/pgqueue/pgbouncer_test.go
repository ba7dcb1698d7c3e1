package pgqueue_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go/delivery/queuetest"
	"github.com/appevents/appevents-go/internal/pgtest"
)

// startPgBouncer starts PgBouncer in transaction mode before the server with the given URL.
func startPgBouncer(t *testing.T, url string) (through string) {
	t.Helper()
	program, err := exec.LookPath("pgbouncer")
	if err != nil {
		program = "/usr/sbin/pgbouncer"
	}
	if _, err := os.Stat(program); err != nil {
		t.Skip("NOT RUN: PgBouncer is not installed (Debian: apt-get install pgbouncer)")
	}
	config, err := pgxpool.ParseConfig(url)
	require.NoError(t, err)
	to := config.ConnConfig
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	_, port, err := net.SplitHostPort(l.Addr().String())
	require.NoError(t, err)
	require.NoError(t, l.Close())
	dir := t.TempDir()
	password := ""
	if to.Password != "" {
		password = " password='" + strings.ReplaceAll(to.Password, "'", "''") + "'"
	}
	users := filepath.Join(dir, "users")
	require.NoError(t, os.WriteFile(users, []byte(`"`+to.User+`" ""`), 0o600))
	settings := fmt.Sprintf(`[databases]
%s = host=%s port=%d user=%s%s
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = %s
unix_socket_dir =
auth_type = trust
auth_file = %s
pool_mode = transaction
default_pool_size = 4
max_client_conn = 500
ignore_startup_parameters = extra_float_digits,search_path
logfile = %s
`, to.Database, to.Host, to.Port, to.User, password, port, users, filepath.Join(dir, "log"))
	file := filepath.Join(dir, "pgbouncer.ini")
	require.NoError(t, os.WriteFile(file, []byte(settings), 0o600))
	t.Cleanup(func() {
		if log, _ := os.ReadFile(filepath.Join(dir, "log")); t.Failed() {
			t.Logf("PgBouncer's log ends with:\n%s", log[max(0, len(log)-4000):])
		}
	})
	pgtest.Daemon(t, []string{filepath.Dir(dir), dir, users, file}, program, file)
	through = "postgres://" + to.User + "@127.0.0.1:" + port + "/" + to.Database + "?sslmode=disable"
	eventually(t, "PgBouncer answers", func() bool {
		conn, err := net.Dial("tcp", "127.0.0.1:"+port)
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	})
	return through
}

func TestPgBouncer_TransactionModeIsEnough(t *testing.T) {
	t.Parallel()
	url := pgtest.URL(t)
	through := startPgBouncer(t, url)
	queuetest.Run(t, engine(through, func(c *pgxpool.Config) {
		c.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeExec
	}))
}
