// Package admit answers Kubernetes when it asks whether an object may be
// admitted: yes, if the policies accept every image that the object names.
//
// A [Gate] holds a set of policies and keeps verdicts. [Gate.Judge] judges one
// reference, and the HTTP handler of [Gate.Handler] answers AdmissionReviews
// (admission.k8s.io/v1) with it:
//
//	/validate  refuses objects with images that the policies do not accept
//	/mutate    writes the digest behind references that have none
//	/healthz   the process answers
//	/readyz    it wants to be asked
//	/metrics   numbers, in the text format of Prometheus
//
// [Manifests] finds the images of Kubernetes YAML, for the same judgement
// without a cluster.
//
// # By digest only
//
// A reference without digest is refused as digest-required: what is verified
// must be what is run. Let /mutate come first, which resolves tags. References
// that a policy exempts or forbids by name are decided by name, without asking
// a registry. Kinds of objects that are not known are refused; send only those
// that are.
//
// # What is kept
//
// A verdict is kept under the full name of the repository, the digest and the
// hash of the policies that matched with all their keys. For an index that is the
// digest of the index, whatever platform a node takes from it. It is kept no longer than the
// first moment at which an age in a policy changes it. Rejections are kept
// briefly; open questions, and decisions by name (static: pass), never. When the
// registry is down, images that were accepted stay so for their time, and all
// others are refused with the reason.
//
// Any number of reviews of one new digest cause one verification, which goes on
// when those who asked ran out of time, so that the next try finds it done.
//
// # Updates
//
// An update is judged by the references that it adds. One that changes no image
// and no label passes, so that objects from before the gate can be scaled,
// annotated and deleted. Pods are judged whole when they are created, whatever
// made them.
//
// # Why no Kubernetes libraries
//
// The wire types that are needed here are a page. k8s.io/api with admission,
// core, apps and batch adds 3.9 MB to a server of 6.4 MB, and decoding into its
// types would drop the fields that are newer than they are.
package admit

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"golang.org/x/sync/errgroup"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/verify"
	"github.com/hallmark-oci/hallmark/verify/policy"
)

// Options say where images are and how long the gate waits and remembers.
// Durations and numbers that are zero have the default that is given.
type Options struct {
	// Open returns the store that holds the image, and what to ask its Resolve
	// for. It must be set. The credentials it uses are those of the gate, the
	// same for everyone who asks.
	Open func(ctx context.Context, ref string) (attach.Store, string, error)
	// Now tells the time. It must be set.
	Now func() time.Time
	// Budget is how long a review takes at most, 9 seconds. A shorter time that
	// the API server names is kept, with half a second left for the answer.
	Budget time.Duration
	// Patience is how long one verification takes at most, 30 seconds.
	Patience time.Duration
	// Keep is how long an acceptance is kept, an hour.
	Keep time.Duration
	// KeepRefusal is how long a rejection is kept, 30 seconds.
	KeepRefusal time.Duration
	// Verdicts is how many verdicts are kept, 10000.
	Verdicts int
	// Parallel is how many verifications run at once at one registry, 32.
	Parallel int
}

func (o Options) withDefaults() Options {
	for _, d := range []struct {
		to *time.Duration
		is time.Duration
	}{{&o.Budget, 9 * time.Second}, {&o.Patience, 30 * time.Second}, {&o.Keep, time.Hour}, {&o.KeepRefusal, 30 * time.Second}} {
		if *d.to <= 0 {
			*d.to = d.is
		}
	}
	if o.Verdicts <= 0 {
		o.Verdicts = 10000
	}
	if o.Parallel <= 0 {
		o.Parallel = 32
	}
	return o
}

// A Gate judges images by policies that can be replaced while it works. It is
// safe for concurrent use.
type Gate struct {
	opts     Options
	set      atomic.Pointer[policy.Set]
	draining atomic.Bool
	verdicts *cache
	verify   *flights[key, verify.Verdict]
	resolve  *flights[string, string]
	metrics  *metrics
	stop     context.CancelFunc
}

