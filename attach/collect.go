package attach

import (
	"context"
	"slices"
)

// Collect lists everything of the given kinds, merged by identity with all the
// places of each entry, in the order in which the entries were first found. An entry
// of which two places tell different sizes is listed once with each size, since one
// of them cannot be read: a lie at one place takes nothing from the others.
// The errors are those that the listing yielded.
func Collect(ctx context.Context, r Reader, s Subject, kinds ...Kind) ([]Attachment, []error) {
	var all []Attachment
	var errs []error
	type told struct {
		id   ID
		size int64
	}
	index := make(map[told]int)
	for a, err := range r.List(ctx, s, kinds...) {
		if err != nil {
			errs = append(errs, err)
			continue
		}
		id := told{a.ID(), a.Desc.Size}
		i, seen := index[id]
		if !seen {
			index[id] = len(all)
			all = append(all, a)
			continue
		}
		for _, p := range a.Places {
			if !slices.Contains(placeKeys(all[i].Places), placeKey(p)) {
				all[i].Places = append(all[i].Places, p)
			}
		}
		if a.Removed == "" {
			all[i].Removed = "" // it is shown somewhere
		}
		if all[i].Desc.Data == nil {
			all[i].Desc.Data = a.Desc.Data
		}
		if all[i].Annotations == nil {
			all[i].Annotations = a.Annotations
		}
	}
	return all, errs
}

func placeKey(p Place) string {
	if p.Layer != nil {
		return string(p.Scheme) + " " + p.Manifest.Digest.String() + " " + p.Tag + " " + p.Layer.Digest.String()
	}
	return string(p.Scheme) + " " + p.Manifest.Digest.String() + " " + p.Tag
}

func placeKeys(places []Place) []string {
	keys := make([]string, len(places))
	for i, p := range places {
		keys[i] = placeKey(p)
	}
	return keys
}
