package keyless

import (
	"fmt"
	"time"

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
	if _, err := s.authority(now); err != nil {
		return err
	}
	_, _, err := s.choose(now, annotated)
	return err
}

// choose returns the logs and the timestamp authorities for one signature.
func (s *Services) choose(now time.Time, annotated bool) (logs, clocks []root.Service, err error) {
	if logs, err = s.logs(now, annotated); err != nil {
		return nil, nil, err
	}
	clocks, err = s.clocks(now, logs)
	return logs, clocks, err
}

// authority returns the certificate authority to ask. To it the token is sent.
func (s *Services) authority(now time.Time) (root.Service, error) {
	one, err := root.SelectService(s.config.FulcioCertificateAuthorityURLs(), []uint32{1}, now)
	if err == nil {
		err = private(one.URL)
	}
	if err != nil {
		return one, refuse(Unusable, err, "choose a certificate authority of the signing configuration")
	}
	return one, nil
}

// logs returns the logs to bring a signature to. Cosign's annotations hold the
// promise of a log, which only Rekor 1 gives.
func (s *Services) logs(now time.Time, annotated bool) ([]root.Service, error) {
	versions := []uint32{1, 2}
	if annotated {
		versions = versions[:1]
	}
	list, err := root.SelectServices(s.config.RekorLogURLs(), s.config.RekorLogURLsConfig(), versions, now)
	switch {
	case err != nil && annotated && s.newer(now):
		return nil, refuse(Unusable, nil, "the signing configuration names Rekor 2 only, whose entries have no place in cosign's annotations: use --storage referrers, or a configuration with Rekor 1")
	case err != nil:
		return nil, refuse(Unusable, err, "choose a transparency log of the signing configuration")
	case len(list) > maxServices:
		return nil, refuse(Unusable, nil, "the signing configuration wants %d transparency logs, at most %d are asked", len(list), maxServices)
	}
	return list, nil
}

// newer reports whether there is a log of version 2.
func (s *Services) newer(now time.Time) bool {
	_, err := root.SelectService(s.config.RekorLogURLs(), []uint32{2}, now)
	return err == nil
}

// clocks returns the timestamp authorities to ask, none where the configuration
// names none. An entry of Rekor 2 tells no time, so that one is needed then.
func (s *Services) clocks(now time.Time, logs []root.Service) ([]root.Service, error) {
	all := s.config.TimestampAuthorityURLs()
	if len(all) == 0 {
		for _, l := range logs {
			if l.MajorAPIVersion == 1 {
				return nil, nil
			}
		}
		return nil, refuse(Unusable, nil, "the signing configuration names no timestamp authority, and an entry of Rekor 2 tells no time: nobody could know whether the certificate was valid")
	}
	list, err := root.SelectServices(all, s.config.TimestampAuthorityURLsConfig(), []uint32{1}, now)
	if err == nil && len(list) > maxServices {
		err = fmt.Errorf("%d are wanted, at most %d are asked", len(list), maxServices)
	}
	if err != nil {
		return nil, refuse(Unusable, err, "choose a timestamp authority of the signing configuration")
	}
	return list, nil
}
