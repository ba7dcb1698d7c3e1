package wire

import "encoding/binary"

// Parts are named texts, each with its length before it, so that no two lists of parts look the same.
type Parts []byte

// Add appends a part, unless it is empty.
func (b *Parts) Add(name, value string) {
	if value == "" {
		return
	}
	for _, text := range [...]string{name, value} {
		*b = binary.AppendUvarint(*b, uint64(len(text)))
		*b = append(*b, text...)
	}
}

// AddParts appends what is set of v: one part for a field, one for each element of a list, and for a list of structures
// what structures does.
func AddParts[T any](b *Parts, prefix string, plan *Plan[T], v *T, structures func(name string)) {
	for i := range plan.Members() {
		m := plan.Value(v, i)
		switch {
		case !m.Set():
		case m.Kind == Texts:
			for _, text := range m.Texts() {
				b.Add(prefix+m.Name, text)
			}
		case m.Kind == Other:
			structures(prefix + m.Name)
		default:
			b.Add(prefix+m.Name, string(m.Append(nil)))
		}
	}
}
