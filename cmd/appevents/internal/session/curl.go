package session

import (
	"bytes"
	"fmt"
	"io"
	"strings"
)

const curlHead = `#!/bin/sh
# The webhooks of a session, each a command that can be run alone. APP_SECRET is the app secret and BOT_URL the webhook
# of the bot, such as http://127.0.0.1:3000/webhook. openssl computes the signatures; while it does, others on this
# machine can see the secret in the list of processes.
: "${APP_SECRET:?is not set}" "${BOT_URL:?is not set}"
`

// WriteCurl writes a shell script with one command for each webhook: the body as recorded, its signatures computed by
// openssl from $APP_SECRET.
func WriteCurl(w io.Writer, list []Webhook) error {
	var b bytes.Buffer
	b.WriteString(curlHead)
	for n := range list {
		body := string(list[n].Body)
		fmt.Fprintf(&b, "\n# %d. %s\n", n+1, comment(Describe(list[n].Body).Summary))
		if strings.ContainsRune(body, 0) {
			b.WriteString("# The body holds a zero byte, which a shell cannot: left out.\n")
			continue
		}
		fmt.Fprintf(&b, "body=%s; ", Quote(body))
		b.WriteString(`printf '%s' "$body" | curl -sS -o /dev/null -w '%{http_code}\n' \` + "\n" +
			`  -H 'Content-Type: application/json' -H 'User-Agent: facebookexternalua' \` + "\n")
		for _, header := range [][2]string{{"X-Hub-Signature", "sha1"}, {"X-Hub-Signature-256", "sha256"}} {
			fmt.Fprintf(&b, `  -H "%s: %s=$(printf '%%s' "$body" | openssl dgst -%[2]s -hmac "$APP_SECRET"`,
				header[0], header[1])
			b.WriteString(` | sed 's/^.* //')" \` + "\n")
		}
		b.WriteString(`  --data-binary @- "$BOT_URL"` + "\n")
	}
	_, err := w.Write(b.Bytes())
	return err
}

// Quote is text as one word of a shell command.
func Quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// comment is text that can end no line and read in no other direction.
func comment(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, s)
}
