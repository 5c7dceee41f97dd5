package registry

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/attach/journal"
)

// Tags returns all tags of the repository of the images.
func (s *Store) Tags(ctx context.Context) ([]string, error) {
	tags, err := medium{s.subjects}.Tags(ctx, "")
	if err != nil {
		return nil, fmt.Errorf("list the tags of %s: %w", s.subjects.repo.Name(), err)
	}
	return tags, nil
}

// Listed returns a reader of the store for many subjects: the journals of all of
// them are found in one list of tags, which is asked for when the first subject
// needs it, in place of one list for each. Views and referrers are asked for as
// ever. The list is not asked for again: resolve the subjects first, so that what
// was attached before is in it.
func (s *Store) Listed() attach.Reader {
	m := &listed{medium: medium{s.attachments}}
	return &listedStore{
		Store: s,
		journal: journal.New(m, s.attachments.repo.Name(),
			journal.WithSleep(s.attachments.options.Sleep), journal.WithReadAhead(readAhead)),
	}
}

// A listedStore lists by the journal, and is the Store in all else.
type listedStore struct {
	*Store
	journal *journal.Store
}

// List implements [attach.Reader].
func (s *listedStore) List(ctx context.Context, subject attach.Subject, kinds ...attach.Kind) iter.Seq2[attach.Attachment, error] {
	return s.journal.List(ctx, subject, kinds...)
}

// A listed medium asks for the tags that begin like a digest once.
type listed struct {
	medium
	asked flight[[]string]
	// tags are those that were found, sorted. Where the whole list is not to be
	// had they are nil, and subjects are asked for one by one.
	tags  []string
	known bool
}

const digestTags = "sha256-"

// Tags implements [journal.Medium].
func (m *listed) Tags(ctx context.Context, prefix string) ([]string, error) {
	if !strings.HasPrefix(prefix, digestTags) {
		return m.medium.Tags(ctx, prefix)
	}
	all, err := m.asked.do(ctx, func() ([]string, error) {
		if m.known {
			return m.tags, nil
		}
		tags, err := m.medium.Tags(ctx, digestTags)
		if ctx.Err() != nil {
			return nil, err
		}
		if m.known = true; err == nil {
			m.tags = append(make([]string, 0, len(tags)), tags...)
		}
		return m.tags, nil
	})
	if err != nil {
		return nil, err
	}
	if all == nil {
		return m.medium.Tags(ctx, prefix)
	}
	begin, _ := slices.BinarySearch(all, prefix)
	end := begin
	for end < len(all) && strings.HasPrefix(all[end], prefix) {
		end++
	}
	return slices.Clone(all[begin:end]), nil
}
