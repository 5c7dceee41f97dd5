package payload

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/hallmark-oci/hallmark/sign/jsonscan"
)

// MediaType is the DSSE payload type of statements.
const MediaType = "application/vnd.in-toto+json"

// The versions of statement. Cosign writes v0.1 into .att images and v1 into bundles.
const (
	StatementV01 = "https://in-toto.io/Statement/v0.1"
	StatementV1  = "https://in-toto.io/Statement/v1"
)

// A Subject is one thing that a statement speaks of.
type Subject struct {
	// Name is left out where it is empty, as version 1 allows.
	Name string `json:"name,omitempty"`
	// Digest holds digests by the name of their algorithm: "sha256" and the hex.
	Digest map[string]string `json:"digest"`
	// Annotations of the subject, which statement v1 allows. Cosign 3 keeps the
	// annotations of a signature there.
	Annotations map[string]any `json:"annotations,omitempty"`
}

// Header is a statement without its predicate.
type Header struct {
	Type          string // StatementV01 or StatementV1
	PredicateType string // a URI
	Subjects      []Subject
	// PredicateOffset and PredicateLength tell where the predicate stands in the
	// stream, in bytes. The length is 0 where the statement has none.
	PredicateOffset, PredicateLength int64
}

// NewStatement returns the statement of the given version ([StatementV01] or
// [StatementV1]) and predicate type about the subjects. The predicate's bytes
// are taken over as they are; they must be JSON, which [ValidatePredicate]
// checks. The statement is never in memory whole.
func NewStatement(version, predicateType string, subjects []Subject, predicate Source) (Source, error) {
	if version != StatementV01 && version != StatementV1 {
		return Source{}, refuse("statement type %q", version)
	}
	if _, err := TypeURI(predicateType); err != nil {
		return Source{}, err
	}
	for _, s := range subjects {
		if err := checkSubject(s); err != nil {
			return Source{}, err
		}
		if !utf8.ValidString(s.Name) {
			return Source{}, refuse("subject name %q is not UTF-8", s.Name)
		}
	}
	if n := len(subjects); n == 0 || n > MaxSubjects {
		return Source{}, refuse("statement with %d subjects, 1 to %d are possible", n, MaxSubjects)
	}
	head, err := json.Marshal(struct {
		Type          string    `json:"_type"`
		PredicateType string    `json:"predicateType"`
		Subject       []Subject `json:"subject"`
	}{version, predicateType, subjects})
	if err != nil {
		return Source{}, fmt.Errorf("encode statement: %w", err)
	}
	return join(string(head[:len(head)-1])+`,"predicate":`, predicate, "}"), nil
}

// join returns the source with text before and behind it.
func join(head string, middle Source, tail string) Source {
	return Source{
		Size: int64(len(head)) + middle.Size + int64(len(tail)),
		Open: func() (io.ReadCloser, error) {
			rc, err := middle.Open()
			if err != nil {
				return nil, err
			}
			r := io.MultiReader(strings.NewReader(head), rc, strings.NewReader(tail))
			return struct {
				io.Reader
				io.Closer
			}{r, rc}, nil
		},
	}
}

// ReadHeader reads a statement to its end and returns everything but the
// predicate, which may stand anywhere and is checked to be JSON but not looked
// into. Members of the statement that stand twice are an error, unknown ones
// are not. It holds a few kilobytes whatever the size of the statement is.
func ReadHeader(r io.Reader) (Header, error) {
	s := jsonscan.New(r)
	var h Header
	err := s.Object(func(name string) (err error) {
		switch name {
		case "_type":
			h.Type, err = s.String(MaxText)
		case "predicateType":
			h.PredicateType, err = s.String(MaxText)
		case "subject":
			h.Subjects, err = readSubjects(s)
		case "predicate":
			h.PredicateOffset, h.PredicateLength, err = s.Span()
		default:
			err = other(s, name, "_type", "predicateType", "subject", "predicate")
		}
		return err
	})
	if err == nil {
		err = s.End()
	}
	if err != nil {
		return Header{}, malformed("statement", err)
	}
	return h, h.check()
}

// other skips an unknown member, unless its name differs from a known one in case only.
func other(s *jsonscan.Scanner, name string, known ...string) error {
	if k := jsonscan.Fold(name, known...); k != "" {
		return refuse("member %q, which some readers take for %q", name, k)
	}
	return s.Skip()
}

func (h Header) check() error {
	switch {
	case h.Type != StatementV01 && h.Type != StatementV1:
		return refuse("statement of type %.100q", h.Type)
	case h.PredicateType == "":
		return refuse("statement without predicateType")
	case len(h.Subjects) == 0:
		return refuse("statement without subject")
	}
	for _, s := range h.Subjects {
		if err := checkSubject(s); err != nil {
			return err
		}
	}
	return nil
}

func checkSubject(s Subject) error {
	if len(s.Digest) == 0 || len(s.Digest) > MaxDigests {
		return refuse("subject %.100q with %d digests, 1 to %d are possible", s.Name, len(s.Digest), MaxDigests)
	}
	for algorithm, value := range s.Digest {
		if value == "" || algorithm == "" {
			return refuse("subject %.100q with an empty digest", s.Name)
		}
		if algorithm == "sha256" && !isSHA256(value) {
			return refuse("subject %.100q: digest %.100q is not 64 lower-case hexadecimal digits", s.Name, value)
		}
	}
	return nil
}

func readSubjects(s *jsonscan.Scanner) ([]Subject, error) {
	var list []Subject
	err := s.Array(func(i int) error {
		if i == MaxSubjects {
			return refuse("statement with more than %d subjects", MaxSubjects)
		}
		subject, err := readSubject(s)
		list = append(list, subject)
		return err
	})
	return slices.Clip(list), err
}

func readSubject(s *jsonscan.Scanner) (Subject, error) {
	var subject Subject
	err := s.Object(func(name string) (err error) {
		switch name {
		case "name":
			subject.Name, err = s.String(MaxText)
		case "digest":
			subject.Digest = make(map[string]string)
			err = s.Object(func(algorithm string) (err error) {
				if len(subject.Digest) == MaxDigests {
					return refuse("subject with more than %d digests", MaxDigests)
				}
				subject.Digest[algorithm], err = s.String(MaxText)
				return err
			})
		case "annotations":
			subject.Annotations, err = readAnnotations(s)
		default:
			err = other(s, name, "name", "digest", "annotations")
		}
		return err
	})
	return subject, err
}

func readAnnotations(s *jsonscan.Scanner) (map[string]any, error) {
	v, err := s.Value(MaxAnnotations)
	if err != nil || v == nil {
		return nil, err
	}
	m, ok := v.(map[string]any)
	if !ok {
		return nil, refuse("annotations of a subject are no object")
	}
	return m, nil
}
