package appevents

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestScopeKind_String(t *testing.T) {
	t.Parallel()
	for kind, want := range map[ScopeKind]string{
		ScopeApp: "app", ScopePage: "page", ScopeDataset: "dataset", ScopeAd: "ad", 99: "ScopeKind(99)",
	} {
		require.Equal(t, want, kind.String())
	}
}

func TestScope_String(t *testing.T) {
	t.Parallel()
	require.Equal(t, "page 901", Scope{Kind: ScopePage, ID: "901"}.String())
	require.Equal(t, "app", Scope{}.String())
}