// New returns a gate for a set of policies. Close it when done.
func New(set *policy.Set, o Options) (*Gate, error) {
	if set == nil || o.Open == nil || o.Now == nil {
		return nil, errors.New("admission gate: policies, Open and Now must be given")
	}
	o = o.withDefaults()
	ctx, cancel := context.WithCancel(context.Background())
	g := &Gate{
		opts:     o,
		verdicts: newCache(o.Verdicts),
		verify:   newFlights[key, verify.Verdict](ctx, o.Patience, o.Parallel, func(k key) string { return hostOf(k.repo) }),
		resolve:  newFlights[string, string](ctx, o.Patience, o.Parallel, hostOf),
		metrics:  newMetrics(),
		stop:     cancel,
	}
	g.set.Store(set)
	return g, nil
}

// hostOf returns the registry of a reference.
func hostOf(ref string) string {
	r, err := name.ParseReference(ref)
	if err != nil {
		return ""
	}
	return r.Context().RegistryStr()
}

// Close ends the verifications that are under way.
func (g *Gate) Close() { g.stop() }

// Drain makes /readyz say no, so that no new reviews are sent here. Those that
// come are answered all the same.
func (g *Gate) Drain() { g.draining.Store(true) }

// Reload replaces the policies by what load returns. Where load fails the
// policies stay as they were and its error is returned.
func (g *Gate) Reload(load func() (*policy.Set, error)) error {
	set, err := load()
	if err == nil && set == nil {
		err = errors.New("no policies")
	}
	if err != nil {
		g.metrics.add(reloads, "failed")
		return fmt.Errorf("reload policies, the old ones stay: %w", err)
	}
	g.set.Store(set)
	g.metrics.add(reloads, "done")
	return nil
}

// An Answer is the judgement on one image.
type Answer struct {
	Image   Image
	Verdict verify.Verdict
	// Pass says that the image may be admitted. A verdict that does not accept
	// passes where all that speaks against it comes from policies that warn.
	Pass bool
	// Warnings are the checks of such policies.
	Warnings []verify.Check
	// Kept says that the verdict was known before.
	Kept bool
}

func answer(ref string, v verify.Verdict) Answer {
	a := Answer{Image: Image{Ref: ref}, Verdict: v}
	a.Pass, a.Warnings = policy.Gate(v)
	return a
}

// single is the answer of one check alone.
func single(ref string, c verify.Check, warn bool) Answer {
	c.Warn = warn
	return answer(ref, verify.Verdict{Outcome: c.Outcome, Checks: []verify.Check{c}})
}

// Judge judges the image of a reference by the policies, for an object or, where
// that is nil, for nobody in particular. A reference without digest is rejected,
// but for those that policies decide by name; see [Gate.Pin].
func (g *Gate) Judge(ctx context.Context, ref string, object *policy.Object) (a Answer) {
	defer func() {
		if p := recover(); p != nil {
			a = single(ref, internal(fmt.Errorf("%w: %v", errPanic, p)), false)
		}
		g.metrics.judged(a)
	}()
	m := g.set.Load().Match(ref, object)
	if v, ok := m.Static(); ok {
		return answer(ref, v)
	}
	k, err := keyOf(ref, m)
	if err != nil {
		return single(ref, verify.Check{Rule: "reference", Outcome: verify.Reject, Reason: verify.DigestRequired, Detail: err.Error()}, m.WarnOnly())
	}
	if v, ok := g.verdicts.get(k, g.opts.Now()); ok {
		g.metrics.add(lookups, "kept")
		a = answer(ref, v)
		a.Kept = true
		return a
	}
	v, shared, err := g.verify.do(ctx, k, func(ctx context.Context) (verify.Verdict, error) { return g.fresh(ctx, k, ref, m) })
	if shared {
		g.metrics.add(lookups, "shared")
	} else {
		g.metrics.add(lookups, "new")
	}
	if err != nil {
		return single(ref, failed(err), m.WarnOnly())
	}
	return answer(ref, v)
}

