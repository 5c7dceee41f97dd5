package sbom

import (
	"bytes"
	"crypto/sha1"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"
)

// ErrLimit says that a document is larger, deeper or longer than is read.
var ErrLimit = errors.New("over the limit")

// ErrInvalid says that a document arrived whole and breaks its format.
var ErrInvalid = errors.New("not valid")

// ReadDocument reads a document to its end, at most [MaxDocument] bytes, and
// drops a byte order mark. Where r is a [bytes.Buffer] its bytes are returned
// without a copy.
func ReadDocument(r io.Reader) ([]byte, error) {
	var data []byte
	if b, ok := r.(*bytes.Buffer); ok {
		data = b.Bytes()
	} else {
		var err error
		if data, err = io.ReadAll(io.LimitReader(r, MaxDocument+1)); err != nil {
			return nil, fmt.Errorf("read document: %w", err)
		}
	}
	if len(data) > MaxDocument {
		return nil, fmt.Errorf("document has more than %d bytes: %w", MaxDocument, ErrLimit)
	}
	return bytes.TrimPrefix(data, []byte("\xef\xbb\xbf")), nil
}

// CheckJSON reports why data is not one JSON object that every reader
// understands in the same way: it is empty, cut off, not UTF-8 or no JSON, an
// object names a member twice (spellings that differ in case count as one), it
// nests deeper than [MaxDepth], or a string is longer than [MaxString].
func CheckJSON(data []byte) error {
	trimmed := bytes.TrimLeft(data, " \t\r\n")
	switch {
	case len(trimmed) == 0:
		return fmt.Errorf("document is empty: %w", ErrInvalid)
	case trimmed[0] != '{':
		return fmt.Errorf("document is not a JSON object, it starts with %.20q: %w", trimmed, ErrInvalid)
	case !utf8.Valid(data):
		return fmt.Errorf("document is not UTF-8: %w", ErrInvalid)
	case !json.Valid(data):
		return jsonError(data)
	}
	return walkJSON(data)
}

// jsonError finds out where JSON that is not valid breaks.
func jsonError(data []byte) error {
	var into struct{}
	err := json.Unmarshal(data, &into)
	var syntax *json.SyntaxError
	if !errors.As(err, &syntax) {
		return fmt.Errorf("document is not JSON: %w", ErrInvalid)
	}
	if syntax.Error() == "unexpected end of JSON input" {
		return fmt.Errorf("document is cut off: the JSON is not at its end after %d bytes: %w", len(data), ErrInvalid)
	}
	return fmt.Errorf("document is not JSON: %v, at byte %d: %w", syntax, syntax.Offset, ErrInvalid)
}

// Members calls visit for each member of the JSON object that data holds. The
// decoder stands before the value, which visit must take off.
func Members(data []byte, visit func(name string, d *json.Decoder) error) error {
	d := json.NewDecoder(bytes.NewReader(data))
	if _, err := d.Token(); err != nil {
		return err
	}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return err
		}
		name, ok := t.(string)
		if !ok {
			return fmt.Errorf("document is not a JSON object: %w", ErrInvalid)
		}
		if err := visit(name, d); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// Elements takes a JSON list off the decoder and calls visit for each element,
// which visit must take off. It stops with [ErrLimit] behind limit elements. A
// null stands for an empty list.
func Elements(d *json.Decoder, limit int, visit func(i int) error) error {
	t, err := d.Token()
	if err != nil || t == nil {
		return err
	}
	if t != json.Delim('[') {
		return fmt.Errorf("want a list, found %v: %w", t, ErrInvalid)
	}
	for i := 0; d.More(); i++ {
		if i == limit {
			return fmt.Errorf("more than %d entries: %w", limit, ErrLimit)
		}
		if err := visit(i); err != nil {
			return fmt.Errorf("entry %d: %w", i, err)
		}
	}
	_, err = d.Token()
	return err
}

// ContentUUID returns the UUID of version 5 (RFC 9562, section 5.5) that
// follows from the SHA-256 digest of a content, in the namespace for URLs.
func ContentUUID(kind string, sum []byte) string {
	h := sha1.New()
	h.Write([]byte{0x6b, 0xa7, 0xb8, 0x11, 0x9d, 0xad, 0x11, 0xd1, 0x80, 0xb4, 0x00, 0xc0, 0x4f, 0xd4, 0x30, 0xc8})
	fmt.Fprintf(h, "%s/%x", kind, sum)
	u := h.Sum(nil)[:16]
	u[6] = u[6]&0x0f | 0x50
	u[8] = u[8]&0x3f | 0x80
	x := hex.EncodeToString(u)
	return x[:8] + "-" + x[8:12] + "-" + x[12:16] + "-" + x[16:20] + "-" + x[20:]
}

// A Document is what a codec reads: the inventory, and what did not fit in.
type Document struct {
	Inventory Inventory
	// Lost lists what the document says beyond the inventory.
	Lost []Loss
	// Subjects are the digests, sorted, of the images that the document says
	// it describes. It may name none.
	Subjects []string
	// SpecVersion is the version of the format, such as "1.6".
	SpecVersion string
}
