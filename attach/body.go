package attach

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// A Body is content of known digest and size that can be read any number of times.
type Body struct {
	Digest v1.Hash
	Size   int64
	Open   func() (io.ReadCloser, error)
}

// Bytes returns the body that consists of b. The caller must not change b afterwards.
func Bytes(b []byte) Body {
	return Body{
		Digest: DigestOf(b),
		Size:   int64(len(b)),
		Open:   func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b)), nil },
	}
}

// File returns the body that the file holds, hashed once. It must be a regular
// file, because it is read more than once, and to its end. The file must not
// change while the body is in use; a change shows as [ErrDigest] at the store.
func File(path string) (Body, error) {
	info, err := os.Stat(path)
	if err != nil {
		return Body{}, err
	}
	if !info.Mode().IsRegular() {
		return Body{}, fmt.Errorf("read %s: not a regular file, which can be read twice", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return Body{}, err
	}
	defer f.Close()
	h := sha256.New()
	n, err := io.Copy(h, f)
	if err != nil {
		return Body{}, fmt.Errorf("read %s: %w", path, err)
	}
	return Body{
		Digest: v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(h.Sum(nil))},
		Size:   n,
		Open:   func() (io.ReadCloser, error) { return os.Open(path) },
	}, nil
}

// DigestOf returns the SHA-256 digest of b.
func DigestOf(b []byte) v1.Hash {
	sum := sha256.Sum256(b)
	return v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(sum[:])}
}

// Check returns a reader of exactly the bytes that the descriptor names. It
// reads at most d.Size bytes and one more to see that there is none; where the
// content is shorter, longer or of another digest, Read returns an error that
// wraps [ErrDigest] in place of io.EOF. A connection that broke keeps its own
// error. Only sha256 digests are accepted.
func Check(rc io.ReadCloser, d v1.Descriptor) (io.ReadCloser, error) {
	return check(rc, d.Digest.String(), d)
}

// CheckIn is like [Check] and names the repository in all errors, those of the
// connection included, which stay what they are for errors.Is.
func CheckIn(repo string, rc io.ReadCloser, d v1.Descriptor) (io.ReadCloser, error) {
	return check(rc, repo+"@"+d.Digest.String(), d)
}

func check(rc io.ReadCloser, name string, d v1.Descriptor) (io.ReadCloser, error) {
	if d.Digest.Algorithm != "sha256" || len(d.Digest.Hex) != 2*sha256.Size {
		rc.Close()
		return nil, fmt.Errorf("digest %q: only sha256 is supported: %w", name, ErrMalformed)
	}
	if d.Size < 0 {
		rc.Close()
		return nil, fmt.Errorf("size %d of %s: %w", d.Size, name, ErrMalformed)
	}
	return &checked{rc: rc, name: name, want: d, hash: sha256.New()}, nil
}

type checked struct {
	rc   io.ReadCloser
	name string // of the content, for errors
	want v1.Descriptor
	hash hash.Hash
	n    int64
	err  error
}

// Read implements io.Reader.
func (c *checked) Read(p []byte) (int, error) {
	if c.err != nil {
		return 0, c.err
	}
	if len(p) == 0 {
		return 0, nil
	}
	if left := c.want.Size - c.n; left <= 0 {
		return 0, c.end()
	} else if int64(len(p)) > left {
		p = p[:left]
	}
	n, err := c.rc.Read(p)
	c.hash.Write(p[:n])
	c.n += int64(n)
	switch {
	case errors.Is(err, io.EOF) && c.n < c.want.Size:
		c.err = fmt.Errorf("content of %s ends after %d of %d bytes: %w", c.name, c.n, c.want.Size, ErrDigest)
	case errors.Is(err, io.EOF):
		return n, c.sum()
	case err != nil:
		c.err = c.broken(err)
	}
	return n, c.err
}

// end is reached when all expected bytes were read: there must be no more.
func (c *checked) end() error {
	var one [1]byte
	n, err := io.ReadFull(c.rc, one[:])
	if n > 0 {
		c.err = fmt.Errorf("content of %s is longer than %d bytes: %w", c.name, c.want.Size, ErrDigest)
		return c.err
	}
	if err != nil && !errors.Is(err, io.EOF) {
		c.err = c.broken(err)
		return c.err
	}
	return c.sum()
}

// broken says of what content a read failed, and how far it came.
func (c *checked) broken(err error) error {
	return fmt.Errorf("read %s: after %d of %d bytes: %w", c.name, c.n, c.want.Size, err)
}

func (c *checked) sum() error {
	c.err = io.EOF
	if got := hex.EncodeToString(c.hash.Sum(nil)); got != c.want.Digest.Hex {
		c.err = fmt.Errorf("content of %s has digest sha256:%s: %w", c.name, got, ErrDigest)
	}
	return c.err
}

// Close implements io.Closer.
func (c *checked) Close() error { return c.rc.Close() }

// ReadAll reads the checked content to its end and closes it. A descriptor
// size above limit is refused with [ErrLimit] before any memory is taken.
func ReadAll(rc io.ReadCloser, d v1.Descriptor, limit int64) ([]byte, error) {
	defer rc.Close()
	if d.Size > limit {
		return nil, fmt.Errorf("%s has %d bytes, the limit is %d: %w", d.Digest, d.Size, limit, ErrLimit)
	}
	var buf bytes.Buffer
	if _, err := buf.ReadFrom(rc); err != nil {
		return nil, err
	}
	return buf.Bytes(), nil
}