// keyOf returns the key of a reference with a digest.
func keyOf(ref string, m policy.Matched) (key, error) {
	d, err := name.NewDigest(ref)
	if err != nil {
		return key{}, errors.New("the reference has no digest, and a tag may be moved after it was looked at")
	}
	return key{repo: d.Context().Name(), digest: d.DigestStr(), policy: m.Hash()}, nil
}

// fresh verifies an image and keeps the verdict.
func (g *Gate) fresh(ctx context.Context, k key, ref string, m policy.Matched) (verify.Verdict, error) {
	if v, ok := g.verdicts.get(k, g.opts.Now()); ok {
		return v, nil // of a flight that landed a moment ago
	}
	g.metrics.add(verifications, "")
	begun := g.opts.Now()
	store, at, err := g.opts.Open(ctx, ref)
	if err != nil {
		return verify.Verdict{}, fmt.Errorf("open %s: %w", ref, err)
	}
	var v verify.Verdict
	subject, err := store.Resolve(ctx, at)
	switch {
	case err != nil:
		v = single(ref, verify.Unresolved(err), m.WarnOnly()).Verdict
	case subject.Desc.Digest.String() != k.digest:
		return v, fmt.Errorf("%s resolved to %s", ref, subject.Desc.Digest)
	default:
		if v, err = m.Verify(ctx, store, subject); err != nil {
			return v, err
		}
	}
	keep := g.opts.Keep
	switch v.Outcome {
	case verify.Accept:
	case verify.Reject:
		keep = g.opts.KeepRefusal
	default:
		return v, nil
	}
	until := begun.Add(keep)
	if u := v.Until(); !u.IsZero() && u.Before(until) {
		until = u
	}
	g.verdicts.put(k, v, until)
	return v, nil
}

// Pin returns the reference with its digest behind it, for the container that
// is to run. A reference that has one, and one that policies decide by name, is
// returned as it is. Where the digest cannot be had the check says why; pass
// tells that the policies for it only warn.
func (g *Gate) Pin(ctx context.Context, ref string, object *policy.Object) (pinned string, check *verify.Check, pass bool) {
	m := g.set.Load().Match(ref, object)
	if _, ok := m.Static(); ok {
		return ref, nil, true
	}
	if _, err := name.NewDigest(ref); err == nil {
		return ref, nil, true
	}
	digest, _, err := g.resolve.do(ctx, ref, func(ctx context.Context) (string, error) {
		store, at, err := g.opts.Open(ctx, ref)
		if err != nil {
			return "", fmt.Errorf("open %s: %w", ref, err)
		}
		subject, err := store.Resolve(ctx, at)
		return subject.Desc.Digest.String(), err
	})
	if err != nil {
		c := failed(err)
		c.Warn = m.WarnOnly()
		return ref, &c, c.Warn
	}
	return ref + "@" + digest, nil, true
}

// failed returns the check for a verification that came to no verdict.
func failed(err error) verify.Check {
	switch {
	case errors.Is(err, errPanic):
		return internal(err)
	case errors.Is(err, errOverloaded):
		return verify.Check{Rule: "subject", Reason: verify.Overloaded, Detail: err.Error()}
	}
	return verify.Unresolved(err)
}

func internal(err error) verify.Check {
	return verify.Check{Rule: "subject", Reason: verify.Internal, Detail: err.Error()}
}

// parallelImages is how many images of one object are judged at once.
const parallelImages = 8

// each calls work for each of the images, several at once, and for each
// reference once; the results are in the order of the images.
func each[T any](images []Image, work func(Image) T) []T {
	out := make([]T, len(images))
	if len(images) == 1 {
		out[0] = work(images[0])
		return out
	}
	var group errgroup.Group
	group.SetLimit(parallelImages)
	first := make([]int, len(images))
	for i, image := range images {
		first[i] = slices.IndexFunc(images, func(o Image) bool { return o.Ref == image.Ref })
		if first[i] == i {
			group.Go(func() error {
				out[i] = work(image)
				return nil
			})
		}
	}
	group.Wait() // no work fails
	for i := range out {
		out[i] = out[first[i]]
	}
	return out
}
