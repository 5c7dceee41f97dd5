// Package seal is the main job of hallmark, the one place that puts its parts
// together: take the inventory of an image, attach it, attest it, sign the
// image and the objects that hold the inventory, and verify all that from the
// store, as a stranger would.
package seal

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/attach/artifact"
	"github.com/hallmark-oci/hallmark/sbom"
	"github.com/hallmark-oci/hallmark/sbom/format"
	"github.com/hallmark-oci/hallmark/sbom/scan"
	"github.com/hallmark-oci/hallmark/sign"
	"github.com/hallmark-oci/hallmark/sign/payload"
	"github.com/hallmark-oci/hallmark/verify"
)

// Options say how an image is sealed.
type Options struct {
	// Signers returns who signs one image: everything, each of them, and at least one.
	// It is called when there is something to sign.
	Signers func(context.Context) ([]sign.Signer, error)
	// Trust returns what a stranger is told who verifies what they signed.
	Trust func([]sign.Signer) (verify.Trust, error)
	// Format of the SBOM that is made.
	Format format.Format
	// Document, when set, is used as the SBOM instead of scanning.
	Document *Document
	// Annotations are signed with the image.
	Annotations map[string]string
	// Again adds signatures and statements that stand already.
	Again bool
	// Storage is where everything is kept.
	Storage attach.Storage
	// Strict has what is kept under tags kept in strict image form.
	Strict bool
	// Tool and Created go into the SBOM; see scan.Options.
	Tool    sbom.Tool
	Created time.Time
}

// A Document is an SBOM that exists.
type Document struct {
	Body   attach.Body
	Format format.Format
}

// Sealed tells what was done for one image.
type Sealed struct {
	Subject attach.Subject
	// Inventory is what the scan found, nil for a document that existed.
	Inventory *sbom.Inventory
	// SBOMs, Statements and Signatures are the receipts of what hangs from the
	// image: one for each storage and, of the last two, for each signer.
	SBOMs, Statements, Signatures []attach.Receipt
	// Holders are the manifests that hold the SBOM and were signed too.
	Holders []attach.Subject
	// Verdict is the judgement on the image, read back from the store.
	Verdict verify.Verdict
}

// Image seals one image. The error tells which step failed; the steps before it
// stand, and sealing again completes them without adding anything twice. A
// verdict other than Accept is for the caller to look at.
func Image(ctx context.Context, store attach.Store, s attach.Subject, o Options) (Sealed, error) {
	out := Sealed{Subject: s}
	doc := o.Document
	if doc == nil {
		inv, err := scan.Image(ctx, store, s, scan.Options{Tool: o.Tool, Created: o.Created})
		if err != nil {
			return out, fmt.Errorf("take the inventory: %w", err)
		}
		out.Inventory = &inv
		if doc, err = encode(inv, o.Format); err != nil {
			return out, err
		}
	}
	by, err := o.Signers(ctx)
	if err != nil {
		return out, fmt.Errorf("prepare to sign: %w", err)
	}
	if err := out.attach(ctx, store, doc, o); err != nil {
		return out, fmt.Errorf("attach the SBOM: %w", err)
	}
	if out.Statements, err = attest(ctx, store, s, doc, by, o); err != nil {
		return out, fmt.Errorf("attest the SBOM: %w", err)
	}
	if err := out.sign(ctx, store, by, o); err != nil {
		return out, err
	}
	trust, err := o.Trust(by)
	if err != nil {
		return out, err
	}
	out.Verdict, err = check(ctx, store, s, out.Holders, doc, trust, len(by))
	return out, err
}

// attach puts the SBOM beside the image.
func (out *Sealed) attach(ctx context.Context, store attach.Store, doc *Document, o Options) error {
	contents, err := artifact.SBOMs(out.Subject, doc.Body, doc.Format.MediaType(), "", o.Storage)
	if err != nil {
		return err
	}
	var parcels []attach.Parcel
	for _, c := range contents {
		c.Strict = o.Strict
		parcels = append(parcels, attach.Parcel{Subject: out.Subject, Content: c})
	}
	out.SBOMs, err = store.Put(ctx, parcels...)
	return err
}

// encode writes the inventory as a document.
func encode(inv sbom.Inventory, f format.Format) (*Document, error) {
	var buf bytes.Buffer
	if err := format.Encode(&buf, f, inv); err != nil {
		return nil, fmt.Errorf("write the SBOM as %s: %w", f, err)
	}
	// The statement holds the document without white space around it. What is
	// attached is the same bytes.
	return &Document{Body: attach.Bytes(bytes.TrimSpace(buf.Bytes())), Format: f}, nil
}

