package registry

import (
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/hallmark-oci/hallmark/attach"
)

func TestReadTags(t *testing.T) {
	for name, test := range map[string]struct {
		text string
		tags []string
		sent int
		err  error
	}{
		"page":           {`{"name":"app","tags":["1","2"]}`, []string{"1", "2"}, 2, nil},
		"null":           {`{"name":"app","tags":null}`, nil, 0, nil},
		"none":           {`{"name":"app"}`, nil, -1, nil},
		"what is no tag": {`{"tags":[1,{"a":["x"]},"","a b","1",null,["2"]],"more":{"tags":["3"]}}`, []string{"1"}, 7, nil},
		"empty":          {``, nil, 0, attach.ErrMalformed},
		"array":          {`["1"]`, nil, 0, attach.ErrMalformed},
		"no array":       {`{"tags":"1"}`, nil, 0, attach.ErrMalformed},
		"cut":            {`{"tags":["1","2`, nil, 0, attach.ErrMalformed},
		"two":            {`{"tags":[]}{}`, nil, 0, attach.ErrMalformed},
		"deep":           {`{"x":` + strings.Repeat("[", 1000), nil, 0, attach.ErrLimit},
		"long string":    {`{"tags":["` + strings.Repeat("a", maxToken*2), nil, 0, attach.ErrLimit},
		"long number":    {`{"tags":[` + strings.Repeat("1", maxToken*2), nil, 0, attach.ErrLimit},
		"long space":     {`{"tags":[` + strings.Repeat(" ", maxPage+1), nil, 0, attach.ErrLimit},
		"many":           {`{"tags":[` + strings.Repeat("1,", attach.MaxTags+1), nil, 0, attach.ErrLimit},
		"large":          {`{"tags":[` + strings.Repeat(`{"a":[1,2,3,4,5,6,7,"`+strings.Repeat("x", 100)+`"]},`, 150_000), nil, 0, attach.ErrLimit},
	} {
		tags, sent, err := readTags(strings.NewReader(test.text))
		if !slices.Equal(tags, test.tags) || sent != test.sent || !errors.Is(err, test.err) || (err == nil) != (test.err == nil) {
			t.Errorf("%s: %q, %d, %v", name, tags, sent, err)
		}
	}
	broken := errors.New("connection reset")
	if _, _, err := readTags(io.MultiReader(strings.NewReader(`{"tags":["1"`), failing{broken})); !errors.Is(err, broken) || attach.Judged(err) {
		t.Errorf("broken off: %v", err)
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// FuzzReadTags: what is read of a page that encoding/json takes is what that reads.
func FuzzReadTags(f *testing.F) {
	for _, seed := range []string{`{"tags":["a","b"]}`, `{"tags":null,"x":[{}]}`, `{"tags":[1,["a"]]}`, `{"tags":["\u0061"`, `{}x`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		tags, sent, err := readTags(strings.NewReader(text))
		if err != nil {
			if !attach.Judged(err) || tags != nil {
				t.Errorf("%q, %v", tags, err)
			}
			return
		}
		if !json.Valid([]byte(text)) || len(tags) > sent {
			t.Errorf("accepted %q: %q of %d", text, tags, sent)
		}
		for _, tag := range tags {
			if !attach.IsTag(tag) {
				t.Errorf("no tag: %q", tag)
			}
		}
	})
}
