package verify

import (
	"crypto"
	"encoding/hex"
	"errors"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// standing takes back an acceptance where the file's own digest is revoked, or where
// it cannot be told what is.
func (j *blobJudge) standing(e Evidence) Evidence {
	if e.Outcome != Accept || !j.revoked.asks() {
		return e
	}
	var digest v1.Hash
	if len(j.revoked.digests) > 0 {
		sum, err := j.sum(crypto.SHA256)
		switch {
		case errors.Is(err, errDigestOnly):
			return undecided(e, err)
		case err != nil:
			return unreadable(e, err)
		}
		digest = v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(sum)}
	}
	if c := j.revoked.Image(digest); c.Outcome != Accept {
		e.Outcome, e.Reason, e.Detail = c.Outcome, c.Reason, c.Detail
	}
	return e
}
