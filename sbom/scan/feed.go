package scan

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/hallmark-oci/hallmark/sbom/scan/extract"
)

// A reading is one claim while the file goes by.
type reading struct {
	claim
	sink    extract.Sink
	done    bool
	unknown string
}

// read shows the file to all who claim it, in one pass.
func (w *walker) read(tr io.Reader, size int64, claims []claim) ([]record, error) {
	if len(claims) == 0 {
		return nil, nil
	}
	readings := make([]reading, len(claims))
	for i, c := range claims {
		readings[i] = reading{claim: c, sink: w.extractors[c.by].Open(c.format, size)}
	}
	if err := w.feed(tr, readings); err != nil {
		return nil, err
	}
	var out []record
	for _, r := range readings {
		rec, ok := r.sink.Record()
		if r.unknown != "" {
			rec, ok = extract.Record{Unknowns: []string{r.unknown}}, true
		}
		if !ok {
			continue
		}
		if err := w.budgets.retained.take(rec.Size()); err != nil {
			return nil, err
		}
		out = append(out, record{by: r.by, format: r.format, Record: rec})
	}
	return out, nil
}

// feed writes the file to the readings until none needs more. The holes of a
// sparse file cost nothing to store and are not followed beyond maxHole.
func (w *walker) feed(tr io.Reader, readings []reading) error {
	begin, seen := w.raw.n, int64(0)
	for live := len(readings); live > 0; {
		n, err := fill(tr, w.buf)
		seen += int64(n)
		hole := seen-(w.raw.n-begin) > maxHole
		for i := range readings {
			r := &readings[i]
			if r.done {
				continue
			}
			_, werr := r.sink.Write(w.buf[:n])
			switch {
			case werr != nil && !errors.Is(werr, extract.ErrEnough):
				r.unknown = werr.Error()
			case hole:
				r.unknown = fmt.Sprintf("not read to its end: a sparse file with more than %d bytes of holes", maxHole)
			}
			if werr != nil || hole {
				r.done = true
				live--
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// fill reads until the buffer is full or the reader ends.
func fill(r io.Reader, buf []byte) (n int, err error) {
	for n < len(buf) && err == nil {
		var k int
		k, err = r.Read(buf[n:])
		n += k
	}
	return n, err
}

// relink reads the targets of hard links in the formats that the links' names
// ask for. The content of a hard link went by under another name before the
// link was seen, so the layer is read a second time; few layers need it.
func (w *walker) relink(ctx context.Context, blob io.Reader) error {
	read := make(map[string][]record, len(w.again))
	err := w.stream(ctx, blob, func(tr *tar.Reader, h *tar.Header) error {
		name := clean(h.Name)
		claims := w.again[name]
		if len(claims) == 0 || h.Typeflag != tar.TypeReg {
			return nil
		}
		records, err := w.read(tr, h.Size, claims)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		read[name] = records
		return nil
	})
	if err != nil {
		return err
	}
	for i := range w.targets {
		l := &w.targets[i]
		claims := w.again[l.target]
		records, found := read[l.target]
		if !found {
			for _, c := range claims {
				records = append(records, record{by: c.by, format: c.format, Record: extract.Record{
					Unknowns: []string{"not read: a hard link to " + l.target + ", which is no file of the same layer"}}})
			}
		}
		l.extra = records
	}
	return nil
}
