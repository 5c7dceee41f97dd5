package report

import (
	"io"

	"github.com/hallmark-oci/hallmark/attach"
)

// Receipts is the answer of sign, attest and attach.
type Receipts struct {
	Images []Attached `json:"images"`
}

// Attached tells what was put beside one image.
type Attached struct {
	Image string `json:"image"`
	// Of says what was signed where it was not the image itself.
	Of      string    `json:"of,omitempty"`
	Subject string    `json:"subject"`
	Digest  string    `json:"digest"`
	Entries []Receipt `json:"entries"`
	// Error says why nothing was attached, or not all; empty when all was.
	Error string `json:"error,omitempty"`
}

// Receipt tells what became of one entry.
type Receipt struct {
	Entry
	// Existed is null where it was not asked whether the entry was there before.
	Existed *bool  `json:"existed"`
	Viewed  bool   `json:"viewed"`
	Note    string `json:"note,omitempty"`
}

// NewReceipt translates a receipt.
func NewReceipt(r attach.Receipt) Receipt {
	out := Receipt{Entry: NewEntry(r.Attachment), Existed: &r.Existed, Viewed: r.Viewed, Note: r.Note}
	if r.Unasked {
		out.Existed = nil
	}
	return out
}

func (Receipts) kind() string { return "receipts" }

func (r Receipts) text(p *printer) {
	for _, img := range r.Images {
		img.text(p)
	}
}

// A ReceiptStream prints [Receipts] while images are worked on.
type ReceiptStream struct {
	*Stream[Attached]
	images, failed int
}

// StreamReceipts returns a stream of receipts in one of the formats "text" and "json".
func StreamReceipts(w io.Writer, format string) *ReceiptStream {
	return &ReceiptStream{Stream: newStream[Attached](w, format, Receipts{}.kind())}
}

// Image prints what became of one image: of each of its manifests.
func (s *ReceiptStream) Image(manifests ...Attached) error {
	s.images++
	for _, a := range manifests {
		if a.Error != "" {
			s.failed++
		}
		if err := s.Add(a); err != nil {
			return err
		}
	}
	return nil
}

// Close ends the document. left is how many images were not looked at.
func (s *ReceiptStream) Close(left int) error {
	return s.close(receiptSums{Failed: s.failed, Left: left, images: s.images})
}

// receiptSums is what stands behind receipts.
type receiptSums struct {
	Failed int `json:"failed,omitempty"`
	Left   int `json:"left,omitempty"`
	images int
}

func (r receiptSums) text(p *printer) {
	if r.images+r.Left < 2 {
		return
	}
	p.linef("%d images: %d done, %d failed", r.images, r.images-r.Failed, r.Failed)
	if r.Left > 0 {
		p.linef("%d more were not looked at: time was up", r.Left)
	}
}

func (a Attached) text(p *printer) {
	p.linef("%s", a.Image)
	if a.Of != "" {
		p.linef("  of %s", a.Of)
	}
	if a.Digest != "" {
		p.linef("  digest %s", a.Digest)
	}
	if a.Error != "" {
		p.linef("  failed: %s", a.Error)
	}
	for _, e := range a.Entries {
		e.text(p)
	}
}

func (r Receipt) text(p *printer) {
	verb := "attached, or was there"
	if r.Existed != nil {
		verb = map[bool]string{false: "attached", true: "was there"}[*r.Existed]
	}
	p.linef("  %s: %s %s %s (%s)", verb, r.Kind, r.Type, short(r.Digest), size(r.Size))
	for _, pl := range r.Places {
		p.linef("    by %s", pl.describe())
	}
	if r.Note != "" {
		p.linef("    note: %s", r.Note)
	}
}

// Sealed is the answer of seal.
type Sealed struct {
	Image    string      `json:"image"`
	Digest   string      `json:"digest"`
	Images   []SealedOne `json:"images"`
	Verdicts []Verdict   `json:"verdicts"`
	Next     []string    `json:"next"`
}

// SealedOne tells what seal did for one manifest.
type SealedOne struct {
	Attached
	Platform  string         `json:"platform,omitempty"`
	Inventory *InventoryInfo `json:"inventory,omitempty"`
	// SignedObjects are the digests of the manifests that hold the SBOM and
	// were signed too.
	SignedObjects []string `json:"signedObjects,omitempty"`
}

func (Sealed) kind() string { return "sealed" }

func (s Sealed) text(p *printer) {
	for _, one := range s.Images {
		one.Attached.text(p)
		if one.Inventory != nil {
			p.linef("  inventory: %s", one.Inventory.line())
		}
		for _, d := range one.SignedObjects {
			p.linef("  signed too: the object %s, which holds the SBOM", d)
		}
	}
	for _, v := range s.Verdicts {
		p.linef("verified from the store: %s is %s", short(v.Digest), v.Outcome)
	}
	if len(s.Next) > 0 {
		p.linef("anyone can check it with:")
		for _, n := range s.Next {
			p.linef("  %s", n)
		}
	}
}
