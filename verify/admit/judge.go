package admit

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/google/go-containerregistry/pkg/name"
	"golang.org/x/sync/errgroup"

	"github.com/hallmark-oci/hallmark/verify"
	"github.com/hallmark-oci/hallmark/verify/policy"
)

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
