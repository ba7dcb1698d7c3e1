package page

import (
	"bytes"
	"encoding/json"
)

// pretty indents JSON and leaves other text as it is.
func pretty(s string) string {
	var b bytes.Buffer
	if json.Indent(&b, []byte(s), "", "  ") != nil {
		return s
	}
	return b.String()
}
