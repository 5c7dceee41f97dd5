package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
)

// A Stream prints a document on many images while they are worked on: each image
// as soon as it is added, the sums at the end. What it prints is one document, the
// same as if all had been known at once. Nothing is printed before the first
// image is added or the stream is closed.
type Stream[T item] struct {
	kind   string
	format string
	p      *printer
	n      int
}

// An item is the part of a document that is about one image.
type item interface{ text(p *printer) }

func newStream[T item](w io.Writer, format, kind string) *Stream[T] {
	return &Stream[T]{kind: kind, format: format, p: &printer{w: w}}
}

// Add prints the next image. The error is one of writing.
func (s *Stream[T]) Add(image T) error {
	s.n++
	if s.format == "text" {
		image.text(s.p)
		return s.p.err
	}
	body, err := encode(image, "    ")
	if err != nil {
		return err
	}
	if s.n == 1 {
		s.raw(fmt.Sprintf("{\n  \"kind\": \"hallmark.%s\",\n  \"version\": %d,\n  \"images\": [\n    ", s.kind, schemaVersion))
	} else {
		s.raw(",\n    ")
	}
	s.raw(escape(body))
	return s.p.err
}

// Len returns how many images were added.
func (s *Stream[T]) Len() int { return s.n }

// close prints what stands behind the images: the members of sums, a struct that
// is encoded as a JSON object, or its text.
func (s *Stream[T]) close(sums item) error {
	if s.format == "text" {
		sums.text(s.p)
		return s.p.err
	}
	body, err := encode(sums, "")
	if err != nil {
		return err
	}
	if s.n == 0 {
		s.raw(fmt.Sprintf("{\n  \"kind\": \"hallmark.%s\",\n  \"version\": %d,\n  \"images\": []", s.kind, schemaVersion))
	} else {
		s.raw("\n  ]")
	}
	if body != "{}" { // the members begin behind the brace and end before the last line
		s.raw("," + escape(body[1:len(body)-len("\n}")]))
	}
	s.raw("\n}\n")
	return s.p.err
}

// raw prints text as it is.
func (s *Stream[T]) raw(text string) {
	if s.p.err == nil {
		_, s.p.err = io.WriteString(s.p.w, text)
	}
}

// encode returns the value as JSON that stands indented below a member.
func encode(v any, prefix string) (string, error) {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	enc.SetIndent(prefix, "  ")
	if err := enc.Encode(v); err != nil {
		return "", err
	}
	return string(bytes.TrimRight(out.Bytes(), "\n")), nil
}

// Summary counts images by their outcome.
type Summary struct {
	Images       int `json:"images"`
	Accepted     int `json:"accepted,omitempty"`
	Rejected     int `json:"rejected,omitempty"`
	Undetermined int `json:"undetermined,omitempty"`
	// Left is how many images were not looked at, since time was up.
	Left int `json:"left,omitempty"`
}
