package plain_test

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go/cmd/appevents/internal/plain"
)

func TestText(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ in, want string }{
		"plain":                 {"Hello, 42 $!", "Hello, 42 $!"},
		"nothing":               {"", ""},
		"other scripts":         {"Grüße שלום مرحبا 你好 สวัสดี", "Grüße שלום مرحبا 你好 สวัสดี"},
		"lines":                 {"a\r\nb\tc\u2028d\u2029e", "a  b c d e"},
		"escape sequence":       {"a\x1b[2J\x1b]0;x\x07", "a�[2J�]0;x�"},
		"backspace and NUL":     {"a\bb\x00", "a�b�"},
		"delete and C1":         {"a\x7f\u0085\u009b31m", "a���31m"},
		"C1 as a byte":          {"a\x9b31m", "a�31m"},
		"not UTF-8":             {"a\xff\xfeb", "a��b"},
		"embeddings, overrides": {"\u202a\u202b\u202c\u202d\u202e", "�����"},
		"isolates":              {"\u2066\u2067\u2068\u2069", "����"},
		"marks of direction":    {"a\u200e\u200f\u061cb", "a���b"},
		"old format characters": {"\u206a\u206f", "��"},
		"zero width":            {"Pur\u200bchase\u2060\ufeff", "Pur�chase��"},
		"joiners in Latin":      {"Pur\u200cch\u200dase", "Pur�ch�ase"},
		"soft hyphen":           {"a\u00adb", "a�b"},
		"fillers":               {"\u115f\u1160\u3164\uffa0\u034f\u17b4", "������"},
		"tags":                  {"a\U000e0041\U000e007f", "a��"},
		"noncharacters":         {"\ufdd0\ufffe\U0001ffff", "���"},
		"selectors in Latin":    {"a\ufe0fb\ufe00 \ufe0f\U000e0100", "a�b� ��"},
		"Persian":               {"می\u200cخواهم", "می\u200cخواهم"},
		"joiners in a row":      {"م\u200c\u200c\u200dی", "م\u200c��ی"},
		"a joiner in front":     {"\u200dم", "�م"},
		"Sinhala and Hindi":     {"ශ්\u200dරී क्\u200dष हिन्दी", "ශ්\u200dරී क्\u200dष हिन्दी"},
		"emoji":                 {"👩\u200d👩\u200d👧 ❤\ufe0f\u200d🔥 1\ufe0f\u20e3 👍🏽 🇩🇪", "👩\u200d👩\u200d👧 ❤\ufe0f\u200d🔥 1\ufe0f\u20e3 👍🏽 🇩🇪"},
		"selectors in a row":    {"❤\ufe0f\ufe0f\U000e0101", "❤\ufe0f��"},
		"Vietnamese, apart":     {"Tie\u0302\u0301ng", "Tie\u0302\u0301ng"},
		"Hebrew with points":    {"שׁ\u05bc\u05b8\u05bd\u0591", "שׁ\u05bc\u05b8\u05bd\u0591"},
		"Tibetan":               {"རྒྱུ", "རྒྱུ"},
		"marks without end":     {"a" + strings.Repeat("\u0301", 500) + "b\u0301", "a\u0301\u0301\u0301\u0301\u0301�b\u0301"},
		"enclosing marks":       {"a" + strings.Repeat("\u20dd", 7), "a\u20dd\u20dd\u20dd\u20dd\u20dd�"},
		"a mark in front":       {"\u0338\u20e0a", "�a"},
		"a mark on what was":    {"\u202e\u0301\u0301", "�"},
	} {
		require.Equal(t, tt.want, plain.Text(tt.in), name)
	}
	require.Equal(t, "a\n\tb\u202f�", plain.Lines("a\n\tb\u202f\u202e"))
	require.Equal(t, "a b", plain.Lines("a\u2028b"))
}

func TestJSON(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		`{"a":"b"}`:                                   `{"a":"b"}`,
		"{\n\t\"a\": \"ü 你好 👍\"}":                     "{\n\t\"a\": \"ü 你好 👍\"}",
		"[\"\u202e\u2066\u200b\"]":                    `["\u202e\u2066\u200b"]`,
		"[\"\u009b\u007f\u2028\"]":                    `["\u009b\u007f\u2028"]`,
		"[\"\U000e0041\"]":                            `["\udb40\udc41"]`,
		"[\"\u0301e\u0301\"]":                         `["\u0301e` + "\u0301\"]",
		"[\"e\u0301\u0301\u0301\u0301\u0301\u0301\"]": "[\"e\u0301\u0301\u0301\u0301\u0301" + `\u0301"]`,
	} {
		require.Equal(t, want, plain.JSON(in))
	}
}

func FuzzPlain(f *testing.F) {
	for _, seed := range []string{"", "a\u202eb", "\x1b[2J", "e\u0301\u0301\u0301\u0301\u0301\u0301\u0301", "م\u200cی", "❤\ufe0f\u200d🔥", "\xff\x9b"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		text := plain.Text(s)
		require.True(t, utf8.ValidString(text))
		require.Equal(t, text, plain.Text(text), "once is enough")
		marks := 5
		for _, r := range text {
			require.False(t, unicode.Is(unicode.Cc, r) || unicode.Is(unicode.Bidi_Control, r), "%q", text)
			if marks++; !unicode.Is(unicode.M, r) {
				marks = 0
			}
			require.LessOrEqual(t, marks, 5, "%q", text)
		}
		quoted, err := json.Marshal(s)
		require.NoError(t, err)
		shown := plain.JSON(string(quoted))
		var want, got string
		require.NoError(t, json.Unmarshal(quoted, &want))
		require.NoError(t, json.Unmarshal([]byte(shown), &got), "%q", shown)
		require.Equal(t, want, got, "it means the same")
		for _, r := range shown {
			require.False(t, unicode.In(r, unicode.Cc, unicode.Cf), "%q", shown)
		}
	})
}
