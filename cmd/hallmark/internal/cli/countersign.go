package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/spf13/cobra"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/attach/cosign"
	"github.com/hallmark-oci/hallmark/sign"
	"github.com/hallmark-oci/hallmark/sign/bundle"
	"github.com/hallmark-oci/hallmark/sign/key"
	"github.com/hallmark-oci/hallmark/sign/payload"
	"github.com/hallmark-oci/hallmark/verify"
)

// A signTarget is a manifest to be signed, and what it is where it is not the
// image that the user named.
type signTarget struct {
	subject attach.Subject
	of      string
}

// stored is the group of flags of sign that choose what hangs from an image in
// place of the image.
type stored struct {
	app        *App
	counter    bool
	of         string
	entries    []string
	attachment string
}

func (s *stored) bind(cmd *cobra.Command, app *App) {
	s.app = app
	flags := cmd.Flags()
	flags.BoolVar(&s.counter, "countersign", false, "sign what is stored beside the image: the immutable journal entry of a signature")
	enum(cmd, &s.of, "of", "", kindWords(), "with --countersign, the kind of entry")
	flags.StringArrayVar(&s.entries, "entry", nil,
		"with --countersign, the entry: the beginning of its id or of its content's digest, or all; needed where there are several")
	bindAttachment(cmd, &s.attachment, "sign")
}

// bindAttachment declares --attachment as cosign's users know it.
func bindAttachment(cmd *cobra.Command, value *string, verb string) {
	cmd.Flags().StringVar(value, "attachment", "",
		verb+" the object under cosign's tag instead of the image: sbom, sig or att; it changes with every entry that is added")
}

// kindWords are the kinds that can be counter-signed, the default first.
func kindWords() []string {
	var words []string
	for _, k := range attach.Kinds() {
		words = append(words, string(k))
	}
	return words
}

// contradiction refuses flags that would have no effect together.
func (s *stored) contradiction(recursive bool, changed func(string) bool) error {
	switch {
	case s.counter && s.attachment != "":
		return usagef("--countersign signs an entry for ever, --attachment the object that shows all of them today: choose one")
	case !s.counter && (changed("of") || changed("entry")):
		return usagef("--of and --entry choose what to counter-sign: they go with --countersign")
	case recursive && (s.counter || s.attachment != ""):
		return usagef("--recursive signs the images of an index; counter-sign what hangs from each with --platform")
	}
	return nil
}

// targets returns what is to be signed, nil when it is the image itself.
func (s *stored) targets(ctx context.Context, img image) ([]signTarget, error) {
	switch {
	case s.counter:
		return s.entriesOf(ctx, img)
	case s.attachment != "":
		t, err := viewOf(ctx, img, s.attachment)
		return []signTarget{t}, err
	}
	return nil, nil
}

// viewOf returns the object under cosign's tag for the kind that the word names.
func viewOf(ctx context.Context, img image, word string) (signTarget, error) {
	kind, ok := map[string]attach.Kind{"sbom": attach.SBOM, "sig": attach.Signature, "att": attach.Attestation}[word]
	if !ok {
		return signTarget{}, usagef("--attachment %q is none of sbom, sig, att", word)
	}
	var failed error
	for a, err := range img.List(ctx, img.subject, kind) {
		if p, ok := a.Found(attach.CosignTag); err == nil && ok {
			return signTarget{
				subject: attach.Subject{Repo: img.subject.Repo, Desc: p.Manifest},
				of:      fmt.Sprintf("the object under %s as it is now: it changes with every %s that is attached", p.Tag, kind),
			}, nil
		}
		if failed == nil {
			failed = err
		}
		if err == nil {
			break // cosign's tags come first
		}
	}
	if failed != nil {
		return signTarget{}, fmt.Errorf("look for the %s of %s: %w", kind, img.subject, failed)
	}
	return signTarget{}, fmt.Errorf("nothing stands under %s in %s: %w", attach.CosignTagOf(img.subject.Desc.Digest, kind), img.subject.Repo, attach.ErrNotFound)
}

// entriesOf returns the journal entries of what was chosen. An entry that another
// tool made has none, and is put into the journal first.
func (s *stored) entriesOf(ctx context.Context, img image) ([]signTarget, error) {
	kind := attach.Kind(s.of)
	kinds := []attach.Kind{kind}
	if kind == attach.Signature || kind == attach.Attestation {
		kinds = append(kinds, attach.Artifact) // where bundles are
	}
	all, errs := attach.Collect(ctx, img, img.subject, kinds...)
	all = slices.DeleteFunc(all, func(a attach.Attachment) bool { return a.Kind != kind && bundled(a) != kind })
	errs = slices.DeleteFunc(errs, attach.Judged)
	if len(all) == 0 && len(errs) > 0 { // there may be one in a place that was not read
		return nil, fmt.Errorf("look for the %s of %s: %w", s.of, img.subject, errors.Join(errs...))
	}
	for _, err := range errs {
		s.app.notef("could not tell: %s", oneLine(err))
	}
	chosen, err := s.choose(img.name, all)
	if err != nil {
		return nil, err
	}
	var targets []signTarget
	for _, a := range chosen {
		if len(a.Immutable()) == 0 {
			if a, err = adopt(ctx, img, a); err != nil {
				return nil, err
			}
			why := "was made by another tool"
			if len(errs) > 0 {
				why = "was not found in the journal, of which not all could be read"
			}
			s.app.notef("%s %s %s: it is in the journal now", a.Kind, short(a.ID().String()), why)
		}
		holder, err := holderOf(ctx, img, a, chosen)
		if err != nil {
			return nil, err
		}
		targets = append(targets, signTarget{
			subject: attach.Subject{Repo: img.subject.Repo, Desc: holder},
			of:      fmt.Sprintf("the stored %s %s, entry %s", a.Kind, a.Desc.Digest, short(a.ID().String())),
		})
	}
	return targets, nil
}

