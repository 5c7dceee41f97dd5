package registry

import (
	"bytes"
	"context"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/hallmark-oci/hallmark/attach"
)

// Hosts is what the stores of one process share: connections, and for each
// registry one challenge, one token for each repository and right, the bound on
// requests under way, the pause that the registry asked for, and what was
// learned of it. It is made by NewHosts and safe for concurrent use.
//
// What was learned saves requests and decides nothing. It is kept in memory
// alone, for [learnedFor] at most; an answer always wins over it; and that a
// subject has no referrers is asked anew for each subject. Nothing is kept on
// disk: a file could save the first refusal and no more, and would be one more place from
// which somebody could say where passwords are to be sent.
type Hosts struct {
	options Options
	plain   http.RoundTripper // without credentials

	mu        sync.Mutex
	hosts     map[string]*host
	manifests manifestCache
}

// maxKnown is how many registries, and how many repositories of one registry,
// are remembered. A process that meets more begins anew.
const maxKnown = 1000

// learnedFor is how long it is remembered what a registry cannot do.
const learnedFor = 2 * time.Minute

// NewHosts returns what stores share whose Options have it as Hosts. Of the
// options it takes those on how registries are talked to: Keychain, Transport,
// Insecure, UserAgent, Patience, Sleep, Parallel, MaxManifest and Now.
func NewHosts(o Options) *Hosts {
	o = o.withDefaults()
	return &Hosts{
		options: o,
		plain:   transport.NewUserAgent(o.Transport, o.UserAgent),
		hosts:   make(map[string]*host),
	}
}

// A host is what is known of one registry.
type host struct {
	name    string
	slots   chan struct{} // one for each request under way
	opening flight[struct{}]
	pings   flight[*transport.Challenge]
	renew   gate // held while an identity token is exchanged
	large   gate // held while a large answer is read

	mu        sync.Mutex
	scheme    string               // "" before the registry was reached
	challenge *transport.Challenge // what the registry asks for; nil while it asked for nothing and was not pinged
	resume    time.Time            // when the registry wants to be asked again
	twoStep   time.Time            // until when it is taken to take no blob in one request
	// renewed are the identity tokens that a token service gave in exchange for
	// those that the keychain has.
	renewed map[string]string
	repos   map[string]*repository
}

// A repository is what is known of one repository.
type repository struct {
	logins [2]flight[grant] // for reading, for writing

	mu       sync.Mutex
	found    authn.Authenticator  // credentials that were found and not used yet
	scheme   string               // of the challenge that the values below are for
	stranger bool                 // there are no credentials
	passes   map[bool]string      // values of the Authorization header, by whether for writing
	noSeek   time.Time            // until when a list of tags is taken to begin with the first one only
	from     []string             // scopes of the repositories that blobs are mounted from
	mounting map[string]*mounting // by the repository that blobs are mounted from
	noMount  time.Time            // until when it is taken to mount no blobs
	// bare are subjects that were just found to have no list of referrers.
	bare map[v1.Hash]bareness
}

// bareness is an answer of a registry that serves no referrers of a subject.
type bareness struct {
	until time.Time
	odd   error // what is odd about the answer; nil for a plain no
}

// of returns what is known of the repository and its registry.
func (h *Hosts) of(registry, repo string) (*host, *repository) {
	h.mu.Lock()
	defer h.mu.Unlock()
	known := h.hosts[registry]
	if known == nil {
		if len(h.hosts) >= maxKnown {
			clear(h.hosts)
		}
		known = &host{
			name:    registry,
			slots:   make(chan struct{}, h.options.Parallel),
			renew:   newGate(),
			large:   newGate(),
			renewed: make(map[string]string),
			repos:   make(map[string]*repository),
		}
		h.hosts[registry] = known
	}
	known.mu.Lock()
	defer known.mu.Unlock()
	r := known.repos[repo]
	if r == nil {
		if len(known.repos) >= maxKnown {
			clear(known.repos)
		}
		r = &repository{passes: make(map[bool]string), bare: make(map[v1.Hash]bareness)}
		known.repos[repo] = r
	}
	return known, r
}

