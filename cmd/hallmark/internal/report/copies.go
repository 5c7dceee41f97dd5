package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/attach/transfer"
)

// Copies is the answer of copy, pack and unpack.
type Copies struct {
	Images []Copied `json:"images"`
}

// Copied tells what was moved with one image.
type Copied struct {
	Source      string `json:"source"`
	Destination string `json:"destination"`
	Digest      string `json:"digest"`
	Tag         string `json:"tag,omitempty"`
	// Moved is the digest that the tag named before, where that was another.
	Moved string `json:"moved,omitempty"`
	// Complete is false when something did not arrive or could not be read;
	// Problems say what.
	Complete bool `json:"complete"`
	// Attachments is how many entries the source has, of the kinds that were asked for.
	Attachments int           `json:"attachments"`
	Blobs       CopiedBlobs   `json:"blobs"`
	Totals      []CopiedKind  `json:"totals"`
	Objects     []CopiedEntry `json:"objects"`
	Problems    []string      `json:"problems,omitempty"`
	Notes       []string      `json:"notes,omitempty"`
}

// CopiedBlobs counts the blobs that were stored: those whose content was sent,
// and those that the registry took from another repository of its own.
type CopiedBlobs struct {
	Sent    int   `json:"sent"`
	Mounted int   `json:"mounted"`
	Bytes   int64 `json:"bytes"`
}

// CopiedKind counts the manifests of one kind by what became of them.
type CopiedKind struct {
	Kind   string `json:"kind"`
	Sent   int    `json:"sent"`
	Merged int    `json:"merged"`
	There  int    `json:"wasThere"`
	Failed int    `json:"failed"`
}

// CopiedEntry is one manifest that was moved.
type CopiedEntry struct {
	Kind      string `json:"kind"`
	Digest    string `json:"digest"`
	MediaType string `json:"mediaType"`
	Size      int64  `json:"size"`
	Subject   string `json:"subject,omitempty"`
	Tag       string `json:"tag,omitempty"`
	State     string `json:"state"`
}

// NewCopied translates the result of a transfer between two references.
func NewCopied(source, destination string, r transfer.Result) Copied {
	c := Copied{
		Source: source, Destination: destination, Digest: r.Source.Desc.Digest.String(), Tag: r.Tag,
		Complete: len(r.Problems) == 0, Attachments: r.Attachments,
		Blobs:   CopiedBlobs{Sent: r.Blobs - r.Mounted, Mounted: r.Mounted, Bytes: r.Bytes},
		Objects: []CopiedEntry{}, Notes: r.Notes,
	}
	if r.Moved.Hex != "" {
		c.Moved = r.Moved.String()
	}
	for _, o := range r.Objects {
		e := CopiedEntry{
			Kind: o.Kind, Digest: o.Desc.Digest.String(), MediaType: string(o.Desc.MediaType), Size: o.Desc.Size,
			Tag: o.Tag, State: o.State,
		}
		if o.Subject.Hex != "" {
			e.Subject = o.Subject.String()
		}
		c.Objects = append(c.Objects, e)
	}
	c.Totals = totals(c.Objects)
	for _, p := range r.Problems {
		c.Problems = append(c.Problems, Clean(p.String()))
	}
	slices.Sort(c.Problems)
	return c
}

func (Copies) kind() string { return "copies" }

func (c Copies) text(p *printer) {
	for _, one := range c.Images {
		one.text(p)
	}
}

func (c Copied) text(p *printer) {
	p.linef("%s", c.Source)
	p.linef("  to %s", c.Destination)
	p.linef("  digest %s", c.Digest)
	if c.Moved != "" {
		p.linef("  the tag %s named %s before", c.Tag, c.Moved)
	}
	for _, k := range c.Totals {
		p.linef("  %s: %s", k.Kind, k.line())
	}
	p.linef("  blobs: %d sent (%s), %d mounted", c.Blobs.Sent, size(c.Blobs.Bytes), c.Blobs.Mounted)
	for _, n := range c.Notes {
		p.linef("  note: %s", n)
	}
	for _, problem := range c.Problems {
		p.linef("  missing: %s", problem)
	}
	if c.Complete {
		p.linef("  complete: %d attachments, all read back", c.Attachments)
	}
}

// totals counts the objects, images first, then by the kinds of attachments.
func totals(objects []CopiedEntry) []CopiedKind {
	kinds := []string{"image"}
	for _, k := range attach.Kinds() {
		kinds = append(kinds, string(k))
	}
	all := []CopiedKind{}
	for _, name := range append(kinds, "referrers") {
		k := CopiedKind{Kind: name}
		for _, o := range objects {
			if o.Kind == name {
				k.count(o.State)
			}
		}
		if k.Sent+k.Merged+k.There+k.Failed > 0 {
			all = append(all, k)
		}
	}
	return all
}

func (k *CopiedKind) count(state string) {
	switch state {
	case transfer.Sent:
		k.Sent++
	case transfer.Merged:
		k.Merged++
	case transfer.There:
		k.There++
	default:
		k.Failed++
	}
}

// line writes the counts that are not zero: "2 sent, 1 was there".
func (k CopiedKind) line() string {
	var parts []string
	add := func(n int, what string) {
		if n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, what))
		}
	}
	add(k.Sent, "sent")
	add(k.Merged, "merged into what is there")
	add(k.There, "already there")
	add(k.Failed, "failed")
	return strings.Join(parts, ", ")
}
