package registry

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/attach/journal"
)

// errUnsorted says that a registry does not list tags in the order that a seek
// relies on.
var errUnsorted = errors.New("tags are not in order")

// Tags implements [journal.Medium]. It asks for the tags behind the prefix
// (distribution specification 1.1, "Listing Tags"), and for all tags where the
// registry does not support that or shows that its order is another.
func (m medium) Tags(ctx context.Context, prefix string) ([]string, error) {
	var all []string
	err := errUnsorted
	if len(prefix) > 1 && m.seeks() {
		// The prefix without its last character sorts before all that is sought.
		all, err = m.tags(ctx, prefix[:len(prefix)-1], prefix)
	}
	var se *statusError
	refused := errors.As(err, &se) && (se.status == http.StatusNotFound || se.status == http.StatusBadRequest)
	if refused || errors.Is(err, errUnsorted) {
		if len(prefix) > 1 {
			m.noteNoSeek()
		}
		all, err = m.tags(ctx, "", "")
		if errors.Is(err, attach.ErrNotFound) {
			return nil, nil // a repository that does not exist
		}
	}
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(t string) bool { return !strings.HasPrefix(t, prefix) })
	slices.Sort(all)
	return slices.Compact(all), nil
}

// seeks reports whether it is worth a request to ask for tags behind another.
func (c *client) seeks() bool {
	c.state.mu.Lock()
	defer c.state.mu.Unlock()
	return !c.options.Now().Before(c.state.noSeek)
}

func (c *client) noteNoSeek() {
	c.state.mu.Lock()
	defer c.state.mu.Unlock()
	c.state.noSeek = c.options.Now().Add(learnedFor)
}

// tags reads pages of tags behind start. With a prefix it stops once the tags
// sort behind it, and answers errUnsorted where they come in no order.
func (m medium) tags(ctx context.Context, start, prefix string) ([]string, error) {
	query := url.Values{"n": {strconv.Itoa(m.options.PageSize)}}
	if start != "" {
		query.Set("last", start)
	}
	next := m.url("tags/list", query)
	seen := make(map[string]bool)
	var all []string
	for page := 0; next != nil; page++ {
		if page == attach.MaxPages {
			return nil, fmt.Errorf("tags of %s: more than %d pages: %w", m.repo, attach.MaxPages, attach.ErrUnfinished)
		}
		resp, tags, sent, err := m.tagPage(ctx, next)
		if page > 0 && errors.Is(err, attach.ErrNotFound) {
			// There was a page before it: this says nothing of the repository.
			return nil, fmt.Errorf("tags of %s, page %d: %v: %w", m.repo, page+1, err, attach.ErrUnfinished)
		}
		if err != nil {
			return nil, err
		}
		if prefix != "" && !slices.IsSorted(tags) {
			return nil, errUnsorted
		}
		fresh := false
		for _, t := range tags {
			if !seen[t] {
				seen[t], fresh = true, true
				all = append(all, t)
			}
		}
		if len(all) > attach.MaxTags {
			return nil, fmt.Errorf("tags of %s: more than %d: %w", m.repo, attach.MaxTags, attach.ErrUnfinished)
		}
		if len(tags) > 0 && prefix != "" && behind(tags[len(tags)-1], prefix) {
			break
		}
		here := next
		if next, err = m.nextPage(next, resp.Header); err != nil {
			return nil, err
		}
		if next != nil && !fresh && *next == *here {
			return nil, fmt.Errorf("tags of %s: page %d is said to be followed by itself: %w", m.repo, page+1, attach.ErrUnfinished)
		}
		if next != nil && len(tags) > 0 && !fresh {
			break // behind the last tag this registry begins anew: all of it was seen
		}
		// A full page without a link may have another behind it. One that
		// brought nothing new has not.
		if next == nil && len(tags) == 0 && sent >= m.options.PageSize {
			return nil, fmt.Errorf("tags of %s: no valid tag on a full page: %w", m.repo, attach.ErrMalformed)
		}
		if next == nil && fresh && sent >= m.options.PageSize {
			query.Set("last", tags[len(tags)-1])
			next = m.url("tags/list", query)
		}
	}
	return all, nil
}

// behind reports whether the tag sorts behind all that begin with the prefix.
func behind(tag, prefix string) bool {
	return tag > prefix && !strings.HasPrefix(tag, prefix)
}

// tagPage reads one page and returns its tags and how many elements it has. What
// is no tag is left out: it cannot be one that is sought.
func (m medium) tagPage(ctx context.Context, u *url.URL) (resp *http.Response, tags []string, sent int, err error) {
	resp, err = m.answer(ctx, request{
		method: http.MethodGet, url: u, header: http.Header{"Accept": {"application/json"}},
	}, func(resp *http.Response) error {
		tags, sent, err = readTags(resp.Body)
		return err
	})
	return resp, tags, sent, err
}

