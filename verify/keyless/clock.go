package keyless

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"fmt"
	"io"
	"time"

	"github.com/digitorus/timestamp"
	"github.com/sigstore/sigstore-go/pkg/root"
)

// maxStamped is how much a timestamp may be over, in bytes.
const maxStamped = 64 << 20

// clocks judges the timestamps and returns the times that each trusted authority tells. One
// that is damaged, over something else or by nobody trusted is a refusal, also where
// another one would do.
func (r *Root) clocks(tokens [][]byte, s Signed) (map[string][]time.Time, error) {
	times := make(map[string][]time.Time)
	if len(tokens) == 0 {
		return times, nil
	}
	if len(tokens) > maxTimestamps {
		return nil, refuse(Malformed, "%d timestamps, at most %d are read", len(tokens), maxTimestamps)
	}
	over, err := s.stamped()
	if err != nil {
		return nil, err
	}
	for i, token := range tokens {
		if len(token) > maxTimestamp {
			return nil, refuse(BadTimestamp, "timestamp %d has %d bytes, at most %d are read", i, len(token), maxTimestamp)
		}
		if len(r.trusted.TimestampingAuthorities()) == 0 {
			// Nobody is trusted to tell the time: it need only be about this.
			if err := about(token, over); err != nil {
				return nil, refuse(BadTimestamp, "timestamp %d: %v", i, err)
			}
			continue
		}
		who, t, err := r.clock(token, over)
		if err != nil {
			return nil, refuse(BadTimestamp, "timestamp %d: %v", i, err)
		}
		times[who] = append(times[who], t)
	}
	return times, nil
}

// clock returns which trusted authority made the timestamp, and the time it tells.
func (r *Root) clock(token, over []byte) (string, time.Time, error) {
	if err := checkFrame(token, nil); err != nil { // before others read what nests without end
		return "", time.Time{}, err
	}
	var why error
	for i, tsa := range r.trusted.TimestampingAuthorities() {
		t, err := tsa.Verify(token, over)
		if err != nil {
			why = err
			continue
		}
		var leaf *x509.Certificate
		if s, ok := tsa.(*root.SigstoreTimestampingAuthority); ok {
			leaf = s.Leaf
		}
		if err := checkFrame(token, leaf); err != nil {
			return "", time.Time{}, err
		}
		return clockName(tsa, i), t.Time, nil
	}
	return "", time.Time{}, fmt.Errorf("by no trusted authority, or damaged, or over something else: %w", why)
}

// clockName tells authorities apart: by their address, since one that changes its key
// stays one, or else by their place in the root.
func clockName(tsa root.TimestampingAuthority, i int) string {
	if s, ok := tsa.(*root.SigstoreTimestampingAuthority); ok && s.URI != "" {
		return s.URI
	}
	return fmt.Sprintf("#%d", i)
}

// about checks that a timestamp can be read and is over these bytes.
func about(token, over []byte) error {
	if err := checkFrame(token, nil); err != nil {
		return err
	}
	t, err := timestamp.ParseResponse(token)
	if err != nil {
		return err
	}
	switch t.HashAlgorithm {
	case crypto.SHA256, crypto.SHA384, crypto.SHA512:
	default:
		return fmt.Errorf("over a digest by %v, which is not accepted", t.HashAlgorithm)
	}
	h := t.HashAlgorithm.New()
	h.Write(over)
	if !bytes.Equal(h.Sum(nil), t.HashedMessage) {
		return fmt.Errorf("over something else")
	}
	return nil
}

// stamped returns what the timestamps are over.
func (s Signed) stamped() ([]byte, error) {
	if s.Stamped == nil {
		return s.Signature, nil
	}
	r, err := s.Stamped()
	if err != nil {
		return nil, err
	}
	over, err := io.ReadAll(io.LimitReader(r, maxStamped+1))
	if err == nil && len(over) > maxStamped {
		err = refuse(BadTimestamp, "a timestamp over more than %d bytes", maxStamped)
	}
	return over, err
}
