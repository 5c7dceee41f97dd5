// Package inflate reads layers: tar archives that are compressed with gzip or zstd, or
// not at all.
//
// What expands is bounded in two ways. The memory of a decoder is: gzip looks back 32
// KiB (RFC 1951), a zstd frame as far as it says itself (RFC 8878, section 3.1.1.1.2),
// and one that asks for more than the caller allows is refused before memory is taken.
// How much comes out is for the caller to count, who knows what he has room for: a few
// kilobytes may become as many gigabytes.
package inflate

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/hallmark-oci/hallmark/attach"
)

const (
	gzipMagic = "\x1f\x8b"
	zstdMagic = "\x28\xb5\x2f\xfd"
)

// Reader returns the uncompressed content of a layer. The compression is told from
// the first bytes, not from the media type, which tools get wrong: a digest of the
// content decides in the end whether it is the right one. A zstd frame may ask for so
// many bytes of window, of which the decoder takes about twice as many.
//
// Content that is broken or breaks off is [attach.ErrMalformed], a window that is
// larger [attach.ErrLimit]. An error of the blob itself comes as it is. Read it to the
// end before the blob is taken for whole, and close it.
func Reader(blob io.Reader, window uint64) (io.ReadCloser, error) {
	src := &Source{Blob: blob}
	br := bufio.NewReaderSize(src, 64<<10)
	head, err := br.Peek(4)
	if err != nil && err != io.EOF {
		return nil, err
	}
	switch {
	case strings.HasPrefix(string(head), gzipMagic):
		c := &content{src: src, format: "gzip"}
		zr, err := gzip.NewReader(br)
		if err != nil {
			return nil, c.explain(err)
		}
		c.ReadCloser = zr
		return c, nil
	case strings.HasPrefix(string(head), zstdMagic) || skippable(head):
		c := &content{src: src, format: "zstd"}
		zr, err := zstd.NewReader(br, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(window))
		if err != nil {
			return nil, c.explain(err)
		}
		c.ReadCloser = zr.IOReadCloser()
		return c, nil
	}
	return io.NopCloser(br), nil
}

// skippable reports whether a zstd skippable frame begins here (RFC 8878,
// section 3.1.2), with which indexed zstd layers may begin.
func skippable(head []byte) bool {
	return len(head) == 4 && head[0]&0xf0 == 0x50 && bytes.Equal(head[1:], []byte{0x2a, 0x4d, 0x18})
}

// A Source remembers with what error a blob ended: decoders and readers of archives
// hide it behind their own, and what did not arrive is not broken.
type Source struct {
	Blob io.Reader
	// Err is the error, nil where the blob ended well or did not yet end.
	Err error
}

// Read implements io.Reader.
func (s *Source) Read(p []byte) (int, error) {
	n, err := s.Blob.Read(p)
	if err != nil && err != io.EOF {
		s.Err = err
	}
	return n, err
}

// content is what comes out of a decoder.
type content struct {
	io.ReadCloser
	src    *Source
	format string
}

// Read implements io.Reader.
func (c *content) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	if err != nil && err != io.EOF {
		err = c.explain(err)
	}
	return n, err
}

// explain says whose error it is: that of the blob, which did not arrive, or one of
// what is in it.
func (c *content) explain(err error) error {
	switch {
	case c.src.Err != nil:
		return c.src.Err
	case errors.Is(err, zstd.ErrWindowSizeExceeded), errors.Is(err, zstd.ErrDecoderSizeExceeded):
		return fmt.Errorf("the %s stream asks for too much memory: %w: %w", c.format, err, attach.ErrLimit)
	}
	return fmt.Errorf("the %s stream is broken: %w: %w", c.format, err, attach.ErrMalformed)
}
