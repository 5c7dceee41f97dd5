package revocation

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hallmark-oci/hallmark/sign"
	"github.com/hallmark-oci/hallmark/sign/key"
	"github.com/hallmark-oci/hallmark/verify"
)

// ErrMalformed says that a text is no list.
var ErrMalformed = errors.New("no list of revocations")

func refuse(format string, args ...any) error {
	return fmt.Errorf("%s: %w", fmt.Sprintf(format, args...), ErrMalformed)
}

// A Refusal says why a list is not used. What is revoked can then not be told.
type Refusal struct {
	Reason verify.Reason
	Detail string
}

// Error implements error.
func (r *Refusal) Error() string {
	return fmt.Sprintf("the revocation list cannot be used (%s): %s", r.Reason, r.Detail)
}

// A Demand is what is asked of a list.
type Demand struct {
	// Keys are those of which one must have signed the list.
	Keys []*key.Public
	// Name is which list it must be; any where it is empty.
	Name string
	// Least is the lowest number that it may have.
	Least int64
	// MaxAge is how long after its issue it is believed, where that ends before the
	// list itself does; no limit where zero.
	MaxAge time.Duration
	// Now tells the time, at this call and whenever something is verified later.
	Now func() time.Time
}

// Open returns the list in a signed text, and what it revokes. The error is a
// [*Refusal] where the list is not one that is asked for. One that is too old is
// returned all the same: what it revokes is revoked, and everything else undetermined,
// as it is from the moment on at which it grows too old.
func Open(ctx context.Context, signed []byte, d Demand) (List, verify.Revocations, error) {
	if d.Now == nil {
		return List{}, verify.Revocations{}, fmt.Errorf("a revocation list needs a clock: %w", verify.ErrConfig)
	}
	l, err := open(ctx, signed, d)
	if err != nil {
		return List{}, verify.Revocations{}, err
	}
	until := l.Expires
	if d.MaxAge > 0 && l.Issued.Add(d.MaxAge).Before(until) {
		until = l.Issued.Add(d.MaxAge)
	}
	return l, l.void(until, d.Now).Revocations(), nil
}

func open(ctx context.Context, signed []byte, d Demand) (List, error) {
	if len(signed) > MaxFile {
		return List{}, &Refusal{verify.RevocationsMalformed, fmt.Sprintf("more than %d bytes", MaxFile)}
	}
	text, check, err := verify.VerifyDocument(ctx, verify.Trust{Keys: d.Keys}, Type, signed, MaxList)
	if err != nil {
		return List{}, err
	}
	switch check.Outcome {
	case verify.Accept:
	case verify.Reject:
		reason := verify.RevocationsMalformed
		if check.Reason == verify.UntrustedKey || check.Reason == verify.CertificateMismatch || check.Reason == verify.SignatureMalformed {
			reason = verify.RevocationsUntrusted
		}
		return List{}, &Refusal{reason, check.Detail}
	default:
		return List{}, fmt.Errorf("verify the revocation list: %s", check.Detail)
	}
	l, err := Parse(text)
	switch {
	case err != nil:
		return List{}, &Refusal{verify.RevocationsMalformed, err.Error()}
	case d.Name != "" && l.Name != d.Name:
		return List{}, &Refusal{verify.RevocationsMalformed, fmt.Sprintf("it is the list %q, and %q is asked for", l.Name, d.Name)}
	case l.Sequence < d.Least:
		return List{}, &Refusal{verify.RevocationsOld, fmt.Sprintf("it has the number %d, and at least %d is asked for: somebody hands out an old list", l.Sequence, d.Least)}
	case l.Issued.After(d.Now().Add(Skew)):
		return List{}, &Refusal{verify.RevocationsStale, fmt.Sprintf("it was issued at %s, which is yet to come: a clock is wrong", stamp(l.Issued))}
	}
	return l, nil
}

// Sign returns the list, signed.
func Sign(ctx context.Context, l List, s sign.Signer) ([]byte, error) {
	text, err := l.Encode()
	if err != nil {
		return nil, err
	}
	signed, err := sign.Document(ctx, Type, text, s)
	if err == nil && len(signed) > MaxFile {
		err = refuse("more than %d bytes", MaxFile)
	}
	return signed, err
}
