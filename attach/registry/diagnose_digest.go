package registry

import (
	"fmt"
	"strings"

	"github.com/hallmark-oci/hallmark/attach"
)

// The answers to what is said in the header Docker-Content-Digest: wrong where
// hallmark reads or writes, so that it refuses; or wrong to HEAD alone, by which
// other tools ask what a tag names.
const (
	digestHeader   = "Docker-Content-Digest"
	digestWrong    = attach.Answer("wrong")
	digestMisleads = attach.Answer("wrong to HEAD")
)

// claims holds what the registry says of the digest of the subject, in all answers
// in which it may, against the digest of what was stored or sent. The answers are
// those to the put of the subject and to reading it by its tag.
func (p *probe) claims(stored, read answer) {
	digest := p.subject.Desc.Digest.String()
	byDigest, head := p.get("manifests/"+digest), p.head(digest)
	missing := true
	for _, said := range []struct {
		to     string
		answer answer
		of     string // the true digest
		wrong  attach.Answer
	}{
		{"PUT of the tag " + p.name, stored, digest, digestWrong},
		{"GET of the tag " + p.name, read, attach.DigestOf(read.body).String(), digestWrong},
		{"GET of " + digest, byDigest, attach.DigestOf(byDigest.body).String(), digestWrong},
		{"HEAD of " + digest, head, digest, digestMisleads},
	} {
		claim := claimed(said.answer)
		missing = missing && claim == ""
		if claim != "" && claim != said.of {
			p.d.Note(digestHeader, said.wrong, fmt.Sprintf("in the answer to %s it says %s, and the digest is %s", said.to, claim, said.of))
			return
		}
	}
	if missing {
		p.d.Note(digestHeader, "missing", "the digest is computed from what was read")
		return
	}
	p.d.Note(digestHeader, "right", "")
}

// claimed returns the digest that an answer says the manifest has, "" where it says
// none that hallmark compares: what stands there may be of another algorithm.
func claimed(a answer) string {
	claim := a.header.Get(digestHeader)
	if !a.ok() || !strings.HasPrefix(claim, "sha256:") {
		return ""
	}
	return claim
}

// planDigests says what comes of wrong digests, and whether anything can be attached.
func (p *probe) planDigests() attach.Answer {
	switch p.d.Of(digestHeader) {
	case digestWrong:
		p.d.Intend("digests", "refused", "the registry, or a proxy before it, says of what it stores that it is something else: hallmark attaches nothing and accepts nothing there (subject-digest) until that is mended")
		return attach.No
	case digestMisleads:
		p.d.Intend("digests", attach.Unknown, "hallmark computes digests from what it read; a tool that asks with HEAD what a tag names, as most do, is told a wrong one")
	}
	return attach.Yes
}