// attest signs the statement that makes the SBOM one to be trusted.
func attest(ctx context.Context, store attach.Store, s attach.Subject, doc *Document, by []sign.Signer, o Options) ([]attach.Receipt, error) {
	source := payload.Source{Size: doc.Body.Size, Open: doc.Body.Open}
	return sign.Statement(ctx, store, s, sign.StatementOptions{
		PredicateType: predicateType(doc.Format), Predicate: source, Again: o.Again, Storage: o.Storage, Strict: o.Strict,
	}, by)
}

// sign signs the image and the objects that hold the SBOM: the journal entry,
// which never changes, and the object under cosign's tag as it is now.
func (out *Sealed) sign(ctx context.Context, store attach.Store, by []sign.Signer, o Options) error {
	receipts, err := sign.Image(ctx, store, []attach.Subject{out.Subject}, by, sign.ImageOptions{
		Annotations: o.Annotations, Again: o.Again, Storage: o.Storage, Strict: o.Strict,
	})
	if err != nil {
		return fmt.Errorf("sign the image: %w", err)
	}
	out.Signatures = receipts
	for _, r := range out.SBOMs {
		for _, p := range r.Attachment.Places {
			out.hold(p.Manifest)
		}
	}
	if len(out.Holders) == 0 {
		return nil
	}
	if _, err := sign.Image(ctx, store, out.Holders, by, sign.ImageOptions{Storage: o.Storage, Strict: o.Strict}); err != nil {
		return fmt.Errorf("sign the SBOM objects: %w", err)
	}
	return nil
}

// hold adds a manifest that holds the SBOM, once.
func (out *Sealed) hold(d v1.Descriptor) {
	same := func(s attach.Subject) bool { return s.Desc.Digest == d.Digest }
	if !slices.ContainsFunc(out.Holders, same) {
		out.Holders = append(out.Holders, attach.Subject{Repo: out.Subject.Repo, Desc: d})
	}
}

// check verifies from the store what was done: all signers must have signed the
// image, the statement about its SBOM, and the objects that hold it.
func check(ctx context.Context, store attach.Store, s attach.Subject, holders []attach.Subject, doc *Document, trust verify.Trust, all int) (verify.Verdict, error) {
	signature := verify.Rule{Name: "signature", Kind: attach.Signature, Threshold: all}
	statement := verify.Rule{
		Name: "sbom", Kind: attach.Attestation, Threshold: all,
		PredicateTypes: []string{predicateType(doc.Format)},
	}
	v, err := verify.New(trust, verify.Policy{Rules: []verify.Rule{signature, statement}})
	if err != nil {
		return verify.Verdict{}, err
	}
	verdict, err := v.Verify(ctx, store, s)
	if err != nil {
		return verdict, err
	}
	if v, err = verify.New(trust, verify.Policy{Rules: []verify.Rule{signature}}); err != nil {
		return verdict, err
	}
	outcomes := []verify.Outcome{verdict.Outcome}
	for _, h := range holders {
		held, err := v.Verify(ctx, store, h)
		if err != nil {
			return verdict, err
		}
		outcomes = append(outcomes, held.Outcome)
		for _, c := range held.Checks {
			if c.Outcome != verify.Accept {
				c.Rule = fmt.Sprintf("%s of the SBOM object %s", c.Rule, h.Desc.Digest)
				verdict.Checks = append(verdict.Checks, c)
			}
		}
	}
	verdict.Outcome = verify.All(outcomes)
	return verdict, nil
}

// Index signs an index, whose images were sealed one by one, and verifies it.
func Index(ctx context.Context, store attach.Store, s attach.Subject, o Options) (Sealed, error) {
	out := Sealed{Subject: s}
	by, err := o.Signers(ctx)
	if err != nil {
		return out, fmt.Errorf("prepare to sign the index: %w", err)
	}
	receipts, err := sign.Image(ctx, store, []attach.Subject{s}, by, sign.ImageOptions{
		Annotations: o.Annotations, Again: o.Again, Storage: o.Storage, Strict: o.Strict,
	})
	if err != nil {
		return out, fmt.Errorf("sign the index: %w", err)
	}
	out.Signatures = receipts
	trust, err := o.Trust(by)
	if err != nil {
		return out, err
	}
	rule := verify.Rule{Name: "signature", Kind: attach.Signature, Threshold: len(by)}
	v, err := verify.New(trust, verify.Policy{Rules: []verify.Rule{rule}})
	if err != nil {
		return out, err
	}
	out.Verdict, err = v.Verify(ctx, store, s)
	return out, err
}

func predicateType(f format.Format) string {
	if f == format.CycloneDXJSON {
		return payload.CycloneDX
	}
	return payload.SPDX
}
