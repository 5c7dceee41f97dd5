package dsse

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io"
)

// chunk is how many bytes of payload are encoded or decoded at a time: whole
// groups of three.
const chunk = 3 * 8 << 10

// encoder yields the base64 of what r yields.
type encoder struct {
	r       io.Reader
	encoded []byte // not yet read
	in, out []byte
	err     error
}

// Read implements io.Reader.
func (e *encoder) Read(p []byte) (int, error) {
	if len(e.encoded) == 0 {
		if e.err != nil {
			return 0, e.err
		}
		e.fill()
	}
	n := copy(p, e.encoded)
	e.encoded = e.encoded[n:]
	if n == 0 && len(p) > 0 {
		return 0, e.err
	}
	return n, nil
}

// fill encodes the next chunk. Only the last one may end between groups.
func (e *encoder) fill() {
	if e.in == nil {
		e.in, e.out = make([]byte, chunk), make([]byte, base64.StdEncoding.EncodedLen(chunk))
	}
	n, err := io.ReadFull(e.r, e.in)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = io.EOF
	}
	if err != nil && !errors.Is(err, io.EOF) {
		n = 0
	}
	e.err = err
	base64.StdEncoding.Encode(e.out, e.in[:n])
	e.encoded = e.out[:base64.StdEncoding.EncodedLen(n)]
}

// decoder writes to w what the base64 stands for that it is given in pieces,
// strictly: one alphabet, padding at the end and only there, and no bits left
// over. Line breaks, which encoding/base64 lets pass, cannot reach it, because
// they cannot stand in a JSON string.
type decoder struct {
	w             io.Writer
	rest          [4]byte // characters that do not make up a group yet
	n             int
	standard, url bool
	padded        bool // the end was seen
	out           [chunk]byte
}

// write decodes one more piece.
func (d *decoder) write(piece []byte) error {
	d.standard = d.standard || bytes.IndexByte(piece, '+') >= 0 || bytes.IndexByte(piece, '/') >= 0
	d.url = d.url || bytes.IndexByte(piece, '-') >= 0 || bytes.IndexByte(piece, '_') >= 0
	if d.standard && d.url {
		return refuse("payload mixes the alphabets of base64")
	}
	if d.n > 0 {
		taken := copy(d.rest[d.n:], piece)
		d.n += taken
		piece = piece[taken:]
		if d.n < len(d.rest) {
			return nil
		}
		if err := d.groups(d.rest[:]); err != nil {
			return err
		}
	}
	whole := len(piece) / 4 * 4
	d.n = copy(d.rest[:], piece[whole:])
	for piece = piece[:whole]; len(piece) > 0; {
		part := piece[:min(len(piece), chunk/3*4)]
		if err := d.groups(part); err != nil {
			return err
		}
		piece = piece[len(part):]
	}
	return nil
}

// groups decodes whole groups of four characters.
func (d *decoder) groups(text []byte) error {
	alphabet := base64.StdEncoding.Strict()
	if d.url {
		alphabet = base64.URLEncoding.Strict()
	}
	if d.padded {
		return refuse("payload goes on behind its padding")
	}
	n, err := alphabet.Decode(d.out[:], text)
	if err != nil {
		return refuse("payload is no base64: %v", err)
	}
	d.padded = n < len(text)/4*3
	_, err = d.w.Write(d.out[:n])
	return err
}

// end checks that no group is left over.
func (d *decoder) end() error {
	if d.n > 0 {
		return refuse("payload ends in the middle of a base64 group")
	}
	return nil
}
