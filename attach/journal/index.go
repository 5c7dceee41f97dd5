package journal

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/attach/cosign"
)

// An index is what surrounds the entries of the index under the referrers tag.
// What other tools put there is kept.
type index map[string]json.RawMessage

// readIndex reads the index under the referrers tag. What stands there and is none
// freezes the view; so does the subject itself, with which some registries answer.
func readIndex(m attach.Manifest, subject v1.Hash) (index, []cosign.Entry, error) {
	if m.Desc.Digest == subject {
		return nil, nil, fmt.Errorf("the registry answers with the image itself: %w", attach.ErrMalformed)
	}
	if m.Raw == nil { // there is none yet
		return nil, nil, nil
	}
	x, err := attach.Members(m.Raw)
	if err != nil {
		return nil, nil, err
	}
	if mt, err := attach.ManifestType(m.Raw); err != nil || mt != types.OCIImageIndex {
		return nil, nil, errors.Join(err, fmt.Errorf("media type %q is no index: %w", mt, attach.ErrMalformed))
	}
	var entries []cosign.Entry
	err = attach.Elements(x["manifests"], attach.MaxReferrers, func(raw json.RawMessage) {
		entries = append(entries, cosign.ReadEntry(raw))
	})
	if err != nil {
		return nil, nil, fmt.Errorf("manifests: %w", err)
	}
	return x, entries, nil
}

// encode returns the bytes of the index with the entries.
func (x index) encode(entries []cosign.Entry) ([]byte, error) {
	members := maps.Clone(x)
	if members == nil {
		members = make(index)
	}
	members["schemaVersion"] = json.RawMessage("2")
	members["mediaType"] = json.RawMessage(`"` + types.OCIImageIndex + `"`)
	list, err := json.Marshal(entries)
	if err != nil {
		return nil, fmt.Errorf("encode the index: %w", err)
	}
	members["manifests"] = list
	raw, err := json.Marshal(members)
	if err != nil {
		return nil, fmt.Errorf("encode the index: %w", err)
	}
	if len(raw) > attach.MaxManifest {
		return nil, fmt.Errorf("index has %d bytes, the limit is %d: %w", len(raw), attach.MaxManifest, attach.ErrLimit)
	}
	return raw, nil
}

// MergeList adds to the list of referrers of the subject, the index under its
// referrers tag, what it lacks, and returns its bytes. What it has stays as it was
// written. A list that is not there yet is the zero Manifest; one that is none is
// refused with [attach.ErrMalformed], one that gets too long with [attach.ErrLimit].
func MergeList(m attach.Manifest, subject v1.Hash, referrers []v1.Descriptor) (raw []byte, changed bool, err error) {
	x, entries, err := readIndex(m, subject)
	if err != nil {
		return nil, false, fmt.Errorf("list of referrers of %s: %w", subject, err)
	}
	has := make(map[v1.Hash]bool)
	for _, e := range entries {
		if e.Err == nil {
			has[e.Desc.Digest] = true
		}
	}
	for _, d := range referrers {
		if !has[d.Digest] {
			has[d.Digest], changed = true, true
			entries = append(entries, cosign.Entry{Desc: d})
		}
	}
	if !changed && m.Raw != nil {
		return m.Raw, false, nil
	}
	raw, err = x.encode(entries)
	return raw, changed, err
}

// Describe returns what a list of referrers should tell of a manifest: besides its
// descriptor its type and its annotations (distribution specification 1.1, "Listing
// Referrers").
func Describe(m attach.Manifest) (v1.Descriptor, error) {
	d := plain(m.Desc)
	members, err := attach.Members(m.Raw)
	if err == nil {
		err = attach.Member(members, "annotations", &d.Annotations)
	}
	if err == nil {
		d.ArtifactType, err = typeOf(members)
	}
	return d, err
}

// artifactType returns the type that a manifest states.
func artifactType(raw []byte) (string, error) {
	members, err := attach.Members(raw)
	if err != nil {
		return "", err
	}
	return typeOf(members)
}

// typeOf returns the type that a manifest with the members states: the artifactType,
// else the media type of the config (image specification 1.1, "Guidelines for
// Artifact Usage").
func typeOf(members map[string]json.RawMessage) (string, error) {
	var t string
	if err := attach.Member(members, "artifactType", &t); err != nil || t != "" {
		return t, err
	}
	if _, ok := members["config"]; !ok {
		return string(types.OCIImageIndex), nil
	}
	config, err := attach.ParseDescriptor(members["config"])
	return string(config.MediaType), err
}
