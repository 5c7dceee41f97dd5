package verify

import (
	"fmt"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
)

// reference checks, where the rule asks for it, that the repository that the signer
// named is the one in which the subject is. The name that was signed may hold a tag or
// a digest, as some signers write it; neither counts. A subject in a layout directory
// has no repository, so that nothing can name it.
func (j *judge) reference(e Evidence, signed string) (Evidence, bool) {
	if !j.rule.CheckReference {
		return e, true
	}
	e.Outcome, e.Reason = Reject, WrongReference
	ours, err := name.NewRepository(j.subject.Repo)
	if err != nil || strings.HasPrefix(j.subject.Repo, "oci:") {
		e.Detail = fmt.Sprintf("%s is no repository of a registry, so that no signature can name it", j.subject.Repo)
		return e, false
	}
	if signed == "" {
		e.Detail = "the signer named no repository, and " + ours.Name() + " is asked for"
		return e, false
	}
	ref, err := name.ParseReference(signed)
	if err != nil || ref.Context().Name() != ours.Name() {
		e.Detail = fmt.Sprintf("signed for %q, and the image is in %s", signed, ours.Name())
		return e, false
	}
	return e, true
}
