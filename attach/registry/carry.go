package registry

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/attach/journal"
)

// Media returns the repositories of images and of attachments, which are one
// unless [Options.AttachmentRepo] named another, for who moves what they hold.
func (s *Store) Media() (images, attachments journal.Medium) {
	return medium{s.subjects}, medium{s.attachments}
}

// FirstTags returns the first page of tags, and whether it is all there is: the
// registry says that it knows no such repository, or the page is not full and leads
// to no other. A 404 that says something else may come from a registry that lists no
// tags at all.
func (m medium) FirstTags(ctx context.Context) (tags []string, whole bool, err error) {
	u := m.url("tags/list", url.Values{"n": {strconv.Itoa(m.options.PageSize)}})
	resp, tags, sent, err := m.tagPage(ctx, u)
	var se *statusError
	if errors.As(err, &se) && se.status == http.StatusNotFound {
		return nil, strings.Contains(se.text, "NAME_UNKNOWN"), nil
	}
	if err != nil {
		return nil, false, err
	}
	next, err := m.nextPage(u, resp.Header)
	return tags, err == nil && next == nil && sent >= 0 && sent < m.options.PageSize, err
}

// Same reports whether the other medium is the same repository of the same registry.
func (m medium) Same(other journal.Medium) bool {
	o, ok := other.(medium)
	return ok && o.repo.Name() == m.repo.Name()
}

// Beside reports whether the other medium is a repository of the same registry.
func (m medium) Beside(other journal.Medium) bool {
	o, ok := other.(medium)
	return ok && o.home(m.url("", nil))
}

// CopyBlob stores a blob that the other medium holds. From a repository of the
// same registry it is mounted (distribution specification 1.1, "Mounting a blob
// from another repository"), which moves no content. A registry that does not
// mount it opens an upload instead (202), and the content is sent there. All
// else goes as PutBlob does. mounted tells that the registry said to have the content,
// so that none was sent.
func (m medium) CopyBlob(ctx context.Context, b attach.Body, from journal.Medium) (mounted bool, err error) {
	o, ok := from.(medium)
	if ok && m.Same(o) {
		return true, nil
	}
	if !ok || !m.Beside(o) || !m.state.mountsFrom(o.repo, m.options.Now()) {
		return m.store(ctx, b)
	}
	location, mounted, err := m.tryMount(ctx, b, o.repo)
	switch {
	case err != nil || mounted:
		return mounted, err
	case location == nil:
		return m.store(ctx, b)
	}
	if b.Size >= bigBlob { // an earlier run may have sent it
		if there, err := m.hasBlob(ctx, b.Digest); err != nil || there {
			m.cancel(ctx, location)
			return there, err
		}
	}
	return false, m.finishBlob(ctx, location, b)
}

// tryMount asks for the blob of another repository, unless the blob is small and the
// registry opened an upload where it was asked to mount: then to send it at once is one
// request less. The first answer is waited for.
func (m medium) tryMount(ctx context.Context, b attach.Body, from name.Repository) (upload *url.URL, mounted bool, err error) {
	s := m.state.mountingFrom(from)
	select {
	case s.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, false, context.Cause(ctx)
	}
	if s.answered {
		opens := s.opens
		<-s.turn
		if opens && b.Size < bigBlob || !m.state.mountsFrom(from, m.options.Now()) {
			return nil, false, nil
		}
		return m.mount(ctx, b, from.RepositoryStr())
	}
	defer func() { <-s.turn }()
	if !m.state.mountsFrom(from, m.options.Now()) { // so the one before was told
		return nil, false, nil
	}
	upload, mounted, err = m.mount(ctx, b, from.RepositoryStr())
	s.answered, s.opens = err == nil, err == nil && upload != nil
	return upload, mounted, err
}

// mount asks for the blob of another repository. Where the registry opened an
// upload instead, it returns its address. Whatever else it has against mounting,
// the content can still be sent, and later blobs are not asked for again.
func (m medium) mount(ctx context.Context, b attach.Body, from string) (upload *url.URL, mounted bool, err error) {
	r := request{
		method: http.MethodPost,
		url:    m.url("blobs/uploads/", url.Values{"mount": {b.Digest.String()}, "from": {from}}),
		write:  true,
	}
	resp, err := m.do(ctx, r)
	if err != nil && ctx.Err() == nil {
		// There are token services that give no token for two repositories.
		m.state.mountsNothing(m.options.Now().Add(learnedFor))
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	resp.Body.Close()
	switch {
	case resp.StatusCode == http.StatusCreated:
		return nil, true, nil
	case resp.StatusCode == http.StatusAccepted:
		upload, err = m.uploadAt(r, resp)
		return upload, false, err
	case retryable(resp.StatusCode):
		return nil, false, nil
	}
	m.state.mountsNothing(m.options.Now().Add(learnedFor))
	return nil, false, nil
}

// mounting is what a registry did when it was first asked to mount a blob of one
// repository. Who holds the turn may read and write it.
type mounting struct {
	turn     chan struct{}
	answered bool
	opens    bool // it opened an upload instead
}

// mountingFrom returns what the registry did for blobs of that repository.
func (r *repository) mountingFrom(from name.Repository) *mounting {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.mounting[from.Name()]
	if s == nil {
		s = &mounting{turn: make(chan struct{}, 1)}
		if r.mounting == nil || len(r.mounting) >= maxSources {
			r.mounting = make(map[string]*mounting)
		}
		r.mounting[from.Name()] = s
	}
	return s
}

// mountsNothing notes that until then no blob is to be mounted, and that tokens
// need not let read other repositories.
func (r *repository) mountsNothing(until time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.noMount, r.from = until, nil
}

// hasBlob asks whether the repository has the blob.
func (m medium) hasBlob(ctx context.Context, digest v1.Hash) (bool, error) {
	resp, err := m.do(ctx, request{method: http.MethodHead, url: m.url("blobs/"+digest.String(), nil), follow: true})
	if err != nil {
		return false, err
	}
	resp.Body.Close()
	return resp.StatusCode == http.StatusOK, nil
}

// cancel gives up an upload that nothing is sent to. A registry that does not
// let it be given up forgets it by itself.
func (m medium) cancel(ctx context.Context, upload *url.URL) {
	resp, err := m.do(ctx, request{method: http.MethodDelete, url: upload, write: true})
	if err == nil {
		resp.Body.Close()
	}
}

// PutChild stores a manifest that is kept by its digest alone, such as those
// that an index lists.
func (m medium) PutChild(ctx context.Context, mediaType string, raw []byte) error {
	return m.PutManifest(ctx, attach.DigestOf(raw).String(), mediaType, raw)
}
