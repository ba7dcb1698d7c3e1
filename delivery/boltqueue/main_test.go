package boltqueue_test

import (
	"flag"
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"
)

var soak = flag.Bool("soak", false, "run the proofs in their large sizes, which takes some minutes")

// size is n, or large under -soak.
func size(n, large int) int {
	if *soak {
		return large
	}
	return n
}

// These make this binary a process that can be killed or put under a limit, instead of testing.
var (
	childMode   = flag.String("child", "", "what to do instead of testing")
	childPath   = flag.String("child-path", "", "the file of the queue")
	childGraph  = flag.String("child-graph", "", "where to deliver to")
	childToken  = flag.String("child-token", "", "the access token")
	childSeed   = flag.Uint64("child-seed", 0, "the seed of the damage")
	childCount  = flag.Int("child-count", 0, "how many files to damage")
	childStarts = flag.String("child-starts", "", "the first event of each submitter")
)

func TestMain(m *testing.M) {
	flag.Parse()
	switch *childMode {
	case "deliver":
		os.Exit(deliverChild())
	case "full":
		os.Exit(fullChild())
	case "room":
		os.Exit(roomChild())
	case "damage":
		os.Exit(damageChild())
	case "lock":
		os.Exit(lockChild())
	default:
		os.Exit(m.Run())
	}
}

// child returns a process of this binary in a mode. It ends with the test at the latest.
func child(t *testing.T, mode string, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), self, append([]string{"-child=" + mode}, args...)...)
	cmd.Stderr = os.Stderr
	return cmd
}
