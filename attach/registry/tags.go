package registry

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/hallmark-oci/hallmark/attach"
)

const (
	// maxPage is the size of the largest page of tags that is read, in bytes. There
	// are registries that send all tags at once.
	maxPage = 16 << 20
	// maxToken is the size of the largest string or number in it, in bytes. A tag
	// has at most 128.
	maxToken = 64 << 10
)

// readTags reads a page of tags (distribution specification 1.1, "Listing Tags") as
// it arrives: however long it is, it takes the memory of its tags. It returns them
// and how many elements there are, -1 where the answer has no member for them.
func readTags(r io.Reader) (tags []string, sent int, err error) {
	in := &measured{r: r}
	dec := json.NewDecoder(in)
	in.taken = dec.InputOffset
	told := false
	err = members(dec, func(name string) error {
		if name != "tags" {
			return skip(dec)
		}
		told = true
		return elements(dec, func(t json.Token) error {
			if sent++; sent > attach.MaxTags {
				return fmt.Errorf("more than %d elements: %w", attach.MaxTags, attach.ErrLimit)
			}
			if tag, ok := t.(string); ok && attach.IsTag(tag) {
				tags = append(tags, tag)
			}
			return skipFrom(dec, t)
		})
	})
	if err == nil {
		if _, err = dec.Token(); err == nil {
			err = errors.New("text behind the object")
		}
	}
	switch {
	case in.err != nil: // what the decoder says of it is that there is no more
		return nil, 0, in.err
	case err == io.EOF && !told:
		return nil, -1, nil
	case err == io.EOF:
		return tags, sent, nil
	case errors.Is(err, attach.ErrLimit):
		return nil, 0, err
	}
	return nil, 0, fmt.Errorf("%v: %w", err, attach.ErrMalformed)
}

// members visits the members of the object that comes next, of each of which the
// name was read.
func members(dec *json.Decoder, visit func(name string) error) error {
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return unexpected(t, err)
	}
	for dec.More() {
		t, err := dec.Token()
		if err != nil {
			return unexpected(t, err)
		}
		name, _ := t.(string)
		if err := visit(name); err != nil {
			return err
		}
	}
	t, err := dec.Token()
	if err != nil {
		return unexpected(t, err)
	}
	return nil
}

// elements visits the elements of the array that comes next, of each of which the
// first token was read. There is none where null comes.
func elements(dec *json.Decoder, visit func(json.Token) error) error {
	t, err := dec.Token()
	if err == nil && t == nil {
		return nil
	}
	if err != nil || t != json.Delim('[') {
		return unexpected(t, err)
	}
	for dec.More() {
		t, err := dec.Token()
		if err != nil {
			return unexpected(t, err)
		}
		if err := visit(t); err != nil {
			return err
		}
	}
	if t, err = dec.Token(); err != nil {
		return unexpected(t, err)
	}
	return nil
}

// skip reads over the value that comes next, skipFrom over the rest of one.
func skip(dec *json.Decoder) error {
	t, err := dec.Token()
	if err != nil {
		return unexpected(t, err)
	}
	return skipFrom(dec, t)
}

func skipFrom(dec *json.Decoder, t json.Token) error {
	for depth := 0; ; {
		switch t {
		case json.Delim('{'), json.Delim('['):
			if depth++; depth > maxDepth {
				return fmt.Errorf("nested deeper than %d levels: %w", maxDepth, attach.ErrLimit)
			}
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
		if depth == 0 {
			return nil
		}
		var err error
		if t, err = dec.Token(); err != nil {
			return unexpected(t, err)
		}
	}
}

// maxDepth is how deep what stands beside tags may be nested.
const maxDepth = 128

// unexpected is the error for a token that cannot stand where it does, or that
// could not be read.
func unexpected(t json.Token, err error) error {
	switch {
	case err == io.EOF:
		return io.ErrUnexpectedEOF
	case err != nil:
		return err
	}
	return fmt.Errorf("unexpected %v", t)
}

// A measured is a reader that ends with an error when more comes than is read of one
// page, or of one token.
type measured struct {
	r     io.Reader
	n     int64
	taken func() int64 // how much the decoder has used up
	err   error        // why there is no more, nil at a proper end
}

// Read implements io.Reader.
func (m *measured) Read(p []byte) (int, error) {
	switch {
	case m.err != nil:
		return 0, m.err
	case m.n > maxPage:
		m.err = fmt.Errorf("answer of more than %d bytes: %w", maxPage, attach.ErrLimit)
		return 0, m.err
	case m.n-m.taken() > maxToken:
		m.err = fmt.Errorf("a string or number of more than %d bytes: %w", maxToken, attach.ErrLimit)
		return 0, m.err
	}
	n, err := m.r.Read(p[:min(len(p), maxToken/2)])
	m.n += int64(n)
	if err != nil && err != io.EOF {
		m.err = fmt.Errorf("answer broke off after %d bytes: %w", m.n, err)
		err = m.err
	}
	return n, err
}
