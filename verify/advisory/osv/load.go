// Package osv reads advisories in the JSON format of the OSV schema
// (https://ossf.github.io/osv-schema/, versions 1.x).
//
// [Load] takes a single record, a directory or an archive. A directory is read
// with all below it: files named *.json as records, *.zip as archives of
// records; names that begin with a dot are left alone. An archive is what
// osv.dev offers as all.zip.
//
// One bad record never spoils the others, and never vanishes: it is listed with
// path and reason, and what a record says in words that are not known, such as
// an ecosystem or a type of range of a later schema, is counted. Only what puts
// the whole set in doubt is an error: a place that cannot be read, or an archive
// beyond the limits.
package osv

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/hallmark-oci/hallmark/verify/advisory"
)

// ErrLimit says that a set is larger than is read.
var ErrLimit = errors.New("over the limit")

// Load reads the advisories at path: a record, a directory or an archive.
func Load(ctx context.Context, path string) (advisory.Set, error) {
	set, err := load(ctx, path, defaults())
	if err != nil {
		return advisory.Set{}, fmt.Errorf("load advisories from %s: %w", path, err)
	}
	return set, nil
}

func load(ctx context.Context, path string, lim limits) (advisory.Set, error) {
	s := source{limits: lim}
	defer s.close()
	if err := s.find(ctx, path); err != nil {
		return advisory.Set{}, err
	}
	slices.SortStableFunc(s.items, func(a, b item) int { return strings.Compare(a.path, b.path) })
	results := make([]result, len(s.items))
	if err := s.readAll(ctx, results); err != nil {
		return advisory.Set{}, err
	}
	return collect(results, s.ignored), nil
}

// result is what became of one item.
type result struct {
	path     string
	advisory advisory.Advisory
	notes    Notes
	err      error
}

// readAll reads and parses the items, as many at once as there are processors.
func (s *source) readAll(ctx context.Context, results []result) error {
	var next, total atomic.Int64
	g, ctx := errgroup.WithContext(ctx)
	for range min(runtime.GOMAXPROCS(0), max(1, len(s.items))) {
		g.Go(func() error {
			for {
				i := int(next.Add(1)) - 1
				if i >= len(s.items) {
					return nil
				}
				if err := context.Cause(ctx); err != nil {
					return err
				}
				data, err := s.read(s.items[i])
				if total.Add(int64(len(data))) > s.total {
					return fmt.Errorf("more than %d bytes of records: %w", s.total, ErrLimit)
				}
				results[i] = parse(s.items[i].path, data, err)
			}
		})
	}
	return g.Wait()
}

func parse(path string, data []byte, err error) result {
	r := result{path: path, err: err}
	if err == nil {
		r.advisory, r.notes, r.err = Parse(data)
		r.advisory.Path = path
	}
	return r
}

// read returns the bytes of an item, at most those of one record.
func (s *source) read(it item) ([]byte, error) {
	if it.bad != nil {
		return nil, it.bad
	}
	if it.size > s.record {
		return nil, tooLarge(it.size, s.record)
	}
	rc, err := it.open()
	if err != nil {
		return nil, err
	}
	defer rc.Close()
	data := make([]byte, 0, min(it.size, s.record)+1)
	data, err = appendAll(data, io.LimitReader(rc, s.record+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > s.record {
		return nil, tooLarge(int64(len(data)), s.record)
	}
	return data, nil
}

func tooLarge(size, limit int64) error {
	return fmt.Errorf("record of %d bytes or more, the limit is %d: %w", size, limit, ErrLimit)
}

// appendAll reads to the end, into the room that data has as long as it lasts.
func appendAll(data []byte, r io.Reader) ([]byte, error) {
	for {
		if len(data) == cap(data) {
			data = slices.Grow(data, max(len(data), 512))
		}
		n, err := r.Read(data[len(data):cap(data)])
		data = data[:len(data)+n]
		if errors.Is(err, io.EOF) {
			return data, nil
		}
		if err != nil {
			return data, err
		}
	}
}

// collect puts the results together, in the order of their paths.
func collect(results []result, ignored int) advisory.Set {
	l := advisory.Load{
		Records: len(results), Ignored: ignored,
		Ecosystems: make(map[string]int), RangeTypes: make(map[string]int), Events: make(map[string]int),
	}
	list := make([]advisory.Advisory, 0, len(results))
	for _, r := range results {
		if r.err != nil {
			l.Bad = append(l.Bad, advisory.Bad{Path: r.path, Reason: r.err.Error()})
			continue
		}
		list = append(list, r.advisory)
		tally(l.Ecosystems, r.notes.Ecosystems)
		tally(l.RangeTypes, r.notes.RangeTypes)
		tally(l.Events, r.notes.Events)
	}
	return advisory.NewSet(list, l)
}

func tally(counts map[string]int, words []string) {
	for _, w := range words {
		counts[fmt.Sprintf("%.80s", w)]++
	}
}
