package codes_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go/cmd/appevents/internal/codes"
)

func TestExplain(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name          string
		code, subcode int
		want          string // "code/subcode" of the line; "" = none
	}{
		{"code and subcode", 190, 463, "190/463"},
		{"a subcode that is not in the table", 190, 9999, "190/"},
		{"a code alone", 4, 0, "4/"},
		{"nothing is known", 31337, 1, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			e, ok := codes.Explain(tt.code, tt.subcode)
			require.Equal(t, tt.want != "", ok)
			if ok {
				require.Equal(t, tt.want, e.Code+"/"+e.Subcode)
				require.NotEmpty(t, e.Meaning)
				require.NotEmpty(t, e.Do)
			}
		})
	}
}