// holderOf returns the manifest to be signed for an entry: one that holds it for ever
// and holds nothing but what was chosen. Who signs a manifest vouches for all in it,
// and who attached the entry chose what stands beside it there.
func holderOf(ctx context.Context, img image, a attach.Attachment, chosen []attach.Attachment) (v1.Descriptor, error) {
	var beside []string
	for _, p := range a.Immutable() {
		if p.Manifest.Digest == a.Desc.Digest {
			return p.Manifest, nil
		}
		m, err := img.Manifest(ctx, img.subject, p.Manifest.Digest)
		if err != nil {
			return v1.Descriptor{}, fmt.Errorf("see what %s holds beside the entry: %w", p.Manifest.Digest, err)
		}
		held, err := cosign.Parse(m.Raw)
		if err != nil {
			return v1.Descriptor{}, fmt.Errorf("see what %s holds beside the entry: %w", p.Manifest.Digest, err)
		}
		beside = nil
		for _, e := range held.Entries {
			id := e.Attachment(a.Kind, attach.Place{}).ID()
			if e.Err != nil || !slices.ContainsFunc(chosen, func(c attach.Attachment) bool { return c.ID() == id }) {
				beside = append(beside, short(id.String()))
			}
		}
		if len(beside) == 0 {
			return m.Desc, nil
		}
	}
	if len(beside) == 0 {
		return v1.Descriptor{}, fmt.Errorf("%s %s of %s has no journal entry that could be signed: %w", a.Kind, a.ID(), img.subject, attach.ErrUnconfirmed)
	}
	return v1.Descriptor{}, usagef("the journal entry of %s %s holds others too, which a signature over it would vouch for: look at them, and choose them as well with --entry: %s",
		a.Kind, short(a.ID().String()), strings.Join(beside, ", "))
}

// bundled returns what a Sigstore bundle among the referrers says that it is: a
// signature or an attestation; "" for what is no bundle or does not say.
func bundled(a attach.Attachment) attach.Kind {
	predicate := a.Annotations[sign.BundlePredicateAnnotation]
	switch {
	case !strings.HasPrefix(a.Type, bundle.MediaTypePrefix) || predicate == "":
		return ""
	case predicate == payload.Sign:
		return attach.Signature
	}
	return attach.Attestation
}

// short is as much of an identity as people need.
func short(id string) string { return id[:min(len(id), 16)] }

// choose picks the entries that --entry names, or the only one.
func (s *stored) choose(name string, all []attach.Attachment) ([]attach.Attachment, error) {
	if len(all) == 0 {
		err := fmt.Errorf("%s has no %s that could be counter-signed", name, s.of)
		s.app.notef("%v", err)
		return nil, errors.Join(err, codeError(exitNo))
	}
	if slices.Contains(s.entries, "all") || len(s.entries) == 0 && len(all) == 1 {
		return all, nil
	}
	if len(s.entries) == 0 {
		s.tell(all)
		return nil, usagef("%s has %d entries of kind %s: choose with --entry ID, or --entry all", name, len(all), s.of)
	}
	var chosen []attach.Attachment
	for _, want := range s.entries {
		var found []attach.Attachment
		for _, a := range all {
			if len(want) >= 8 && (strings.HasPrefix(a.ID().String(), want) || strings.HasPrefix(a.Desc.Digest.String(), want) || strings.HasPrefix(a.Desc.Digest.Hex, want)) {
				found = append(found, a)
			}
		}
		if len(found) != 1 {
			s.tell(all)
			return nil, usagef("--entry %s: it takes 8 characters or more and fits %d entries, not one", want, len(found))
		}
		if !slices.ContainsFunc(chosen, func(a attach.Attachment) bool { return a.ID() == found[0].ID() }) {
			chosen = append(chosen, found[0])
		}
	}
	return chosen, nil
}

// tell lists the entries to choose from.
func (s *stored) tell(all []attach.Attachment) {
	for _, a := range all {
		s.app.notef("entry %s: %s %s", short(a.ID().String()), a.Type, a.Desc.Digest)
	}
}

// adopt puts an entry of another tool into the journal.
func adopt(ctx context.Context, img image, a attach.Attachment) (attach.Attachment, error) {
	receipts, err := img.Put(ctx, attach.Parcel{Subject: img.subject, Content: attach.Content{
		Kind: a.Kind, MediaType: string(a.Desc.MediaType), Annotations: a.Annotations,
		Body: attach.Body{
			Digest: a.Desc.Digest, Size: a.Desc.Size,
			Open: func() (io.ReadCloser, error) { return img.Open(ctx, img.subject, a) },
		},
	}})
	if err != nil {
		return a, fmt.Errorf("put the %s %s of %s into the journal: %w", a.Kind, a.Desc.Digest, img.subject, err)
	}
	return receipts[0].Attachment, nil
}

// countersigners reads the keys of --countersigned-by, nil when there are none.
func (app *App) countersigners(ctx context.Context, names []string) (*verify.Counter, error) {
	if len(names) == 0 {
		return nil, nil
	}
	c := verify.Counter{Threshold: 1}
	for _, name := range names {
		k, err := key.LoadPublic(ctx, name, app.keyOptions())
		if err != nil {
			return nil, err
		}
		c.Keys = append(c.Keys, k)
	}
	return &c, nil
}
