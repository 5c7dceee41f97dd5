package keyless

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	trustroot "github.com/sigstore/protobuf-specs/gen/pb-go/trustroot/v1"
	"github.com/sigstore/sigstore-go/pkg/root"
)

// Services are the addresses of the services that make a signature: a certificate
// authority, transparency logs, timestamp authorities.
type Services struct {
	config *root.SigningConfig
}

// ParseServices reads a signing configuration in the JSON form of Sigstore, media
// type application/vnd.dev.sigstore.signingconfig.v0.2+json. It must name a
// certificate authority and a log. The error is a [*Refusal].
func ParseServices(raw []byte) (*Services, error) {
	if len(raw) > MaxServices {
		return nil, refuse(Unusable, nil, "the signing configuration has %d bytes, at most %d are read", len(raw), MaxServices)
	}
	config, err := root.NewSigningConfigFromJSON(raw)
	if err != nil {
		return nil, refuse(Unusable, err, "read the signing configuration")
	}
	switch {
	case len(config.FulcioCertificateAuthorityURLs()) == 0:
		return nil, refuse(Unusable, nil, "the signing configuration names no certificate authority")
	case len(config.RekorLogURLs()) == 0:
		return nil, refuse(Unusable, nil, "the signing configuration names no transparency log: a signature that no log holds would not verify")
	}
	return &Services{config: config}, nil
}

// Check says whether the services can make a signature now, and where annotated is
// set, one whose evidence fits into cosign's annotations. Nobody is asked. The error
// is a [*Refusal].
func (s *Services) Check(now time.Time, annotated bool) error {
	if _, err := s.authorities(now); err != nil {
		return err
	}
	_, _, err := s.choose(now, annotated)
	return err
}

// Issuer returns who logs people in, the newest of the issuers that the signing
// configuration names, "" where it names none.
func (s *Services) Issuer(now time.Time) string {
	one, err := root.SelectService(s.config.OIDCProviderURLs(), []uint32{1}, now)
	if err != nil {
		return ""
	}
	return one.URL
}

// A panel is services of one kind. As many as are needed have to answer; those behind
// them stand in for one that cannot be reached.
type panel struct {
	need int
	list []root.Service
}

// pick makes a panel as the configuration's selector says: of ALL none can be
// replaced, of ANY and EXACT each by one of another operator.
func pick(all []root.Service, config root.ServiceConfiguration, versions []uint32, now time.Time) (panel, error) {
	chosen, err := root.SelectServices(all, config, versions, now)
	if err == nil && len(chosen) > maxServices {
		err = fmt.Errorf("%d are wanted, at most %d are asked", len(chosen), maxServices)
	}
	if err != nil {
		return panel{}, err
	}
	p := panel{need: len(chosen), list: chosen}
	every, err := root.SelectServices(all, root.ServiceConfiguration{Selector: trustroot.ServiceSelector_ALL}, versions, now)
	for _, one := range every {
		if !slices.Contains(chosen, one) && len(p.list) < maxServices {
			p.list = append(p.list, one)
		}
	}
	return p, err
}

// gather asks until as many have answered as are needed. Only for one that cannot be
// reached the next is asked: what is answered wrongly is not hidden by others.
func gather[T any](ctx context.Context, n Network, p panel, ask func(root.Service) (T, error)) ([]T, error) {
	var all []T
	var lost []error
	for i, at := range p.list {
		if len(all) == p.need {
			break
		}
		one, err := ask(at)
		if err == nil {
			all = append(all, one)
			continue
		}
		lost = append(lost, err)
		var r *Refusal
		left := len(p.list) - i - 1
		if !errors.As(err, &r) || r.Reason != Unreachable || ctx.Err() != nil || len(lost) == 1 && left == 0 {
			return nil, err
		}
		if len(all)+left < p.need {
			break
		}
		n.note("%v; asking %s in its place", err, bare(p.list[i+1].URL))
	}
	if len(all) < p.need {
		return nil, refuse(Unreachable, errors.Join(lost...), "%d of %d services answered, %d have to", len(all), len(p.list), p.need)
	}
	return all, nil
}

// choose returns the logs and the timestamp authorities for one signature.
func (s *Services) choose(now time.Time, annotated bool) (logs, clocks panel, err error) {
	if logs, err = s.logs(now, annotated); err != nil {
		return logs, clocks, err
	}
	clocks, err = s.clocks(now, logs)
	return logs, clocks, err
}

// authorities returns the certificate authorities to ask, of which one has to answer.
// To it the token is sent.
func (s *Services) authorities(now time.Time) (panel, error) {
	all := s.config.FulcioCertificateAuthorityURLs()
	one, err := root.SelectService(all, []uint32{1}, now) // the newest
	if err != nil {
		return panel{}, refuse(Unusable, err, "choose a certificate authority of the signing configuration")
	}
	p := panel{1, []root.Service{one}}
	every, err := root.SelectServices(all, root.ServiceConfiguration{Selector: trustroot.ServiceSelector_ALL}, []uint32{1}, now)
	for _, other := range every {
		if other.Operator != one.Operator && len(p.list) < maxServices {
			p.list = append(p.list, other)
		}
	}
	for _, at := range p.list {
		err = errors.Join(err, private(at.URL))
	}
	if err != nil {
		return p, refuse(Unusable, err, "choose a certificate authority of the signing configuration")
	}
	return p, nil
}

// logs returns the logs to bring a signature to. Cosign's annotations hold the
// promise of a log, which only Rekor 1 gives.
func (s *Services) logs(now time.Time, annotated bool) (panel, error) {
	versions := []uint32{1, 2}
	if annotated {
		versions = versions[:1]
	}
	p, err := pick(s.config.RekorLogURLs(), s.config.RekorLogURLsConfig(), versions, now)
	switch {
	case err != nil && annotated && s.newer(now):
		return p, refuse(Unusable, nil, "the signing configuration names Rekor 2 only, whose entries have no place in cosign's annotations: use --storage referrers, or a configuration with Rekor 1")
	case err != nil:
		return p, refuse(Unusable, err, "choose a transparency log of the signing configuration")
	}
	return p, nil
}

// newer reports whether there is a log of version 2.
func (s *Services) newer(now time.Time) bool {
	_, err := root.SelectService(s.config.RekorLogURLs(), []uint32{2}, now)
	return err == nil
}

// clocks returns the timestamp authorities to ask, none where the configuration
// names none. An entry of Rekor 2 tells no time, so that one is needed then.
func (s *Services) clocks(now time.Time, logs panel) (panel, error) {
	all := s.config.TimestampAuthorityURLs()
	if len(all) == 0 {
		for _, l := range logs.list {
			if l.MajorAPIVersion == 1 {
				return panel{}, nil
			}
		}
		return panel{}, refuse(Unusable, nil, "the signing configuration names no timestamp authority, and an entry of Rekor 2 tells no time: nobody could know whether the certificate was valid")
	}
	p, err := pick(all, s.config.TimestampAuthorityURLsConfig(), []uint32{1}, now)
	if err != nil {
		return p, refuse(Unusable, err, "choose a timestamp authority of the signing configuration")
	}
	return p, nil
}
