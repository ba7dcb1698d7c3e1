package appevents

import (
	"encoding/json"
	"errors"
)

// ID is a Graph identifier (an app, Page, person, dataset, campaign) kept as decimal text.
//
// Graph IDs exceed 2^53, so they never pass through a float. In JSON an ID is written as a string and read from a
// string or an integer. The zero value, "", means absent.
type ID string

// String returns the decimal text.
func (id ID) String() string { return string(id) }

// UnmarshalJSON reads a JSON string or a JSON integer; null leaves id unchanged.
func (id *ID) UnmarshalJSON(data []byte) error {
	switch {
	case len(data) == 0:
		return errors.New("appevents: ID: empty input")
	case string(data) == "null":
		return nil
	case data[0] == '"':
		return json.Unmarshal(data, (*string)(id))
	}
	for i, b := range data {
		if (b < '0' || b > '9') && (b != '-' || i != 0) {
			return errors.New("appevents: ID: want a JSON string or integer")
		}
	}
	*id = ID(data)
	return nil
}
