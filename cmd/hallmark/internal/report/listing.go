package report

import (
	"cmp"
	"io"
	"maps"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/hallmark-oci/hallmark/attach"
)

// Listing is the answer of list: everything that is attached to an image.
type Listing struct {
	Image  string `json:"image"`
	Digest string `json:"digest"`
	// Complete is false when a place could not be read; Errors say which.
	Complete bool    `json:"complete"`
	Entries  []Entry `json:"entries"`
	// Hidden are entries that tombstones hide from every reader.
	Hidden []Hidden `json:"hidden,omitempty"`
	// InIndex are the attestations that buildx put into the image's index.
	InIndex []InIndex `json:"inIndex,omitempty"`
	Errors  []string  `json:"errors,omitempty"`
}

// Hidden is an attachment that was removed and still stands where nothing can be
// deleted, or that somebody who may write to the repository wants taken for one.
type Hidden struct {
	Entry
	Tombstone string `json:"tombstone"`
}

// Hide adds an entry that a tombstone hides.
func (l *Listing) Hide(a attach.Attachment) {
	l.Hidden = append(l.Hidden, Hidden{NewEntry(a), a.Removed})
	slices.SortFunc(l.Hidden, func(a, b Hidden) int { return compareEntries(a.Entry, b.Entry) })
}

// InIndex is a manifest of an index that holds attestations of one of its images.
// Nobody signed it.
type InIndex struct {
	Digest     string      `json:"digest"`
	About      string      `json:"about,omitempty"` // digest of the image that it claims to be of
	Platform   string      `json:"platform,omitempty"`
	Statements []Statement `json:"statements"`
}

// Statement is an in-toto statement that nobody signed.
type Statement struct {
	PredicateType string `json:"predicateType"`
	MediaType     string `json:"mediaType"`
	Digest        string `json:"digest"`
	Size          int64  `json:"size"`
}

// NewInIndex translates a manifest of an index that holds attestations. The
// platform is that of the image that it is about, "" when not known.
func NewInIndex(c attach.Child, platform string, statements []v1.Descriptor) InIndex {
	x := InIndex{Digest: c.Subject.Desc.Digest.String(), Platform: platform, Statements: []Statement{}}
	if about, ok := c.About(); ok {
		x.About = about.String()
	}
	for _, d := range statements {
		x.Statements = append(x.Statements, Statement{
			PredicateType: d.Annotations[attach.PredicateAnnotation], MediaType: string(d.MediaType),
			Digest: d.Digest.String(), Size: d.Size,
		})
	}
	return x
}

func (x InIndex) text(p *printer) {
	about := "an image that it does not name"
	if x.About != "" {
		about = short(x.About)
	}
	if x.Platform != "" {
		about += " (" + x.Platform + ")"
	}
	p.linef("in the index, signed by nobody: %s about %s", short(x.Digest), about)
	for _, s := range x.Statements {
		p.linef("    statement %s (%s)", s.PredicateType, size(s.Size))
		p.linef("    %s", s.Digest)
	}
}

// NewListing returns the listing with its entries sorted by kind, type and
// identity. The errors are the places that could not be read.
func NewListing(image, digest string, entries []Entry, errs []error) Listing {
	l := Listing{Image: image, Digest: digest, Entries: entries, Complete: len(errs) == 0, Errors: errorTexts(errs)}
	if l.Entries == nil {
		l.Entries = []Entry{}
	}
	sortEntries(l.Entries)
	return l
}

// errorTexts returns what the errors say, sorted.
func errorTexts(errs []error) []string {
	var texts []string
	for _, err := range errs {
		texts = append(texts, Clean(err.Error()))
	}
	slices.Sort(texts)
	return texts
}

// NewSigned returns the attachments of an attachment, sorted.
func NewSigned(subject string, entries []Entry) Signed {
	sortEntries(entries)
	return Signed{Subject: subject, Entries: entries}
}

// sortEntries sorts by kind, in the order of attach.Kinds, then type, then
// identity, and what hangs from an entry by the object that holds it.
func sortEntries(entries []Entry) {
	for _, e := range entries {
		slices.SortFunc(e.SignedBy, func(a, b Signed) int { return strings.Compare(a.Subject, b.Subject) })
	}
	slices.SortFunc(entries, compareEntries)
}

func compareEntries(a, b Entry) int {
	return cmp.Or(
		cmp.Compare(kindRank(a.Kind), kindRank(b.Kind)),
		strings.Compare(a.Type, b.Type), strings.Compare(a.ID, b.ID),
	)
}

