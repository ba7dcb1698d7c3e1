package redact_test

import (
	"strings"
	"testing"

	"github.com/appevents/appevents-go/internal/redact"
)

// BenchmarkBytes looks for the secrets of a call in a page of rows, beside a plain search for them.
func BenchmarkBytes(b *testing.B) {
	page := []byte(strings.Repeat(`{"spend":"88.10","campaign_name":"Spring \u0026 more","actions":[{"action_type":"lead","value":"4"}]},`, 1000))
	secrets := []string{
		"EAAGm0PX4ZCpsBAKZCo3ZBcanary0123456789abcdefghijklmnopqrstuvwxyz", strings.Repeat("0123456789abcdef", 4),
		"0123456789abcdef0123456789abcdef",
	}
	b.Run("floor", func(b *testing.B) {
		b.SetBytes(int64(len(page)))
		for b.Loop() {
			for _, secret := range secrets {
				if strings.Contains(string(page), secret) {
					b.Fatal("found")
				}
			}
		}
	})
	b.Run("redact", func(b *testing.B) {
		b.SetBytes(int64(len(page)))
		b.ReportAllocs()
		for b.Loop() {
			redact.Bytes(page, secrets...)
		}
	})
	b.Run("redact/short", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			redact.Bytes(page[:16], secrets...)
		}
	})
}