// nextPage returns the address in the Link header (RFC 8288) of the next page,
// nil when there is none. It has to be the registry's own.
func (c *client) nextPage(from *url.URL, h http.Header) (*url.URL, error) {
	for _, link := range h.Values("Link") {
		text, params, ok := strings.Cut(link, ">")
		text, found := strings.CutPrefix(strings.TrimSpace(text), "<")
		if !ok || !found || !strings.Contains(strings.ReplaceAll(params, `"`, ""), "rel=next") {
			continue
		}
		to, err := from.Parse(text)
		if err != nil {
			return nil, fmt.Errorf("link to the next page %q: %w", text, attach.ErrMalformed)
		}
		if !c.home(to) {
			return nil, fmt.Errorf("the next page of %s is said to be at %s: %w", c.repo, to.Host, attach.ErrDenied)
		}
		return to, nil
	}
	return nil, nil
}

// maxListed is how many bytes of one subject's list of referrers are read, over all
// its pages. Twenty thousand entries with the annotations in use need less.
const maxListed = 16 << 20

// Referrers implements [journal.Medium]. A 200 with an OCI index is a list; 400,
// 404, 405 and 501 say that the registry has no referrers API; 401, 429 and 5xx,
// and connections that break, leave the question open and fail. All else is
// [journal.ErrOddReferrers]. What is not open is remembered for the subject,
// shortly: so that the rules of one verdict, and the steps of one write, ask once.
func (m medium) Referrers(ctx context.Context, digest v1.Hash) ([]v1.Descriptor, bool, error) {
	if odd, bare := m.isBare(digest); bare {
		return nil, false, odd
	}
	var list []v1.Descriptor
	var spoiled attach.Spoiled
	next := m.url("referrers/"+digest.String(), nil)
	read := 0
	for page := 0; next != nil; page++ {
		if page == attach.MaxPages || len(list)+len(spoiled) > attach.MaxReferrers || read > maxListed {
			return list, true, fmt.Errorf("referrers of %s: more than %d pages, %d entries or %d bytes: %w",
				digest, attach.MaxPages, attach.MaxReferrers, maxListed, attach.ErrUnfinished)
		}
		resp, raw, err := m.bytes(ctx, request{
			method: http.MethodGet, url: next, header: http.Header{"Accept": {string(types.OCIImageIndex)}},
		}, m.options.MaxManifest)
		if none, odd := noReferrers(resp, err); none && page == 0 {
			m.noteBare(digest, odd)
			return nil, false, odd
		}
		if errors.Is(err, attach.ErrLimit) {
			return list, true, fmt.Errorf("referrers of %s: %v: %w", digest, err, attach.ErrUnfinished)
		}
		if err != nil {
			return nil, false, fmt.Errorf("list referrers: %w", err)
		}
		read += len(raw)
		more, err := attach.ParseReferrers(raw, attach.MaxReferrers)
		var bad attach.Spoiled
		switch {
		case errors.Is(err, attach.ErrUnfinished):
			return append(list, more...), true, fmt.Errorf("referrers of %s: %w", digest, err)
		case err != nil && !errors.As(err, &bad):
			return nil, false, fmt.Errorf("list referrers of %s: %w", digest, err)
		}
		list, spoiled = append(list, more...), append(spoiled, bad...)
		if next, err = m.nextPage(next, resp.Header); err != nil {
			return nil, false, err
		}
	}
	if spoiled != nil {
		return list, true, spoiled
	}
	return list, true, nil
}

// bareFor is how long it is believed that a subject has no list of referrers. It
// is as long as one job on an image takes, and no longer: from then on somebody
// may have put something there, or may serve the API.
const bareFor = 3 * time.Second

// isBare reports whether the registry just said that it has no list of referrers
// of the subject, and what was odd about that.
func (c *client) isBare(subject v1.Hash) (odd error, bare bool) {
	c.state.mu.Lock()
	defer c.state.mu.Unlock()
	b := c.state.bare[subject]
	return b.odd, c.options.Now().Before(b.until)
}

func (c *client) noteBare(subject v1.Hash, odd error) {
	c.state.mu.Lock()
	defer c.state.mu.Unlock()
	if len(c.state.bare) >= maxKnown {
		clear(c.state.bare)
	}
	c.state.bare[subject] = bareness{until: c.options.Now().Add(bareFor), odd: odd}
}

// noReferrers reports whether the answer means that there is no referrers API,
// and what is odd about it.
func noReferrers(resp *http.Response, err error) (none bool, odd error) {
	var se *statusError
	switch {
	case errors.Is(err, errSeeOther):
		return true, nil // a large registry without the API sends on to its web site
	case errors.Is(err, errRedirect):
		return true, fmt.Errorf("%w: %w", journal.ErrOddReferrers, err)
	case errors.As(err, &se):
		switch se.status {
		case http.StatusBadRequest, http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusNotImplemented:
			return true, nil
		case http.StatusUnauthorized:
			return false, nil
		}
		return !retryable(se.status), fmt.Errorf("%w: %w", journal.ErrOddReferrers, err)
	case err != nil:
		return false, nil
	}
	if t := mediaType(resp.Header); t != types.OCIImageIndex {
		return true, fmt.Errorf("%w: media type %q", journal.ErrOddReferrers, t)
	}
	return false, nil
}
