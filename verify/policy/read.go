package policy

import (
	"fmt"
	"strings"

	"github.com/hallmark-oci/hallmark/verify/policy/doc"
)

// name registers the name of a policy, which must be used once only.
func (p *parser) name(v doc.Value, kind string) (string, error) {
	s, err := text(v)
	if err != nil {
		return "", err
	}
	if before, twice := p.names[kind+" "+s]; twice {
		return "", v.Errorf("%q is also the name of the one at %s", s, before)
	}
	p.names[kind+" "+s] = fmt.Sprintf("line %d", v.Line())
	return s, nil
}

// text reads a text that is not empty and has no control characters.
func text(v doc.Value) (string, error) {
	s, err := v.String()
	if err == nil && (s == "" || strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f })) {
		err = v.Errorf("%.100q is empty or has control characters", s)
	}
	return s, err
}

// list reads a list with one function for its elements.
func list[T any](read func(doc.Value) (T, error)) func(doc.Value) ([]T, error) {
	return func(v doc.Value) ([]T, error) { return elements(v, maxList, read) }
}

// elements reads a list of at most limit elements.
func elements[T any](v doc.Value, limit int, read func(doc.Value) (T, error)) ([]T, error) {
	values, err := v.List(limit)
	if err != nil {
		return nil, err
	}
	out := make([]T, len(values))
	for i, e := range values {
		if out[i], err = read(e); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// ignore takes any value: for what is no part of a policy.
func ignore(doc.Value) error { return nil }
