package scan

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"strings"
	"sync/atomic"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/hallmark-oci/hallmark/attach"
)

const (
	gzipMagic = "\x1f\x8b"
	zstdMagic = "\x28\xb5\x2f\xfd"
)

// inflate returns the uncompressed content of a layer blob. The compression is
// told from the first bytes, not from the media type, which tools get wrong;
// the diffID decides in the end whether the content is the right one.
func inflate(blob io.Reader) (io.ReadCloser, error) {
	br := bufio.NewReaderSize(blob, 64<<10)
	head, err := br.Peek(4)
	if err != nil && err != io.EOF {
		return nil, err
	}
	switch {
	case strings.HasPrefix(string(head), gzipMagic):
		zr, err := gzip.NewReader(br)
		if err != nil {
			return nil, fmt.Errorf("gzip: %w", err)
		}
		return zr, nil
	case strings.HasPrefix(string(head), zstdMagic) || skippable(head):
		zr, err := zstd.NewReader(br, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
			zstd.WithDecoderMaxWindow(maxWindow))
		if err != nil {
			return nil, fmt.Errorf("zstd: %w", err)
		}
		return zr.IOReadCloser(), nil
	default:
		return io.NopCloser(br), nil
	}
}

// skippable reports whether a zstd skippable frame begins here (RFC 8878,
// section 3.1.2), with which indexed zstd layers may begin.
func skippable(head []byte) bool {
	return len(head) == 4 && head[0]&0xf0 == 0x50 && bytes.Equal(head[1:], []byte{0x2a, 0x4d, 0x18})
}

// A budget counts down what may still be taken, for several goroutines.
type budget struct {
	left atomic.Int64
	what string
	of   int64
}

func newBudget(of int64, what string) *budget {
	b := &budget{what: what, of: of}
	b.left.Store(of)
	return b
}

func (b *budget) take(n int64) error {
	if b.left.Add(-n) < 0 {
		return fmt.Errorf("the image has more than %d %s: %w", b.of, b.what, attach.ErrLimit)
	}
	return nil
}

// metered counts what is read, against a budget.
type metered struct {
	r io.Reader
	b *budget
	n int64
}

// Read implements io.Reader.
func (m *metered) Read(p []byte) (int, error) {
	n, err := m.r.Read(p)
	m.n += int64(n)
	if over := m.b.take(int64(n)); over != nil {
		return 0, over
	}
	return n, err
}
