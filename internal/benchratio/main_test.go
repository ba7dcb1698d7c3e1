package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRun(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	require.NoError(t, run(strings.NewReader(`goos: linux
BenchmarkParse/one/floor-2 	 50	 200 ns/op	 3551 B/op	 55 allocs/op
BenchmarkParse/one/ours-2 	 50	 150 ns/op	 22.71 MB/s	 900 B/op	 3 allocs/op
BenchmarkParse/one/floor-2 	 50	 100 ns/op	 3551 B/op	 55 allocs/op
BenchmarkParse/one/ours-2 	 50	 170 ns/op	 22.71 MB/s	 900 B/op	 3 allocs/op
BenchmarkSubmit/floor:_write_and_fsync-2 	 50	 1000 ns/op
BenchmarkSubmit/floor:_channel-2 	 50	 10 ns/op
BenchmarkSubmit/submitters=64-2 	 50	 125 ns/op
BenchmarkSize/10KiB-2 	 50	 34609 ns/op
PASS
`), &out))
	require.Equal(t, `| benchmark | time, its floor = 1 | allocations | of the floor |
| --- | --: | --: | --: |
| Parse/one/ours | 1.50 | 3 | 55 |
| Submit/submitters=64 | 0.12 | – | – |
`, out.String())
}
