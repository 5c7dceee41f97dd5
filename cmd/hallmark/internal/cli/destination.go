package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/attach/layout"
	"github.com/hallmark-oci/hallmark/attach/registry"
	"github.com/hallmark-oci/hallmark/attach/transfer"
)

// A place is what a DST argument names, before anything there is looked at.
type place struct {
	arg    string
	layout string // the directory of a layout, "" for a registry
	repo   string // the repository in a registry
	ref    string // a tag, a digest, or "" where none was given
}

// A destination is where something is copied to.
type destination struct {
	transfer.Place
	repo string
	ref  string // as in the place
}

// place reads a DST argument. It refuses what can be no destination, so that this is
// known before anything is read.
func (t *target) place(arg string) (place, error) {
	if rest, ok := strings.CutPrefix(arg, layoutPrefix); ok {
		if t.attachRepo != "" {
			return place{}, usagef("destination %q: an OCI layout keeps its own attachments; --attachment-repository is for registries", arg)
		}
		dir, ref, err := splitLayout(arg, rest)
		return place{arg: arg, layout: dir, ref: ref}, err
	}
	if err := checkScheme(arg); err != nil {
		return place{}, err
	}
	repo, _, err := registry.Parse(arg)
	if err != nil {
		return place{}, usagef("destination %q: %v", arg, err)
	}
	return place{arg: arg, repo: repo, ref: givenRef(arg)}, nil
}

// destination opens the store at a place. A layout that does not exist is made.
func (t *target) destination(ctx context.Context, p place) (destination, error) {
	if p.layout != "" {
		store, err := layout.Create(ctx, p.layout, layout.Options{})
		if err != nil {
			return destination{}, err
		}
		return destination{Place: store, repo: store.String(), ref: p.ref}, nil
	}
	store, err := t.registry(p.repo)
	if err != nil {
		return destination{}, usagef("destination %q: %v", p.arg, err)
	}
	return destination{Place: store, repo: p.repo, ref: p.ref}, nil
}

// fits refuses a place that the images of a file cannot be put into.
func (p place) fits(file string, images []layout.Image) error {
	switch {
	case len(images) == 0:
		return fmt.Errorf("unpack %s: it holds no image", file)
	case len(images) > 1 && p.ref != "":
		return usagef("%s holds %d images, which cannot all be %s: leave the tag out", file, len(images), p.arg)
	case p.ref != "" || p.layout != "":
		return nil
	}
	for _, img := range images {
		if img.Tag != "" && !attach.IsTag(img.Tag) {
			return usagef("%s names an image %q, which is no tag in a registry: unpack it as %s:TAG", file, img.Tag, p.arg)
		}
	}
	return nil
}

// givenRef returns the tag or digest that the name of an image in a registry
// gives, "" where it gives none.
func givenRef(arg string) string {
	last := arg[strings.LastIndex(arg, "/")+1:]
	if _, digest, ok := strings.Cut(last, "@"); ok {
		return digest
	}
	_, tag, _ := strings.Cut(last, ":")
	return tag
}