// enter waits until fewer requests than the bound are under way.
func (h *host) enter(ctx context.Context, guard *watchdog) (leave func(), err error) {
	leave = sync.OnceFunc(func() { <-h.slots })
	select {
	case h.slots <- struct{}{}:
		return leave, nil
	default:
	}
	err = guard.rest(func() error {
		select {
		case h.slots <- struct{}{}:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	})
	return leave, err
}

// holdBack keeps requests from the registry until then. It returns the moment
// that counts, which is a later one where that was asked for before.
func (h *host) holdBack(until time.Time) time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	if until.After(h.resume) {
		h.resume = until
	}
	return h.resume
}

// held returns how long the registry wants to be left alone; nothing for who has
// waited until that moment.
func (h *host) held(now, waited time.Time) time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.resume.After(waited) {
		return 0
	}
	return min(h.resume.Sub(now), longestRetry)
}

// A manifestCache remembers manifests by repository and digest. It keeps two
// generations: when the young one is full, the old one goes.
type manifestCache struct {
	mu         sync.Mutex
	young, old map[string]attach.Manifest
	size       int
}

// maxCached is how many bytes of manifests one generation holds, or else one
// manifest that is larger. With each go
// cachedBeside bytes for what surrounds it, which is more than a small one has.
const (
	maxCached    = 2 << 20
	cachedBeside = 512
)

// cost is how much of a generation a manifest takes.
func cost(m attach.Manifest) int { return len(m.Raw) + cachedBeside }

func (c *manifestCache) put(key string, m attach.Manifest) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(m.Raw) > attach.MaxManifest {
		return
	}
	if c.young == nil || c.size+cost(m) > maxCached {
		c.old, c.young, c.size = c.young, make(map[string]attach.Manifest), 0
	}
	if _, ok := c.young[key]; !ok {
		if cap(m.Raw) > 2*len(m.Raw) {
			m.Raw = bytes.Clone(m.Raw) // what it was read into is much larger
		}
		c.young[key] = m
		c.size += cost(m)
	}
}

func (c *manifestCache) get(key string) (attach.Manifest, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	m, ok := c.young[key]
	if !ok {
		m, ok = c.old[key]
	}
	return m, ok
}

func (c *manifestCache) drop(key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if m, ok := c.young[key]; ok {
		c.size -= cost(m)
	}
	delete(c.young, key)
	delete(c.old, key)
}

func (c *client) remember(m attach.Manifest) {
	c.hosts.manifests.put(c.repo.Name()+"@"+m.Desc.Digest.String(), m)
}

func (c *client) remembered(digest string) (attach.Manifest, bool) {
	if !strings.Contains(digest, ":") {
		return attach.Manifest{}, false
	}
	return c.hosts.manifests.get(c.repo.Name() + "@" + digest)
}

// A gate lets one pass at a time, for as long as those who wait want to.
type gate chan struct{}

func newGate() gate { return make(gate, 1) }

func (g gate) lock(ctx context.Context) error {
	select {
	case g <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (g gate) unlock() { <-g }

// A flight lets one do what many want done at once, and all have what came of
// it. The zero value is ready for use.
type flight[T any] struct {
	mu    sync.Mutex
	under *trip[T]
}

type trip[T any] struct {
	done  chan struct{}
	value T
	err   error
	// alone says that the one who did it gave up, which is no answer for others.
	alone bool
}

// do calls f, or waits for what another call of f brings.
func (f *flight[T]) do(ctx context.Context, fn func() (T, error)) (T, error) {
	for {
		f.mu.Lock()
		t := f.under
		if t == nil {
			t = &trip[T]{done: make(chan struct{}), alone: true}
			f.under = t
			f.mu.Unlock()
			return f.fly(ctx, t, fn)
		}
		f.mu.Unlock()
		select {
		case <-t.done:
			if !t.alone {
				return t.value, t.err
			}
		case <-ctx.Done():
			var none T
			return none, ctx.Err()
		}
	}
}

func (f *flight[T]) fly(ctx context.Context, t *trip[T], fn func() (T, error)) (T, error) {
	defer func() {
		f.mu.Lock()
		f.under = nil
		f.mu.Unlock()
		close(t.done)
	}()
	t.value, t.err = fn()
	t.alone = t.err != nil && ctx.Err() != nil
	return t.value, t.err
}
