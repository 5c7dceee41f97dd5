package condition

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/google/cel-go/common/types"

	"github.com/hallmark-oci/hallmark/sign/jsonscan"
)

// decode reads JSON as CEL has it. Objects that name a member twice are refused, since
// readers differ on which one counts. An error that wraps errInput is about the text.
func decode(r io.Reader) (any, error) {
	s := jsonscan.New(r)
	v, err := s.Value(MaxStatement)
	if err == nil {
		err = s.End()
	}
	if errors.Is(err, jsonscan.ErrSyntax) || errors.Is(err, jsonscan.ErrLimit) {
		err = fmt.Errorf("%w: %w", errInput, err)
	}
	if err != nil {
		return nil, err
	}
	return values(v)
}

// values replaces numbers, and null, which CEL has as a value of its own.
func values(v any) (_ any, err error) {
	switch v := v.(type) {
	case nil:
		return types.NullValue, nil
	case json.Number:
		return number(v.String())
	case []any:
		for i := range v {
			if v[i], err = values(v[i]); err != nil {
				return nil, err
			}
		}
	case map[string]any:
		for k := range v {
			if v[k], err = values(v[k]); err != nil {
				return nil, err
			}
		}
	}
	return v, nil
}

// number is an int where the text is a whole number that fits, else a double.
func number(text string) (any, error) {
	if !strings.ContainsAny(text, ".eE") {
		if n, err := strconv.ParseInt(text, 10, 64); err == nil {
			return n, nil
		}
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return nil, fmt.Errorf("%w: the number %.40s: %w", errInput, text, err)
	}
	return f, nil
}
