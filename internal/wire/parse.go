package wire

import (
	"encoding/json"
	"reflect"
	"strconv"
	"strings"
)

// Parse sets the value to what a person typed, and reports whether that could be read. An Other is read as JSON.
func (v Value) Parse(text string) bool {
	switch v.Kind {
	case Text:
		if v.Currency {
			text = strings.ToUpper(text)
		}
		*(*string)(v.at) = text
	case Texts:
		texts, ok := parseTexts(text)
		*(*[]string)(v.at) = texts
		return ok
	case Int:
		n, err := strconv.Atoi(text)
		*(*int)(v.at) = n
		return err == nil
	case Flag:
		set, ok := parseBool(text)
		*(**bool)(v.at) = &set
		return ok
	default:
		to := reflect.NewAt(v.typ, v.at)
		d := json.NewDecoder(strings.NewReader(text))
		d.DisallowUnknownFields()
		if d.Decode(to.Interface()) != nil || d.More() {
			to.Elem().SetZero()
			return false
		}
	}
	return true
}

// ParseNumber reads a number as a person writes it: in decimal, and finite.
func ParseNumber(text string) (float64, bool) {
	if strings.Trim(text, "0123456789+-.eE") != "" {
		return 0, false
	}
	number, err := strconv.ParseFloat(text, 64)
	return number, err == nil
}

func parseBool(text string) (set, ok bool) {
	switch strings.ToLower(text) {
	case "true", "yes", "on", "1":
		return true, true
	case "false", "no", "off", "0":
		return false, true
	}
	return false, false
}

// parseTexts reads a JSON array, or texts between commas or line breaks.
func parseTexts(text string) (texts []string, ok bool) {
	if strings.HasPrefix(text, "[") {
		err := json.Unmarshal([]byte(text), &texts)
		return texts, err == nil
	}
	for part := range strings.FieldsFuncSeq(text, func(r rune) bool { return r == ',' || r == '\n' || r == '\r' }) {
		if part = strings.TrimSpace(part); part != "" {
			texts = append(texts, part)
		}
	}
	return texts, len(texts) > 0
}
