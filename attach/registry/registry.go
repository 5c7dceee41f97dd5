// Package registry keeps attachments in an OCI registry: any that serves
// manifests, blobs and tags (distribution specification 1.1), be it one that
// knows referrers or one that is older than the word.
//
// Package journal has the protocol; this package speaks HTTP. It asks for as
// little as it can: a token where one is wanted, and no ping before, blobs in one request
// where the registry takes them so, the referrers API once. And it believes as
// little as it can: every manifest's digest is recomputed, every answer is
// bounded in size and time, listings that lead in circles end, and credentials
// go to the registry they are for and nowhere else.
//
// What an answer means, here as for every Store: 404 says with authority that
// something is not there; 401 and 403 are [attach.ErrDenied]; bytes that arrived
// and are bad are [attach.ErrDigest], [attach.ErrMalformed] or
// [attach.ErrLimit]; all else leaves the question open.
package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/attach/journal"
)

// Options are the conveniences of a Store. The zero value is safe.
type Options struct {
	// Keychain finds credentials; docker's configuration and its credential
	// helpers when nil.
	Keychain authn.Keychain
	// Transport sends requests; a transport with timeouts of its own when nil.
	Transport http.RoundTripper
	// Insecure allows plain HTTP and, where Transport is nil, certificates that
	// do not verify. Loopback addresses may use plain HTTP without it.
	Insecure bool
	// Push says that the store will be written to, so that the first token asked
	// for lets write too and no second one is needed. Without it a token for
	// writing is asked for with the first write only.
	Push bool
	// Delete says that the store will delete too, so that tokens for writing are
	// asked for with the right to delete. Token services that know no such right
	// leave it out.
	Delete bool
	// AttachmentRepo names the repository that journal and views are kept in,
	// possibly of another registry; that of the subject when empty.
	AttachmentRepo string
	// UserAgent names the program to the registry.
	UserAgent string
	// PageSize is how many tags are asked for at once; 1000 when zero.
	PageSize int
	// Patience is how long a registry may keep silent, or all but silent; a
	// minute when zero.
	Patience time.Duration
	// Sleep waits between two tries; [journal.Sleep] when nil.
	Sleep func(context.Context, time.Duration) error
	// Parallel is how many requests to one registry are under way at once; 16
	// when zero. What streams to a reader once its answer began does not count,
	// since the reader may need other requests to go on.
	Parallel int
	// MaxManifest is the size of the largest manifest that is read, in bytes;
	// [attach.MaxManifest] when zero.
	MaxManifest int64
	// Now tells how long ago something was learned or asked for; the system's
	// clock when nil.
	Now func() time.Time
	// Hosts is what the store shares with others; something of its own when nil.
	// Where it is given, it says how registries are talked to, and what is said
	// of that here does not count: see [NewHosts].
	Hosts *Hosts
}

