package natsqueue_test

import (
	"flag"
	"os"
	"testing"
)

var (
	soak  = flag.Bool("soak", false, "run the proofs in their large sizes, which takes some minutes")
	child = flag.String("child", "", "be a server with this configuration, which can be killed, instead of testing")
)

// size is n, or large under -soak.
func size(n, large int) int {
	if *soak {
		return large
	}
	return n
}

func TestMain(m *testing.M) {
	flag.Parse()
	if *child != "" {
		os.Exit(serverChild(*child))
	}
	os.Exit(m.Run())
}
