package sbom

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// walkJSON checks valid JSON for depth, string length and repeated members.
func walkJSON(data []byte) error {
	var w jsonWalk
	for i := 0; i < len(data); i++ {
		switch data[i] {
		case '{', '[':
			if len(w.frames) == MaxDepth {
				return fmt.Errorf("document nests deeper than %d levels: %w", MaxDepth, ErrLimit)
			}
			w.frames = append(w.frames, jsonFrame{object: data[i] == '{', key: data[i] == '{', first: len(w.keys)})
		case '}', ']':
			w.keys = w.keys[:w.top().first]
			w.frames = w.frames[:len(w.frames)-1]
		case ',':
			w.top().key = w.top().object
		case '"':
			end := stringEnd(data, i)
			if end-i > MaxString {
				return fmt.Errorf("a string of the document is longer than %d bytes: %w", MaxString, ErrLimit)
			}
			if len(w.frames) > 0 && w.top().key {
				w.top().key = false
				if err := w.member(data[i+1 : end]); err != nil {
					return err
				}
			}
			i = end
		}
	}
	return nil
}

// stringEnd returns the index of the quote that ends the string that begins at i.
func stringEnd(data []byte, i int) int {
	for j := i + 1; j < len(data); j++ {
		switch data[j] {
		case '\\':
			j++
		case '"':
			return j
		}
	}
	return len(data) - 1
}

// jsonWalk holds the objects and lists that are open, and the names of the
// members seen so far in each.
type jsonWalk struct {
	frames []jsonFrame
	keys   []string
	intern map[string]string // raw name to folded name
}

type jsonFrame struct {
	object, key bool            // key: the next string is a name
	first       int             // where the names of this object begin in keys
	many        map[string]bool // the names, once there are many
}

// fewNames is how many names are compared one by one.
const fewNames = 24

func (w *jsonWalk) top() *jsonFrame { return &w.frames[len(w.frames)-1] }

func (w *jsonWalk) member(raw []byte) error {
	name, ok := w.intern[string(raw)]
	if !ok {
		name = foldName(raw)
		if w.intern == nil {
			w.intern = make(map[string]string)
		}
		if len(w.intern) < 1<<16 {
			w.intern[string(raw)] = name
		}
	}
	f := w.top()
	twice := f.many[name]
	if f.many == nil {
		for _, k := range w.keys[f.first:] {
			twice = twice || k == name
		}
	}
	if twice {
		return fmt.Errorf("an object of the document names the member %q twice: %w", name, ErrInvalid)
	}
	w.keys = append(w.keys, name)
	if f.many == nil && len(w.keys)-f.first > fewNames {
		f.many = make(map[string]bool)
		for _, k := range w.keys[f.first:] {
			f.many[k] = true
		}
	} else if f.many != nil {
		f.many[name] = true
	}
	return nil
}

// foldName decodes a name and folds its case in the way in which Go's decoder
// matches names.
func foldName(raw []byte) string {
	name := string(raw)
	if bytes.IndexByte(raw, '\\') >= 0 {
		var decoded string
		if json.Unmarshal([]byte(`"`+name+`"`), &decoded) == nil {
			name = decoded
		}
	}
	return strings.ReplaceAll(strings.ToLower(name), "ſ", "s")
}
