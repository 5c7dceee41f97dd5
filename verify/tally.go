package verify

import (
	"slices"

	"github.com/hallmark-oci/hallmark/sign/key"
)

// A Tally counts who is behind accepted evidence, as thresholds do. Each key is one.
// An accepted identity is one too, a pattern as much as a name: however many
// certificates fit a pattern, somebody accepted one party by it. And one signer is
// one, however many identities fit. The zero value has counted nobody.
type Tally struct {
	keys map[key.Fingerprint]bool
	// fits has, for each signer by certificate, the accepted identities that it is.
	fits   map[string][]string
	people int // behind fits
}

// Add counts the signers of the evidence.
func (t *Tally) Add(e Evidence) {
	fits := make(map[string][]string)
	if e.Identity != nil {
		fits[e.Identity.ID()] = e.Identity.Fits
	}
	keys := make(map[key.Fingerprint]bool)
	for _, id := range e.Signers {
		keys[id] = true
	}
	t.Join(Tally{keys: keys, fits: fits})
}

// Join counts whom the other one counted.
func (t *Tally) Join(o Tally) {
	if t.keys == nil {
		t.keys, t.fits = make(map[key.Fingerprint]bool), make(map[string][]string)
	}
	for id := range o.keys {
		t.keys[id] = true
	}
	news := false
	for signer, identities := range o.fits {
		for _, id := range identities {
			if !slices.Contains(t.fits[signer], id) {
				t.fits[signer], news = append(t.fits[signer], id), true
			}
		}
	}
	if news {
		t.people = pairs(t.fits)
	}
}

// Count returns how many were counted.
func (t *Tally) Count() int {
	if t == nil {
		return 0
	}
	return len(t.keys) + t.people
}

// pairs returns how many signers can stand, each for another one, for identities that
// they are: the size of a maximum matching, so that it does not depend on the order
// where several fit.
func pairs(fits map[string][]string) int {
	stands := make(map[string]string) // for an identity, the signer
	var place func(signer string, asked map[string]bool) bool
	place = func(signer string, asked map[string]bool) bool {
		for _, id := range fits[signer] {
			if asked[id] {
				continue
			}
			asked[id] = true
			if other, taken := stands[id]; !taken || place(other, asked) {
				stands[id] = signer
				return true
			}
		}
		return false
	}
	n := 0
	for signer := range fits {
		if place(signer, make(map[string]bool)) {
			n++
		}
	}
	return n
}
