package bundle

import (
	"errors"
	"fmt"
	"io"

	"github.com/hallmark-oci/hallmark/sign/spool"
)

// keep reads r to its end, which must come after size bytes.
func keep(r io.Reader, size int64) (*spool.Spool, error) {
	if size < 0 {
		return nil, refuse("a size of %d bytes", size)
	}
	s, err := spool.New(size, MaxMemory, "")
	if err != nil {
		return nil, fmt.Errorf("read a bundle: %w", err)
	}
	n, err := io.Copy(s, io.LimitReader(r, size+1))
	if err == nil && n != size {
		err = refuse("%d bytes or more, %d expected", n, size)
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}
