package dsse

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"

	"github.com/hallmark-oci/hallmark/sign/jsonscan"
	"github.com/hallmark-oci/hallmark/sign/spool"
)

// Options bound what [Open] takes.
type Options struct {
	// MaxSize is the size of the largest envelope, MaxSize of this package where 0.
	MaxSize int64
	// TempDir is where large envelopes are kept, the system's directory for
	// temporary files where empty.
	TempDir string
}

// Open reads an envelope of exactly size bytes to its end. It needs the members
// payloadType, payload and signatures, each once and by their exact names;
// others are allowed. The payload is base64 in the standard or in the URL
// alphabet, not mixed, with padding, without escapes or line breaks. An
// envelope without signatures, or with more than [MaxSignatures], is refused.
//
// What is kept is the decoded payload. Close must be called; it removes the
// temporary file.
func Open(r io.Reader, size int64, opts Options) (*Envelope, error) {
	limit := opts.MaxSize
	if limit <= 0 {
		limit = MaxSize
	}
	if size < 0 || size > limit {
		return nil, refuse("%d bytes, at most %d are read", size, limit)
	}
	kept, err := spool.New(size, MaxMemory, opts.TempDir)
	if err != nil {
		return nil, fmt.Errorf("read an envelope: %w", err)
	}
	e := &Envelope{payload: kept}
	in := &counter{r: io.LimitReader(r, size+1)}
	if err := e.parse(jsonscan.New(in)); err != nil {
		e.Close()
		return nil, malformed(err)
	}
	if in.n != size {
		e.Close()
		return nil, refuse("%d bytes or more, %d expected", in.n, size)
	}
	return e, nil
}

type counter struct {
	r io.Reader
	n int64
}

// Read implements io.Reader.
func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

// parse reads the members of the envelope.
func (e *Envelope) parse(s *jsonscan.Scanner) error {
	var seen int
	err := s.Object(func(name string) (err error) {
		switch name {
		case "payloadType":
			seen++
			e.payloadType, err = s.String(MaxText)
		case "payload":
			seen++
			err = e.parsePayload(s)
		case "signatures":
			seen++
			e.signatures, err = parseSignatures(s)
		default:
			err = other(s, name, "payloadType", "payload", "signatures")
		}
		return err
	})
	if err == nil {
		err = s.End()
	}
	switch {
	case err != nil:
		return err
	case seen != 3:
		return refuse("payloadType, payload or signatures is missing")
	case e.payloadType == "":
		return refuse("empty payloadType")
	case len(e.signatures) == 0:
		return refuse("no signatures")
	}
	return nil
}

// other skips an unknown member, unless its name differs from a known one in case only.
func other(s *jsonscan.Scanner, name string, known ...string) error {
	if k := jsonscan.Fold(name, known...); k != "" {
		return refuse("member %q, which some readers take for %q", name, k)
	}
	return s.Skip()
}

// parsePayload decodes the payload and keeps it.
func (e *Envelope) parsePayload(s *jsonscan.Scanner) error {
	d := decoder{w: e.payload}
	if _, _, err := s.Raw(d.write); err != nil {
		return err
	}
	return d.end()
}

func parseSignatures(s *jsonscan.Scanner) ([]Signature, error) {
	var list []Signature
	err := s.Array(func(i int) error {
		if i == MaxSignatures {
			return refuse("more than %d signatures", MaxSignatures)
		}
		var sig Signature
		var there bool
		err := s.Object(func(name string) (err error) {
			switch name {
			case "keyid":
				if s.Peek() == 'n' {
					return s.Skip() // null, as some writers have it
				}
				sig.KeyID, err = s.String(MaxText)
			case "sig":
				there = true
				sig.Sig, err = parseSig(s)
			default:
				err = other(s, name, "keyid", "sig")
			}
			return err
		})
		if err == nil && !there {
			err = refuse("signature %d without sig", i)
		}
		list = append(list, sig)
		return err
	})
	return list, err
}

func parseSig(s *jsonscan.Scanner) ([]byte, error) {
	text, err := s.String(MaxSignature)
	if err != nil {
		return nil, err
	}
	if len(text) == 0 || bytes.ContainsAny([]byte(text), "\r\n") {
		return nil, refuse("signature is no base64")
	}
	for _, alphabet := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding} {
		if sig, err := alphabet.Strict().DecodeString(text); err == nil {
			return sig, nil
		}
	}
	return nil, refuse("signature is no base64")
}
