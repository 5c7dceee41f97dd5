package layout

import (
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/hallmark-oci/hallmark/attach"
)

// kindName is the annotation by which "cosign save" tells apart the image and
// the attachments of a layout, which then holds one image and no tags.
const kindName = attach.SavedKindAnnotation

const (
	kindPrefix = attach.SavedKindPrefix
	kindImage  = kindPrefix + "image"
	kindIndex  = kindPrefix + "imageIndex"
)

// savedKinds maps the suffix of a cosign tag to the kind that stands for it.
func savedKinds() map[string]string {
	return map[string]string{"sig": kindPrefix + "sigs", "att": kindPrefix + "atts"}
}

// savedAs returns the kind, without a copy of it: a known one, kindPrefix for any
// other of cosign's, and "" for none.
func savedAs(kind string) string {
	if !strings.HasPrefix(kind, kindPrefix) {
		return ""
	}
	for _, known := range []string{kindImage, kindIndex, savedKinds()["sig"], savedKinds()["att"]} {
		if kind == known {
			return known
		}
	}
	return kindPrefix
}

// savedImage returns the image of a layout written by "cosign save", which holds one.
func (x *index) savedImage() (s sum, ok bool) {
	for _, e := range x.entries {
		if e.kind == kindImage || e.kind == kindIndex {
			if ok {
				return s, false
			}
			s, ok = e.sum, true
		}
	}
	return s, ok
}

// savedAt returns the place of the entry that stands for the cosign tag in a
// layout written by "cosign save", -1 when there is none. It counts only
// while the image that the tag names is the one image of that layout.
func (x *index) savedAt(tag string) int {
	subject, suffix, ok := strings.Cut(tag, ".")
	kind := savedKinds()[suffix]
	if !ok || kind == "" {
		return -1
	}
	if s, ok := x.savedImage(); !ok || "sha256-"+s.hash().Hex != subject {
		return -1
	}
	return slices.IndexFunc(x.entries, func(e entry) bool {
		return e.kind == kind && e.tag == ""
	})
}

// saved returns the descriptor that stands for the cosign tag.
func (x *index) saved(tag string) (d v1.Descriptor, ok bool, err error) {
	i := x.savedAt(tag)
	if i < 0 {
		return d, false, nil
	}
	d, err = x.desc(x.entries[i])
	return d, err == nil, err
}

// implied returns the cosign tags that entries stand for without having them.
func (x *index) implied() []string {
	image, ok := x.savedImage()
	if !ok {
		return nil
	}
	var tags []string
	for suffix := range savedKinds() {
		if tag := "sha256-" + image.hash().Hex + "." + suffix; x.savedAt(tag) >= 0 {
			tags = append(tags, tag)
		}
	}
	slices.Sort(tags)
	return tags
}

// adopt gives the entry that stands for the cosign tag that tag, so that it is
// the one to be overwritten; "cosign load" still knows it by its kind.
func (x *index) adopt(tag string) {
	if x.tagged(tag) {
		return
	}
	if i := x.savedAt(tag); i >= 0 {
		x.entries[i].tag = tag
	}
}
