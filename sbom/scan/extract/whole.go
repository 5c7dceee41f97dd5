package extract

import "fmt"

// Whole returns a sink that gathers a file of the size, at most limit bytes,
// and gives it to parse in one piece. A longer file is not read; its record
// says so. An error of parse becomes an unknown beside what parse returned.
func Whole(size, limit int64, parse func([]byte) (Record, error)) Sink {
	if size > limit {
		return &whole{limit: limit, over: true}
	}
	return &whole{limit: limit, buf: make([]byte, 0, max(size, 0)), parse: parse}
}

type whole struct {
	limit int64
	over  bool
	buf   []byte
	parse func([]byte) (Record, error)
}

// Write implements Sink.
func (w *whole) Write(p []byte) (int, error) {
	if w.over || int64(len(p)) > w.limit-int64(len(w.buf)) {
		w.over, w.buf = true, nil
		return 0, ErrEnough
	}
	w.buf = append(w.buf, p...)
	return len(p), nil
}

// Record implements Sink.
func (w *whole) Record() (Record, bool) {
	if w.over {
		return Record{Unknowns: []string{fmt.Sprintf("not read: larger than %d bytes", w.limit)}}, true
	}
	r, err := w.parse(w.buf)
	if err != nil {
		r.Unknowns = append(r.Unknowns, err.Error())
	}
	return r, len(r.Packages)+len(r.Unknowns) > 0
}