func kindRank(kind string) int { return slices.Index(attach.Kinds(), attach.Kind(kind)) }

// Entry is one attachment. Nothing about it is verified.
type Entry struct {
	Kind      string   `json:"kind"`
	Type      string   `json:"type"`
	MediaType string   `json:"mediaType"`
	Digest    string   `json:"digest"`
	Size      int64    `json:"size"`
	ID        string   `json:"id"`
	Places    []Place  `json:"places"`
	SignedBy  []Signed `json:"attachments,omitempty"`
}

// Signed is an attachment of an attachment, such as the signature over an SBOM object.
type Signed struct {
	Subject string  `json:"subject"`
	Entries []Entry `json:"entries"`
}

// NewEntry translates an attachment.
func NewEntry(a attach.Attachment) Entry {
	return Entry{
		Kind: string(a.Kind), Type: a.Type, MediaType: string(a.Desc.MediaType),
		Digest: a.Desc.Digest.String(), Size: a.Desc.Size, ID: a.ID().String(),
		Places: places(a.Places),
	}
}

func (Listing) kind() string { return "listing" }

// A ListingStream prints the listings of several images.
type ListingStream struct {
	*Stream[Listing]
	incomplete int
}

// StreamListings returns a stream of listings in one of the formats "text" and "json".
func StreamListings(w io.Writer, format string) *ListingStream {
	return &ListingStream{Stream: newStream[Listing](w, format, "listings")}
}

// Add prints the listing of the next image.
func (s *ListingStream) Add(l Listing) error {
	if s.format == "text" && s.Len() > 0 {
		s.p.linef("")
	}
	if !l.Complete {
		s.incomplete++
	}
	return s.Stream.Add(l)
}

// Close ends the document. left is how many images were not looked at.
func (s *ListingStream) Close(left int) error {
	return s.close(listingSums{Complete: s.incomplete == 0 && left == 0, Incomplete: s.incomplete, Left: left, images: s.Len()})
}

// listingSums is what stands behind listings.
type listingSums struct {
	// Complete is false when a place could not be read, or an image was not looked at.
	Complete   bool `json:"complete"`
	Incomplete int  `json:"incomplete,omitempty"`
	Left       int  `json:"left,omitempty"`
	images     int
}

func (l listingSums) text(p *printer) {
	p.linef("")
	p.linef("%d images, %d of them could not be listed completely", l.images, l.Incomplete)
	if l.Left > 0 {
		p.linef("%d more were not looked at: time was up", l.Left)
	}
}

func (l Listing) text(p *printer) {
	p.linef("%s", l.Image)
	if l.Digest != "" {
		p.linef("%s", l.Digest)
	}
	treeOf(p, "", l.Entries)
	if len(l.Entries) == 0 && l.Complete {
		p.linef("nothing is attached")
	}
	for _, h := range l.Hidden {
		p.linef("removed, hidden by %s: %s %s %s (%s)", h.Tombstone, h.Kind, h.Type, short(h.Digest), size(h.Size))
	}
	for _, x := range l.InIndex {
		x.text(p)
	}
	for _, e := range l.Errors {
		p.linef("could not tell: %s", e)
	}
	if len(l.Entries)+len(l.InIndex) > 0 {
		p.linef("nothing here is verified; see 'hallmark verify'")
	}
}

// treeOf draws entries as branches below the prefix.
func treeOf(p *printer, prefix string, entries []Entry) {
	for i, e := range entries {
		branch, below := "├── ", "│   "
		if i == len(entries)-1 {
			branch, below = "└── ", "    "
		}
		p.linef("%s%s%s %s (%s)", prefix, branch, e.Kind, e.Type, size(e.Size))
		inner := prefix + below
		p.linef("%s%s", inner, e.Digest)
		for _, pl := range e.Places {
			p.linef("%sby %s", inner, pl.describe())
		}
		for _, s := range e.SignedBy {
			p.linef("%son %s", inner, short(s.Subject))
			treeOf(p, inner, s.Entries)
		}
	}
}

func (pl Place) describe() string {
	words := []string{pl.Scheme}
	if pl.Tag != "" {
		words = append(words, pl.Tag)
	}
	if pl.Tag == "" || pl.Scheme == string(attach.Journal) {
		words = append(words, short(pl.Digest))
	}
	if pl.Form != "" {
		words = append(words, "in "+pl.Form+" form")
	}
	return strings.Join(words, " ")
}

func sortedKeys(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }
