package sbom

import (
	"cmp"
	"slices"
)

// A Loss says that a document holds something for which an [Inventory] has no
// place. The document itself, kept as it came, loses nothing.
type Loss struct {
	Field   string // where it stands, such as "packages[].annotations"
	Count   int    // how often
	Example string // one of the values or its owner, shortened; empty when there is nothing to show
}

// Losses collects losses by field. The zero value is ready for use.
type Losses struct{ fields map[string]*Loss }

// maxLossFields bounds the fields that are told apart.
const maxLossFields = 1000

// Add notes that the field was dropped once.
func (l *Losses) Add(field, example string) {
	if have, ok := l.fields[field]; ok {
		have.Count++
		return
	}
	if l.fields == nil {
		l.fields = make(map[string]*Loss)
	}
	if len(l.fields) >= maxLossFields {
		return
	}
	if len(example) > 80 {
		example = example[:80]
	}
	l.fields[field] = &Loss{Field: field, Count: 1, Example: example}
}

// List returns what was lost, by field.
func (l *Losses) List() []Loss {
	var list []Loss
	for _, x := range l.fields {
		list = append(list, *x)
	}
	slices.SortFunc(list, func(a, b Loss) int { return cmp.Compare(a.Field, b.Field) })
	return list
}
