package appevents

import (
	"crypto/sha256"
	"encoding/hex"
	"testing"
	"time"
)

// benchUserData is one person as a database has them, and benchNormal the same eight values in normal form.
var (
	benchUserData = UserData{
		Email: "John_Smith@Gmail.com", Phone: "+1 (650) 555-1212", FirstName: "Mary-Ann", LastName: "O'Brien",
		City: "Menlo Park", State: "California", Zip: "94025-1234", Country: "United States",
	}
	benchNormal = [8]string{
		"john_smith@gmail.com", "16505551212", "maryann", "obrien", "menlopark", "ca", "94025", "us",
	}
)

// BenchmarkUserData compares eight fields, normalised and hashed, with bare SHA-256 and hexadecimal of the same values
// in normal form.
func BenchmarkUserData(b *testing.B) {
	b.Run("floor", func(b *testing.B) {
		b.ReportAllocs()
		var out [len(benchNormal)][2 * sha256.Size]byte
		for b.Loop() {
			for i, v := range benchNormal {
				sum := sha256.Sum256([]byte(v))
				hex.Encode(out[i][:], sum[:])
			}
		}
	})
	b.Run("ours", func(b *testing.B) {
		b.ReportAllocs()
		now := time.Now()
		var buf [numUserDataKeys]hashedField
		benchUserData.appendHashed(buf[:0], nil, now, nil, nil) // unpacks the tables of countries and states
		for b.Loop() {
			if got := benchUserData.appendHashed(buf[:0], nil, now, nil, nil); len(got) != len(benchNormal) {
				b.Fatal(len(got))
			}
		}
	})
}

// BenchmarkHashUserData does the same through the exported function, which returns a string for each value.
func BenchmarkHashUserData(b *testing.B) {
	b.Run("floor", func(b *testing.B) {
		b.ReportAllocs()
		var out [len(benchNormal)]string
		for b.Loop() {
			for i, v := range benchNormal {
				sum := sha256.Sum256([]byte(v))
				out[i] = hex.EncodeToString(sum[:])
			}
		}
		_ = out
	})
	b.Run("ours", func(b *testing.B) {
		b.ReportAllocs()
		u := &benchUserData
		for b.Loop() {
			for _, in := range [...]struct {
				key   UserDataKey
				value string
			}{
				{KeyEmail, u.Email}, {KeyPhone, u.Phone}, {KeyFirstName, u.FirstName}, {KeyLastName, u.LastName},
				{KeyCity, u.City}, {KeyState, u.State}, {KeyZip, u.Zip}, {KeyCountry, u.Country},
			} {
				if _, err := HashUserData(in.key, in.value); err != nil {
					b.Fatal(err)
				}
			}
		}
	})
}
