package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/appevents/appevents-go/graphtest"
)

// lines lists the parameters of a call as the stand-in received them, one line for each value.
func lines(call graphtest.Call) []string {
	var list []string
	for _, f := range call.Fields {
		var value any
		nested := strings.HasPrefix(f.Value, "[") || strings.HasPrefix(f.Value, "{")
		if !nested || json.Unmarshal([]byte(f.Value), &value) != nil {
			list = append(list, f.Name+" = "+strings.Trim(f.Value, `"`))
			continue
		}
		list = append(list, flatten(f.Name, value)...)
	}
	return list
}

// flatten writes the members of a JSON value below each other.
func flatten(path string, value any) []string {
	var list []string
	switch v := value.(type) {
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			list = append(list, flatten(path+"."+key, v[key])...)
		}
	case []any:
		for i, element := range v {
			list = append(list, flatten(fmt.Sprintf("%s[%d]", path, i), element)...)
		}
	case float64:
		list = append(list, fmt.Sprintf("%s = %.10g", path, v))
	default:
		list = append(list, fmt.Sprintf("%s = %v", path, v))
	}
	return list
}

// printTable writes columns of lines side by side.
func printTable(out io.Writer, columns [][]string) error {
	table := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
	height := 0
	for _, column := range columns {
		height = max(height, len(column))
	}
	for row := range height {
		cells := make([]string, len(columns))
		for i, column := range columns {
			if row < len(column) {
				cells[i] = column[row]
			}
		}
		fmt.Fprintln(table, strings.Join(cells, "\t"))
	}
	return table.Flush()
}