// withDefaults fills in what is zero.
func (o Options) withDefaults() Options {
	if o.Keychain == nil {
		o.Keychain = authn.DefaultKeychain
	}
	if o.Parallel <= 0 {
		o.Parallel = 16
	}
	if o.Transport == nil {
		o.Transport = newTransport(o.Insecure, o.Parallel)
	}
	if o.PageSize == 0 {
		o.PageSize = 1000
	}
	if o.Patience == 0 {
		o.Patience = time.Minute
	}
	if o.Sleep == nil {
		o.Sleep = journal.Sleep
	}
	if o.MaxManifest == 0 {
		o.MaxManifest = attach.MaxManifest
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

// A Store keeps attachments of the images of one repository. It is made by New
// and safe for concurrent use.
type Store struct {
	*journal.Store
	subjects    *client
	attachments *client // subjects where no repository of its own was named
}

var (
	_ attach.Store     = (*Store)(nil)
	_ attach.Publisher = (*Store)(nil)
)

// Parse splits the reference of an image, "registry/repo:tag" or
// "registry/repo@sha256:...", in the repository, as New takes it, and the tag or
// digest, as Resolve takes it. The digest counts where both are given; the tag
// is "latest" where neither is.
func Parse(reference string) (repo, ref string, err error) {
	r, err := name.ParseReference(reference)
	if err != nil {
		return "", "", fmt.Errorf("image reference %q: %w", reference, err)
	}
	return r.Context().Name(), r.Identifier(), nil
}

// New returns the store on a repository, named as "registry/path".
func New(repo string, o Options) (*Store, error) {
	if o.Hosts == nil {
		o.Hosts = NewHosts(o)
	}
	if o.PageSize == 0 {
		o.PageSize = 1000
	}
	subjects, err := newClient(repo, o)
	if err != nil {
		return nil, err
	}
	attachments := subjects
	if o.AttachmentRepo != "" && o.AttachmentRepo != repo {
		if attachments, err = newClient(o.AttachmentRepo, o); err != nil {
			return nil, err
		}
	}
	return &Store{
		Store: journal.New(medium{attachments}, attachments.repo.Name(),
			journal.WithSleep(subjects.options.Sleep), journal.WithReadAhead(readAhead), journal.WithEarlyPut(),
			journal.WithSubjects(subjects.exists)),
		subjects:    subjects,
		attachments: attachments,
	}, nil
}

// readAhead is how many manifests of one list are read at once.
const readAhead = 16

// Resolve implements [attach.Resolver]. The ref is a tag or a digest
// "sha256:..."; the tag "latest" stands for "". Media types that contradict each
// other, in the answer's header and in the manifest, are refused with
// [attach.ErrMalformed].
func (s *Store) Resolve(ctx context.Context, ref string) (attach.Subject, error) {
	if ref == "" {
		ref = name.DefaultTag
	}
	m, header, err := s.subjects.manifest(ctx, ref)
	if err != nil {
		return attach.Subject{}, fmt.Errorf("resolve %s: %w", s.subjects.refName(ref), err)
	}
	stated, err := attach.ManifestType(m.Raw)
	if err != nil {
		return attach.Subject{}, fmt.Errorf("resolve %s: %w", s.subjects.refName(ref), err)
	}
	if !m.Desc.MediaType.IsImage() && !m.Desc.MediaType.IsIndex() || (isManifestType(header) && header != stated) {
		return attach.Subject{}, fmt.Errorf("resolve %s: the registry says media type %q, the manifest %q: %w",
			s.subjects.refName(ref), header, stated, attach.ErrMalformed)
	}
	s.subjects.remember(m)
	return attach.Subject{Repo: s.subjects.repo.Name(), Desc: m.Desc}, nil
}

// isManifestType reports whether the type is one of those asked for.
func isManifestType(t types.MediaType) bool { return t.IsImage() || t.IsIndex() }

// Manifest implements [attach.Reader]. It looks in the repository of the
// subject, then in that of the attachments.
func (s *Store) Manifest(ctx context.Context, _ attach.Subject, digest v1.Hash) (attach.Manifest, error) {
	m, _, err := s.subjects.manifest(ctx, digest.String())
	if errors.Is(err, attach.ErrNotFound) && s.attachments != s.subjects {
		m, _, err = s.attachments.manifest(ctx, digest.String())
	}
	if err != nil {
		return attach.Manifest{}, fmt.Errorf("read %s: %w", s.subjects.refName(digest.String()), err)
	}
	return m, nil
}

// Blob implements [attach.Reader]. It looks where Manifest looks.
func (s *Store) Blob(ctx context.Context, _ attach.Subject, d v1.Descriptor) (io.ReadCloser, error) {
	from := s.subjects
	rc, err := from.openBlob(ctx, d)
	if errors.Is(err, attach.ErrNotFound) && s.attachments != s.subjects {
		from = s.attachments
		rc, err = from.openBlob(ctx, d)
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", from.refName(d.Digest.String()), err)
	}
	return attach.CheckIn(from.repo.Name(), rc, d)
}

// A prefixed reads what is kept under tags with something before the digest.
type prefixed struct {
	attach.Reader
	store  *journal.Store
	prefix string
}

// List implements [attach.Reader].
func (p prefixed) List(ctx context.Context, s attach.Subject, kinds ...attach.Kind) iter.Seq2[attach.Attachment, error] {
	return p.store.ListUnder(ctx, p.prefix, s, kinds...)
}

// Under returns a reader that lists, instead of all that is attached, what stands under
// cosign's tags with the prefix before them; see [journal.Store.ListUnder] and
// [attach.CheckTagPrefix].
func (s *Store) Under(prefix string) attach.Reader { return prefixed{s, s.Store, prefix} }

// Publish implements [attach.Publisher], in the repository of the subjects.
func (s *Store) Publish(ctx context.Context, tag string, m attach.Manifest, parts ...attach.Body) (attach.Subject, error) {
	return journal.Publish(ctx, medium{s.subjects}, s.subjects.repo.Name(), tag, m, parts...)
}

// refName returns the reference with its repository, for messages.
func (c *client) refName(ref string) string {
	if strings.Contains(ref, ":") {
		return c.repo.Name() + "@" + ref
	}
	return c.repo.Name() + ":" + ref
}
