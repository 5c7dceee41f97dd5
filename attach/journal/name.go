package journal

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/attach/cosign"
)

// nameLen is the length of an entry's name: one digit for the kind and 31 of
// the hash, 124 bits. Whoever wants one name for two contents of his own tries
// 2^62 of them; to hit the name of another's entry, 2^124.
const nameLen = 32

// tagSuffix ends the tags of the journal. It must not contain a suffix of
// cosign's: there are registries whose garbage collection takes any tag with
// ".sig" in it for a signature and removes it.
const tagSuffix = ".hm"

// groupsAnnotation, on a view, tells which of its layers stand together in one
// journal entry: "0,3;1,2". It can be believed only as far as it can be
// checked, which is all the way: the name of a journal entry is the hash of
// what is in it, so a false group names an entry that does not exist.
const groupsAnnotation = "dev.hallmark.groups"

// whole is the kind that artifacts that are whole manifests have in here. They are
// kept as they are: the manifest is its own journal entry, and its view is the
// list of referrers.
const whole attach.Kind = "manifest"

// public returns the kind as others know it.
func public(k attach.Kind) attach.Kind {
	if k == whole {
		return attach.Artifact
	}
	return k
}

// kindDigit returns the first digit of the names of each kind. Thus a list of
// names tells their kinds, and a writer of signatures need not open the entries
// of attestations.
func kindDigit(k attach.Kind) string {
	switch k {
	case attach.Signature:
		return "1"
	case attach.Attestation:
		return "2"
	case attach.SBOM:
		return "3"
	case whole:
		return "5"
	}
	return "4"
}

// kindOf returns the kind in a valid name.
func kindOf(name string) attach.Kind {
	for _, k := range append(attach.Kinds(), whole) {
		if kindDigit(k) == name[:1] {
			return k
		}
	}
	return attach.Artifact
}

// nameOf returns the name of the journal entry that holds the entries: a hash
// of the kind and of their identities, in whatever order.
func nameOf(k attach.Kind, ids []attach.ID) string {
	ids = slices.Clone(ids)
	slices.SortFunc(ids, compareIDs)
	h := sha256.New()
	h.Write([]byte("hallmark journal entry\n" + string(k) + "\n"))
	for _, id := range ids {
		h.Write(id[:])
	}
	return kindDigit(k) + hex.EncodeToString(h.Sum(nil))[:nameLen-1]
}

func compareIDs(a, b attach.ID) int { return bytes.Compare(a[:], b[:]) }

// tagPrefix returns what all journal tags of the subject begin with.
func tagPrefix(subject v1.Hash) string {
	return strings.Replace(subject.String(), ":", "-", 1) + "."
}

// tagOf returns the journal tag for the name.
func tagOf(subject v1.Hash, name string) string {
	return tagPrefix(subject) + name + tagSuffix
}

// SampleTag returns a tag of the form that journal entries of the subject have,
// which belongs to none, for who wants to know whether such tags are taken.
func SampleTag(subject v1.Hash) string {
	return tagOf(subject, nameOf(attach.Signature, nil))
}

// nameInTag returns the name in a tag of the subject that ends in the suffix:
// that of journal entries or of tombstones.
func nameInTag(subject v1.Hash, tag, suffix string) (string, bool) {
	rest, ok := strings.CutPrefix(tag, tagPrefix(subject))
	if !ok {
		return "", false
	}
	name, ok := strings.CutSuffix(rest, suffix)
	if !ok || !validName(name) {
		return "", false
	}
	return name, true
}

// validName reports whether the name has the form of one.
func validName(name string) bool {
	if len(name) != nameLen || name[0] < '1' || name[0] > '5' {
		return false
	}
	return strings.Trim(name, "0123456789abcdef") == ""
}

// coveredBy returns the names of the journal entries whose whole content the
// view shows.
func coveredBy(k attach.Kind, view cosign.Image) map[string]bool {
	names := make(map[string]bool, len(view.Entries))
	for _, e := range view.Entries {
		if e.Err == nil {
			names[nameOf(k, []attach.ID{e.ID()})] = true
		}
	}
	for _, ids := range readGroups(view) {
		names[nameOf(k, ids)] = true
	}
	return names
}

// readGroups returns the groups that the view's annotation tells of. What makes
// no sense is left out.
func readGroups(view cosign.Image) [][]attach.ID {
	var groups [][]attach.ID
	for _, text := range strings.Split(view.Annotations[groupsAnnotation], ";") {
		var ids []attach.ID
		for _, number := range strings.Split(text, ",") {
			n, err := strconv.Atoi(number)
			if err != nil || n < 0 || n >= len(view.Entries) || view.Entries[n].Err != nil {
				ids = nil
				break
			}
			ids = append(ids, view.Entries[n].ID())
		}
		if len(ids) > 1 {
			groups = append(groups, ids)
		}
	}
	return groups
}

// annotate sets the annotations of the view: its subject, so that the views of
// two subjects with one SBOM are not one manifest, which who deletes one by its
// digest would delete for both; and of the groups those that the view shows
// whole, as far as the limit on annotations goes.
func annotate(view *cosign.Image, subject v1.Hash, groups map[string][]attach.ID) {
	index := make(map[attach.ID]int, len(view.Entries))
	for i, e := range view.Entries {
		if _, twin := index[e.ID()]; !twin {
			index[e.ID()] = i
		}
	}
	var texts []string
	for _, ids := range groups {
		var numbers []int
		for _, id := range ids {
			if i, ok := index[id]; ok {
				numbers = append(numbers, i)
			}
		}
		if len(numbers) == len(ids) {
			slices.Sort(numbers)
			texts = append(texts, joinInts(numbers))
		}
	}
	slices.Sort(texts)
	value := strings.Join(texts, ";")
	for len(value)+len(groupsAnnotation) > attach.MaxAnnotation {
		texts = texts[:len(texts)-1]
		value = strings.Join(texts, ";")
	}
	annotations := make(map[string]string, len(view.Annotations)+2)
	for k, v := range view.Annotations {
		annotations[k] = v
	}
	annotations[subjectAnnotation] = subject.String()
	delete(annotations, groupsAnnotation)
	if value != "" {
		annotations[groupsAnnotation] = value
	}
	if len(annotations) <= attach.MaxAnnotations {
		view.Annotations = annotations
	}
}

func joinInts(numbers []int) string {
	texts := make([]string, len(numbers))
	for i, n := range numbers {
		texts[i] = strconv.Itoa(n)
	}
	return strings.Join(texts, ",")
}
