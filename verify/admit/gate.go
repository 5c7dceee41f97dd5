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
// a registry, unless digests are revoked: an exempted index might list one. Kinds of objects that are not known are refused; send only those
// that are.
//
// # What is kept
//
// A verdict is kept under all that it depends on: the full name of the
// repository, the digest, and the hash of the policies that matched with all
// their keys and with everything that is revoked. What policies can read of the
// object, its kind and labels, decides which of them match and nothing else; for
// an index the verdict is on all of it, whatever platform a node takes; and no
// policy asks about advisories. A verdict is kept no longer than the first moment
// at which an age in a policy changes it. Rejections are kept
// briefly; open questions, and decisions by name (static: pass), never. When the
// registry is down, images that were accepted stay so for their time, and all
// others are refused with the reason.
//
// Any number of reviews of one new digest under the same key cause one
// verification, with the gate's own credentials, which goes on
// when those who asked ran out of time, so that the next try finds it done.
//
// # Updates
//
// An update is judged by the references that it adds, and where it changes labels
// so that other policies apply, by all. Any other update passes, so that objects
// from before the gate can be scaled, annotated and deleted. Pods are judged whole when they are created, whatever
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
	"sync/atomic"
	"time"

	"github.com/google/go-containerregistry/pkg/name"

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
	// Verdicts is how many acceptances are kept, and how many rejections, 10000.
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
	verdicts memory
	verify   *flights[key, verify.Verdict]
	resolve  *flights[string, string]
	desk     *desk
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
		verdicts: newMemory(o.Verdicts),
		verify:   newFlights[key, verify.Verdict](ctx, o.Patience, o.Parallel, func(k key) string { return hostOf(k.repo) }),
		resolve:  newFlights[string, string](ctx, o.Patience, o.Parallel, hostOf),
		desk:     newDesk(),
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
