package main

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRun_TracesAndMeasuresEveryRequest(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), &out))
	require.Equal(t, `span: graph /v26.0/1517776481860111/activities
span: graph /v26.0/1517776481860111/activities
metric: appevents.request.duration attempt=1,edge=activities,outcome=refused: 1
metric: appevents.request.duration attempt=2,edge=activities,outcome=accepted: 1
metric: appevents.usage scope=app: 42%
`, out.String())
}
