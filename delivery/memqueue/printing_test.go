package memqueue_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go/delivery"
	"github.com/appevents/appevents-go/delivery/memqueue"
)

// What waits in a queue belongs to people, and the verbs of package fmt walk into private fields.
func TestQueue_PrintsItsNameAlone(t *testing.T) {
	t.Parallel()
	queue := memqueue.New()
	added, err := queue.Put(t.Context(), delivery.Item{Key: delivery.KeyOf("1"), Lane: "edge/1", Body: []byte("canary")})
	require.NoError(t, err)
	require.True(t, added)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%t"} {
		require.Equal(t, "memqueue.Queue", fmt.Sprintf(verb, queue), verb)
	}
}
